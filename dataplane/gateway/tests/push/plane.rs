//! A control plane of a few lines: the protocol's machine behind the generated server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_dataplane_gateway::push::ControlPlaneAddr;
use tidegate_proto::keys::KeyRing;
use tidegate_proto::push::control::{Effect, Stream};
use tidegate_proto::push::report::Folded;
use tidegate_proto::push::{Terms, Version};
use tidegate_proto::table::{EntryKey, Table};
use tidegate_proto::wire::push_server::{Push, PushServer};
use tidegate_proto::wire::{FromNode, ToNode};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream, UnixListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::DEADLINE;

/// What nodes connect over.
#[derive(Clone, Copy)]
pub(crate) enum Socket {
    Unix,
    Tcp,
}

pub(crate) struct Plane {
    address: ControlPlaneAddr,
    service: Service,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    dir: TempDir,
}

/// A control plane that has stopped and may start again at the same path.
pub(crate) struct Stopped(TempDir);

/// The last verdicts.
#[derive(Clone, Default)]
pub(crate) struct Settled {
    pub(crate) count: usize,
    pub(crate) rejections: BTreeMap<EntryKey, String>,
}

#[derive(Clone)]
struct Service {
    newest: watch::Sender<Arc<Version>>,
    ring: Option<Arc<KeyRing>>,
    settled: watch::Sender<Settled>,
    reported: watch::Sender<Folded>,
    stop: watch::Sender<bool>,
}

impl Plane {
    pub(crate) async fn start(socket: Socket, table: Table, ring: Option<KeyRing>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), socket, table, ring).await
    }

    async fn start_in(dir: TempDir, socket: Socket, table: Table, ring: Option<KeyRing>) -> Self {
        let service = Service {
            newest: watch::Sender::new(Arc::new(Version::new(Arc::new(table)))),
            ring: ring.map(Arc::new),
            settled: watch::Sender::default(),
            reported: watch::Sender::default(),
            stop: watch::Sender::new(false),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let (server, push) = (Server::builder(), PushServer::new(service.clone()));
        let path = dir.path().join("push.sock");
        let (address, task) = match socket {
            Socket::Unix => {
                let incoming = UnixListenerStream::new(listen_unix(&path));
                let serve = server.serve_with_incoming_shutdown(push, incoming, stopped);
                (ControlPlaneAddr::Unix(path), tokio::spawn(async { serve.await.unwrap() }))
            }
            Socket::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = format!("http://{}", listener.local_addr().unwrap());
                let incoming = TcpListenerStream::new(listener);
                let serve = server.serve_with_incoming_shutdown(push, incoming, stopped);
                (address.parse().unwrap(), tokio::spawn(async { serve.await.unwrap() }))
            }
        };
        Self { address, service, stop, task, dir }
    }

    pub(crate) fn address(&self) -> ControlPlaneAddr {
        self.address.clone()
    }

    pub(crate) fn publish(&self, table: Table) {
        self.service.newest.send_replace(Arc::new(Version::new(Arc::new(table))));
    }

    /// Waits for verdicts.
    pub(crate) async fn settled(&self, mut condition: impl FnMut(&Settled) -> bool) -> Settled {
        let mut settled = self.service.settled.subscribe();
        let waited = settled.wait_for(|s| s.count > 0 && condition(s));
        tokio::time::timeout(DEADLINE, waited).await.expect("verdicts come").unwrap().clone()
    }

    /// Waits for reports.
    pub(crate) async fn reported(&self, condition: impl FnMut(&Folded) -> bool) {
        let mut reported = self.service.reported.subscribe();
        let waited = tokio::time::timeout(DEADLINE, reported.wait_for(condition)).await;
        waited.expect("reports come").unwrap();
    }

    pub(crate) async fn stop(self) -> Stopped {
        self.service.stop.send_replace(true);
        self.stop.send(()).unwrap();
        tokio::time::timeout(DEADLINE, self.task).await.expect("the server stops").unwrap();
        Stopped(self.dir)
    }
}

impl Stopped {
    pub(crate) async fn start_again(self, table: Table, ring: Option<KeyRing>) -> Plane {
        Plane::start_in(self.0, Socket::Unix, table, ring).await
    }
}

fn listen_unix(path: &PathBuf) -> UnixListener {
    let _ = std::fs::remove_file(path);
    UnixListener::bind(path).unwrap()
}

#[tonic::async_trait]
impl Push for Service {
    type ConnectStream = ReceiverStream<Result<ToNode, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (out, queue) = mpsc::channel(16);
        tokio::spawn(self.clone().serve(request.into_inner(), out));
        Ok(Response::new(ReceiverStream::new(queue)))
    }
}

impl Service {
    async fn serve(self, mut inbound: Streaming<FromNode>, out: mpsc::Sender<Result<ToNode, Status>>) {
        let now = Duration::ZERO;
        let mut newest = self.newest.subscribe();
        let mut stop = self.stop.subscribe();
        let first = newest.borrow_and_update().clone();
        let mut stream = Stream::new(Terms::default(), Some(first), self.ring.clone(), now);
        loop {
            let effects = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                Some(Ok(message)) = inbound.next() => stream.message(message, now),
                Ok(()) = newest.changed() => stream.published(newest.borrow_and_update().clone(), now),
                else => return,
            };
            for effect in effects {
                self.carry_out(effect, &out).await;
            }
        }
    }

    async fn carry_out(&self, effect: Effect, out: &mpsc::Sender<Result<ToNode, Status>>) {
        match effect {
            Effect::Send(message) => {
                // a node that has gone needs no message
                let _ = out.send(Ok(message)).await;
            }
            Effect::Settled { rejections, .. } => {
                self.settled.send_modify(|s| *s = Settled { count: s.count + 1, rejections });
            }
            Effect::Report(report) => self.reported.send_modify(|f| f.fold(report)),
            Effect::Introduced(_) | Effect::Fenced { .. } | Effect::Slow(_) => {}
            Effect::Close(reason) => panic!("closed: {reason}"),
        }
    }
}
