//! Objects that an API server is asked to take, without taking them: server-side apply with `dryRun=All`.

use std::collections::BTreeMap;

use http_body_util::BodyExt as _;
use kube::api::{
    ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, Request, Resource as _,
    ValidationDirective,
};
use kube::client::Body;
use kube::core::Status;
use kube::discovery::{Scope, pinned_kind};
use serde_json::Value;

use super::{Cluster, ClusterError};

/// As whom fields would be owned. `tidegate` itself never applies anything for users.
const FIELD_MANAGER: &str = "tidegate-validate";

/// How the kinds of an API server are named in its URLs.
#[derive(Default)]
pub(crate) struct Kinds(BTreeMap<(String, String), Option<(ApiResource, Scope)>>);

/// What an API server said to an object.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It would take it, with warnings.
    Accepted(Vec<String>),
    /// It would not.
    Refused(ClusterError),
}

impl Cluster {
    /// Whether the API server would take the object, in its own namespace or else in `namespace`.
    ///
    /// # Errors
    /// What is no answer about this object: the cluster cannot be reached or does not accept the user.
    pub(crate) async fn dry_run(
        &self,
        kinds: &mut Kinds,
        namespace: &str,
        object: &Value,
    ) -> Result<Verdict, ClusterError> {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let (resource, scope) = match self.kind(kinds, version, kind).await? {
            Some(known) => known,
            None => {
                let what = format!("{kind} in {version}");
                return Ok(Verdict::Refused(ClusterError::NotInstalled {
                    server: self.server.clone(),
                    what,
                }));
            }
        };
        let namespace = (*scope == Scope::Namespaced).then_some(namespace);
        let params = PatchParams {
            dry_run: true,
            force: true,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            // as kubectl does: what would be dropped is an error
            field_validation: Some(ValidationDirective::Strict),
        };
        let path = DynamicObject::url_path(resource, namespace);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let request = Request::new(path).patch(name, &params, &Patch::Apply(object));
        let answer = async { self.apply(request.map_err(kube::Error::BuildRequest)?).await };
        match self.ask(&format!("{}.{}", resource.plural, resource.group), answer).await {
            Ok(warnings) => Ok(Verdict::Accepted(warnings)),
            Err(error) if error.is_about_one_request() => Ok(Verdict::Refused(error)),
            Err(error) => Err(error),
        }
    }

    async fn kind<'a>(
        &self,
        kinds: &'a mut Kinds,
        version: &str,
        kind: &str,
    ) -> Result<Option<&'a (ApiResource, Scope)>, ClusterError> {
        let key = (version.to_owned(), kind.to_owned());
        if !kinds.0.contains_key(&key) {
            let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
            let wanted = GroupVersionKind::gvk(group, version, kind);
            let found = match self.ask(kind, pinned_kind(&self.client, &wanted)).await {
                Ok((resource, capabilities)) => Some((resource, capabilities.scope)),
                Err(ClusterError::NotInstalled { .. }) => None,
                Err(error) => return Err(error),
            };
            kinds.0.insert(key.clone(), found);
        }
        Ok(kinds.0.get(&key).and_then(Option::as_ref))
    }

    /// The warnings of an answer that is no error.
    async fn apply(&self, request: http::Request<Vec<u8>>) -> kube::Result<Vec<String>> {
        let answer = self.client.send(request.map(Body::from)).await?;
        let code = answer.status();
        let warnings = answer.headers().get_all(http::header::WARNING).iter();
        let warnings = warnings.filter_map(|value| quoted(value.to_str().ok()?)).collect();
        if code.is_success() {
            return Ok(warnings);
        }
        let body = answer.into_body().collect().await?.to_bytes();
        let status = serde_json::from_slice::<Status>(&body);
        let status = status.unwrap_or_else(|_| Status::failure(&String::from_utf8_lossy(&body), ""));
        Err(kube::Error::Api(Box::new(status.with_code(code.as_u16()))))
    }
}

/// The text of a Warning header: `299 - "text"`.
fn quoted(header: &str) -> Option<String> {
    let text = header.split_once('"')?.1.rsplit_once('"')?.0;
    Some(text.replace("\\\"", "\"").replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_unwrapped() {
        assert_eq!(quoted(r#"299 - "v1alpha1 is \"old\"""#).as_deref(), Some(r#"v1alpha1 is "old""#));
        assert_eq!(quoted("299 -"), None);
    }
}
