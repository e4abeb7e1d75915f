//! What the tests stand on: the neighbours of the data plane (a control plane, backends, clients), and the
//! data plane itself as a process.

mod answer;
pub(crate) mod control_plane;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod mcp;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod puppet;
pub(crate) mod tables;
pub(crate) mod tls;
pub(crate) mod world;

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// A bound for what must happen; passing tests never wait for it. Long, since all tests share few cores.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until there is something to give.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    finally(what, || look().ok_or("it is not so"))
}

/// The same for who can say what there was instead.
#[track_caller]
pub(crate) fn finally<T, L: Debug>(what: &str, mut look: impl FnMut() -> Result<T, L>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) => assert!(Instant::now() < until, "never: {what}; {last:?}"),
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}
