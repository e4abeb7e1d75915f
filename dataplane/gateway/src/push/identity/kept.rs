//! Certificates as files: the node's own with its key, and those of the authorities.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use tidegate_proto::identity::NodeName;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::super::state;

/// Name of the file in the state directory: key and certificates, PEM.
const FILE: &str = "identity.pem";

const FIRST_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// A node's certificate with its key.
#[derive(Clone)]
pub(super) struct NodeCertificate {
    key: String,
    chain: String,
    leaf: CertificateDer<'static>,
    node: NodeName,
    from: SystemTime,
    until: SystemTime,
}

impl NodeCertificate {
    /// None when the certificate names no node, or is not that of the key.
    pub(super) fn new(key: String, chain: String) -> Option<Self> {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().ok()?;
        let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
        let pair = CertifiedKey::from_der(certificates.clone(), der, &default_provider());
        pair.ok()?;
        let leaf = certificates.into_iter().next()?;
        let (node, from, until) = read(&leaf)?;
        Some(Self { key, chain, leaf, node, from, until })
    }

    /// Its key, PEM.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Its certificates, its own first, PEM.
    pub(super) fn chain(&self) -> &str {
        &self.chain
    }

    /// When it expires.
    pub(super) fn until(&self) -> SystemTime {
        self.until
    }

    /// Whether it is that of this node.
    pub(super) fn names(&self, node: &str) -> bool {
        self.node.as_str() == node
    }

    /// Whether two thirds of its life are over.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        now >= self.from + self.lifetime() * 2 / 3
    }

    /// How long until it should be renewed. Never at once: where clocks differ by much, every certificate is an old one.
    pub(super) fn due_in(&self, now: SystemTime) -> Duration {
        let due = self.from + self.lifetime() * 2 / 3;
        due.duration_since(now).unwrap_or_default().max(self.lifetime() / 10)
    }

    fn lifetime(&self) -> Duration {
        self.until.duration_since(self.from).unwrap_or_default()
    }
}

impl fmt::Debug for NodeCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, until, .. } = self;
        f.debug_struct("NodeCertificate")
            .field("node", node)
            .field("until", until)
            .field("key", &"(redacted)")
            .finish()
    }
}

/// What a leaf says: its node, from when and until when it is good.
fn read(leaf: &[u8]) -> Option<(NodeName, SystemTime, SystemTime)> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let names = &certificate.subject_alternative_name().ok()??.value.general_names;
    let node = names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => NodeName::from_uri(uri),
        _ => None,
    });
    let time = |seconds: i64| Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?));
    let validity = certificate.validity();
    Some((node?, time(validity.not_before.timestamp())?, time(validity.not_after.timestamp())?))
}

/// Authorities that the node trusts.
pub(super) struct Authorities {
    pem: String,
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// None when there is no certificate in the text, or one that cannot be read.
    pub(super) fn read(pem: String) -> Option<Self> {
        let certificates = parse(&pem)?;
        (!certificates.is_empty()).then_some(Self { pem, certificates })
    }

    /// As they were read.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether the certificate is good now and one of them has signed it. What this node trusts, the control plane
    /// does: both have it from one place. A certificate of another authority would only be refused there.
    pub(super) fn trust(&self, certificate: &NodeCertificate) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.certificates.iter().cloned());
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        verifier.is_ok_and(|v| v.verify_client_cert(&certificate.leaf, &[], UnixTime::now()).is_ok())
    }

    /// Whether these are among them.
    pub(super) fn hold_all_of(&self, pem: &str) -> bool {
        parse(pem).is_none_or(|others| others.iter().all(|other| self.certificates.contains(other)))
    }
}

fn parse(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().ok()
}

/// Reads what an earlier process left; an error says what is wrong with it.
pub(super) fn load(state_dir: &Path) -> Result<Option<NodeCertificate>, String> {
    let path = state_dir.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let halves = text.find(FIRST_CERTIFICATE).map(|at| text.split_at(at));
    let certificate = halves.and_then(|(key, chain)| NodeCertificate::new(key.to_owned(), chain.to_owned()));
    certificate.map(Some).ok_or_else(|| format!("{} holds no key with its certificate", path.display()))
}

/// Writes it, for the owner only.
pub(super) fn save(state_dir: &Path, certificate: &NodeCertificate) -> io::Result<()> {
    let text = format!("{}{}", certificate.key, certificate.chain);
    state::replace(state_dir, FILE, text.as_bytes(), 0o600)?.sync_all()
}

#[cfg(test)]
mod tests;
