//! Ports of virtual servers, which come and go with the table. Sockets are bound when a table is applied,
//! so that a port that cannot be had rejects its entry; worker threads follow the published set.

use crate::session::lock;
use crate::state::wanted_ports;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use tidegate_proto::table::{EntryKey, Table, VirtualServerId};
use tokio::sync::watch;

/// One bound address of one virtual server.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) server: VirtualServerId,
    /// One listening socket for each worker thread; the kernel spreads connections over them.
    pub(crate) sockets: Arc<Vec<TcpListener>>,
}

/// All ports, by address.
pub(crate) type PortSet = Arc<BTreeMap<SocketAddr, Port>>;

/// The ports that are bound.
pub(crate) struct Ports {
    workers: usize,
    bound: Mutex<PortSet>,
    published: watch::Sender<PortSet>,
}

impl Port {
    pub(crate) fn new(server: VirtualServerId) -> Self {
        Self { server, sockets: Arc::default() }
    }
}

impl Ports {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers, bound: Mutex::default(), published: watch::channel(PortSet::default()).0 }
    }

    /// Binds what `table` asks for and is not bound yet. An entry whose port cannot be had gets its
    /// previous value back in `table` (or leaves it), and is named in the answer.
    pub(crate) fn plan(&self, old: &Table, table: &mut Table) -> (PortSet, Vec<(EntryKey, String)>) {
        let bound = lock(&self.bound).clone();
        let mut rejected = Vec::new();
        loop {
            let (mut wanted, mut refused) = wanted_ports(table);
            for (addr, port) in &mut wanted {
                match bound.get(addr) {
                    Some(b) => port.sockets = b.sockets.clone(),
                    None => match listen(*addr, self.workers) {
                        Ok(sockets) => port.sockets = Arc::new(sockets),
                        Err(e) => {
                            let key = EntryKey::VirtualServer(port.server.clone());
                            refused.push((key, format!("listen: cannot bind {addr}: {e}")));
                        }
                    },
                }
            }
            if refused.is_empty() {
                return (Arc::new(wanted), rejected);
            }
            // what is refused falls back once; a previous value that is refused too leaves the table
            for (key, reason) in refused {
                let again = rejected.iter().any(|(k, _)| *k == key);
                match old.entries.get(&key) {
                    Some(previous) if !again => table.entries.insert(key.clone(), previous.clone()),
                    _ => table.entries.remove(&key),
                };
                if !again {
                    rejected.push((key, reason));
                }
            }
        }
    }

    pub(crate) fn publish(&self, ports: PortSet) {
        *lock(&self.bound) = ports.clone();
        self.published.send_replace(ports);
    }

    pub(crate) fn close(&self) {
        self.publish(PortSet::default());
    }

    pub(crate) fn watch(&self) -> watch::Receiver<PortSet> {
        self.published.subscribe()
    }
}

/// Listening sockets on one address, one for each worker. Asks first without SO_REUSEPORT, so that an
/// address that another process serves is an error and not a share of its connections.
pub(crate) fn listen(addr: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    let probe = socket(addr)?;
    probe.bind(&addr.into())?;
    // port 0: all sockets must share the port that the first one got
    let addr = if addr.port() == 0 {
        probe.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?
    } else {
        addr
    };
    drop(probe);
    (0..workers.max(1)).map(|_| listener(addr)).collect()
}

fn listener(addr: SocketAddr) -> io::Result<TcpListener> {
    let s = socket(addr)?;
    s.set_reuse_port(true)?;
    s.bind(&addr.into())?;
    s.listen(4096)?;
    Ok(s.into())
}

fn socket(addr: SocketAddr) -> io::Result<Socket> {
    let s = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    s.set_reuse_address(true)?;
    s.set_nonblocking(true)?;
    if addr.is_ipv6() {
        s.set_only_v6(false)?;
    }
    Ok(s)
}
