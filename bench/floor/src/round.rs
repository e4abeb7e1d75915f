//! One way under load for a while.

use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::cpu::{self, Used};
use crate::peers::{self, Exchange};
use crate::relay::{self, Way};
use crate::sockets;

/// What a way took per request.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// CPU time of the thread that relays, in nanoseconds.
    pub(crate) relay: f64,
    /// The part of it that was spent in the kernel.
    pub(crate) kernel: f64,
    /// CPU time of the whole process, with both peers, in nanoseconds.
    pub(crate) process: f64,
    /// System calls of the relay.
    pub(crate) calls: f64,
}

/// Loads one way for a time.
///
/// # Errors
///
/// When the kernel does not offer the way, or the relay lost or changed a byte.
pub(crate) fn measure(
    way: Way,
    exchange: Exchange,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Cost> {
    let (clients, pairs, backends) = sockets::connect(connections)?;
    let before = cpu::of_this_process()?;
    let (requests, used, calls) = thread::scope(|scope| {
        let answering = scope.spawn(|| peers::answer(backends, exchange));
        let relaying = scope.spawn(move || -> anyhow::Result<(Used, u64)> {
            let before = cpu::of_this_thread()?;
            let calls = relay::run(way, &pairs).with_context(|| format!("{way:?}"))?;
            Ok((cpu::of_this_thread()?.since(before), calls))
        });
        let asked = peers::ask(clients, exchange, time);
        let relayed = relaying.join().expect("the relay does not panic");
        let answered = answering.join().expect("the backend does not panic");
        let (used, calls) = relayed?;
        answered?;
        anyhow::Ok((asked?, used, calls))
    })?;
    ensure!(requests > 0, "{way:?}: nothing was answered within {time:?}");
    let process = cpu::of_this_process()?.since(before);
    let per_request = |time: Duration| time.as_nanos() as f64 / requests as f64;
    Ok(Cost {
        relay: per_request(used.total()),
        kernel: per_request(used.system),
        process: per_request(process.total()),
        calls: calls as f64 / requests as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_passes_on_every_byte() {
        let exchange = Exchange { ask: 3 << 20, answer: 100_001 };
        for way in Way::ALL {
            let cost = measure(way, exchange, 5, Duration::from_millis(100))
                .expect("the peers check what they hear");
            assert!(cost.calls > 0.0, "{way:?}");
        }
    }
}
