//! What a control plane shows: virtual servers, backends, tools and nodes, as `get` and `describe` put them out.

mod columns;
mod kind;
mod views;

pub(crate) use columns::{Breadth, listing, state_tone};
pub(crate) use kind::Kind;
pub(crate) use views::{Backend, Condition, Item, Member, Node, Tool, VirtualServer, items};
