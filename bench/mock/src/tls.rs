//! The certificate that a mock serves TLS with.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::options::Options;

/// What takes TLS connections; none where the options name no certificate.
pub(crate) fn acceptor(options: &Options) -> io::Result<Option<TlsAcceptor>> {
    let (Some(certificate), Some(key)) = (&options.tls_cert, &options.tls_key) else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|e| unreadable(certificate, &e))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, &e))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, secret);
    let mut config = config.map_err(io::Error::other)?;
    config.alpn_protocols = vec![if options.h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn unreadable(file: &Path, error: &pem::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {error}", file.display()))
}
