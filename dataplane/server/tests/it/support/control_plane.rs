//! The fake neighbour: pushes the tables that a test gives it over a Unix socket, by the real protocol, and
//! remembers what the node says.

use super::{eventually, until};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::push::control::{Effect, Stream};
use tidegate_proto::push::{MAX_MESSAGE, Terms, Version};
use tidegate_proto::table::Table;
use tidegate_proto::wire::push_server::{Push, PushServer};
use tidegate_proto::wire::{BackendState, FromNode, ToNode, VirtualServerState};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// Messages that may wait for the node to take them.
const QUEUE: usize = 16;

pub(crate) struct ControlPlane {
    dir: tempfile::TempDir,
    news: watch::Sender<News>,
    seen: Arc<Mutex<Seen>>,
    /// None while it is dead
    running: Option<Runtime>,
}

/// What is published.
#[derive(Clone)]
struct News {
    newest: Option<Arc<Version>>,
    ring: Arc<KeyRing>,
}

/// What the node said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Streams that introduced themselves.
    pub(crate) hellos: u64,
    /// Updates for which verdicts came.
    pub(crate) verdicts: u64,
    /// The version that the node said it serves.
    pub(crate) serves: Option<tidegate_proto::digest::TableDigest>,
    /// Entries refused and not got otherwise since: key and reason.
    pub(crate) refusals: BTreeMap<String, String>,
    /// By id, as last reported.
    pub(crate) backends: BTreeMap<String, BackendState>,
    /// By `namespace/name`, as last reported.
    pub(crate) virtual_servers: BTreeMap<String, VirtualServerState>,
}

impl ControlPlane {
    /// With one session key and no table yet.
    pub(crate) fn start() -> Self {
        let ring = KeyRing { keys: vec![SessionKey { id: "k1".into(), secret: [7; 32] }] };
        let mut plane = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            news: watch::Sender::new(News { newest: None, ring: Arc::new(ring) }),
            seen: Arc::default(),
            running: None,
        };
        plane.restart();
        plane
    }

    /// As in `--control-plane`.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// Pushes a table from now on.
    pub(crate) fn publish(&self, table: &Table) {
        self.news.send_modify(|news| {
            let next = match &news.newest {
                Some(old) => old.next(table.clone()).0,
                None => Version::new(Arc::new(table.clone())),
            };
            news.newest = Some(Arc::new(next));
        });
    }

    /// The newest table.
    pub(crate) fn published(&self) -> Arc<Table> {
        self.news.borrow().newest.as_ref().map(|v| v.table().clone()).unwrap_or_default()
    }

    /// Waits until the node has decided on everything published.
    #[track_caller]
    pub(crate) fn settled(&self) -> Seen {
        let newest = self.news.borrow().newest.as_ref().map(|v| v.id());
        eventually("the node serves the newest version", || {
            let seen = self.seen();
            (seen.serves == newest).then_some(seen)
        })
    }

    /// Changes the ring of session keys.
    pub(crate) fn rotate(&self, ring: KeyRing) {
        self.news.send_modify(|news| news.ring = Arc::new(ring));
    }

    /// What the node said until now.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().expect("no test panics with it").clone()
    }

    /// Waits until a backend is in a state.
    #[track_caller]
    pub(crate) fn backend(&self, id: &str, what: &str, holds: impl Fn(&BackendState) -> bool) {
        until(&format!("backend {id} {what}"), || self.seen().backends.get(id).is_some_and(&holds));
    }

    /// Dies at once, as by kill -9: streams break, the socket's path stays.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    /// Starts again, with the same tables and keys as before.
    pub(crate) fn restart(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("control-plane")
            .enable_all()
            .build()
            .expect("a runtime");
        let path = self.socket();
        let _old = std::fs::remove_file(&path);
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&path).expect("a socket")
        };
        let service = PushServer::new(Service { news: self.news.subscribe(), seen: self.seen.clone() })
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
        self.running = Some(runtime);
    }

    fn socket(&self) -> PathBuf {
        Path::new(self.dir.path()).join("push.sock")
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

struct Service {
    news: watch::Receiver<News>,
    seen: Arc<Mutex<Seen>>,
}

#[tonic::async_trait]
impl Push for Service {
    type ConnectStream = ReceiverStream<Result<ToNode, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (out, queue) = mpsc::channel(QUEUE);
        let node = Node { news: self.news.clone(), seen: self.seen.clone(), out, epoch: Instant::now() };
        tokio::spawn(node.serve(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(queue)))
    }
}

/// One stream.
struct Node {
    news: watch::Receiver<News>,
    seen: Arc<Mutex<Seen>>,
    out: mpsc::Sender<Result<ToNode, Status>>,
    epoch: Instant,
}

impl Node {
    async fn serve(mut self, mut inbound: Streaming<FromNode>) {
        let News { newest, ring } = self.news.borrow_and_update().clone();
        let mut stream = Stream::new(Terms::default(), newest, Some(ring), self.epoch.elapsed());
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            let effects = tokio::select! {
                message = inbound.message() => match message {
                    Ok(Some(message)) => stream.message(message, self.epoch.elapsed()),
                    Ok(None) | Err(_) => return,
                },
                changed = self.news.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let News { newest, ring } = self.news.borrow_and_update().clone();
                    let mut effects = stream.key_ring(ring, self.epoch.elapsed());
                    if let Some(newest) = newest {
                        effects.extend(stream.published(newest, self.epoch.elapsed()));
                    }
                    effects
                }
                _ = ticks.tick() => stream.tick(self.epoch.elapsed()),
            };
            for effect in effects {
                if !self.carry_out(effect).await {
                    return;
                }
            }
        }
    }

    async fn carry_out(&self, effect: Effect) -> bool {
        match effect {
            Effect::Send(message) => return self.out.send(Ok(message)).await.is_ok(),
            Effect::Close(reason) => {
                let _ = self.out.send(Err(Status::failed_precondition(reason.to_string()))).await;
                return false;
            }
            Effect::Introduced(_) => self.note(|seen| seen.hellos += 1),
            Effect::Settled { version, rejections } => {
                let refusals =
                    rejections.into_iter().map(|(key, reason)| (key.to_string(), reason)).collect();
                self.note(|seen| {
                    seen.verdicts += 1;
                    seen.serves = Some(version);
                    seen.refusals = refusals;
                });
            }
            Effect::Report(report) => self.note(|seen| {
                seen.backends.extend(report.backends.into_iter().map(|b| (b.id.clone(), b)));
                seen.virtual_servers.extend(report.virtual_servers.into_iter().map(|v| (v.id.clone(), v)));
                seen.backends.retain(|id, _| !report.removed_backends.contains(id));
                seen.virtual_servers.retain(|id, _| !report.removed_virtual_servers.contains(id));
            }),
            Effect::Slow(_) | Effect::Fenced { .. } => {}
        }
        true
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().expect("no test panics with it"));
    }
}
