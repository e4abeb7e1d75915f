//! One write to the API server.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, Preconditions,
};
use kube::{Api, Client};
use tidegate_controlplane_compile::{ChildKey, ChildKind};

use super::super::{NAME, answer};
use super::plan::{Action, Step};

/// Why a child object was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// There is an object of that name that somebody else made.
    #[error("there is one that is not ours (label app.kubernetes.io/managed-by); delete or rename it")]
    NotOurs,
    /// The API server refused, or could not be reached.
    #[error(transparent)]
    Api(#[from] Box<kube::Error>),
}

pub(super) async fn carry_out(client: &Client, step: &Step, action: &Action) -> Result<(), WriteError> {
    let api = api(client, &step.0);
    let name = &step.0.name;
    match action {
        Action::Apply { body, seen, .. } => {
            if seen.is_none() {
                refuse_foreign(&api, name).await?;
            }
            let params = PatchParams::apply(NAME).force();
            answer(api.patch(name, &params, &Patch::Apply(body))).await.map_err(Box::new)?;
            Ok(())
        }
        Action::Delete { uid, .. } => {
            let preconditions = Preconditions { uid: Some(uid.clone()), resource_version: None };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
            match answer(api.delete(name, &params)).await {
                Ok(_) => Ok(()),
                // gone, or another one of that name
                Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
                Err(error) => Err(Box::new(error).into()),
            }
        }
    }
}

/// The watch shows ours only: what it does not show may be somebody else's, and is not taken over.
async fn refuse_foreign(api: &Api<DynamicObject>, name: &str) -> Result<(), WriteError> {
    let found = answer(api.get_metadata_opt(name)).await.map_err(Box::new)?;
    match found {
        Some(found) if !is_ours(&found.metadata) => Err(WriteError::NotOurs),
        _ => Ok(()),
    }
}

fn is_ours(metadata: &ObjectMeta) -> bool {
    let label = metadata.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/managed-by"));
    label.is_some_and(|label| label == NAME)
}

fn api(client: &Client, key: &ChildKey) -> Api<DynamicObject> {
    let (group, version) = key.kind.api_version().split_once('/').unwrap_or(("", key.kind.api_version()));
    let gvk = GroupVersionKind::gvk(group, version, key.kind.as_str());
    let plural = match key.kind {
        ChildKind::Service => "services",
        ChildKind::EndpointSlice => "endpointslices",
        ChildKind::StatefulSet => "statefulsets",
    };
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    Api::namespaced_with(client.clone(), &key.namespace, &resource)
}
