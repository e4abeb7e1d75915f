//! Ports to listen on. Taken from below the range that the kernel gives to outgoing connections, so that a server
//! which is stopped finds its port free when it starts again.

use anyhow::Context as _;
use rand::Rng as _;
use std::net::{Ipv4Addr, TcpListener};

const RANGE: std::ops::Range<u16> = 20_000..32_000;
const TRIES: usize = 1_000;

/// `N` different ports of 127.0.0.1 on which nothing listens now.
pub(crate) fn free<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut rng = rand::rng();
    for _ in 0..TRIES {
        if held.len() == N {
            break;
        }
        let port = rng.random_range(RANGE);
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(|listener| (port, listener)));
    }
    let ports: Vec<_> = held.iter().map(|(port, _)| *port).collect();
    ports.try_into().ok().context("no free ports on 127.0.0.1")
}
