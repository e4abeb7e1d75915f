//! The control plane as a whole: source, pipeline, push and inspection, started and stopped together. Used by the
//! binary and by `tidegate up`.

mod cluster;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_proto::push::Version;
use tidegate_proto::table::Table;
use tidegate_proto::wire::inspect_server::InspectServer;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::Routes;

use crate::admin::{self, AdminListener};
use crate::cluster::connect::ConnectError;
use crate::identity::{KeeperError, Lifetimes, Unbound};
use crate::inspect::Inspector;
use crate::keys::{KeyError, KeyStore};
use crate::pipeline::{Outcome, Pipeline, saved};
use crate::push::{PushAddr, PushOptions, PushServer, ServeError, bind};
use crate::source::dir::DirSource;
use crate::source::{Source, SourceSpec};
use crate::state::{StateDir, StateError};
use crate::status::{self, Board, DirWriter, StatusWriter};
use cluster::Replica;

/// Between two looks at the age of the session keys.
const KEY_TICK: Duration = Duration::from_secs(15);
/// For streams to end and the table to be written, once stopped; a little more than the push server takes.
const DRAIN: Duration = Duration::from_secs(6);

/// What a control plane is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where resources come from.
    pub source: SourceSpec,
    /// Where nodes connect.
    pub push: PushAddr,
    /// Where health and metrics are shown, if anywhere.
    pub admin: Option<SocketAddr>,
    /// Where state is kept; made when missing.
    pub state_dir: PathBuf,
    /// Window in which changes are collected, from the first.
    pub debounce: Duration,
    /// Age at which the sealing session key is replaced.
    pub session_key_rotation: Duration,
    /// Where the status of each object is written, if anywhere; made when missing.
    pub status_dir: Option<PathBuf>,
    /// Of use when the source is a cluster.
    pub cluster: ClusterOptions,
}

/// How a control plane takes part in a cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// How to reach the API server; none: as the surroundings say.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace to look at; none: all.
    pub namespace: Option<String>,
    /// Brings the bridge for stdio servers; none: that of this release.
    pub bridge_image: Option<String>,
    /// Where the Lease, the keys and the gateways are; none: the namespace that the client is in.
    pub system_namespace: Option<String>,
    /// Name of this replica in the Lease.
    pub identity: String,
    /// Of certificates.
    pub lifetimes: Lifetimes,
    /// What becomes of tokens that are bound to no pod.
    pub unbound: Unbound,
}

/// A running control plane. Dropping it without [`stop`](Self::stop) ends its tasks where they are.
#[derive(Debug)]
pub struct ControlPlane {
    address: PushAddr,
    outcomes: watch::Receiver<Arc<Outcome>>,
    server: PushServer,
    stop: watch::Sender<bool>,
    tasks: Tasks,
}

/// By name, for the message when one ends.
type Tasks = JoinSet<(&'static str, Result<(), RunError>)>;

/// Why a control plane does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// State.
    #[error(transparent)]
    State(#[from] StateError),
    /// Session keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The source.
    #[error("cannot start the source {spec}")]
    Source {
        /// Which.
        spec: SourceSpec,
        /// Why.
        source: std::io::Error,
    },
    /// The admin port.
    #[error("cannot listen on --admin {address}")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Certificates.
    #[error(transparent)]
    Identities(#[from] KeeperError),
    /// The API server's client.
    #[error(transparent)]
    Cluster(#[from] ConnectError),
    /// The directory of statuses.
    #[error("cannot use the status directory {}", path.display())]
    StatusDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The push address.
    #[error(transparent)]
    Push(#[from] ServeError),
    /// A task ended unasked.
    #[error("{0} ended")]
    Ended(&'static str),
    /// A bug.
    #[error("a task panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

impl ControlPlane {
    /// Starts everything, on a runtime with several threads. Nodes can connect when this returns; in a cluster, once the authorities have
    /// been read from the API server.
    ///
    /// # Errors
    /// When the state directory, the source or the push address cannot be used.
    pub async fn start(options: Options) -> Result<Self, RunError> {
        let state = Arc::new(StateDir::open(&options.state_dir)?);
        let pipeline = Pipeline::new(saved::load(&state)?);
        let listener = bind(&options.push).await?;
        let admin = bind_admin(options.admin).await?;
        let address = listener.address().unwrap_or_else(|_| options.push.clone());
        let Started { source, writer, replica } = start_source(&options, &state).await?;

        let server = PushServer::new(PushOptions::default());
        let (stop, stopping) = watch::channel(false);
        let outcomes = pipeline.outcomes();
        let board = Board::new(outcomes.clone(), server.clone());
        let inspector = Inspector::new(board.clone(), stopping.clone());
        let routes = Routes::new(server.service()).add_service(InspectServer::new(inspector));

        let (save, versions) = watch::channel(None);
        let mut tasks = JoinSet::new();
        if let Some(admin) = admin {
            spawn(&mut tasks, "admin", admin.serve(board.clone(), stopped(stopping.clone())));
        }
        let held = replica.as_ref().map(Replica::held);
        match replica {
            Some(replica) => {
                replica.serve(&mut tasks, &stopping, listener, routes);
                replica.run(&mut tasks, &stopping, &outcomes, &board, server.clone());
            }
            None => {
                let mut keys = KeyStore::open(Arc::clone(&state), options.session_key_rotation)?;
                server.set_key_ring(keys.current()?);
                let push = listener.serve(routes, stopped(stopping.clone()));
                tasks.spawn(async move { ("push", push.await.map_err(RunError::Push)) });
                spawn(&mut tasks, "session keys", until(stopping.clone(), rotate(keys, server.clone())));
            }
        }
        let publish = publish(source, pipeline, held, server.clone(), save);
        spawn(&mut tasks, "pipeline", until(stopping.clone(), publish));
        spawn(&mut tasks, "status", until(stopping, status::report(board, writer)));
        spawn(&mut tasks, "saved table", saved::save_all(state, versions));
        tracing::info!(source = %options.source, push = %address, "control plane started");
        Ok(Self { address, outcomes, server, stop, tasks })
    }

    /// Where nodes connect, with the port that was chosen.
    pub fn address(&self) -> &PushAddr {
        &self.address
    }

    /// What the pipeline knows after each step.
    pub fn outcomes(&self) -> watch::Receiver<Arc<Outcome>> {
        self.outcomes.clone()
    }

    /// Waits until a part ends that should not.
    ///
    /// # Errors
    /// Always: it says which part, and why.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        match self.tasks.join_next().await {
            Some(Ok((name, Ok(())))) => Err(RunError::Ended(name)),
            Some(Ok((_, Err(error)))) => Err(error),
            Some(Err(error)) => Err(RunError::Panicked(error)),
            None => Err(RunError::Ended("everything")),
        }
    }

    /// Ends streams and tasks, writes what is to be kept, and waits for all that, for some seconds.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.server.stop();
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("control plane stops without waiting any longer");
        }
    }
}

async fn bind_admin(address: Option<SocketAddr>) -> Result<Option<AdminListener>, RunError> {
    let Some(address) = address else { return Ok(None) };
    let listener = admin::bind(address).await.map_err(|source| RunError::Admin { address, source })?;
    tracing::info!(address = ?listener.address(), "admin port");
    Ok(Some(listener))
}

/// The source, and what writes back to where it reads from.
struct Started {
    source: Source,
    writer: StatusWriter,
    replica: Option<Replica>,
}

async fn start_source(options: &Options, state: &StateDir) -> Result<Started, RunError> {
    match &options.source {
        SourceSpec::Dir(root) => start_dir(options, root, state),
        SourceSpec::Kubernetes => start_cluster(options).await,
    }
}

fn start_dir(options: &Options, root: &Path, state: &StateDir) -> Result<Started, RunError> {
    let kept = state.path().join("manifests");
    let source = DirSource::start(root.to_owned(), options.debounce, kept)
        .map_err(|source| RunError::Source { spec: options.source.clone(), source })?;
    let writer = match options.status_dir.clone() {
        None => StatusWriter::Nowhere,
        Some(path) => StatusWriter::Dir(
            DirWriter::open(path.clone()).map_err(|source| RunError::StatusDir { path, source })?,
        ),
    };
    Ok(Started { source: Source::Dir(source), writer, replica: None })
}

async fn start_cluster(options: &Options) -> Result<Started, RunError> {
    let (replica, source) = Replica::start(options).await?;
    let writer = StatusWriter::Cluster(replica.status_writer());
    Ok(Started { source: Source::Kubernetes(source), writer, replica: Some(replica) })
}

/// Takes every observation to its end. Compiling blocks, hence not on the threads that serve nodes.
async fn publish(
    source: Source,
    mut pipeline: Pipeline,
    held: Option<impl Future<Output = Table>>,
    server: PushServer,
    save: watch::Sender<Option<Arc<Version>>>,
) {
    let mut observations = source.observations();
    if let Some(held) = held {
        pipeline.remember(held.await);
    }
    while observations.changed().await.is_ok() {
        let observation = Arc::clone(&*observations.borrow_and_update());
        let started = Instant::now();
        // Giving back what was known before takes a while in a large cluster: nodes do not wait for that.
        let before = Arc::clone(&*pipeline.outcomes().borrow());
        let publish = tokio::task::block_in_place(|| pipeline.step(&observation));
        if let Some(version) = pipeline.published() {
            server.publish_version(version, observation.epoch);
        }
        if let Some(version) = publish {
            save.send_replace(Some(version));
        }
        tokio::task::block_in_place(|| drop(before));
        // While changes come all the time, half of it is left to everything else; a change by itself does not wait.
        tokio::time::sleep(started.elapsed()).await;
    }
}

/// Replaces session keys in time and tells the nodes.
async fn rotate(mut keys: KeyStore, server: PushServer) {
    let mut ring = None;
    let mut ticks = tokio::time::interval(KEY_TICK);
    loop {
        ticks.tick().await;
        match keys.current() {
            Ok(current) if ring.as_ref() == Some(&current) => {}
            Ok(current) => {
                server.set_key_ring(current.clone());
                ring = Some(current);
            }
            Err(error) => tracing::warn!(%error, "cannot rotate the session keys, the present ones stay"),
        }
    }
}

fn spawn(tasks: &mut Tasks, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(async move {
        work.await;
        (name, Ok(()))
    });
}

/// Runs until it ends by itself or the process stops.
async fn until(stopping: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stopped(stopping) => {}
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error: the sender is gone, and with it the control plane.
    let _gone = stopping.wait_for(|stop| *stop).await;
}
