//! The control plane's end of the push protocol: one stream per node, on a Unix socket, TCP, or TLS. A thin shell:
//! every decision is [`tidegate_proto::push`]'s. Over TLS a node is who its certificate says.

mod address;
mod gate;
mod link;
mod listener;
mod news;
mod registry;
mod secure;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_proto::digest::TableDigest;
use tidegate_proto::keys::KeyRing;
use tidegate_proto::push::{Terms, Version};
use tidegate_proto::table::Table;
use tidegate_proto::wire::{FromNode, ToNode, push_server};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

pub use address::{PushAddr, PushAddrError};
pub use listener::{PushListener, ServeError, bind, serve};
pub use news::News;
pub use registry::{NodeState, Tools};
pub use secure::{PeerCertificate, TlsPeer};

use link::Link;
use registry::Registry;

/// Streams that are open at the same time, those before their hello included.
const MAX_STREAMS: usize = 4096;

/// Messages that wait for one node to take them.
const QUEUE: usize = 64;

/// How nodes are served.
#[derive(Clone, Copy, Debug)]
pub struct PushOptions {
    /// Keep-alive, patience and sizes.
    pub terms: Terms,
    /// How long a node is remembered after its stream has ended.
    pub forget_after: Duration,
    /// How many such nodes are remembered; the longest gone is forgotten first.
    pub max_remembered: usize,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self { terms: Terms::default(), forget_after: Duration::from_secs(600), max_remembered: 1000 }
    }
}

/// Pushes what is published to every node that connects, and knows the state of each.
#[derive(Clone)]
pub struct PushServer {
    shared: Arc<Shared>,
}

/// What all streams share.
struct Shared {
    options: PushOptions,
    newest: watch::Sender<Option<Published>>,
    ring: watch::Sender<Option<Arc<KeyRing>>>,
    stop: watch::Sender<bool>,
    /// Another replica leads, and nodes belong there.
    defers: watch::Sender<bool>,
    changes: watch::Sender<u64>,
    details: watch::Sender<u64>,
    registry: Mutex<Registry>,
    streams: Arc<Semaphore>,
    epoch: Instant,
}

/// What nodes are to hold.
#[derive(Clone, Debug)]
struct Published {
    version: Arc<Version>,
    /// How new the view is that it was compiled from; 0: not known.
    epoch: u64,
}

impl PushServer {
    /// A server that has nothing to push: nodes that connect wait for the first
    /// [`publish`](Self::publish).
    pub fn new(options: PushOptions) -> Self {
        let shared = Shared {
            options,
            newest: watch::Sender::new(None),
            ring: watch::Sender::new(None),
            stop: watch::Sender::new(false),
            defers: watch::Sender::new(false),
            changes: watch::Sender::new(0),
            details: watch::Sender::new(0),
            registry: Mutex::new(Registry::new(options)),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            epoch: Instant::now(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Makes `table` the newest version, which every node gets. A table equal to the newest changes nothing.
    pub fn publish(&self, table: Arc<Table>) {
        let version = match &*self.shared.newest.borrow() {
            Some(newest) => newest.version.next(Arc::unwrap_or_clone(table)).0,
            None => Version::new(table),
        };
        self.publish_version(Arc::new(version), 0);
    }

    /// As [`publish`](Self::publish), of a version whose digests are known, compiled from so new a view (0: not known).
    pub fn publish_version(&self, version: Arc<Version>, epoch: u64) {
        let is_news = self.shared.newest.send_if_modified(|newest| {
            let is_news = newest.as_ref().is_none_or(|newest| newest.version.id() != version.id());
            let epoch = epoch.max(newest.as_ref().map_or(0, |newest| newest.epoch));
            *newest = Some(Published { version, epoch });
            is_news
        });
        if is_news {
            self.shared.bump();
        }
    }

    /// Makes `ring` the session key ring, which every node gets that has not all of its key ids in this order.
    /// Ids must never be used again for another secret.
    pub fn set_key_ring(&self, ring: KeyRing) {
        self.shared.ring.send_replace(Some(Arc::new(ring)));
    }

    /// Whether to leave nodes to another replica: theirs end here, and new ones are sent away.
    pub fn defer(&self, defers: bool) {
        let turned = self.shared.defers.send_if_modified(|known| std::mem::replace(known, defers) != defers);
        if turned {
            tracing::info!(defers, "nodes are left to the leading replica");
        }
    }

    /// Every node that is connected or was lately, by name.
    pub fn nodes(&self) -> Vec<NodeState> {
        let newest = self.shared.newest();
        self.shared.registry().states(newest, self.shared.now())
    }

    /// As [`nodes`](Self::nodes), with what they have said since this was called last, whoever called.
    pub fn news(&self) -> (Vec<NodeState>, News) {
        let newest = self.shared.newest();
        let mut registry = self.shared.registry();
        (registry.states(newest, self.shared.now()), registry.news())
    }

    /// A number that grows with every change of [`nodes`](Self::nodes), but for those that [`details`](Self::details) tells of.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// A number that grows when nodes have probed their backends again and found what was known.
    pub fn details(&self) -> watch::Receiver<u64> {
        self.shared.details.subscribe()
    }

    /// The gRPC service.
    pub fn service(&self) -> push_server::PushServer<PushServer> {
        let limit = self.shared.options.terms.max_message;
        push_server::PushServer::new(self.clone())
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit)
    }

    /// Ends every stream, now and later: to be called when the process stops, so that serving can end.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }
}

impl fmt::Debug for PushServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.shared.newest();
        f.debug_struct("PushServer").field("version", &version).finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl push_server::Push for PushServer {
    type ConnectStream = ReceiverStream<Result<ToNode, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let permit = Arc::clone(&self.shared.streams)
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted("too many nodes"))?;
        let (out, queue) = mpsc::channel(QUEUE);
        let peer = request.extensions().get::<TlsPeer>().cloned();
        let link = Link::new(Arc::clone(&self.shared), peer, out);
        tokio::spawn(async move {
            link.run(request.into_inner()).await;
            drop(permit);
        });
        Ok(Response::new(ReceiverStream::new(queue)))
    }
}

impl Shared {
    fn newest(&self) -> Option<TableDigest> {
        self.newest.borrow().as_ref().map(|newest| newest.version.id())
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn bump(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    fn bump_details(&self) {
        self.details.send_modify(|n| *n += 1);
    }

    /// The registry is plain data and never left half changed: a panic elsewhere does not spoil it.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
