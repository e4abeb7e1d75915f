//! Objects before a real API server: what it says of them, what it makes of them.

use std::path::PathBuf;

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tidegate_bench_cluster::{Cluster, shared};
use tidegate_controlplane_api::Kind;
use tidegate_controlplane_api::meta::GROUP;
use tokio::sync::OnceCell;

/// A namespace of one test's own.
pub(super) struct Admission {
    client: Client,
    pub(super) namespace: String,
}

/// What the API server answers: the object and the warnings beside it.
pub(super) struct Answer {
    pub(super) object: Value,
    pub(super) warnings: Vec<String>,
}

/// The cluster of this process, with the committed CRDs.
pub(super) async fn cluster() -> &'static Cluster {
    static READY: OnceCell<&'static Cluster> = OnceCell::const_new();
    let start = async || {
        let cluster = shared().await.unwrap();
        cluster.install_crds(&repository().join("deploy/crds")).await.unwrap();
        cluster
    };
    READY.get_or_init(start).await
}

/// The root of the sources.
pub(super) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// An object in its envelope; no spec if it is null.
pub(super) fn object(kind: Kind, version: &str, name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": format!("{GROUP}/{version}"), "kind": kind.as_str(), "metadata": {"name": name},
    });
    if !spec.is_null() {
        object["spec"] = spec.clone();
    }
    object
}

impl Admission {
    pub(super) async fn new(test: &str) -> Self {
        let cluster = cluster().await;
        let namespace = cluster.namespace(test).await.unwrap();
        Self { client: cluster.client().unwrap(), namespace }
    }

    /// Why the API server would not take an object: `FIELD: TEXT` each. Empty: it would. Nothing is stored.
    pub(super) async fn refusals(&self, kind: Kind, spec: &Value) -> Vec<String> {
        let uri = format!("{}?dryRun=All&fieldValidation=Strict", self.path(kind, "v1beta1"));
        let body = object(kind, "v1beta1", "x", spec).to_string().into_bytes();
        let request = http::Request::post(uri).header("content-type", "application/json").body(body).unwrap();
        match self.client.request::<Value>(request).await {
            Ok(_) => Vec::new(),
            Err(kube::Error::Api(status)) => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                let lines: Vec<_> =
                    causes.map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
                if lines.is_empty() { vec![status.message.clone()] } else { lines }
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) async fn create(&self, kind: Kind, version: &str, name: &str, spec: &Value) -> Answer {
        let uri = format!("{}?fieldValidation=Strict", self.path(kind, version));
        self.send(http::Request::post(uri), &object(kind, version, name, spec)).await
    }

    pub(super) async fn get(&self, kind: Kind, version: &str, name: &str) -> Answer {
        self.send(http::Request::get(format!("{}/{name}", self.path(kind, version))), &Value::Null).await
    }

    /// Replaces `status` of an object as it was read.
    pub(super) async fn put_status(&self, kind: Kind, name: &str, object: &Value) -> Answer {
        let uri = format!("{}/{name}/status?fieldValidation=Strict", self.path(kind, "v1beta1"));
        self.send(http::Request::put(uri), object).await
    }

    fn path(&self, kind: Kind, version: &str) -> String {
        format!("/apis/{GROUP}/{version}/namespaces/{}/{}", self.namespace, kind.plural())
    }

    async fn send(&self, request: http::request::Builder, body: &Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string().into_bytes()) };
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let response = self.client.send(request).await.unwrap();
        let (head, body) = response.into_parts();
        let object: Value = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
        assert!(head.status.is_success(), "{object:#}");
        let warnings =
            head.headers.get_all("warning").iter().map(|warning| warning.to_str().unwrap().to_owned());
        Answer { object, warnings: warnings.collect() }
    }
}
