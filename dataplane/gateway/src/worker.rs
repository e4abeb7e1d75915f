//! The worker threads: each is a Pingora service with one thread, its own listening sockets and its own
//! upstream connections. The shared port and the ports of virtual servers are accepted by the same loop.

use crate::app::Mcp;
use crate::local::local;
use crate::metrics::inc;
use crate::ports::{Port, PortSet};
use crate::state::Gateway;
use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::server::{ListenFds, ShutdownWatch};
use pingora_core::services::Service;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tidegate_proto::table::VirtualServerId;
use tokio::task::JoinHandle;

/// One worker thread.
pub(crate) struct Worker {
    gw: Arc<Gateway>,
    index: usize,
    name: String,
    shared: Option<TcpListener>,
}

impl Worker {
    pub(crate) fn new(gw: Arc<Gateway>, index: usize, shared: TcpListener) -> Self {
        Self { gw, index, name: format!("mcp-{index}"), shared: Some(shared) }
    }
}

#[async_trait]
impl Service for Worker {
    async fn start_service(&mut self, _fds: Option<ListenFds>, shutdown: ShutdownWatch, _per_fd: usize) {
        let Some(shared) = self.shared.take() else { return };
        let mut set = PortTasks { worker: self, shutdown: shutdown.clone(), tasks: HashMap::new() };
        let shared = set.accept(None, shared);
        let mut ports = self.gw.ports.watch();
        let mut draining = self.gw.draining();
        let mut sweep = tokio::time::interval(Duration::from_secs(1));
        set.follow(&ports.borrow_and_update().clone());
        loop {
            tokio::select! {
                changed = ports.changed() => match changed {
                    Ok(()) => set.follow(&ports.borrow_and_update().clone()),
                    Err(_) => break,
                },
                _ = sweep.tick() => {
                    self.gw.sessions.tick();
                    local(|l| l.pool.sweep(Instant::now()));
                }
                _ = draining.wait_for(|d| *d) => break,
            }
        }
        if let Some(task) = shared {
            task.abort();
        }
        set.follow(&PortSet::default());
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

/// The accept loops of the ports that come and go.
struct PortTasks<'w> {
    worker: &'w Worker,
    shutdown: ShutdownWatch,
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
            Ok(socket) => self.accept(Some(port.server.clone()), socket),
            Err(e) => {
                tracing::error!(server = %port.server, error = %e, "port not served by this thread");
                None
            }
        }
    }

    fn accept(&self, owner: Option<VirtualServerId>, socket: TcpListener) -> Option<JoinHandle<()>> {
        let listener = match tokio::net::TcpListener::from_std(socket) {
            Ok(listener) => listener,
            Err(e) => {
                tracing::error!(error = %e, "listener not usable");
                return None;
            }
        };
        let gw = &self.worker.gw;
        let apps = [false, true].map(|loopback| Arc::new(Mcp::new(gw.clone(), owner.clone(), loopback)));
        Some(tokio::spawn(accept_loop(gw.clone(), apps, listener, self.shutdown.clone())))
    }
}

/// `apps`: for connections to an address that is not loopback, and to one that is.
async fn accept_loop(
    gw: Arc<Gateway>,
    apps: [Arc<Mcp>; 2],
    listener: tokio::net::TcpListener,
    shutdown: ShutdownWatch,
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                inc(&gw.stats.accept_failures);
                // out of descriptors: accept fails at once until some are given back
                if !matches!(
                    e.kind(),
                    std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::Interrupted
                ) {
                    tracing::warn!(error = %e, "accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let loopback = stream.local_addr().is_ok_and(|a| a.ip().to_canonical().is_loopback());
        let (gw, app, shutdown) = (gw.clone(), apps[usize::from(loopback)].clone(), shutdown.clone());
        tokio::spawn(async move {
            inc(&gw.stats.connections);
            gw.stats.connections_open.fetch_add(1, Relaxed);
            let _open = OpenConnection(&gw);
            let stream: Stream = Box::new(L4Stream::from(stream));
            app.process_new(stream, &shutdown).await;
        });
    }
}

struct OpenConnection<'g>(&'g Gateway);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.stats.connections_open.fetch_sub(1, Relaxed);
    }
}
