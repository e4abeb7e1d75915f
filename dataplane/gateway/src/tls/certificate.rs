//! A certificate and its key: from files to what handshakes need.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::TlsFiles;

/// Largest file of certificates or of a key, bytes.
const MAX_FILE: u64 = 1 << 20;

/// What clients may choose by ALPN.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why there is no certificate, or no other one.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The chain is not there.
    #[error("cannot read {} (--tls-certificate): name a PEM file that this user may read", path.display())]
    ReadCertificate {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It has no certificate.
    #[error("{} (--tls-certificate) holds no certificate: it needs the server's in PEM, then those that issued it", .0.display())]
    NoCertificate(PathBuf),
    /// What it has is none.
    #[error("{} (--tls-certificate) is not PEM of X.509 certificates: write it anew", .0.display())]
    BadCertificate(PathBuf),
    /// The key is not there.
    #[error("cannot read {} (--tls-key): name a PEM file that this user may read", path.display())]
    ReadKey {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It has no key.
    #[error("{} (--tls-key) holds no private key: it needs one in PEM (PKCS#8, PKCS#1 or SEC1) without a passphrase", .0.display())]
    NoKey(PathBuf),
    /// It has one, of another certificate.
    #[error(
        "the key in {} (--tls-key) is not that of the first certificate in {} (--tls-certificate): give those that were made together",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The two cannot be used.
    #[error(
        "{} (--tls-certificate) and {} (--tls-key) cannot be used: RSA of 2048 bits or more, ECDSA of P-256, P-384 or P-521, and Ed25519 can",
        certificate.display(), key.display()
    )]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The system has no randomness for the keys of tickets.
    #[error("no keys for session tickets")]
    Tickets(#[source] rustls::Error),
}

/// What identifies the contents of both files.
pub(super) type Digest = [u8; SHA256_OUTPUT_LEN];

/// The contents of both files. The key is never shown: there is no `Debug`.
pub(super) struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// What can be served.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate expires.
    pub(super) until: SystemTime,
}

impl Pem {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let path = files.certificate.clone();
        let certificate = read(&path).map_err(|source| TlsError::ReadCertificate { path, source })?;
        let path = files.key.clone();
        let key = read(&path).map_err(|source| TlsError::ReadKey { path, source })?;
        Ok(Self { certificate, key })
    }

    pub(super) fn digest(&self) -> Digest {
        digest_of(&[&self.certificate, &self.key])
    }

    /// `files`: where it came from.
    pub(super) fn parse(&self, files: &TlsFiles) -> Result<Loaded, TlsError> {
        let (certificate, key) = (|| files.certificate.clone(), || files.key.clone());
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.map_err(|_| TlsError::BadCertificate(certificate()))?;
        let leaf = chain.first().ok_or_else(|| TlsError::NoCertificate(certificate()))?;
        let until = expiry(leaf).ok_or_else(|| TlsError::BadCertificate(certificate()))?;
        let secret = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NoKey(key()))?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(chain, secret));
        let mut config = config.map_err(|source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { certificate: certificate(), key: key() }
            }
            source => TlsError::Unusable { certificate: certificate(), key: key(), source },
        })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        // sessions are resumed by what clients keep: nothing is held for them here. Another certificate has other keys
        config.ticketer = Ticketer::new().map_err(TlsError::Tickets)?;
        Ok(Loaded { config: Arc::new(config), until })
    }
}

/// Of some bytes, each with its length.
pub(super) fn digest_of(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let mut digest = [0; SHA256_OUTPUT_LEN];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn expiry(leaf: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    let seconds = u64::try_from(leaf.validity().not_after.timestamp()).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
