//! The two peers of a relay: one that asks in a closed loop, and one that answers. Both check what reaches them.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::ensure;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

/// How many bytes are asked with, and how many answered.
#[derive(Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) ask: usize,
    pub(crate) answer: usize,
}

/// Milliseconds after which a relay that passes nothing on has failed.
const PATIENCE: u16 = 10_000;

/// Asks on all connections for a time, and says how often it was answered.
pub(crate) fn ask(streams: Vec<TcpStream>, exchange: Exchange, time: Duration) -> anyhow::Result<u64> {
    let end = Instant::now() + time;
    let mut peers = Peers::new(streams, exchange.answer, exchange.ask)?;
    for number in 0..peers.all.len() {
        peers.say(number)?;
    }
    let (mut answered, mut asking) = (0, peers.all.len());
    while asking > 0 {
        peers.turn(|| {
            answered += 1;
            let again = Instant::now() < end;
            asking -= usize::from(!again);
            again
        })?;
    }
    Ok(answered)
}

/// Answers until all connections have ended.
pub(crate) fn answer(streams: Vec<TcpStream>, exchange: Exchange) -> anyhow::Result<()> {
    let mut peers = Peers::new(streams, exchange.ask, exchange.answer)?;
    while peers.ended < peers.all.len() {
        peers.turn(|| true)?;
    }
    Ok(())
}

struct Peers {
    all: Vec<Peer>,
    ended: usize,
    epoll: Epoll,
    buffer: Vec<u8>,
    /// How every message begins.
    text: Vec<u8>,
    hears: usize,
    says: usize,
}

struct Peer {
    stream: TcpStream,
    heard: usize,
    /// Bytes of a message that the socket has taken; all of them while nothing is being said.
    said: usize,
}

impl Peers {
    fn new(streams: Vec<TcpStream>, hears: usize, says: usize) -> anyhow::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        for (number, stream) in streams.iter().enumerate() {
            epoll.add(stream, event(EpollFlags::EPOLLIN, number))?;
        }
        Ok(Self {
            all: streams.into_iter().map(|stream| Peer { stream, heard: 0, said: says }).collect(),
            ended: 0,
            epoll,
            buffer: vec![0; 256 << 10],
            text: (0..hears.max(says)).map(|at| (at % 251) as u8).collect(),
            hears,
            says,
        })
    }

    /// Waits once and serves what is ready. After each whole message `again` tells whether to say something.
    fn turn(&mut self, mut again: impl FnMut() -> bool) -> anyhow::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let ready = self.epoll.wait(&mut events, PATIENCE)?;
        ensure!(ready > 0, "the relay passed nothing on for {PATIENCE} ms");
        for event in &events[..ready] {
            let number = usize::try_from(event.data())?;
            if event.events().contains(EpollFlags::EPOLLOUT) {
                self.write(number)?;
            }
            if event.events().contains(EpollFlags::EPOLLIN) && self.hear(number)? && again() {
                self.say(number)?;
            }
        }
        Ok(())
    }

    /// Whether a message is whole.
    fn hear(&mut self, number: usize) -> anyhow::Result<bool> {
        let peer = &mut self.all[number];
        let wanted = (self.hears - peer.heard).min(self.buffer.len());
        let read = match peer.stream.read(&mut self.buffer[..wanted]) {
            Ok(0) => {
                self.ended += 1;
                self.epoll.delete(&peer.stream)?;
                return Ok(false);
            }
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        ensure!(
            self.buffer[..read] == self.text[peer.heard..peer.heard + read],
            "the relay changed what it passed on"
        );
        peer.heard = (peer.heard + read) % self.hears;
        Ok(peer.heard == 0)
    }

    fn say(&mut self, number: usize) -> anyhow::Result<()> {
        self.all[number].said = 0;
        self.write(number)
    }

    fn write(&mut self, number: usize) -> anyhow::Result<()> {
        let peer = &mut self.all[number];
        let waited = peer.said > 0;
        while peer.said < self.says {
            match peer.stream.write(&self.text[peer.said..self.says]) {
                Ok(written) => peer.said += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let both = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT;
                    return Ok(self.epoll.modify(&peer.stream, &mut event(both, number))?);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if waited {
            self.epoll.modify(&peer.stream, &mut event(EpollFlags::EPOLLIN, number))?;
        }
        Ok(())
    }
}

fn event(flags: EpollFlags, number: usize) -> EpollEvent {
    EpollEvent::new(flags, number as u64)
}
