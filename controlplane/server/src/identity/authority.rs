//! One certificate authority: made, read from what is kept, and what it signs.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKey,
    SanType, SerialNumber, date_time_ymd,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tidegate_proto::identity::NodeName;

use super::certificate;
use super::lifetimes::Lifetimes;
use super::rotation::{Signs, Validity};

/// Longest signing request, in bytes: several times what a key on P-256 needs.
const MAX_REQUEST: usize = 4096;
/// A point on P-256: 4, x, y.
const POINT: usize = 65;

/// A certificate authority with its key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    validity: Validity,
    key: KeyPair,
}

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// The signature could not be made.
    #[error("cannot sign")]
    Sign(#[source] rcgen::Error),
}

/// Why a text is no authority. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAuthority {
    /// No certificate.
    #[error("the certificate is not PEM of X.509")]
    Certificate,
    /// No key.
    #[error("the key is not PEM of a PKCS#8 key on P-256")]
    Key,
    /// Two that do not belong together.
    #[error("the key is not that of the certificate")]
    Mismatch,
}

/// Why a signing request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No request, or a wrong signature.
    #[error("not a PKCS#10 signing request in PEM, signed with its own key")]
    Malformed,
    /// Another kind of key.
    #[error("the key must be one on P-256")]
    Key,
    /// Too long.
    #[error("longer than {MAX_REQUEST} bytes")]
    TooLong,
}

/// A certificate for this server, and its key.
pub struct ServerLeaf {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// When it is good.
    pub validity: Validity,
}

impl Authority {
    /// Makes an authority that is good from now on.
    ///
    /// # Errors
    /// Without random bytes.
    pub fn create(lifetimes: &Lifetimes, now: u64) -> Result<Self, SignError> {
        let key = KeyPair::generate().map_err(SignError::Sign)?;
        let validity = validity(now, lifetimes, lifetimes.authority());
        let mut params = params("Tidegate authority", validity)?;
        // Verifiers look for authorities by name: each has its own.
        let id = params.serial_number.as_ref().map(ToString::to_string).unwrap_or_default();
        params.distinguished_name.push(DnType::OrganizationalUnitName, id);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).map_err(SignError::Sign)?;
        let certificate = certificate.der().clone();
        let validity = certificate::validity(&certificate).unwrap_or(validity);
        Ok(Self { certificate, validity, key })
    }

    /// Reads an authority from its certificate and its key, both PEM.
    ///
    /// # Errors
    /// When they are none, or do not belong together.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Self, NoAuthority> {
        let certificate =
            CertificateDer::from_pem_slice(certificate).map_err(|_| NoAuthority::Certificate)?;
        let validity = certificate::validity(&certificate).map_err(|_| NoAuthority::Certificate)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(key).map_err(|_| NoAuthority::Key)?;
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_| NoAuthority::Key)?;
        if certificate::public_key(&certificate).as_deref() != Some(key.public_key_raw()) {
            return Err(NoAuthority::Mismatch);
        }
        Ok(Self { certificate, validity, key })
    }

    /// Its certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        certificate::pem(&self.certificate)
    }

    /// Its key as PEM: for the Secret, and for nothing else.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Signs a certificate for a client that says it is `node`; PEM.
    ///
    /// # Errors
    /// Without random bytes.
    pub fn node(
        &self,
        request: &Request,
        node: &NodeName,
        lifetimes: &Lifetimes,
        now: u64,
    ) -> Result<String, SignError> {
        let mut params = params(node.as_str(), self.leaf(lifetimes, now))?;
        params.subject_alt_names = vec![SanType::URI(node.uri().try_into().map_err(SignError::Sign)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&request.key, &self.issuer()?).map_err(SignError::Sign)?;
        Ok(certificate.pem())
    }

    /// Makes a key for a server and signs its certificate.
    ///
    /// # Errors
    /// Without random bytes, or for names that are none.
    pub fn server(
        &self,
        names: &[ServerName],
        lifetimes: &Lifetimes,
        now: u64,
    ) -> Result<ServerLeaf, SignError> {
        let key = KeyPair::generate().map_err(SignError::Sign)?;
        let mut params = params("tidegate-controlplane", self.leaf(lifetimes, now))?;
        let names = names.iter().map(ServerName::alternative);
        params.subject_alt_names = names.collect::<Result<_, _>>().map_err(SignError::Sign)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer()?).map_err(SignError::Sign)?;
        let certificate = certificate.der().clone();
        let validity = certificate::validity(&certificate).unwrap_or(self.leaf(lifetimes, now));
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(ServerLeaf { certificate, key, validity })
    }

    /// Nothing that it signs outlives it.
    fn leaf(&self, lifetimes: &Lifetimes, now: u64) -> Validity {
        let wanted = validity(now, lifetimes, lifetimes.leaf());
        Validity { from: wanted.from, until: wanted.until.min(self.validity.until) }
    }

    fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, SignError> {
        Issuer::from_ca_cert_der(&self.certificate, &self.key).map_err(SignError::Sign)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("validity", &self.validity).field("key", &"(redacted)").finish()
    }
}

impl fmt::Debug for ServerLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLeaf").field("validity", &self.validity).field("key", &"(redacted)").finish()
    }
}

impl Signs for std::sync::Arc<Authority> {
    type Trusted = CertificateDer<'static>;

    fn validity(&self) -> Validity {
        self.validity
    }

    fn trusted(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }
}

/// What a signing request is good for: its public key, and the name it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    key: PublicKey,
    /// The common name, which is not believed.
    pub wish: Option<String>,
}

impl Request {
    /// Reads a request and checks that it is signed with its own key.
    ///
    /// # Errors
    /// When it is none, or of another kind of key.
    pub fn read(pem: &str) -> Result<Self, RequestError> {
        if pem.len() > MAX_REQUEST {
            return Err(RequestError::TooLong);
        }
        let request = CertificateSigningRequestParams::from_pem(pem).map_err(|_| RequestError::Malformed)?;
        let key = request.public_key;
        let is_point = rcgen::PublicKeyData::der_bytes(&key).len() == POINT;
        if !is_point || key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(RequestError::Key);
        }
        let wish = match request.params.distinguished_name.get(&DnType::CommonName) {
            Some(rcgen::DnValue::Utf8String(name)) => Some(name.clone()),
            _ => None,
        };
        Ok(Self { key, wish })
    }
}

/// What a server is reached at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// A DNS name.
    Dns(String),
    /// An address.
    Address(IpAddr),
}

impl ServerName {
    fn alternative(&self) -> Result<SanType, rcgen::Error> {
        match self {
            Self::Dns(name) => Ok(SanType::DnsName(name.as_str().try_into()?)),
            Self::Address(address) => Ok(SanType::IpAddress(*address)),
        }
    }
}

/// From now on, or a little earlier for clocks that are late.
fn validity(now: u64, lifetimes: &Lifetimes, lives: Duration) -> Validity {
    Validity { from: now.saturating_sub(lifetimes.skew().as_secs()), until: now + lives.as_secs() }
}

fn params(common_name: &str, validity: Validity) -> Result<CertificateParams, SignError> {
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|_| SignError::Random)?;
    // a positive number of always the same length
    serial[0] = serial[0] & 0x3f | 0x40;
    let time = |at: u64| date_time_ymd(1970, 1, 1) + Duration::from_secs(at);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name.chars().take(64).collect::<String>());
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = time(validity.from);
    // the last second counts
    params.not_after = time(validity.until.saturating_sub(1));
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params)
}
