//! Both ends of the push protocol, driven together in virtual time with drops, lingering streams, restarts of
//! either side, refusals and tables that change at any moment. A failing run prints its seed;
//! `SEED=n cargo test -p tidegate-proto --test simulation` repeats it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "simulation/control.rs"]
mod control;
#[path = "simulation/link.rs"]
mod link;
#[path = "simulation/node.rs"]
mod node;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/tables.rs"]
mod tables;
#[path = "simulation/world.rs"]
mod world;

use world::{Seen, World};

const SEEDS: u64 = 400;
const STEPS: usize = 500;

#[test]
fn nodes_follow_the_control_plane_through_drops_restarts_and_refusals() {
    let chosen = std::env::var("SEED").ok().map(|s| s.parse::<u64>().expect("SEED is a number"));
    let seeds = chosen.map_or(0..SEEDS, |seed| seed..seed + 1);
    let mut seen = Seen::default();
    for seed in seeds {
        let tell = TellSeed(seed);
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            world.check();
        }
        world.calm();
        seen.add(&world.seen);
        drop(tell);
    }
    if chosen.is_none() {
        seen.assert_everything_happened();
    }
}

/// Names the seed when a run panics.
struct TellSeed(u64);

impl Drop for TellSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failing seed: SEED={}", self.0);
        }
    }
}
