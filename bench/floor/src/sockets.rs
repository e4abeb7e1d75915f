//! Loopback connections of both sides of a relay.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

/// What a relay stands between: of each connection the socket towards the client, and that towards the backend.
pub(crate) struct Pairs(Vec<TcpStream>);

impl Pairs {
    /// How many sockets there are: two for each connection.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Even numbers are clients, and odd ones backends.
    pub(crate) fn socket(&self, number: usize) -> BorrowedFd<'_> {
        self.0[number].as_fd()
    }
}

/// The other socket of a connection.
pub(crate) fn other(number: usize) -> usize {
    number ^ 1
}

pub(crate) fn is_client(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// Connects clients and backends with a relay: the clients' ends, the relay's, the backends'.
pub(crate) fn connect(connections: usize) -> std::io::Result<(Vec<TcpStream>, Pairs, Vec<TcpStream>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (mut clients, mut pairs, mut backends) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..connections {
        let (client, facing_client) = connection(&listener)?;
        let (facing_backend, backend) = connection(&listener)?;
        clients.push(client);
        pairs.extend([facing_client, facing_backend]);
        backends.push(backend);
    }
    Ok((clients, Pairs(pairs), backends))
}

fn connection(listener: &TcpListener) -> std::io::Result<(TcpStream, TcpStream)> {
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
    }
    Ok((near, far))
}
