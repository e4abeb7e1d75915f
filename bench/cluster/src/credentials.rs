//! The cluster's certificate authority, keys, and the kubeconfig files that carry what it issues.

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SERVER_NAMES: [&str; 4] = ["127.0.0.1", "localhost", "kubernetes.default.svc", "10.96.0.1"];

/// The certificate authority, and the directory of its files.
pub(crate) struct Authority {
    dir: PathBuf,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes the authority, the API server's certificate and the key pair of service account tokens in `dir`.
    pub(crate) fn create(dir: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, "test-cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key)?.pem();
        let authority = Self { certificate, issuer: Issuer::new(params, key), dir };
        authority.write("ca.crt", &authority.certificate)?;
        authority.serving()?;
        let tokens = KeyPair::generate()?;
        authority.write("sa.key", &tokens.serialize_pem())?;
        authority.write("sa.pub", &tokens.public_key_pem())?;
        Ok(authority)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        std::fs::write(self.file(name), text).with_context(|| format!("cannot write {name}"))
    }

    fn serving(&self) -> anyhow::Result<()> {
        let mut params = CertificateParams::new(SERVER_NAMES.map(str::to_owned))?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        self.write("apiserver.crt", &params.signed_by(&key, &self.issuer)?.pem())?;
        self.write("apiserver.key", &key.serialize_pem())
    }

    /// A client certificate for `user` in `group`, as the user part of a kubeconfig.
    pub(crate) fn user(&self, user: &str, group: &str) -> anyhow::Result<Value> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(json!({
            "client-certificate-data": BASE64_STANDARD.encode(certificate),
            "client-key-data": BASE64_STANDARD.encode(key.serialize_pem()),
        }))
    }

    /// Writes a kubeconfig for the API server at `port` with one user. It is JSON, which is YAML too.
    pub(crate) fn kubeconfig(&self, path: &Path, port: u16, user: &Value) -> anyhow::Result<()> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority-data": BASE64_STANDARD.encode(&self.certificate),
            }}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        });
        let text = serde_json::to_string_pretty(&config)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}
