//! The real binary as a process, real directories, and a node that speaks the generated client.

mod crds;
mod directory;
mod durability;
mod identity;
mod inspection;
mod keys;
mod kube;
mod process;
mod scale;
mod status;
mod support;

// Pods have addresses that are nobody else's.
tidegate_bench_cluster::own_network!();
