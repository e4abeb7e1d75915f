//! Compiling step by step: what comes of it is what compiling each view alone gives, and only what changed is made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{Rng, SeedableRng};
use tidegate_controlplane_api::{Document, Kind, Object, ObjectRef, Store};
use tidegate_controlplane_compile::{Cluster, ClusterView, Compiled, Compiler, Objects, compile};

use super::support::{cases, store_of, tenant};

/// A cluster that changes at random, with the objects and facts of all golden cases.
struct Walk {
    random: StdRng,
    pool: Vec<Arc<Document>>,
    clusters: Vec<Arc<Cluster>>,
    objects: BTreeMap<Kind, Arc<Objects>>,
    unreadable: BTreeSet<ObjectRef>,
    cluster: Arc<Cluster>,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let all: Vec<_> = cases("").into_iter().chain(cases("broken")).collect();
        // few cases at a time, so that objects meet those that they refer to
        let cases: Vec<_> = all.choose_multiple(&mut random, 8).collect();
        let stores: Vec<Store> = cases.iter().map(|case| store_of(&case.files)).collect();
        Self {
            random,
            pool: stores.iter().flat_map(|store| store.documents().cloned()).collect(),
            clusters: all.iter().filter_map(|case| case.cluster.clone()).collect(),
            objects: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            cluster: Arc::default(),
        }
    }

    fn step(&mut self) {
        match self.random.random_range(0..10) {
            0..5 => {
                let document = self.document();
                self.unreadable.remove(&document.object_ref);
                self.objects_of(document.object_ref.kind).insert(document.object_ref.clone(), document);
            }
            5 | 6 => drop(self.remove()),
            7 => self.unreadable = self.remove().into_iter().chain(self.unreadable.pop_last()).collect(),
            8 => self.cluster = pick(&self.clusters, &mut self.random),
            _ => self.disturb(),
        }
    }

    /// One of the pool; some have the name of another.
    fn document(&mut self) -> Arc<Document> {
        let document = pick(&self.pool, &mut self.random);
        if self.random.random_bool(0.7) {
            return document;
        }
        let other = pick(&self.pool, &mut self.random).object_ref.clone();
        let mut renamed = Document::clone(&document);
        renamed.object_ref = ObjectRef::new(document.object_ref.kind, &other.namespace, &other.name);
        if let Object::Server(server) = &mut renamed.object {
            // another edit of the same object
            server.metadata.uid = Some(format!("u-{}", other.name));
        }
        Arc::new(renamed)
    }

    /// The objects of a kind, to be changed: those of other kinds stay the same ones.
    fn objects_of(&mut self, kind: Kind) -> &mut Objects {
        Arc::make_mut(self.objects.entry(kind).or_default())
    }

    fn remove(&mut self) -> Option<ObjectRef> {
        let names = self.objects.values().flat_map(|objects| objects.keys());
        let name = names.choose(&mut self.random)?.clone();
        self.objects_of(name.kind).remove(&name);
        Some(name)
    }

    /// Mixes the facts of two clusters, and loses some.
    fn disturb(&mut self) {
        let other = pick(&self.clusters, &mut self.random);
        let mut cluster = Cluster::clone(&self.cluster);
        let random = &mut self.random;
        let mut keep = |share: f64| random.random_bool(share);
        cluster.services.extend(other.services.iter().map(|(name, service)| (name.clone(), service.clone())));
        cluster.workloads.extend(other.workloads.iter().map(|(name, pods)| (name.clone(), Arc::clone(pods))));
        cluster.gateways.extend(other.gateways.iter().map(|(name, pod)| (name.clone(), pod.clone())));
        cluster.services.retain(|_, _| keep(0.7));
        cluster.workloads.retain(|_, _| keep(0.7));
        cluster.gateways.retain(|_, _| keep(0.9));
        cluster.secrets.retain(|_| keep(0.5));
        cluster.config_maps.retain(|_| keep(0.5));
        self.cluster = Arc::new(cluster);
    }

    fn view(&self) -> ClusterView {
        let (objects, unreadable) = (self.objects.clone(), self.unreadable.iter().cloned());
        ClusterView::of_cluster(objects, unreadable, Arc::clone(&self.cluster))
    }
}

fn pick<T>(from: &[Arc<T>], random: &mut StdRng) -> Arc<T> {
    Arc::clone(from.choose(random).expect("there are cases"))
}

#[test]
fn step_by_step_or_at_once_the_result_is_the_same() {
    let (mut withheld, mut children) = (0, 0);
    for seed in 0..24 {
        let (mut walk, mut compiler) = (Walk::new(seed), Compiler::default());
        for step in 0..250 {
            walk.step();
            let compiled = compiler.compile(&walk.view());
            assert!(compiled == compile(&walk.view()), "seed {seed}, step {step}: they differ");
            withheld += compiled.withheld.len();
            children += compiled.children.len();
        }
    }
    assert!(withheld > 5_000 && children > 5_000, "{withheld} withheld, {children} children: too little");
}

#[test]
fn a_directory_step_by_step_gives_what_it_gives_at_once() {
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let files: Vec<_> =
            cases("").into_iter().chain(cases("broken")).flat_map(|case| case.files).collect();
        let (mut store, mut compiler) = (Store::new(), Compiler::default());
        for step in 0..300 {
            // few names, so that files are replaced and objects are defined more than once
            let name = format!("{}.yaml", random.random_range(0..20));
            let (_, bytes) = files.choose(&mut random).unwrap();
            store.update(&name, random.random_bool(0.8).then_some(bytes));
            let view = ClusterView::of(&store);
            assert!(compiler.compile(&view) == compile(&view), "seed {seed}, step {step}: they differ");
        }
    }
}

/// How many statuses and entries are not those of the result before.
fn made_anew(before: &Compiled, after: &Compiled) -> (usize, usize) {
    let statuses = after.status.iter().filter(|(object, status)| {
        before.status.get(*object).is_none_or(|earlier| !Arc::ptr_eq(earlier, status))
    });
    let entries = after.table.entries.iter().filter(|(key, entry)| {
        before.table.entries.get(*key).is_none_or(|earlier| !Arc::ptr_eq(earlier, entry))
    });
    (statuses.count(), entries.count())
}

#[test]
fn an_edit_makes_anew_what_depends_on_it_and_nothing_else() {
    let mut store = Store::new();
    let write = |store: &mut Store, n: usize, text: &str| {
        for (part, text) in text.split("# part\n").enumerate() {
            store.update(&format!("{n}-{part}.yaml"), Some(text.as_bytes()));
        }
    };
    (0..100).for_each(|n| write(&mut store, n, &tenant(n)));
    let mut compiler = Compiler::default();
    let first = compiler.compile(&ClusterView::of(&store));
    assert_eq!(made_anew(&Compiled::default(), &first), (400, 300));
    assert_eq!(made_anew(&first, &compiler.compile(&ClusterView::of(&store))), (0, 0));

    let edit = |store: &mut Store, from: &str, to: &str| {
        let text = tenant(7);
        assert!(text.contains(from), "{text}");
        write(store, 7, &text.replace(from, to));
    };
    edit(&mut store, "default: 15s", "default: 16s");
    let edited = compiler.compile(&ClusterView::of(&store));
    let (statuses, entries) = made_anew(&first, &edited);
    assert!(statuses <= 4 && entries <= 3, "{statuses} statuses and {entries} entries for one tenant");
    assert_eq!(first.table.entries.diff(&edited.table.entries).count(), 1);
}
