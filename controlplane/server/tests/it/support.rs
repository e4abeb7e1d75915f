//! What the tests share.

mod manifests;
mod node;
mod plane;

pub(crate) use manifests::{ECHO, broken, echo_and, group, server, virtual_server};
pub(crate) use node::{FakeNode, Held};
pub(crate) use plane::{Plane, PlaneBuilder};

use std::time::Duration;

/// Nothing here takes nearly as long; a machine under load may.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
