//! How the push port speaks TLS now: replaced when the server's certificate or the trusted authorities change, without
//! any effect on connections that are open.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, version};
use tokio::sync::watch;

use super::authority::ServerLeaf;

const HTTP2: &[u8] = b"h2";

/// The present configuration of a TLS port.
#[derive(Clone, Debug)]
pub struct ServerTls(watch::Receiver<Arc<ServerConfig>>);

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a TLS configuration: {0}")]
pub struct TlsError(String);

impl ServerTls {
    /// Follows the newest configuration.
    pub fn new(newest: watch::Receiver<Arc<ServerConfig>>) -> Self {
        Self(newest)
    }

    /// For a connection that begins now.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.borrow().clone()
    }
}

/// TLS 1.3 with this certificate. A client's certificate is asked for, need not be there, and must be good if it is.
///
/// # Errors
/// When the certificates are none.
pub fn config(leaf: &ServerLeaf, bundle: &[CertificateDer<'static>]) -> Result<ServerConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in bundle {
        roots.add(authority.clone()).map_err(|error| TlsError(error.to_string()))?;
    }
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsError(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| TlsError(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![leaf.certificate.clone()], leaf.key.clone_key())
        .map_err(|error| TlsError(error.to_string()))?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    // A resumed connection would be that of a certificate which is not looked at again.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
