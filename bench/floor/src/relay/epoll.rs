//! epoll, level-triggered: one receive and one send for what is ready, more only when a peer reads slowly.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send};

use super::PIECE;
use crate::sockets::{Pairs, is_client, other};

/// What to do while nothing is ready.
#[derive(Clone, Copy)]
pub(super) enum Wait {
    Asleep,
    Busy,
}

/// How bytes get from a socket to the other of its connection. Each method is one system call.
pub(super) trait Carry {
    /// Takes what is there, at most a piece: how much, zero at the end.
    fn take(&mut self, pairs: &Pairs, from: usize) -> nix::Result<usize>;
    /// Gives the other socket what was taken: how much is left.
    fn give(&mut self, pairs: &Pairs, from: usize) -> nix::Result<usize>;
}

pub(super) fn run(pairs: &Pairs, carry: impl Carry, wait: Wait) -> anyhow::Result<u64> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    for number in 0..pairs.len() {
        epoll.add(pairs.socket(number), EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
    }
    let mut relay =
        Relay { pairs, carry, epoll, left: vec![0; pairs.len()], clients: pairs.len() / 2, calls: 0 };
    let timeout = match wait {
        Wait::Asleep => EpollTimeout::NONE,
        Wait::Busy => EpollTimeout::ZERO,
    };
    let mut events = [EpollEvent::empty(); 64];
    while relay.clients > 0 {
        relay.calls += 1;
        let ready = relay.epoll.wait(&mut events, timeout)?;
        for event in &events[..ready] {
            let number = usize::try_from(event.data())?;
            if event.events().contains(EpollFlags::EPOLLOUT) {
                relay.give(other(number))?;
            }
            if event.events().contains(EpollFlags::EPOLLIN) && relay.left[number] == 0 {
                relay.take(number)?;
            }
        }
    }
    Ok(relay.calls)
}

struct Relay<'a, C> {
    pairs: &'a Pairs,
    carry: C,
    epoll: Epoll,
    /// What was taken from each socket and not yet given to the other.
    left: Vec<usize>,
    clients: usize,
    calls: u64,
}

impl<C: Carry> Relay<'_, C> {
    fn take(&mut self, number: usize) -> anyhow::Result<()> {
        self.calls += 1;
        match self.carry.take(self.pairs, number) {
            Ok(0) => {
                self.clients -= usize::from(is_client(number));
                Ok(self.epoll.delete(self.pairs.socket(number))?)
            }
            Ok(_) => self.give(number),
            Err(Errno::EAGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn give(&mut self, from: usize) -> anyhow::Result<()> {
        self.calls += 1;
        let left = self.carry.give(self.pairs, from)?;
        let before = std::mem::replace(&mut self.left[from], left);
        if (before == 0) != (left == 0) {
            self.watch(from)?;
            self.watch(other(from))?;
        }
        Ok(())
    }

    /// Reads from a socket only while nothing is left of what it said, and writes only what is left for it.
    fn watch(&mut self, number: usize) -> anyhow::Result<()> {
        self.calls += 1;
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, self.left[number] == 0);
        flags.set(EpollFlags::EPOLLOUT, self.left[other(number)] > 0);
        Ok(self.epoll.modify(self.pairs.socket(number), &mut EpollEvent::new(flags, number as u64))?)
    }
}

/// Copies through one buffer; what a slow peer did not take is kept beside it.
pub(super) struct Copies {
    buffer: Vec<u8>,
    taken: usize,
    kept: Vec<Vec<u8>>,
}

impl Copies {
    pub(super) fn new(pairs: &Pairs) -> Self {
        Self { buffer: vec![0; PIECE], taken: 0, kept: vec![Vec::new(); pairs.len()] }
    }
}

impl Carry for Copies {
    fn take(&mut self, pairs: &Pairs, from: usize) -> nix::Result<usize> {
        self.taken = recv(pairs.socket(from).as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
        Ok(self.taken)
    }

    fn give(&mut self, pairs: &Pairs, from: usize) -> nix::Result<usize> {
        let kept = &mut self.kept[from];
        let all = if kept.is_empty() { &self.buffer[..self.taken] } else { kept.as_slice() };
        let sent = match send(pairs.socket(other(from)).as_raw_fd(), all, MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::EAGAIN) => 0,
            sent => sent?,
        };
        if kept.is_empty() {
            kept.extend_from_slice(&self.buffer[sent..self.taken]);
        } else {
            kept.drain(..sent);
        }
        Ok(kept.len())
    }
}
