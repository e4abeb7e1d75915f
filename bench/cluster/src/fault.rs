//! What goes wrong with a cluster, on demand.

use crate::Cluster;
use anyhow::Context as _;
use kube::{Client, Config};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

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
        self.signal_apiserver(Signal::SIGSTOP).await
    }

    /// Ends [`pause_apiserver`](Self::pause_apiserver).
    ///
    /// # Errors
    /// It does not run.
    pub async fn resume_apiserver(&self) -> anyhow::Result<()> {
        self.signal_apiserver(Signal::SIGCONT).await
    }

    async fn signal_apiserver(&self, signal: Signal) -> anyhow::Result<()> {
        self.apiserver.lock().await.as_ref().context("the API server does not run")?.signal(signal)
    }

    /// Compacts etcd up to its present revision, and returns that revision: no version before it can be had any more.
    ///
    /// # Errors
    /// etcd's answer.
    pub async fn compact(&self) -> anyhow::Result<u64> {
        let url = format!("http://127.0.0.1:{}", self.ports.etcd).parse()?;
        let etcd = Client::try_from(Config::new(url))?;
        let range = json!({"key": "AA==", "count_only": true});
        let answer = post(&etcd, "/v3/kv/range", &range).await?;
        let revision = answer["header"]["revision"].as_str().context("etcd names no revision")?.to_owned();
        post(&etcd, "/v3/kv/compaction", &json!({"revision": revision, "physical": true})).await?;
        Ok(revision.parse()?)
    }
}

async fn post(etcd: &Client, path: &str, body: &Value) -> anyhow::Result<Value> {
    let request = http::Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(body)?)?;
    Ok(etcd.request(request).await?)
}
