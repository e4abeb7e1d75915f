//! What certificates say: when they are good, and which node they name.

use rustls::pki_types::CertificateDer;
use tidegate_proto::identity::NodeName;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::rotation::Validity;

/// Bytes that are no certificate, or none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate")]
pub struct NotACertificate;

/// When it is good. One that was good before 1970 is good since then.
///
/// # Errors
/// When it cannot be read.
pub fn validity(der: &[u8]) -> Result<Validity, NotACertificate> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| NotACertificate)?;
    let validity = certificate.validity();
    let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
    Ok(Validity {
        from: seconds(validity.not_before.timestamp()),
        // the last second counts
        until: seconds(validity.not_after.timestamp()).saturating_add(1),
    })
}

/// The node that it names, if it names one and nothing else.
pub fn node(der: &[u8]) -> Option<NodeName> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = &certificate.subject_alternative_name().ok()??.value.general_names;
    match names.as_slice() {
        [GeneralName::URI(uri)] => NodeName::from_uri(uri),
        _ => None,
    }
}

/// Its public key as the bits that X.509 carries.
pub fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.public_key().subject_public_key.data.to_vec())
}

/// PEM of a certificate.
pub fn pem(der: &[u8]) -> String {
    pem::encode_config(
        &pem::Pem::new("CERTIFICATE", der),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

/// PEM of several.
pub fn bundle<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    certificates.into_iter().map(|der| pem(der)).collect()
}
