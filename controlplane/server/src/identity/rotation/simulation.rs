//! Several replicas, two of which may believe that they lead, and nodes that read the published bundle late: seeded,
//! in steps of a second, every call to the API server a step of its own that may fail or come second.
//!
//! What must hold at every moment: a certificate that is good is trusted by everybody who has read the bundle within
//! the lead time.

use std::collections::BTreeMap;

use super::*;

const REPLICAS: usize = 3;
const NODES: usize = 4;
const SECONDS: u64 = 2_000;
const SEEDS: u64 = 60;

/// Number, from, until.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ca(u32, u64, u64);

impl Signs for Ca {
    type Trusted = u32;

    fn validity(&self) -> Validity {
        Validity { from: self.1, until: self.2 }
    }

    fn trusted(&self) -> u32 {
        self.0
    }
}

/// What is kept at the API server, with the version that a writer must know.
#[derive(Clone)]
struct Versioned<T> {
    version: u64,
    value: T,
}

impl<T> Versioned<T> {
    fn write(&mut self, known: u64, value: T) -> bool {
        let is_known = known == self.version;
        if is_known {
            *self = Self { version: known + 1, value };
        }
        is_known
    }
}

/// Where a replica is in its round.
#[derive(Clone)]
enum Step {
    ReadBundle,
    ReadSecret { bundle: Versioned<Vec<u32>> },
    Publish { bundle: Versioned<Vec<u32>>, secret: Versioned<Rotation<Ca>> },
    Change { secret: Versioned<Rotation<Ca>> },
}

struct Replica {
    step: Step,
    known: Rotation<Ca>,
    read_at: u64,
    leaf: Leaf,
    cut_off_until: u64,
}

#[derive(Clone, Copy)]
struct Leaf {
    authority: u32,
    from: u64,
    until: u64,
}

struct Node {
    leaf: Leaf,
    bundle: Vec<u32>,
    reads_at: u64,
}

struct World {
    random: u64,
    now: u64,
    lifetimes: Lifetimes,
    secret: Versioned<Rotation<Ca>>,
    published: Versioned<Vec<u32>>,
    replicas: Vec<Replica>,
    nodes: Vec<Node>,
    made: u32,
    promotions: BTreeMap<u32, u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let secs = Duration::from_secs;
        let lifetimes = Lifetimes::new(secs(400), secs(60), secs(40)).expect("they fit");
        let first = Rotation::first(Ca(0, 0, 400), 0);
        let leaf = Leaf { authority: 0, from: 0, until: 60 };
        let replica =
            || Replica { step: Step::ReadBundle, known: first.clone(), read_at: 0, leaf, cut_off_until: 0 };
        let node = || Node { leaf, bundle: vec![0], reads_at: 0 };
        Self {
            random: seed * 2 + 1,
            now: 0,
            lifetimes,
            secret: Versioned { version: 0, value: first.clone() },
            published: Versioned { version: 0, value: vec![0] },
            replicas: (0..REPLICAS).map(|_| replica()).collect(),
            nodes: (0..NODES).map(|_| node()).collect(),
            made: 0,
            promotions: BTreeMap::new(),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn second(&mut self) {
        self.now += 1;
        for i in 0..REPLICAS {
            // of the two that may lead one is never cut off: what happens without a leader for months is another test
            let other = i < 2 && self.replicas[1 - i].cut_off_until > self.now;
            if self.below(300) == 0 && !other {
                self.replicas[i].cut_off_until = self.now + self.below(300);
            }
            // a call takes a second or some: others come between
            if self.replicas[i].cut_off_until <= self.now && self.below(3) > 0 {
                self.replica(i);
            }
            self.renew_server(i);
        }
        for i in 0..NODES {
            self.node(i);
        }
        self.check();
    }

    /// One call to the API server.
    fn replica(&mut self, i: usize) {
        // The third never leads. Of the others the one whose turn it is, or who is not cut off; now and then both.
        let rival = &self.replicas[1 - i.min(1)];
        let turn = self.now / 100 % 2 == i as u64 || rival.cut_off_until > self.now;
        let leads = i < 2 && (turn || self.below(10) == 0);
        let step = std::mem::replace(&mut self.replicas[i].step, Step::ReadBundle);
        self.replicas[i].step = match step {
            Step::ReadBundle => Step::ReadSecret { bundle: self.published.clone() },
            Step::ReadSecret { bundle } => {
                let secret = self.secret.clone();
                self.replicas[i].known = secret.value.clone();
                self.replicas[i].read_at = self.now;
                if leads { Step::Publish { bundle, secret } } else { Step::ReadBundle }
            }
            Step::Publish { bundle, secret } => {
                let wanted = secret.value.bundle();
                if bundle.value == wanted || self.published.write(bundle.version, wanted) {
                    Step::Change { secret }
                } else {
                    Step::ReadBundle
                }
            }
            Step::Change { secret } => {
                self.change(secret);
                Step::ReadBundle
            }
        };
    }

    fn change(&mut self, secret: Versioned<Rotation<Ca>>) {
        let (now, mut rotation) = (self.now, secret.value);
        let Some(due) = rotation.due(&self.lifetimes, now, true) else { return };
        let fresh = Ca(self.made + 1, now, now + 400);
        match due {
            Due::Introduce => rotation.introduce(fresh),
            Due::Announce => rotation.announce(now),
            Due::Promote => rotation.promote(now),
            Due::Forget => rotation.forget(),
            Due::Replace => rotation.replace(fresh, now),
        }
        // What a replica wants that was cut off in between does not count.
        if self.secret.write(secret.version, rotation) {
            assert_ne!(due, Due::Replace, "at {now}: nobody led for as long as an authority lives");
            self.made += u32::from(due == Due::Introduce);
            if due == Due::Promote {
                let signing = self.secret.value.signing.0;
                assert_eq!(self.promotions.insert(signing, now), None, "one signs twice");
            }
        }
    }

    /// A replica signs its own certificate, as others', only with what it knows to be fresh.
    fn sign(&self, i: usize) -> Option<Leaf> {
        let replica = &self.replicas[i];
        let fresh = self.now - replica.read_at <= self.lifetimes.fresh().as_secs();
        let (authority, until) = (replica.known.signing.0, replica.known.signing.2);
        let leaf = Leaf { authority, from: self.now, until: until.min(self.now + 60) };
        fresh.then_some(leaf)
    }

    fn renew_server(&mut self, i: usize) {
        let replica = &self.replicas[i];
        let other = replica.leaf.authority != replica.known.signing.0;
        if (other || is_due(replica.leaf, self.now))
            && let Some(leaf) = self.sign(i)
        {
            self.replicas[i].leaf = leaf;
        }
    }

    fn node(&mut self, i: usize) {
        if self.nodes[i].reads_at <= self.now {
            self.nodes[i].bundle = self.published.value.clone();
            // never later than the lead time, and often nearly so late
            let lead = self.lifetimes.lead().as_secs() - 1;
            self.nodes[i].reads_at = self.now + if self.below(2) == 0 { lead } else { self.below(lead) };
        }
        let lost = self.nodes[i].leaf.until <= self.now;
        if (lost || is_due(self.nodes[i].leaf, self.now)) && self.below(4) == 0 {
            let replica = self.below(REPLICAS as u64) as usize;
            if let Some(leaf) = self.sign(replica) {
                self.nodes[i].leaf = leaf;
            }
        }
    }

    fn check(&self) {
        let lead = self.lifetimes.lead().as_secs();
        let is_good = |leaf: Leaf| (leaf.from..leaf.until).contains(&self.now);
        for (r, replica) in self.replicas.iter().enumerate() {
            for (n, node) in self.nodes.iter().enumerate() {
                let at = self.now;
                if is_good(replica.leaf) {
                    let trusted = node.bundle.contains(&replica.leaf.authority);
                    assert!(trusted, "at {at}: node {n} does not trust replica {r}");
                }
                if is_good(node.leaf) && at - replica.read_at <= lead {
                    let trusted = replica.known.bundle().contains(&node.leaf.authority);
                    assert!(trusted, "at {at}: replica {r} does not trust node {n}");
                }
            }
        }
    }
}

fn is_due(leaf: Leaf, now: u64) -> bool {
    Validity { from: leaf.from, until: leaf.until }.is_due(now)
}

#[test]
fn no_certificate_that_is_good_is_ever_untrusted() {
    for seed in 1..=SEEDS {
        let mut world = World::new(seed);
        for _ in 0..SECONDS {
            world.second();
        }
        let count = world.promotions.len();
        assert!(count >= 5, "seed {seed}: only {count} changes in {SECONDS} s");
        assert!(world.secret.value.bundle().len() <= 3, "seed {seed}: the bundle grows");
    }
}
