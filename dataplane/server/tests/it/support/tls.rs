//! Certificates of a gateway, and clients that trust them.

use super::http::Http;
use super::ports;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version::TLS13,
};

/// A certificate for this machine that vouches for itself, and its key.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The port of a gateway that speaks TLS, and its files as kubelet lays them out: links into `..data`, which is itself a
/// link to a directory that never changes.
pub(crate) struct Port {
    pub(crate) addr: SocketAddr,
    pub(crate) pair: Pair,
    dir: tempfile::TempDir,
    flags: Vec<String>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// What a client needs that trusts this certificate alone.
    pub(crate) fn trust(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        roots.add(certificate).expect("a certificate");
        let config = ClientConfig::builder_with_protocol_versions(versions);
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Port {
    pub(crate) fn new() -> Self {
        let (dir, pair, addr) =
            (tempfile::tempdir().expect("a temporary directory"), Pair::new(), ports::free());
        let path = |name: &str| dir.path().join(name).display().to_string();
        let flags = [
            "--tls-listen",
            &addr.to_string(),
            "--tls-certificate",
            &path("tls.crt"),
            "--tls-key",
            &path("tls.key"),
        ];
        let flags = flags.map(str::to_owned).into();
        let port = Self { addr, pair, dir, flags };
        port.replace(&port.pair);
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), port.dir.path().join(name)).expect("a link");
        }
        port
    }

    /// What the gateway is started with, and then `more`.
    pub(crate) fn flags<'f>(&'f self, more: &[&'f str]) -> Vec<&'f str> {
        self.flags.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }

    pub(crate) fn certificate_file(&self) -> PathBuf {
        self.dir.path().join("tls.crt")
    }

    /// Puts another certificate and its key there, in one step.
    pub(crate) fn replace(&self, pair: &Pair) {
        let dir =
            tempfile::Builder::new().prefix("..").tempdir_in(self.dir.path()).expect("a directory").keep();
        fs::write(dir.join("tls.crt"), &pair.certificate).expect("a file");
        fs::write(dir.join("tls.key"), &pair.key).expect("a file");
        let link = self.dir.path().join("..data_tmp");
        symlink(dir, &link).expect("a link");
        fs::rename(link, self.dir.path().join("..data")).expect("a link");
    }

    /// A connection over TLS 1.3 that speaks HTTP/1.1 and trusts the first certificate.
    #[track_caller]
    pub(crate) fn connect(&self) -> Http {
        self.connect_with(self.pair.trust(&[&TLS13], &["http/1.1"]))
    }

    #[track_caller]
    pub(crate) fn connect_with(&self, config: Arc<ClientConfig>) -> Http {
        Http::connect(self.addr).secured(client(config))
    }

    /// The same for tests with futures.
    pub(crate) async fn connect_async(&self, config: Arc<ClientConfig>) -> TlsStream<tokio::net::TcpStream> {
        let stream = tokio::net::TcpStream::connect(self.addr).await.expect("the port is open");
        TlsConnector::from(config).connect(name(), stream).await.expect("a handshake")
    }
}

/// A client that has said nothing yet.
pub(crate) fn client(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, name()).expect("a client")
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}
