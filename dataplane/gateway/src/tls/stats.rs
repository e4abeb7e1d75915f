//! What is counted of handshakes and certificates.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::UNIX_EPOCH;

use super::certificate::Loaded;
use crate::metrics::Tally;

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Failure {
    /// Not over in time.
    Timeout,
    /// The client left in the middle.
    ClientGone,
    /// It does not speak TLS.
    NotTls,
    /// One side did not take what the other offered, or what it sent.
    Refused,
}

/// Labels of [`Failure`], in its order.
pub(crate) const FAILURES: [&str; 4] = ["timeout", "client_gone", "not_tls", "refused"];

/// Of the port that speaks TLS.
#[derive(Debug, Default)]
pub(crate) struct TlsStats {
    pub(crate) full: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) failures: [Tally; FAILURES.len()],
    pub(crate) reloads: AtomicU64,
    pub(crate) reload_failures: AtomicU64,
    /// Seconds since 1970.
    pub(crate) until: AtomicU64,
}

impl TlsStats {
    /// Counts one; the number to be told, if a line is due.
    pub(super) fn failed(&self, why: Failure) -> Option<u64> {
        self.failures[why as usize].add()
    }

    /// A certificate is in use from now on.
    pub(super) fn loaded(&self, loaded: &Loaded) {
        let seconds = loaded.until.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        self.until.store(seconds, Relaxed);
    }
}
