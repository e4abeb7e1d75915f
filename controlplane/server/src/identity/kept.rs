//! The authorities as the Secret keeps them, and the ConfigMap with their certificates, which gateways mount.
//!
//! `tls.crt`, `tls.key`: what signs. `next.crt`, `next.key`: what will sign. `ca.crt`: all that is trusted. Two
//! annotations say since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::authority::{Authority, NoAuthority};
use super::certificate;
use super::rotation::{Next, Rotation, Signs as _};

/// Name of the Secret and of the ConfigMap.
pub const NAME: &str = "tidegate-ca";
/// Type of the Secret.
pub const TYPE: &str = "kubernetes.io/tls";
/// Key of the bundle, in both.
pub const BUNDLE: &str = "ca.crt";
/// Most certificates in a bundle.
const MAX_BUNDLE: usize = 16;

const SIGNING: (&str, &str) = ("tls.crt", "tls.key");
const NEXT: (&str, &str) = ("next.crt", "next.key");
const SIGNING_SINCE: &str = "tidegate.dev/signing-since";
const ANNOUNCED: &str = "tidegate.dev/next-announced";

/// The authorities of a cluster.
pub type Authorities = Rotation<Arc<Authority>>;

/// Why a Secret cannot be understood. Says nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// A key of its data is missing.
    #[error("has no {0}")]
    Missing(&'static str),
    /// An authority in it is none.
    #[error("{certificate} and {key}: {source}")]
    Authority {
        /// Key of its certificate.
        certificate: &'static str,
        /// Key of its key.
        key: &'static str,
        /// Why.
        source: NoAuthority,
    },
    /// The bundle is none.
    #[error("{BUNDLE} is not PEM of 1 to {MAX_BUNDLE} certificates")]
    Bundle,
    /// An annotation is no time.
    #[error("annotation {0} is not a time as in 2026-01-31T12:00:00Z")]
    Time(&'static str),
}

/// Reads what a Secret keeps.
///
/// # Errors
/// When it is not as [`write`] leaves it.
pub fn read(secret: &Secret) -> Result<Authorities, KeptError> {
    let signing = authority(secret, SIGNING)?.ok_or(KeptError::Missing(SIGNING.0))?;
    let signing_since = time(secret, SIGNING_SINCE)?.unwrap_or(signing.validity().from);
    let next = match authority(secret, NEXT)? {
        Some(authority) => Some(Next { authority, announced: time(secret, ANNOUNCED)? }),
        None => None,
    };
    let mut authorities = Rotation { signing, signing_since, next, retired: Vec::new() };
    let present = authorities.bundle();
    let bundle = data(secret, BUNDLE).ok_or(KeptError::Missing(BUNDLE))?;
    authorities.retired = read_bundle(&bundle.0)?.into_iter().filter(|c| !present.contains(c)).collect();
    Ok(authorities)
}

/// Puts the authorities into a Secret, in place of those it keeps.
pub fn write(authorities: &Authorities, secret: &mut Secret) {
    let mut texts = BTreeMap::from([
        (SIGNING.0, authorities.signing.certificate_pem()),
        (SIGNING.1, authorities.signing.key_pem()),
        (BUNDLE, certificate::bundle(&authorities.bundle())),
    ]);
    let mut times = BTreeMap::from([(SIGNING_SINCE, authorities.signing_since)]);
    if let Some(next) = &authorities.next {
        texts.extend([(NEXT.0, next.authority.certificate_pem()), (NEXT.1, next.authority.key_pem())]);
        times.extend(next.announced.map(|at| (ANNOUNCED, at)));
    }
    let bytes = |text: String| ByteString(text.into_bytes());
    secret.data = Some(texts.into_iter().map(|(key, text)| (key.to_owned(), bytes(text))).collect());
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.remove(ANNOUNCED);
    annotations.extend(times.into_iter().map(|(key, at)| (key.to_owned(), rfc3339(at))));
}

fn authority(
    secret: &Secret,
    (certificate, key): (&'static str, &'static str),
) -> Result<Option<Arc<Authority>>, KeptError> {
    match (data(secret, certificate), data(secret, key)) {
        (Some(c), Some(k)) => match Authority::read(&c.0, &k.0) {
            Ok(authority) => Ok(Some(Arc::new(authority))),
            Err(source) => Err(KeptError::Authority { certificate, key, source }),
        },
        (None, None) => Ok(None),
        (None, Some(_)) => Err(KeptError::Missing(certificate)),
        (Some(_), None) => Err(KeptError::Missing(key)),
    }
}

fn read_bundle(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, KeptError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let bundle = read.map_err(|_| KeptError::Bundle)?;
    let valid = bundle.iter().all(|der| certificate::validity(der).is_ok());
    if valid && (1..=MAX_BUNDLE).contains(&bundle.len()) { Ok(bundle) } else { Err(KeptError::Bundle) }
}

fn data<'a>(secret: &'a Secret, key: &str) -> Option<&'a ByteString> {
    secret.data.as_ref()?.get(key)
}

fn time(secret: &Secret, annotation: &'static str) -> Result<Option<u64>, KeptError> {
    let annotations = secret.metadata.annotations.as_ref();
    let Some(text) = annotations.and_then(|a| a.get(annotation)) else { return Ok(None) };
    let time: Timestamp = text.parse().map_err(|_| KeptError::Time(annotation))?;
    Ok(Some(u64::try_from(time.as_second()).unwrap_or(0)))
}

fn rfc3339(at: u64) -> String {
    let time = i64::try_from(at).ok().and_then(|at| Timestamp::from_second(at).ok());
    time.unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests;
