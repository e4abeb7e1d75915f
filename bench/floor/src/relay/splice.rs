//! splice(2): pages move from socket to pipe to socket and are not copied.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;

use super::PIECE;
use super::epoll::Carry;
use crate::sockets::{Pairs, other};

/// A pipe for each socket that is read.
pub(super) struct Pipes(Vec<Pipe>);

struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
    holds: usize,
}

impl Pipes {
    pub(super) fn new(pairs: &Pairs) -> anyhow::Result<Self> {
        let pipe = |_| {
            let (out, into) = pipe2(OFlag::O_NONBLOCK)?;
            fcntl(&into, FcntlArg::F_SETPIPE_SZ(i32::try_from(PIECE)?))?;
            Ok(Pipe { out, into, holds: 0 })
        };
        Ok(Self((0..pairs.len()).map(pipe).collect::<anyhow::Result<_>>()?))
    }
}

impl Carry for Pipes {
    fn take(&mut self, pairs: &Pairs, from: usize) -> nix::Result<usize> {
        let pipe = &mut self.0[from];
        pipe.holds = splice(pairs.socket(from), None, &pipe.into, None, PIECE, FLAGS)?;
        Ok(pipe.holds)
    }

    fn give(&mut self, pairs: &Pairs, from: usize) -> nix::Result<usize> {
        let pipe = &mut self.0[from];
        match splice(&pipe.out, None, pairs.socket(other(from)), None, pipe.holds, FLAGS) {
            Err(Errno::EAGAIN) => {}
            given => pipe.holds -= given?,
        }
        Ok(pipe.holds)
    }
}

const FLAGS: SpliceFFlags = SpliceFFlags::SPLICE_F_MOVE.union(SpliceFFlags::SPLICE_F_NONBLOCK);
