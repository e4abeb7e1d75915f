//! The usual stage: a control plane, a gateway, and what is published.

use super::control_plane::{ControlPlane, Seen};
use super::gateway::Gateway;
use super::mcp::Client;
use super::puppet::Puppet;
use super::tables::{Vmcp, table};
use tidegate_bench_mock::{Mock, Options};
use tidegate_proto::table::{Member, Table};
use tidegate_proto::wire::{BackendHealth, VirtualServerState};

/// A report names no more tools of one virtual server.
const REPORTED: usize = 2_000;

/// A control plane and a gateway that follows it.
pub(crate) struct World {
    // dropped first: its log should not be about the end of the control plane
    pub(crate) gateway: Gateway,
    pub(crate) plane: ControlPlane,
}

/// A mock with all built-in tools.
pub(crate) fn mock(name: &str) -> Mock {
    Mock::start(Options::named(name)).expect("a mock")
}

/// A mock with its options.
pub(crate) fn mock_with(options: Options) -> Mock {
    Mock::start(options).expect("a mock")
}

impl World {
    /// Serves these, all backends reached.
    #[track_caller]
    pub(crate) fn of<'s>(servers: impl IntoIterator<Item = &'s Vmcp>) -> Self {
        Self::with(servers, &[])
    }

    /// The same with options of the gateway.
    #[track_caller]
    pub(crate) fn with<'s>(servers: impl IntoIterator<Item = &'s Vmcp>, extra: &[&str]) -> Self {
        let world = Self::unsettled(servers, extra);
        world.plane.settled();
        world.reached();
        world
    }

    /// The same, without waiting for anything.
    pub(crate) fn unsettled<'s>(servers: impl IntoIterator<Item = &'s Vmcp>, extra: &[&str]) -> Self {
        let plane = ControlPlane::start();
        plane.publish(&table(servers));
        let gateway = Gateway::start(&plane.address(), extra);
        Self { gateway, plane }
    }

    /// One virtual server `default/demo` over one mock that is the workload `a`.
    #[track_caller]
    pub(crate) fn over(mock: &Mock) -> Self {
        Self::of([&Vmcp::named("demo").with("a", mock.addr)])
    }

    /// The same over a puppet.
    #[track_caller]
    pub(crate) fn over_puppet(puppet: &Puppet) -> Self {
        Self::of([&Vmcp::named("demo").with("a", puppet.addr)])
    }

    /// Publishes the table of these and waits until it is served and its backends are reached.
    #[track_caller]
    pub(crate) fn publish<'s>(&self, servers: impl IntoIterator<Item = &'s Vmcp>) {
        self.publish_table(&table(servers));
        self.reached();
    }

    /// Publishes a table and waits until the node has decided on it.
    #[track_caller]
    pub(crate) fn publish_table(&self, table: &Table) {
        self.plane.publish(table);
        self.plane.settled();
    }

    /// Waits until every backend that is published was reached and its tools are served.
    #[track_caller]
    pub(crate) fn reached(&self) {
        let table = self.plane.published();
        super::until("all backends are healthy and listed", || {
            let seen = self.plane.seen();
            table
                .virtual_servers()
                .filter(|v| !seen.refusals.contains_key(&format!("virtual server {}", v.id)))
                .all(|server| match seen.virtual_servers.get(&server.id.to_string()) {
                    Some(state) => server.members.iter().all(|m| is_served(&seen, state, m)),
                    None => false,
                })
        });
    }

    /// A session with `/mcp`.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::open(self.gateway.addr, "/mcp")
    }

    /// A session with `/default/NAME/mcp`.
    #[track_caller]
    pub(crate) fn client_of(&self, name: &str) -> Client {
        Client::open(self.gateway.addr, &format!("/default/{name}/mcp"))
    }
}

/// Is a member healthy, and are its tools among those that the node says it serves?
fn is_served(seen: &Seen, state: &VirtualServerState, member: &Member) -> bool {
    let Some(backend) = seen.backends.get(member.backend.as_str()) else { return false };
    let listed = || state.tools.iter().any(|t| t.backend == member.workload);
    backend.health() == BackendHealth::Healthy
        && (backend.tools == 0 || state.tools.len() >= REPORTED || listed())
}
