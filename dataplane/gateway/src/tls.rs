//! TLS towards clients, on a port beside the shared one. The certificate comes from files that may be replaced at any
//! time; what is said inside is served by the same pipeline as what comes in the clear.

mod certificate;
mod handshake;
mod reload;
mod rewound;
mod stats;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

pub use certificate::TlsError;
use certificate::{Digest, Pem};
pub(crate) use handshake::close;
pub(crate) use rewound::Rewound;
pub(crate) use stats::{FAILURES, TlsStats};

/// A port for clients that speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Its address; not that of the shared port.
    pub listen: SocketAddr,
    /// What it proves itself with.
    pub files: TlsFiles,
}

/// Files in PEM. Both may be replaced while they are in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, then those that issued it.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// What handshakes are answered with, and where it comes from.
pub(crate) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    /// of the files as they were at the start
    first: Digest,
}

impl Tls {
    /// Reads the files; what is wrong with them is an error here, and only here.
    pub(crate) fn load(files: &TlsFiles, stats: &TlsStats) -> Result<Self, TlsError> {
        let pem = Pem::read(files)?;
        let loaded = pem.parse(files)?;
        stats.loaded(&loaded);
        reload::announce("tls certificate loaded", files, loaded.until);
        let config = ArcSwap::new(Arc::clone(&loaded.config));
        Ok(Self { files: files.clone(), config, first: pem.digest() })
    }
}
