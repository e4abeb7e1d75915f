//! Service accounts: their tokens, and kubeconfig files that carry them.

use crate::Cluster;
use crate::cluster::config;
use anyhow::Context as _;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;
use std::path::{Path, PathBuf};

const LIFETIME_SECONDS: i64 = 3_600;

/// What a token is asked for, beside its service account.
#[derive(Clone, Debug, Default)]
pub struct TokenFor {
    /// Who may take it; the API server when empty.
    pub audiences: Vec<String>,
    /// Name and UID of the pod that it is bound to, as the tokens of projected volumes are.
    pub pod: Option<(String, String)>,
}

impl Cluster {
    /// A token of a service account, valid for one hour.
    ///
    /// # Errors
    /// The API server's: most likely there is no such service account.
    pub async fn token(&self, namespace: &str, account: &str, wanted: TokenFor) -> anyhow::Result<String> {
        let bound_object_ref = wanted.pod.map(|(name, uid)| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(name),
            uid: Some(uid),
        });
        let spec = TokenRequestSpec {
            audiences: Some(wanted.audiences),
            bound_object_ref,
            expiration_seconds: Some(LIFETIME_SECONDS),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let accounts = Api::<ServiceAccount>::namespaced(self.client()?, namespace);
        let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
        answer.status.and_then(|status| status.token).context("an answer without a token")
    }

    /// A kubeconfig file of a service account, with nothing but what RBAC grants it.
    ///
    /// # Errors
    /// The API server's: most likely there is no such service account.
    pub async fn as_service_account(&self, namespace: &str, account: &str) -> anyhow::Result<PathBuf> {
        let token = self.token(namespace, account, TokenFor::default()).await?;
        let path = self.dir().join(format!("{namespace}.{account}.kubeconfig"));
        self.authority.kubeconfig(&path, self.ports.api, &json!({"token": token}))?;
        Ok(path)
    }

    /// A kubeconfig file of any user in any group, by client certificate.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn as_user(&self, user: &str, group: &str) -> anyhow::Result<PathBuf> {
        let path = self.dir().join(format!("{}.kubeconfig", user.replace([':', '/'], "-")));
        self.authority.kubeconfig(&path, self.ports.api, &self.authority.user(user, group)?)?;
        Ok(path)
    }

    /// A client of a kubeconfig file's user, for the runtime that calls this.
    ///
    /// # Errors
    /// The file is not a kubeconfig.
    pub async fn client_of(&self, kubeconfig: &Path) -> anyhow::Result<Client> {
        Ok(Client::try_from(config(kubeconfig).await?)?)
    }
}
