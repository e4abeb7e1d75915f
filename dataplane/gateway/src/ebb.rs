//! When many clients have gone, the memory that they took is given back to the system: an allocator keeps most of it for
//! later, in pages where a little is still in use.

use crate::state::Gateway;
use std::time::Duration;

/// Gives back what the allocator holds and does not use.
pub type Release = fn();

/// Between two looks at how many clients there are.
const LOOK: Duration = Duration::from_secs(1);

/// Fewer clients than these are not worth the trouble: some 6 KiB each.
const WORTH: usize = 256;

/// Tells when the tide of clients has gone out.
#[derive(Debug, Default)]
struct Ebb {
    /// the most since the last time
    high: usize,
    last: usize,
}

impl Ebb {
    /// Half of them have gone, and no more are going at the moment.
    fn seen(&mut self, clients: usize) -> bool {
        self.high = self.high.max(clients);
        let steady = clients >= self.last;
        self.last = clients;
        let out = steady && self.high - clients >= WORTH && clients <= self.high / 2;
        if out {
            self.high = clients;
        }
        out
    }
}

/// Looks for as long as the process runs.
pub(crate) async fn watch(gw: &Gateway, release: Release) {
    let mut ebb = Ebb::default();
    loop {
        tokio::time::sleep(LOOK).await;
        if ebb.seen(gw.clients.connections()) {
            // it goes through the whole heap: nobody's timers wait for that
            match tokio::task::spawn_blocking(release).await {
                Ok(()) => tracing::debug!("memory given back"),
                Err(error) => tracing::warn!(%error, "memory was not given back"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ebb;

    #[test]
    fn memory_is_given_back_once_after_many_have_gone() {
        let mut ebb = Ebb::default();
        let seen = [0, 1000, 800, 500, 400, 400, 400, 10, 0, 0, 300, 200, 200, 20, 20, 20];
        let when: Vec<_> = (0..).zip(seen).filter(|(_, n)| ebb.seen(*n)).map(|(at, _)| at).collect();
        // of 1,000 first 600 go, then the rest; of 300 then 280
        assert_eq!(when, [5, 9, 14]);
    }
}
