//! What goes wrong with a cluster, on demand.

use crate::Cluster;
use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kube::{Client, Config};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const NOT_RUNNING: &str = "the API server does not run";

impl Cluster {
    /// Kills the API server, as a crash would. [`start_apiserver`](Self::start_apiserver) brings it back.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop_apiserver(&self) -> anyhow::Result<()> {
        match self.apiserver.lock().await.take() {
            Some(process) => process.stop(Signal::SIGKILL).await,
            None => Ok(()),
        }
    }

    /// Makes the API server accept connections and never answer, until [`resume_apiserver`](Self::resume_apiserver).
    ///
    /// # Errors
    /// It does not run.
    pub async fn pause_apiserver(&self) -> anyhow::Result<()> {
        self.apiserver.lock().await.as_ref().context(NOT_RUNNING)?.pause().await
    }

    /// Ends [`pause_apiserver`](Self::pause_apiserver).
    ///
    /// # Errors
    /// It does not run.
    pub async fn resume_apiserver(&self) -> anyhow::Result<()> {
        self.apiserver.lock().await.as_ref().context(NOT_RUNNING)?.resume()
    }

    /// Compacts etcd so that every `resourceVersion` given out so far is too old to list or watch from. Watches that run
    /// are not touched, and an API server with a watch cache serves what it remembers until it is started again.
    ///
    /// # Errors
    /// etcd's answer.
    pub async fn compact(&self) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{}", self.ports.etcd).parse()?;
        let etcd = Client::try_from(Config::new(url))?;
        // A watch from a version begins at the one after it. That is lost only when there are two more.
        let key = BASE64_STANDARD.encode("test-cluster/compacted");
        let put = json!({"key": key, "value": ""});
        post(&etcd, "/v3/kv/put", &put).await?;
        let answer = post(&etcd, "/v3/kv/put", &put).await?;
        let revision = &answer["header"]["revision"];
        post(&etcd, "/v3/kv/compaction", &json!({"revision": revision, "physical": true})).await?;
        Ok(())
    }
}

async fn post(etcd: &Client, path: &str, body: &Value) -> anyhow::Result<Value> {
    let request = http::Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(body)?)?;
    Ok(etcd.request(request).await?)
}
