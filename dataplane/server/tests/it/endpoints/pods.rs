//! The pods of one workload: mocks, and the list of them that a table carries.

use crate::support::mcp::Client;
use crate::support::tables::{Vmcp, table};
use crate::support::world::{World, mock_with};
use crate::support::{eventually, until};
use serde_json::json;
use std::net::{SocketAddr, TcpStream};
use tidegate_bench_mock::{Control, Mock, Options, Stats};
use tidegate_proto::table::{Endpoint, Table};

/// The mocks `pod-0`, `pod-1`, …; one that was killed is none.
pub(super) struct Pods(Vec<Option<Mock>>);

impl Pods {
    /// So many, with all tools.
    pub(super) fn start(count: usize) -> Self {
        Self::of(count, Options::named)
    }

    /// So many, with options by their names.
    pub(super) fn of(count: usize, options: impl Fn(&str) -> Options) -> Self {
        let pod = |n| Some(mock_with(options(&format!("pod-{n}"))));
        Self((0..count).map(pod).collect())
    }

    pub(super) fn names(&self) -> Vec<String> {
        (0..self.0.len()).map(|n| format!("pod-{n}")).collect()
    }

    pub(super) fn pod(&self, n: usize) -> &Mock {
        self.0[n].as_ref().expect("it runs")
    }

    pub(super) fn stats(&self, n: usize) -> Stats {
        self.pod(n).stats()
    }

    /// Its process is gone, with all its connections, and nobody says so.
    #[track_caller]
    pub(super) fn kill(&mut self, n: usize) {
        let addr = self.pod(n).addr;
        self.pod(n).control(&Control { close_connections: true, ..Control::default() });
        until("its connections are closed", || self.stats(n).connections_open == 0);
        self.0[n] = None;
        until("nobody listens there", || TcpStream::connect(addr).is_err());
    }

    /// Those that run, as the table has them.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint =
            |m: &Mock| Endpoint { host: m.addr.ip().to_string(), port: m.addr.port(), draining: false };
        self.0.iter().flatten().map(endpoint).collect()
    }

    /// `default/demo` over the workload `a` at these endpoints.
    pub(super) fn with(&self, endpoints: &[Endpoint]) -> Vmcp {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 1));
        Vmcp::named("demo").with("a", anywhere).backends(|b| {
            // as a Service of the workload is called: the same whatever pods there are
            b.authority = "mcp-a.default.svc.cluster.local:8080".into();
            b.endpoints = endpoints.to_vec();
        })
    }

    /// The same at all that run.
    pub(super) fn all(&self) -> Vmcp {
        self.with(&self.endpoints())
    }

    pub(super) fn table_of(&self, vmcp: Vmcp) -> Table {
        table([&vmcp])
    }

    /// A session at that pod.
    #[track_caller]
    pub(super) fn session_at(&self, world: &World, n: usize) -> Client {
        let home = format!("pod-{n}");
        eventually(&format!("a session at {home}"), || {
            let mut client = world.client();
            (client.call_text("a_who", json!({})) == home).then_some(client)
        })
    }
}
