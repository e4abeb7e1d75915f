//! Who this node is to a control plane that speaks TLS: a certificate, issued for the token of its service account,
//! renewed in time, kept for a restart. Must not know what is pushed.

mod issue;
mod kept;

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ring::rand::{SecureRandom as _, SystemRandom};
use tidegate_proto::push::backoff::Backoff;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::{Applier, Credentials, IdentityEvent, PushConfig};
use kept::{Authorities, NodeCertificate};

/// Between two attempts to renew a certificate that is still good: first and longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Largest file of authorities or of a token.
const MAX_FILE: u64 = 1 << 20;

/// The identity of a node. Shared by the stream and its renewal.
pub(super) struct NodeIdentity {
    node: String,
    url: String,
    credentials: Credentials,
    state_dir: PathBuf,
    applier: Arc<dyn Applier>,
    held: Mutex<Option<Arc<NodeCertificate>>>,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    #[error("https needs --control-plane-ca and --token-file")]
    NoCredentials,
    #[error("cannot read the authorities in {} (--control-plane-ca)", path.display())]
    ReadAuthorities { path: PathBuf, source: io::Error },
    #[error("{} (--control-plane-ca) holds no certificate in PEM: it is the ConfigMap tidegate-ca", .0.display())]
    NoAuthority(PathBuf),
    #[error("cannot read the token in {} (--token-file)", path.display())]
    ReadToken { path: PathBuf, source: io::Error },
    #[error("{} (--token-file) holds no token", .0.display())]
    NoToken(PathBuf),
    #[error("no connection for a certificate, trusting {} (--control-plane-ca)", authorities.display())]
    Connect { authorities: PathBuf, source: tonic::transport::Error },
    #[error("the control plane issues no certificate for the token in {} (--token-file): {reason}", token.display())]
    Refused { token: PathBuf, reason: String },
    #[error("no certificate in time")]
    Slow,
    #[error(
        "the token is that of node {issued}, and this is node {ours}: set --node to the name of the node that the pod runs on"
    )]
    OtherNode { issued: String, ours: String },
    #[error("the issued certificate is of no use: {0}")]
    Unusable(&'static str),
    #[error("cannot make a key")]
    Key(#[source] rcgen::Error),
}

impl NodeIdentity {
    /// Of a node whose control plane is at `url`; what an earlier process left counts.
    pub(super) fn new(
        config: &PushConfig,
        url: &str,
        credentials: Credentials,
        applier: Arc<dyn Applier>,
    ) -> Self {
        let held = kept::load(&config.state_dir).unwrap_or_else(|problem| {
            tracing::warn!(problem, "asking for another certificate");
            None
        });
        if let Some(certificate) = &held {
            applier.identity(IdentityEvent::Held { until: certificate.until() });
        }
        Self {
            node: config.node.clone(),
            url: url.to_owned(),
            credentials,
            state_dir: config.state_dir.clone(),
            applier,
            held: Mutex::new(held.map(Arc::new)),
        }
    }

    /// How to connect now: with the certificate that is held, or with a new one when it is time. A certificate that
    /// is still good does when no other is to be had.
    pub(super) async fn ready(&self) -> Result<ClientTlsConfig, IdentityError> {
        let authorities = self.authorities().await?;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let usable = held.filter(|held| held.names(&self.node) && authorities.trust(held));
        let certificate = match usable {
            Some(held) if !held.is_due(SystemTime::now()) => held,
            usable => match (self.renew().await, usable) {
                (Ok(issued), _) => issued,
                (Err(error), Some(held)) => {
                    self.failed(&error);
                    held
                }
                (Err(error), None) => {
                    self.applier.identity(IdentityEvent::Failed);
                    return Err(error);
                }
            },
        };
        let identity = Identity::from_pem(certificate.chain(), certificate.key());
        Ok(authorities.tls().identity(identity))
    }

    /// Waits until it is time for another certificate, and gets one, however often that takes.
    pub(super) async fn renewed(&self) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        let random = SystemRandom::new();
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(held) = held else { return std::future::pending().await };
        tokio::time::sleep(held.due_in(SystemTime::now())).await;
        while let Err(error) = self.renew().await {
            self.failed(&error);
            let mut bytes = [0; 4];
            // without randomness the wait is the shortest, which is no harm
            let _ = random.fill(&mut bytes);
            tokio::time::sleep(backoff.next(u32::from_ne_bytes(bytes))).await;
        }
    }

    /// Gets another certificate and keeps it.
    async fn renew(&self) -> Result<Arc<NodeCertificate>, IdentityError> {
        let issued = issue::issue(self).await?;
        let until = issued.until();
        tracing::info!(until = %rfc3339(until), "certificate of this node issued");
        let (dir, pem) = (self.state_dir.clone(), issued.clone());
        let saved = tokio::task::spawn_blocking(move || kept::save(&dir, &pem)).await;
        if let Err(error) = saved.map_err(io::Error::other).flatten() {
            let dir = self.state_dir.display();
            tracing::error!(%dir, %error, "certificate not written: a restart needs another one");
        }
        self.applier.identity(IdentityEvent::Issued { until });
        let issued = Arc::new(issued);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(issued.clone());
        Ok(issued)
    }

    fn failed(&self, error: &IdentityError) {
        self.applier.identity(IdentityEvent::Failed);
        tracing::warn!(error = super::chain(error), "certificate not renewed, the present one is still good");
    }

    /// Read at every use: kubelet replaces the file.
    async fn authorities(&self) -> Result<Authorities, IdentityError> {
        let path = self.credentials.authorities.clone();
        let pem = read(&path).await.map_err(|source| {
            let path = path.clone();
            IdentityError::ReadAuthorities { path, source }
        })?;
        Authorities::read(pem).ok_or(IdentityError::NoAuthority(path))
    }

    /// Likewise.
    async fn token(&self) -> Result<Token, IdentityError> {
        let path = self.credentials.token.clone();
        let text = read(&path).await.map_err(|source| {
            let path = path.clone();
            IdentityError::ReadToken { path, source }
        })?;
        let token = text.trim();
        if token.is_empty() { Err(IdentityError::NoToken(path)) } else { Ok(Token(token.to_owned())) }
    }
}

/// A service account token; never shown.
struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl Authorities {
    /// TLS with a server that one of them vouches for.
    fn tls(&self) -> ClientTlsConfig {
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.pem()))
    }
}

async fn read(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    let read = move || {
        let mut text = String::new();
        File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
        Ok(text)
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// For people.
fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| "never".to_owned(), |t| t.to_string())
}
