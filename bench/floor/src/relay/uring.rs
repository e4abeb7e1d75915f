//! io_uring with registered buffers and sockets: what a socket says is read into its buffer and sent to the other.
#![allow(unsafe_code, reason = "the kernel is given buffers that it reads and writes after the call")]

use std::os::fd::AsRawFd;

use anyhow::{Context, bail};
use io_uring::types::{CancelBuilder, Fixed};
use io_uring::{IoUring, cqueue, opcode, squeue};
use nix::errno::Errno;
use nix::libc::iovec;

use super::PIECE;
use crate::sockets::{Pairs, is_client, other};

/// How a buffer is sent.
#[derive(Clone, Copy)]
pub(super) enum Send {
    Copies,
    ZeroCopy,
}

pub(super) fn run(pairs: &Pairs, send: Send) -> anyhow::Result<u64> {
    let mut flows: Vec<_> = (0..pairs.len()).map(|number| Flow::new(number, send)).collect();
    // declared after the buffers: what it still does ends before they do
    let mut ring = Ring::new(pairs)?;
    let buffers: Vec<_> = flows
        .iter_mut()
        .map(|flow| iovec { iov_base: flow.buffer.as_mut_ptr().cast(), iov_len: PIECE })
        .collect();
    // SAFETY: the buffers neither move nor grow, and outlive the ring.
    unsafe { ring.ring.submitter().register_buffers(&buffers) }?;
    for flow in &mut flows {
        let receive = flow.next().context("a new flow receives")?;
        // SAFETY: as above; the entry points into its flow's buffer.
        unsafe { ring.push(&receive) };
    }
    let (mut clients, mut results) = (pairs.len() / 2, Vec::new());
    while clients > 0 {
        ring.turn(&mut results)?;
        for result in &results {
            let flow = &mut flows[usize::try_from(result.user_data())?];
            if flow.done(result)? {
                clients -= usize::from(is_client(flow.from));
            } else if let Some(next) = flow.next() {
                // SAFETY: as above.
                unsafe { ring.push(&next) };
            }
        }
    }
    Ok(ring.calls)
}

/// One direction of a connection. At most one receive or send is under way.
struct Flow {
    from: usize,
    send: Send,
    buffer: Vec<u8>,
    taken: usize,
    given: usize,
    under_way: bool,
    /// Sends after which the kernel still reads the buffer.
    lent: usize,
}

impl Flow {
    fn new(from: usize, send: Send) -> Self {
        Self { from, send, buffer: vec![0; PIECE], taken: 0, given: 0, under_way: false, lent: 0 }
    }

    /// Takes a result in; whether the socket has ended.
    fn done(&mut self, result: &cqueue::Entry) -> anyhow::Result<bool> {
        if cqueue::notif(result.flags()) {
            self.lent -= 1;
            return Ok(false);
        }
        self.under_way = false;
        let bytes = moved(result)?;
        if self.taken == 0 {
            self.taken = bytes;
            return Ok(bytes == 0);
        }
        self.given += bytes;
        self.lent += usize::from(cqueue::more(result.flags()));
        Ok(false)
    }

    /// What to ask the kernel for next, if nothing is under way.
    fn next(&mut self) -> Option<squeue::Entry> {
        let all_given = self.given == self.taken;
        if self.under_way || (all_given && self.lent > 0) {
            return None;
        }
        self.under_way = true;
        let index = u16::try_from(self.from).expect("fewer sockets than 65,536");
        let entry = if all_given {
            (self.taken, self.given) = (0, 0);
            opcode::ReadFixed::new(fixed(self.from), self.buffer.as_mut_ptr(), PIECE as u32, index).build()
        } else {
            let rest = &self.buffer[self.given..self.taken];
            let (to, length) = (fixed(other(self.from)), rest.len() as u32);
            match self.send {
                Send::Copies => opcode::WriteFixed::new(to, rest.as_ptr(), length, index).build(),
                Send::ZeroCopy => {
                    opcode::SendZc::new(to, rest.as_ptr(), length).buf_index(Some(index)).build()
                }
            }
        };
        Some(entry.user_data(self.from as u64))
    }
}

/// A ring that does its work only when its thread asks for results, as is cheapest.
pub(super) struct Ring {
    pub(super) ring: IoUring,
    /// System calls until now.
    pub(super) calls: u64,
}

impl Ring {
    pub(super) fn new(pairs: &Pairs) -> anyhow::Result<Self> {
        let entries = u32::try_from(2 * pairs.len())?.next_power_of_two();
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(entries)
            .context("io_uring with SINGLE_ISSUER and DEFER_TASKRUN, of Linux 6.1")?;
        let sockets: Vec<_> = (0..pairs.len()).map(|number| pairs.socket(number).as_raw_fd()).collect();
        ring.submitter().register_files(&sockets)?;
        Ok(Self { ring, calls: 0 })
    }

    /// Queues an operation. There are as many places as sockets, twice.
    ///
    /// # Safety
    ///
    /// What the entry points at lives as long as the ring, and nobody else uses it until the result is there.
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: as asked of the caller.
        unsafe { self.ring.submission().push(entry) }
            .expect("at most two operations are queued for a socket");
    }

    /// Hands the kernel what is queued, waits for a result, and takes all there are.
    pub(super) fn turn(&mut self, results: &mut Vec<cqueue::Entry>) -> anyhow::Result<()> {
        self.calls += 1;
        self.ring.submit_and_wait(1)?;
        results.clear();
        results.extend(self.ring.completion());
        Ok(())
    }
}

impl Drop for Ring {
    /// Ends what is under way, so that the kernel writes into no buffer after this.
    fn drop(&mut self) {
        match self.ring.submitter().register_sync_cancel(None, CancelBuilder::any()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                panic!("an operation cannot be ended: {error}")
            }
            _ => {}
        }
    }
}

/// A socket by its number among the registered ones.
pub(super) fn fixed(number: usize) -> Fixed {
    Fixed(u32::try_from(number).expect("fewer sockets than 65,536"))
}

/// The bytes that an operation moved.
pub(super) fn moved(result: &cqueue::Entry) -> anyhow::Result<usize> {
    match usize::try_from(result.result()) {
        Ok(bytes) => Ok(bytes),
        Err(_) => bail!(Errno::from_raw(-result.result())),
    }
}
