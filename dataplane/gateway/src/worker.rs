//! The worker threads: each is a Pingora service with one thread, its own listening sockets and its own
//! upstream connections. The shared port, the one that speaks TLS and the ports of virtual servers are accepted by the
//! same loop.

use crate::app;
use crate::clients::{Place, What};
use crate::conn::{Peer, Site};
use crate::idle::{self, Wakeable};
use crate::local::local;
use crate::metrics::inc;
use crate::ports::{self, Port, PortSet};
use crate::refuse::Porter;
use crate::state::Gateway;
use crate::tls::Tls;
use async_trait::async_trait;
use pingora_core::server::{ListenFds, ShutdownWatch};
use pingora_core::services::Service;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_proto::table::VirtualServerId;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// How long a process that takes over waits for its backends before it takes connections.
const WARM: Duration = Duration::from_secs(10);

/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// What an accept loop waits when the process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// One worker thread.
pub(crate) struct Worker {
    gw: Arc<Gateway>,
    index: usize,
    name: String,
    fixed: Option<Fixed>,
    porter: Arc<Porter>,
}

/// The sockets that a worker has from its start to its end.
pub(crate) struct Fixed {
    /// Of the shared port.
    pub(crate) shared: TcpListener,
    /// Of the port that speaks TLS, with what it takes.
    pub(crate) tls: Option<(TcpListener, Arc<Tls>)>,
}

impl Worker {
    pub(crate) fn new(gw: Arc<Gateway>, index: usize, fixed: Fixed, porter: Arc<Porter>) -> Self {
        Self { gw, index, name: format!("mcp-{index}"), fixed: Some(fixed), porter }
    }
}

#[async_trait]
impl Service for Worker {
    async fn start_service(&mut self, _fds: Option<ListenFds>, _shutdown: ShutdownWatch, _per_fd: usize) {
        let Some(Fixed { shared, tls }) = self.fixed.take() else { return };
        let mut stops = self.gw.drain.stops();
        if self.gw.options.takeover {
            tokio::select! {
                () = warm(&self.gw) => {}
                _ = stops.wait_for(|s| *s) => return,
            }
        }
        let mut set = PortTasks { worker: self, tasks: HashMap::new() };
        let fixed = [
            set.accept(None, shared, None),
            tls.and_then(|(socket, tls)| set.accept(None, socket, Some(tls))),
        ];
        let mut ports = self.gw.ports.watch();
        let mut sweep = tokio::time::interval(Duration::from_secs(1));
        set.follow(&ports.borrow_and_update().clone());
        self.gw.drain.opened();
        loop {
            tokio::select! {
                changed = ports.changed() => match changed {
                    // the ports that a drain closes are ended by their own loops
                    Ok(()) if self.gw.drain.is_stopping() => {}
                    Ok(()) => set.follow(&ports.borrow_and_update().clone()),
                    Err(_) => break,
                },
                _ = sweep.tick() => {
                    self.gw.sessions.tick();
                    local(|l| l.pool.sweep(Instant::now()));
                }
                _ = stops.wait_for(|s| *s) => break,
            }
        }
        for task in fixed.into_iter().flatten().chain(set.tasks.into_values().map(|(_, task)| task)) {
            // an error: it was aborted, which closes its socket too
            let _ = task.await;
        }
        let _ = self.gw.draining().wait_for(|d| *d).await;
        idle::wake_all();
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

/// Waits for a table, then for its backends as long as is reasonable.
async fn warm(gw: &Gateway) {
    let mut since = None;
    while !gw.warm() {
        if gw.configured() && since.get_or_insert_with(Instant::now).elapsed() > WARM {
            tracing::warn!("not every backend has answered, taking over without them");
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The accept loops of the ports that come and go.
struct PortTasks<'w> {
    worker: &'w Worker,
    tasks: HashMap<SocketAddr, (VirtualServerId, JoinHandle<()>)>,
}

impl PortTasks<'_> {
    fn follow(&mut self, ports: &PortSet) {
        self.tasks.retain(|addr, (server, task)| {
            let stays = ports.get(addr).is_some_and(|p| p.server == *server);
            if !stays {
                task.abort();
            }
            stays
        });
        for (addr, port) in ports.iter() {
            if self.tasks.contains_key(addr) {
                continue;
            }
            if let Some(task) = self.open(port) {
                self.tasks.insert(*addr, (port.server.clone(), task));
            }
        }
    }

    fn open(&self, port: &Port) -> Option<JoinHandle<()>> {
        let socket = port.sockets.get(self.worker.index)?.try_clone();
        match socket {
            Ok(socket) => self.accept(Some(port.server.clone()), socket, None),
            Err(e) => {
                tracing::error!(server = %port.server, error = %e, "port not served by this thread");
                None
            }
        }
    }

    fn accept(
        &self,
        owner: Option<VirtualServerId>,
        socket: TcpListener,
        tls: Option<Arc<Tls>>,
    ) -> Option<JoinHandle<()>> {
        let listening = ports::listen(&socket).and_then(|()| tokio::net::TcpListener::from_std(socket));
        let listener = match listening {
            Ok(listener) => listener,
            Err(e) => {
                tracing::error!(error = %e, "listener not usable");
                return None;
            }
        };
        let gw = &self.worker.gw;
        let acceptor = Acceptor {
            gw: gw.clone(),
            site: Arc::new(Site { gw: gw.clone(), owner }),
            tls,
            porter: self.worker.porter.clone(),
            shutdown: gw.draining(),
        };
        Some(tokio::spawn(acceptor.run(listener)))
    }
}

/// Takes the connections of one socket.
struct Acceptor {
    gw: Arc<Gateway>,
    site: Arc<Site>,
    /// what its clients speak TLS with, if they do
    tls: Option<Arc<Tls>>,
    porter: Arc<Porter>,
    /// for Pingora: it ends its HTTP/2 connections when the drain begins
    shutdown: ShutdownWatch,
}

impl Acceptor {
    async fn run(self, listener: tokio::net::TcpListener) {
        let _listening = self.gw.drain.listening();
        let mut stops = self.gw.drain.stops();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stops.wait_for(|s| *s) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => self.take(stream, from),
                Err(e) => self.failed(&e).await,
            }
        }
        match listener.into_std() {
            Ok(listener) => self.take_rest(&listener),
            Err(e) => tracing::error!(error = %e, "connections lost that were not accepted yet"),
        }
    }

    /// What the kernel has completed before the socket closes.
    fn take_rest(&self, listener: &TcpListener) {
        while let Ok((stream, from)) = listener.accept() {
            match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                Ok(stream) => self.take(stream, from),
                Err(e) => tracing::warn!(error = %e, "connection lost"),
            }
        }
    }

    async fn failed(&self, e: &io::Error) {
        let due = self.gw.stats.accept_failures.add();
        if matches!(e.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) {
            return;
        }
        if let Some(count) = due {
            tracing::warn!(error = %e, count, "accept failed");
        }
        // out of descriptors: accept fails at once until some are given back
        tokio::time::sleep(PAUSE).await;
    }

    fn take(&self, stream: TcpStream, from: SocketAddr) {
        inc(&self.gw.stats.connections);
        match self.gw.clients.take(from.ip(), What::Connection) {
            Ok(place) => self.serve(stream, from, place),
            // a word in the clear says nothing there, and a handshake is what there is no room for
            Err(_) if self.tls.is_some() => {}
            Err(_) => self.porter.turn_away(stream),
        }
    }

    fn serve(&self, stream: TcpStream, from: SocketAddr, place: Place) {
        let _ = stream.set_nodelay(true);
        let loopback = stream.local_addr().is_ok_and(|a| a.ip().to_canonical().is_loopback());
        let peer = Peer { address: from.ip().to_canonical(), loopback };
        let site = self.site.clone();
        let shutdown = self.shutdown.clone();
        match self.tls.clone() {
            None => tokio::spawn(async move {
                let _place = place;
                let _wakeable = Wakeable::register().await;
                app::serve(stream, site, peer, &shutdown).await;
            }),
            Some(tls) => tokio::spawn(async move {
                let _place = place;
                let _wakeable = Wakeable::register().await;
                app::serve_tls(stream, &tls, site, peer, &shutdown).await;
            }),
        };
    }
}
