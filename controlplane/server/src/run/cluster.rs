//! What a control plane does in a cluster only: it takes part in the election, and while it leads it writes back.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tidegate_proto::table::Table;
use tokio::sync::watch;
use tonic::service::Routes;

use super::{ClusterOptions, KEY_TICK, Options, RunError, Tasks, spawn, stopped, until};
use crate::cluster::children::Keeper;
use crate::cluster::connect::connect;
use crate::cluster::events::Announcer;
use crate::cluster::finalizers::Holder;
use crate::cluster::{held, lead};
use crate::identity::{self, Identities, Lifetimes, Place, Unbound};
use crate::keys::SharedKeys;
use crate::pipeline::Outcome;
use crate::push::{PushAddr, PushListener, PushServer};
use crate::source::kubernetes::{Dirty, KubernetesSource, Mirrors, Scope};
use crate::status::{Board, ClusterWriter};

/// This replica in its cluster.
pub(super) struct Replica {
    client: Client,
    mirrors: Mirrors,
    dirty: Dirty,
    leading: watch::Sender<bool>,
    identity: String,
    namespace: String,
    lifetimes: Lifetimes,
    unbound: Unbound,
    key_rotation: Duration,
}

impl Replica {
    /// Starts to watch. Nothing is asked of the API server yet that could fail.
    pub(super) async fn start(options: &Options) -> Result<(Self, KubernetesSource), RunError> {
        let cluster = options.cluster.clone();
        let ClusterOptions {
            kubeconfig,
            namespace,
            bridge_image,
            system_namespace,
            identity,
            lifetimes,
            unbound,
        } = cluster;
        let (client, own_namespace) = connect(kubeconfig.as_deref()).await?;
        let bridge_image = bridge_image.map(Into::into);
        let scope =
            Scope { namespace, system_namespace: system_namespace.unwrap_or(own_namespace), bridge_image };
        let source = KubernetesSource::start(&client, &scope, options.debounce);
        let replica = Self {
            client,
            mirrors: source.mirrors().clone(),
            dirty: source.dirty().clone(),
            leading: watch::Sender::new(false),
            identity,
            namespace: scope.system_namespace,
            lifetimes,
            unbound,
            key_rotation: options.session_key_rotation,
        };
        Ok((replica, source))
    }

    /// What writes statuses.
    pub(super) fn status_writer(&self) -> ClusterWriter {
        ClusterWriter::new(self.client.clone(), self.mirrors.clone(), self.leading.subscribe())
    }

    /// What an earlier leader held.
    pub(super) fn held(&self) -> impl Future<Output = Table> + use<> {
        let (client, namespace) = (self.client.clone(), self.namespace.clone());
        async move { held::load(&client, &namespace).await }
    }

    /// Serves pushes: over TLS, unless on a Unix socket, which is for its owner only.
    pub(super) fn serve(
        &self,
        tasks: &mut Tasks,
        stopping: &watch::Receiver<bool>,
        listener: PushListener,
        routes: Routes,
    ) {
        let stopping = stopping.clone();
        let address = match listener.address() {
            Ok(PushAddr::Tcp(address)) => address.ip(),
            _ => {
                let push = listener.serve(routes, stopped(stopping));
                tasks.spawn(async move { ("push", push.await.map_err(RunError::Push)) });
                return;
            }
        };
        let place = Place { client: self.client.clone(), namespace: self.namespace.clone() };
        let (lifetimes, unbound) = (self.lifetimes, self.unbound);
        let options = identity::Options { place, lifetimes, unbound, address };
        let leading = self.leading.subscribe();
        tasks.spawn(
            async move { ("push", push_over_tls(options, listener, routes, leading, stopping).await) },
        );
    }

    /// Starts everything else.
    pub(super) fn run(
        self,
        tasks: &mut Tasks,
        stopping: &watch::Receiver<bool>,
        outcomes: &watch::Receiver<Arc<Outcome>>,
        board: &Board,
        push: PushServer,
    ) {
        let Self { client, mirrors, dirty, leading, identity, namespace, key_rotation, .. } = self;
        let keys = SharedKeys::new(client.clone(), &namespace, key_rotation);
        spawn(tasks, "session keys", until(stopping.clone(), share(keys, leading.subscribe(), push.clone())));
        let announcer = Announcer::new(client.clone(), mirrors.clone(), leading.subscribe(), &identity);
        spawn(tasks, "events", until(stopping.clone(), announcer.run(board.clone())));
        let held = held::keep(client.clone(), namespace.clone(), outcomes.clone(), leading.subscribe());
        spawn(tasks, "held entries", until(stopping.clone(), held));
        let holder = Holder {
            client: client.clone(),
            mirrors: mirrors.clone(),
            outcomes: outcomes.clone(),
            leading: leading.subscribe(),
        };
        spawn(tasks, "finalizers", until(stopping.clone(), holder.run()));
        let (of_keeper, outcomes) = (client.clone(), outcomes.clone());
        let (leads, refusals) = (leading.subscribe(), board.refusals().clone());
        let keeper = Keeper { client: of_keeper, mirrors, outcomes, leading: leads, refusals };
        spawn(tasks, "child objects", until(stopping.clone(), keeper.run(dirty)));
        // It ends by itself, once it has given the Lease back.
        spawn(
            tasks,
            "election",
            lead::campaign(client, namespace, identity, leading, push, stopping.clone()),
        );
    }
}

/// Serves once the authorities have been read, and follows them.
async fn push_over_tls(
    options: identity::Options,
    listener: PushListener,
    routes: Routes,
    leading: watch::Receiver<bool>,
    stopping: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let identities = tokio::select! {
        opened = Identities::open(options) => opened?,
        () = stopped(stopping.clone()) => return Ok(()),
    };
    let routes = routes.add_service(identities.service());
    let serve = listener.serve_tls(routes, identities.tls(), stopped(stopping.clone()));
    let keep = until(stopping, identities.keep(leading));
    let (served, ()) = tokio::join!(serve, keep);
    served.map_err(RunError::Push)
}

/// Pushes the ring that all replicas share; rotates it while leading.
async fn share(keys: SharedKeys, leading: watch::Receiver<bool>, push: PushServer) {
    let mut ring = None;
    let mut said = false;
    let mut ticks = tokio::time::interval(KEY_TICK);
    loop {
        ticks.tick().await;
        let leads = *leading.borrow();
        match keys.current(leads).await {
            Ok(current) => {
                said = false;
                if ring.as_ref() != Some(&current) {
                    push.set_key_ring(current.clone());
                    ring = Some(current);
                }
            }
            Err(error) if !said => {
                tracing::warn!(%error, "cannot read or rotate the session keys, the present ones stay");
                said = true;
            }
            Err(error) => tracing::debug!(%error, "still without the session keys"),
        }
    }
}
