//! Following the files of the certificate. They are compared by what they hold: symbolic links are replaced as kubelet
//! does it, files are renamed or written in place, and clocks of files say little of any of that.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::certificate::{Digest, Loaded, Pem, TlsError, digest_of};
use super::stats::TlsStats;
use super::{Tls, TlsFiles};
use crate::metrics::inc;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(2);

/// What is known of the files' contents.
#[derive(Debug)]
struct Watch {
    served: Digest,
    /// of what was tried in vain
    refused: Option<Digest>,
    /// as the last look found them
    last: Digest,
}

impl Watch {
    fn new(served: Digest) -> Self {
        Self { served, refused: None, last: served }
    }

    /// Should these contents be tried? Not before two looks in a row have found them: who replaces two files replaces
    /// one of them first.
    fn look(&mut self, found: Digest) -> bool {
        let settled = std::mem::replace(&mut self.last, found) == found;
        if found == self.served {
            self.refused = None;
        }
        settled && found != self.served && self.refused != Some(found)
    }

    fn tried(&mut self, found: Digest, taken: bool) {
        if taken {
            (self.served, self.refused) = (found, None);
        } else {
            self.refused = Some(found);
        }
    }
}

impl Tls {
    /// Takes what the files hold, as often as that changes. What cannot be used is told once and leaves what there is
    /// in effect.
    pub(crate) async fn follow(&self, stats: &TlsStats) {
        let mut watch = Watch::new(self.first);
        loop {
            tokio::time::sleep(LOOK).await;
            let files = self.files.clone();
            // an error: the process is about to end
            let Ok(read) = tokio::task::spawn_blocking(move || Pem::read(&files)).await else { return };
            let found = match &read {
                Ok(pem) => pem.digest(),
                Err(error) => digest_of(&[chain(error).as_bytes()]),
            };
            if watch.look(found) {
                let loaded = read.and_then(|pem| pem.parse(&self.files));
                watch.tried(found, loaded.is_ok());
                self.take(loaded, stats);
            }
        }
    }

    fn take(&self, loaded: Result<Loaded, TlsError>, stats: &TlsStats) {
        match loaded {
            Ok(loaded) => {
                stats.loaded(&loaded);
                inc(&stats.reloads);
                announce("tls certificate replaced", &self.files, loaded.until);
                self.config.store(Arc::clone(&loaded.config));
            }
            Err(error) => {
                inc(&stats.reload_failures);
                let error = chain(&error);
                tracing::error!(error, "tls certificate not replaced, the present one stays in effect");
            }
        }
    }
}

/// Says which certificate is in use, and whether anybody will trust it.
pub(super) fn announce(what: &'static str, files: &TlsFiles, until: SystemTime) {
    let file = files.certificate.display();
    let shown = jiff::Timestamp::try_from(until).map_or_else(|_| "never".to_owned(), |t| t.to_string());
    if until <= SystemTime::now() {
        tracing::warn!(%file, until = shown, "{what}, and it has expired: clients will refuse it");
    } else {
        tracing::info!(%file, until = shown, "{what}");
    }
}

/// The error with what caused it.
fn chain(error: &TlsError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Digest = [1; 32];
    const B: Digest = [2; 32];
    const HALF: Digest = [3; 32];

    /// Looks and whether each led to a try, whose outcome is that of `good`.
    #[track_caller]
    fn check(found: &[Digest], good: impl Fn(Digest) -> bool, tried: &[bool]) {
        let mut watch = Watch::new(A);
        let seen: Vec<_> = found
            .iter()
            .map(|found| {
                let try_it = watch.look(*found);
                if try_it {
                    watch.tried(*found, good(*found));
                }
                try_it
            })
            .collect();
        assert_eq!(seen, tried, "{found:?}");
    }

    #[test]
    fn contents_are_tried_once_they_have_settled_and_once_only() {
        let any = |_| true;
        check(&[A, A, A], any, &[false, false, false]);
        check(&[B, B, B, B], any, &[false, true, false, false]);
        check(&[HALF, B, B, A, A], any, &[false, false, true, false, true]);
        check(&[B, A, B, A], any, &[false; 4]);
        let only_b = |found| found == B;
        check(&[HALF, HALF, HALF, HALF], only_b, &[false, true, false, false]);
        check(&[HALF, HALF, B, B, B], only_b, &[false, true, false, true, false]);
        // what was refused before is told again when something good was between
        check(&[HALF, HALF, A, HALF, HALF], only_b, &[false, true, false, false, true]);
    }
}
