//! Ports of virtual servers, which come and go with the table. Sockets are bound when a table is applied,
//! so that a port that cannot be had rejects its entry; worker threads follow the published set.

use crate::session::lock;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_proto::table::{Entry, EntryKey, Table, VirtualServerId};
use tokio::sync::watch;

/// One bound address of one virtual server.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) server: VirtualServerId,
    /// One socket for each worker thread; the kernel spreads connections over those that listen.
    pub(crate) sockets: Arc<Vec<TcpListener>>,
}

/// All ports, by address.
pub(crate) type PortSet = Arc<BTreeMap<SocketAddr, Port>>;

/// The ports that are bound.
pub(crate) struct Ports {
    workers: usize,
    takeover: bool,
    /// instead of unspecified addresses
    address: Option<IpAddr>,
    bound: Mutex<PortSet>,
    published: watch::Sender<PortSet>,
}

impl Port {
    pub(crate) fn new(server: VirtualServerId) -> Self {
        Self { server, sockets: Arc::default() }
    }
}

impl Ports {
    /// `takeover`: beside a process that listens already. `address`: where ports are bound that name none of their own.
    pub(crate) fn new(workers: usize, takeover: bool, address: Option<IpAddr>) -> Self {
        let published = watch::channel(PortSet::default()).0;
        Self { workers, takeover, address, bound: Mutex::default(), published }
    }

    /// Where this node serves what the table calls `listen`.
    pub(crate) fn local(&self, listen: SocketAddr) -> SocketAddr {
        match self.address {
            Some(ip) if listen.ip().is_unspecified() => SocketAddr::new(ip, listen.port()),
            _ => listen,
        }
    }

    /// The ports that a table asks for, by address; an address asked for twice belongs to the first.
    fn wanted(&self, table: &Table) -> (BTreeMap<SocketAddr, Port>, Vec<(EntryKey, String)>) {
        let mut wanted: BTreeMap<SocketAddr, Port> = BTreeMap::new();
        let mut refused = Vec::new();
        for entry in table.entries.values() {
            let Entry::VirtualServer(v) = &**entry else { continue };
            for addr in v.listen.iter().map(|listen| self.local(*listen)) {
                match wanted.get(&addr) {
                    // 0.0.0.0 and [::] may be one address here
                    Some(same) if same.server == v.id => {}
                    Some(other) => {
                        let reason = format!("listen: {addr} belongs to virtual server {}", other.server);
                        refused.push((entry.key(), reason));
                    }
                    None => drop(wanted.insert(addr, Port::new(v.id.clone()))),
                }
            }
        }
        (wanted, refused)
    }

    /// Binds what `table` asks for and is not bound yet. An entry whose port cannot be had gets its
    /// previous value back in `table` (or leaves it), and is named in the answer.
    pub(crate) fn plan(&self, old: &Table, table: &mut Table) -> (PortSet, Vec<(EntryKey, String)>) {
        let bound = lock(&self.bound).clone();
        let mut rejected = Vec::new();
        loop {
            let (mut wanted, mut refused) = self.wanted(table);
            for (addr, port) in &mut wanted {
                match bound.get(addr) {
                    Some(b) => port.sockets = b.sockets.clone(),
                    None => match bind(*addr, self.workers, self.takeover) {
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

/// Connections that the kernel completes ahead of the accept loop.
const BACKLOG: i32 = 4096;

/// How long the kernel keeps what a client does not take, after the gateway has given up on it.
const UNTAKEN: Duration = Duration::from_secs(60);

/// Most bytes that the kernel takes ahead of what it can send: with the pipeline's own, all that a client which
/// does not read costs.
const UNSENT: u32 = 256 * 1024;

/// Sockets on one address, one for each worker, that do not listen yet. Asks first without SO_REUSEPORT, so
/// that an address that another process serves is an error and not a share of its connections; unless that
/// share is what is wanted.
pub(crate) fn bind(addr: SocketAddr, workers: usize, takeover: bool) -> io::Result<Vec<TcpListener>> {
    let mut addr = addr;
    if !takeover {
        let probe = socket(addr)?;
        probe.bind(&addr.into())?;
        // port 0: all sockets must share the port that the first one got
        if addr.port() == 0 {
            addr = probe.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        }
    }
    (0..workers.max(1)).map(|_| bind_shared(addr)).collect()
}

/// From here on the kernel completes connections on it.
pub(crate) fn listen(bound: &TcpListener) -> io::Result<()> {
    SockRef::from(bound).listen(BACKLOG)
}

fn bind_shared(addr: SocketAddr) -> io::Result<TcpListener> {
    let s = socket(addr)?;
    s.set_reuse_port(true)?;
    // connections inherit both
    s.set_tcp_user_timeout(Some(UNTAKEN))?;
    s.set_tcp_notsent_lowat(UNSENT)?;
    s.bind(&addr.into())?;
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
