//! The real binary as a process, real directories, and a node that speaks the generated client.

mod directory;
mod durability;
mod identity;
mod inspection;
mod keys;
mod process;
mod scale;
mod status;
mod support;
