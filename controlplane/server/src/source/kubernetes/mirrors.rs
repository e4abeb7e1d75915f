//! Everything that is watched: our kinds whole, our children by label, the rest by name only.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::Stream;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tidegate_controlplane_api::{Diagnostic, Kind};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::custom::{self, Custom};
use super::dirty::Dirty;
use super::mirror::{Kept, Mirror};
use super::native::{KeptName, KeptPod, KeptService, KeptSlice, KeptWorkload};
use super::{GATEWAY_PODS, OURS, Scope};

/// One mirror for each resource.
#[derive(Clone, Debug)]
pub struct Mirrors {
    /// Our kinds.
    pub customs: BTreeMap<Kind, Arc<Mirror<Custom>>>,
    /// Services with our label.
    pub services: Arc<Mirror<KeptService>>,
    /// EndpointSlices with our label, made by us or for a Service of ours.
    pub slices: Arc<Mirror<KeptSlice>>,
    /// StatefulSets with our label.
    pub stateful_sets: Arc<Mirror<KeptWorkload>>,
    /// Pods of MCPServers.
    pub pods: Arc<Mirror<KeptPod>>,
    /// Pods of gateways.
    pub gateways: Arc<Mirror<KeptPod>>,
    /// Names of all nodes.
    pub nodes: Arc<Mirror<KeptName<Node>>>,
    /// Names of all Secrets.
    pub secrets: Arc<Mirror<KeptName<Secret>>>,
    /// Names of all ConfigMaps.
    pub config_maps: Arc<Mirror<KeptName<ConfigMap>>>,
}

/// Starts the watches.
struct Watches<'a> {
    client: &'a Client,
    scope: &'a Scope,
    dirty: &'a Dirty,
    ready: &'a watch::Sender<bool>,
    tasks: &'a mut JoinSet<()>,
}

impl Mirrors {
    /// Starts to follow everything; the watches end with `tasks`.
    /// `ready`: when to begin.
    pub fn start(
        client: &Client,
        scope: &Scope,
        dirty: &Dirty,
        ready: &watch::Sender<bool>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let mut watches = Watches { client, scope, dirty, ready, tasks };
        let ours = || watcher::Config::default().labels(OURS);
        let everything = watcher::Config::default;
        Self {
            customs: Kind::SERVED.into_iter().map(|kind| (kind, watches.customs(kind))).collect(),
            services: watches.within::<KeptService, Service>("services", ours()),
            slices: watches.within::<KeptSlice, EndpointSlice>("endpointslices.discovery.k8s.io", ours()),
            stateful_sets: watches.within::<KeptWorkload, StatefulSet>("statefulsets.apps", ours()),
            pods: watches.within::<KeptPod, Pod>("pods", ours()),
            gateways: watches.gateways(),
            nodes: watches.node_names(),
            secrets: watches.within::<KeptName<_>, PartialObjectMeta<Secret>>("secrets", everything()),
            config_maps: watches
                .within::<KeptName<_>, PartialObjectMeta<ConfigMap>>("configmaps", everything()),
        }
    }

    /// Of all but our kinds.
    pub(super) fn native_revisions(&self) -> Vec<u64> {
        vec![
            self.services.revision(),
            self.slices.revision(),
            self.stateful_sets.revision(),
            self.pods.revision(),
            self.gateways.revision(),
            self.nodes.revision(),
            self.secrets.revision(),
            self.config_maps.revision(),
        ]
    }

    /// What cannot be followed at present, and whether all has been listed once.
    pub fn condition(&self) -> (Vec<Diagnostic>, bool) {
        let mut checks: Vec<_> = self.customs.values().map(|mirror| check(mirror)).collect();
        checks.extend([
            check(&self.services),
            check(&self.slices),
            check(&self.stateful_sets),
            check(&self.pods),
            check(&self.gateways),
            check(&self.nodes),
            check(&self.secrets),
            check(&self.config_maps),
        ]);
        let synced = checks.iter().all(|(_, synced)| *synced);
        (checks.into_iter().filter_map(|(trouble, _)| trouble).collect(), synced)
    }
}

fn check<V: Kept>(mirror: &Mirror<V>) -> (Option<Diagnostic>, bool) {
    (mirror.trouble().map(|trouble| trouble.diagnostic()), mirror.synced())
}

impl Watches<'_> {
    fn customs(&mut self, kind: Kind) -> Arc<Mirror<Custom>> {
        let resource = custom::resource(kind);
        let mirror = Mirror::new(format!("{}.{}", resource.plural, resource.group), self.dirty.clone());
        let api: Api<DynamicObject> = match &self.scope.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        self.follow(&mirror, watcher(api, watcher::Config::default()));
        mirror
    }

    fn within<V, K>(&mut self, name: &str, config: watcher::Config) -> Arc<Mirror<V>>
    where
        V: Kept<Object = K>,
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let mirror = Mirror::new(name, self.dirty.clone());
        self.follow(&mirror, watcher(self.api::<K>(), config));
        mirror
    }

    fn node_names(&mut self) -> Arc<Mirror<KeptName<Node>>> {
        let mirror = Mirror::new("nodes", self.dirty.clone());
        let api = Api::<PartialObjectMeta<Node>>::all(self.client.clone());
        let stream = watcher(api, watcher::Config::default());
        self.follow(&mirror, stream);
        mirror
    }

    fn gateways(&mut self) -> Arc<Mirror<KeptPod>> {
        let mirror = Mirror::new("pods (gateways)", self.dirty.clone());
        let api = Api::<Pod>::namespaced(self.client.clone(), &self.scope.system_namespace);
        let stream = watcher(api, watcher::Config::default().labels(GATEWAY_PODS));
        self.follow(&mirror, stream);
        mirror
    }

    fn follow<V: Kept>(
        &mut self,
        mirror: &Arc<Mirror<V>>,
        stream: impl Stream<Item = watcher::Result<watcher::Event<V::Object>>> + Send + 'static,
    ) {
        self.tasks.spawn(Arc::clone(mirror).follow(self.ready.subscribe(), stream));
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.scope.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }
}
