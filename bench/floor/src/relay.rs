//! The relay, by each way to wait for bytes and to move them. It passes on what comes and looks at none of it.

mod epoll;
mod multishot;
mod splice;
mod uring;

use std::fmt;

use clap::ValueEnum;

use crate::sockets::Pairs;

/// How bytes are waited for and moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Waits with epoll, and copies with recv and send
    Epoll,
    /// As epoll, but asks again and again instead of sleeping
    Busy,
    /// Waits with epoll, and moves pages through a pipe
    Splice,
    /// io_uring, with registered buffers and sockets
    Uring,
    /// io_uring: one receive for all that will come, into a ring of buffers
    Multishot,
    /// io_uring as above, sending without a copy
    ZeroCopy,
}

impl Way {
    pub(crate) const ALL: [Self; 6] =
        [Self::Epoll, Self::Busy, Self::Splice, Self::Uring, Self::Multishot, Self::ZeroCopy];
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no way is hidden");
        f.write_str(value.get_name())
    }
}

/// What is read at once at most, as in the gateway.
const PIECE: usize = 64 << 10;

/// Relays until all clients have ended, and says how many system calls that took.
///
/// # Errors
///
/// When a system call fails, for instance since the kernel does not offer it.
pub(crate) fn run(way: Way, pairs: &Pairs) -> anyhow::Result<u64> {
    match way {
        Way::Epoll => epoll::run(pairs, epoll::Copies::new(pairs), epoll::Wait::Asleep),
        Way::Busy => epoll::run(pairs, epoll::Copies::new(pairs), epoll::Wait::Busy),
        Way::Splice => epoll::run(pairs, splice::Pipes::new(pairs)?, epoll::Wait::Asleep),
        Way::Uring => uring::run(pairs, uring::Send::Copies),
        Way::ZeroCopy => uring::run(pairs, uring::Send::ZeroCopy),
        Way::Multishot => multishot::run(pairs),
    }
}
