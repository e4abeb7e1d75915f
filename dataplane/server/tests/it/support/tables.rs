//! Routing tables in few words.

use std::net::SocketAddr;
use std::time::Duration;
use tidegate_proto::table::{
    Aggregation, Backend, BackendId, BreakerPolicy, ConflictResolution, Egress, Endpoint, Entry,
    HealthPolicy, IncomingAuth, Limits, Locality, Member, OutgoingAuth, PartialFailure, Table, Timeouts,
    Transport, VirtualServer, VirtualServerId, Visibility,
};

/// A virtual server with its backends.
#[derive(Clone)]
pub(crate) struct Vmcp {
    server: VirtualServer,
    backends: Vec<Backend>,
}

/// The table that serves these.
pub(crate) fn table<'s>(servers: impl IntoIterator<Item = &'s Vmcp>) -> Table {
    let mut table = Table::default();
    for s in servers {
        for b in &s.backends {
            table.insert(Entry::Backend(b.clone()));
        }
        table.insert(Entry::VirtualServer(s.server.clone()));
    }
    table
}

/// As reported: the id of the backend of a workload.
pub(crate) fn backend_id(workload: &str) -> BackendId {
    BackendId::resource("default", "MCPServer", workload)
}

impl Vmcp {
    /// `default/NAME` or `NAMESPACE/NAME`; tools are prefixed with `{workload}_`.
    pub(crate) fn named(name: &str) -> Self {
        let id = VirtualServerId::parse(name).unwrap_or_else(|| VirtualServerId::new("default", name));
        let server = VirtualServer {
            server_name: id.name.to_string(),
            id,
            group: "tools".into(),
            listen: Vec::new(),
            members: Vec::new(),
            aggregation: Aggregation {
                conflict_resolution: ConflictResolution::Prefix { format: "{workload}_".into() },
                tools: Vec::new(),
                exclude_all_tools: false,
                default_visibility: Visibility::Allow,
            },
            health: HealthPolicy {
                interval: Duration::from_secs(30),
                timeout: Duration::from_secs(10),
                unhealthy_threshold: 3,
                probe_remote: false,
            },
            breaker: None,
            partial_failure: PartialFailure::BestEffort,
            incoming_auth: IncomingAuth::Anonymous,
            passthrough_headers: Vec::new(),
            status_interval: Duration::from_secs(30),
            timeouts: Timeouts::default(),
            retry_idempotent: false,
            request_log: false,
        };
        Self { server, backends: Vec::new() }
    }

    /// Adds a backend at `addr`. The bound of its calls is beyond that of every test's waiting.
    pub(crate) fn with(self, workload: &str, addr: SocketAddr) -> Self {
        self.bounded(workload, addr, 10 * super::DEADLINE)
    }

    /// Adds a backend with a bound of its calls.
    pub(crate) fn bounded(mut self, workload: &str, addr: SocketAddr, call_timeout: Duration) -> Self {
        let backend = backend_id(workload);
        self.backends.push(Backend {
            id: backend.clone(),
            workload: workload.into(),
            locality: Locality::Local,
            transport: Transport::StreamableHttp,
            tls: false,
            authority: addr.to_string(),
            path: "/mcp".into(),
            endpoints: vec![Endpoint { host: addr.ip().to_string(), port: addr.port(), draining: false }],
            outgoing_auth: OutgoingAuth::Unauthenticated,
            headers: Vec::new(),
            egress: Egress::Any,
            limits: Limits::default(),
        });
        self.server.members.push(Member { backend, workload: workload.into(), call_timeout });
        self.server.members.sort_by(|a, b| a.workload.cmp(&b.workload));
        self
    }

    /// Changes what has no word of its own here.
    pub(crate) fn tuned(mut self, change: impl FnOnce(&mut VirtualServer)) -> Self {
        change(&mut self.server);
        self
    }

    /// Changes the backends added so far.
    pub(crate) fn backends(mut self, change: impl FnMut(&mut Backend)) -> Self {
        self.backends.iter_mut().for_each(change);
        self
    }

    /// Probes each `interval`, bounded by `timeout`; `threshold` failures in a row make a backend unhealthy.
    pub(crate) fn probed(self, interval: Duration, timeout: Duration, threshold: u32) -> Self {
        self.tuned(|s| {
            s.health = HealthPolicy { interval, timeout, unhealthy_threshold: threshold, ..s.health };
        })
    }

    /// With a circuit breaker.
    pub(crate) fn breaker(self, failure_threshold: u32, open_for: Duration) -> Self {
        self.tuned(|s| s.breaker = Some(BreakerPolicy { failure_threshold, open_for, per_tool: false }))
    }

    /// `prefixFormat`
    pub(crate) fn prefix(mut self, format: &str) -> Self {
        self.server.aggregation.conflict_resolution = ConflictResolution::Prefix { format: format.into() };
        self
    }

    /// With its requests logged.
    pub(crate) fn logged(mut self) -> Self {
        self.server.request_log = true;
        self
    }

    /// A port of its own.
    pub(crate) fn listen(mut self, addr: SocketAddr) -> Self {
        self.server.listen = vec![addr];
        self
    }

    /// `passthroughHeaders`
    pub(crate) fn passes(mut self, headers: &[&str]) -> Self {
        self.server.passthrough_headers = headers.iter().map(ToString::to_string).collect();
        self
    }
}
