//! What `get` and `describe` can be asked for, and how what a control plane shows is put out: virtual servers, backends,
//! tools and nodes.

mod columns;
mod kind;
mod objects;
mod subject;
mod views;

pub(crate) use columns::{Breadth, listing, state_tone};
pub(crate) use kind::Kind;
pub(crate) use objects::{conditions, members, unix_ms};
pub(crate) use subject::{Asked, AskedParser, Subject};
pub(crate) use views::{Backend, Condition, Item, Member, Node, Tool, VirtualServer, items};
