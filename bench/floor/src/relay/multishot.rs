//! io_uring with one receive for all that a socket will say, into a ring of buffers that the kernel picks from.
#![allow(unsafe_code, reason = "the kernel picks buffers from a ring in memory that both write to")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::{cqueue, opcode, squeue, types::BufRingEntry};
use nix::errno::Errno;

use super::PIECE;
use super::uring::{Ring, fixed, moved};
use crate::sockets::{Pairs, is_client, other};

const GROUP: u16 = 0;
/// As many as a page has room for.
const BUFFERS: u16 = 256;

pub(super) fn run(pairs: &Pairs) -> anyhow::Result<u64> {
    let mut buffers = Buffers::new();
    // declared after the buffers: what it still does ends before they do
    let ring = Ring::new(pairs)?;
    // SAFETY: the entries neither move nor end before the ring.
    unsafe { ring.ring.submitter().register_buf_ring_with_flags(buffers.address(), BUFFERS, GROUP, 0) }?;
    (0..BUFFERS).for_each(|id| buffers.give_back(id));
    let flows = vec![VecDeque::new(); pairs.len()];
    let mut relay = Relay { ring, buffers: &mut buffers, flows, deaf: Vec::new(), clients: pairs.len() / 2 };
    (0..pairs.len()).for_each(|from| relay.receive(from));
    let mut results = Vec::new();
    while relay.clients > 0 {
        relay.ring.turn(&mut results)?;
        for result in &results {
            let number = usize::try_from(result.user_data() >> 1)?;
            if result.user_data() & 1 == RECEIVED {
                relay.received(number, result)?;
            } else {
                relay.sent(number, moved(result)?);
            }
        }
    }
    Ok(relay.ring.calls)
}

const RECEIVED: u64 = 0;
const SENT: u64 = 1;

/// A part of a buffer that is still to be sent.
#[derive(Clone)]
struct Piece {
    buffer: u16,
    from: usize,
    to: usize,
}

struct Relay<'a> {
    ring: Ring,
    buffers: &'a mut Buffers,
    /// What each socket said and the other was not yet sent; the first piece is being sent.
    flows: Vec<VecDeque<Piece>>,
    /// Sockets for which there was no buffer.
    deaf: Vec<usize>,
    clients: usize,
}

impl Relay<'_> {
    fn receive(&mut self, from: usize) {
        let entry = opcode::RecvMulti::new(fixed(from), GROUP).build();
        self.push(&entry.user_data((from as u64) << 1 | RECEIVED));
    }

    fn received(&mut self, from: usize, result: &cqueue::Entry) -> anyhow::Result<()> {
        if result.result() == -(Errno::ENOBUFS as i32) {
            self.deaf.push(from);
            return Ok(());
        }
        let bytes = moved(result)?;
        if let Some(buffer) = cqueue::buffer_select(result.flags()) {
            self.flows[from].push_back(Piece { buffer, from: 0, to: bytes });
            if self.flows[from].len() == 1 {
                self.send(from);
            }
        }
        if bytes == 0 {
            self.clients -= usize::from(is_client(from));
        } else if !cqueue::more(result.flags()) {
            self.receive(from);
        }
        Ok(())
    }

    fn send(&mut self, from: usize) {
        let Some(piece) = self.flows[from].front() else { return };
        let bytes = &self.buffers.bytes(piece.buffer)[piece.from..piece.to];
        let entry = opcode::Send::new(fixed(other(from)), bytes.as_ptr(), bytes.len() as u32).build();
        self.push(&entry.user_data((from as u64) << 1 | SENT));
    }

    fn sent(&mut self, from: usize, bytes: usize) {
        let Some(piece) = self.flows[from].front_mut() else { return };
        piece.from += bytes;
        if piece.from == piece.to {
            self.buffers.give_back(piece.buffer);
            self.flows[from].pop_front();
            std::mem::take(&mut self.deaf).into_iter().for_each(|deaf| self.receive(deaf));
        }
        self.send(from);
    }

    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: an entry points at nothing, or into a buffer that is given back only once it was sent; buffers outlive
        // the ring.
        unsafe { self.ring.push(entry) };
    }
}

/// Buffers and the ring in which the kernel is told of free ones.
struct Buffers {
    all: Vec<u8>,
    free: Box<Page>,
    tail: u16,
}

#[repr(C, align(4096))]
struct Page([u8; 4096]);

impl Buffers {
    fn new() -> Self {
        Self { all: vec![0; usize::from(BUFFERS) * PIECE], free: Box::new(Page([0; 4096])), tail: 0 }
    }

    fn address(&mut self) -> u64 {
        self.free.0.as_mut_ptr() as u64
    }

    fn bytes(&self, id: u16) -> &[u8] {
        &self.all[usize::from(id) * PIECE..][..PIECE]
    }

    fn give_back(&mut self, id: u16) {
        let address = self.all[usize::from(id) * PIECE..].as_mut_ptr() as u64;
        let entries = self.free.0.as_mut_ptr().cast::<BufRingEntry>();
        // SAFETY: the page has room for as many entries as there are buffers, is aligned for them, and all bits zero is
        // an entry; the kernel reads it only once the tail, a part of the first entry that nothing else writes, says so.
        unsafe {
            let entry = &mut *entries.add(usize::from(self.tail % BUFFERS));
            entry.set_addr(address);
            entry.set_len(PIECE as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            AtomicU16::from_ptr(BufRingEntry::tail(entries).cast_mut()).store(self.tail, Ordering::Release);
        }
    }
}
