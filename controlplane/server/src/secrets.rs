//! One Secret of the control plane's own namespace: read, made, replaced. Of several writers one wins; the others are
//! told, and read again.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};

/// Label of what the control plane keeps for itself.
const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "tidegate");

/// A Secret by its name.
#[derive(Clone)]
pub struct SecretCell {
    api: Api<Secret>,
    name: &'static str,
    namespace: String,
}

/// Why a Secret is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Another writer was first: read again.
    #[error("another replica has changed the Secret {namespace}/{name}")]
    Conflict {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: &'static str,
    },
    /// The API server does not answer, or refuses.
    #[error("cannot {verb} the Secret {namespace}/{name}: {reason}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: &'static str,
        /// Why, without anything of its content.
        reason: String,
    },
}

impl SecretCell {
    /// The Secret `name` in `namespace`, whether there is one or not.
    pub fn new(client: kube::Client, namespace: &str, name: &'static str) -> Self {
        Self { api: Api::namespaced(client, namespace), name, namespace: namespace.to_owned() }
    }

    /// Reads it; none: there is none.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn read(&self) -> Result<Option<Secret>, SecretError> {
        self.api.get_opt(self.name).await.map_err(|error| self.error("read", &error))
    }

    /// An object to fill and to [`write`](Self::write).
    pub fn empty(&self, r#type: &str) -> Secret {
        let metadata = ObjectMeta {
            name: Some(self.name.to_owned()),
            namespace: Some(self.namespace.clone()),
            labels: Some([(PART_OF.0.to_owned(), PART_OF.1.to_owned())].into()),
            ..ObjectMeta::default()
        };
        Secret { metadata, type_: Some(r#type.to_owned()), ..Secret::default() }
    }

    /// Replaces what was read, or makes what was not there.
    ///
    /// # Errors
    /// [`SecretError::Conflict`] when it is not any more as it was read.
    pub async fn write(&self, secret: &Secret) -> Result<(), SecretError> {
        let params = PostParams::default();
        let (verb, written, second): (_, _, fn(&kube::Error) -> bool) = match secret.metadata.resource_version
        {
            Some(_) => ("update", self.api.replace(self.name, &params, secret).await, is_outdated),
            None => ("create", self.api.create(&params, secret).await, is_there),
        };
        match written {
            Ok(_) => Ok(()),
            Err(error) if second(&error) => {
                Err(SecretError::Conflict { namespace: self.namespace.clone(), name: self.name })
            }
            Err(error) => Err(self.error(verb, &error)),
        }
    }

    /// `NAMESPACE/NAME`, for people.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn error(&self, verb: &'static str, error: &kube::Error) -> SecretError {
        let namespace = self.namespace.clone();
        SecretError::Api { verb, namespace, name: self.name, reason: reason(error) }
    }
}

/// Whether an update came second: the object has changed or has gone.
pub fn is_outdated(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict() || status.is_not_found())
}

/// Whether a creation came second.
pub fn is_there(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_already_exists())
}

/// Why a call failed, in words that cannot quote a Secret or a token.
pub fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        // quotes what it could not read
        kube::Error::SerdeError(_) => "the API server's answer cannot be read".to_owned(),
        other => chain(other),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        source = cause.source();
    }
    words
}
