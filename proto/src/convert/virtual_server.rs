//! Virtual servers and their policies.

mod aggregation;

use std::time::Duration;

use super::checks::{self, milliseconds};
use super::error::{At, ConvertError, Problem, items, required};
use super::wire;
use crate::table::{
    BackendId, BreakerPolicy, HealthPolicy, IncomingAuth, Member, PartialFailure, Timeouts, VirtualServer,
    VirtualServerId,
};

/// A breaker that opens for less would flap faster than any probe.
const MIN_OPEN_MS: u64 = 1000;

/// Wire to IR.
pub(super) fn read(v: wire::VirtualServer) -> Result<VirtualServer, ConvertError> {
    let namespace = checks::name_part(v.namespace).at("namespace")?;
    let name = checks::name_part(v.name).at("name")?;
    let members = items("members", v.members, member)?;
    if !checks::sorted(&members, |m| (m.workload.clone(), m.backend.clone())) {
        return Err(Problem::Unsorted("workload")).at("members");
    }
    let incoming_auth = incoming_auth(required(v.incoming_auth, "incoming_auth")?).at("incoming_auth")?;
    let timeouts = timeouts(v.connect_timeout_ms, v.idle_timeout_ms, v.tool_timeouts)?;
    Ok(VirtualServer {
        id: VirtualServerId::new(&namespace, &name),
        server_name: checks::name(v.server_name).at("server_name")?,
        group: checks::name(v.group).at("group")?,
        listen: items("listen", v.listen, checks::listen)?,
        members,
        aggregation: aggregation::read(required(v.aggregation, "aggregation")?).at("aggregation")?,
        health: health(required(v.health, "health")?).at("health")?,
        breaker: v.breaker.map(|b| breaker(b).at("breaker")).transpose()?,
        partial_failure: partial_failure(v.partial_failure).at("partial_failure")?,
        incoming_auth,
        passthrough_headers: items("passthrough_headers", v.passthrough_headers, checks::header_name)?,
        status_interval: checks::duration(v.status_interval_ms).at("status_interval_ms")?,
        timeouts,
        retry_idempotent: v.retry_idempotent,
        request_log: v.request_log,
    })
}

/// IR to wire.
pub(super) fn write(v: &VirtualServer) -> wire::VirtualServer {
    wire::VirtualServer {
        namespace: v.id.namespace.to_string(),
        name: v.id.name.to_string(),
        server_name: v.server_name.clone(),
        listen: v.listen.iter().map(ToString::to_string).collect(),
        members: v.members.iter().map(write_member).collect(),
        aggregation: Some(aggregation::write(&v.aggregation)),
        health: Some(write_health(&v.health)),
        breaker: v.breaker.as_ref().map(write_breaker),
        partial_failure: match v.partial_failure {
            PartialFailure::BestEffort => wire::PartialFailure::BestEffort.into(),
            PartialFailure::Fail => wire::PartialFailure::Fail.into(),
        },
        incoming_auth: Some(write_incoming_auth(&v.incoming_auth)),
        passthrough_headers: v.passthrough_headers.clone(),
        status_interval_ms: milliseconds(v.status_interval),
        group: v.group.clone(),
        connect_timeout_ms: milliseconds(v.timeouts.connect),
        idle_timeout_ms: v.timeouts.idle.map_or(0, milliseconds),
        tool_timeouts: v.timeouts.tools.iter().map(write_tool_timeout).collect(),
        retry_idempotent: v.retry_idempotent,
        request_log: v.request_log,
    }
}

fn member(m: wire::Member) -> Result<Member, ConvertError> {
    Ok(Member {
        backend: BackendId::from_wire(&checks::name(m.backend).at("backend")?),
        workload: checks::name(m.workload).at("workload")?,
        call_timeout: checks::duration(m.call_timeout_ms).at("call_timeout_ms")?,
    })
}

fn write_member(m: &Member) -> wire::Member {
    wire::Member {
        backend: m.backend.to_string(),
        workload: m.workload.clone(),
        call_timeout_ms: milliseconds(m.call_timeout),
    }
}

fn timeouts(connect: u64, idle: u64, tools: Vec<wire::ToolTimeout>) -> Result<Timeouts, ConvertError> {
    let or_absent = |ms: u64| (ms > 0).then(|| checks::duration(ms)).transpose();
    let tools = items("tool_timeouts", tools, |t| {
        let bound = checks::duration(t.timeout_ms).at("timeout_ms")?;
        Ok::<_, ConvertError>((checks::name(t.tool).at("tool")?, bound))
    })?;
    if !checks::sorted(&tools, |(tool, _)| tool.clone()) {
        return Err(Problem::Unsorted("tool")).at("tool_timeouts");
    }
    Ok(Timeouts {
        connect: or_absent(connect).at("connect_timeout_ms")?.unwrap_or(Timeouts::CONNECT),
        idle: or_absent(idle).at("idle_timeout_ms")?,
        tools: tools.into_iter().collect(),
    })
}

fn write_tool_timeout((tool, bound): (&String, &Duration)) -> wire::ToolTimeout {
    wire::ToolTimeout { tool: tool.clone(), timeout_ms: milliseconds(*bound) }
}

fn health(h: wire::HealthPolicy) -> Result<HealthPolicy, ConvertError> {
    let interval = checks::duration(h.interval_ms).at("interval_ms")?;
    let timeout = checks::duration(h.timeout_ms).at("timeout_ms")?;
    if timeout >= interval {
        return Err(Problem::NotBelow("interval_ms")).at("timeout_ms");
    }
    let unhealthy_threshold = checks::at_least_one(h.unhealthy_threshold).at("unhealthy_threshold")?;
    Ok(HealthPolicy { interval, timeout, unhealthy_threshold, probe_remote: h.probe_remote })
}

fn write_health(h: &HealthPolicy) -> wire::HealthPolicy {
    wire::HealthPolicy {
        interval_ms: milliseconds(h.interval),
        timeout_ms: milliseconds(h.timeout),
        unhealthy_threshold: h.unhealthy_threshold,
        probe_remote: h.probe_remote,
    }
}

fn breaker(b: wire::BreakerPolicy) -> Result<BreakerPolicy, ConvertError> {
    let failure_threshold = checks::at_least_one(b.failure_threshold).at("failure_threshold")?;
    let open_for = checks::duration(b.open_ms).at("open_ms")?;
    if b.open_ms < MIN_OPEN_MS {
        return Err(Problem::Below(MIN_OPEN_MS)).at("open_ms");
    }
    Ok(BreakerPolicy { failure_threshold, open_for, per_tool: b.per_tool })
}

fn write_breaker(b: &BreakerPolicy) -> wire::BreakerPolicy {
    wire::BreakerPolicy {
        failure_threshold: b.failure_threshold,
        open_ms: milliseconds(b.open_for),
        per_tool: b.per_tool,
    }
}

fn partial_failure(value: i32) -> Result<PartialFailure, Problem> {
    match wire::PartialFailure::try_from(value) {
        Ok(wire::PartialFailure::BestEffort) => Ok(PartialFailure::BestEffort),
        Ok(wire::PartialFailure::Fail) => Ok(PartialFailure::Fail),
        Ok(wire::PartialFailure::Unspecified) | Err(_) => Err(Problem::UnknownValue(value)),
    }
}

/// A kind that this version does not know is absent here: refused, never taken for "anybody".
fn incoming_auth(auth: wire::IncomingAuth) -> Result<IncomingAuth, ConvertError> {
    match required(auth.kind, "kind")? {
        wire::incoming_auth::Kind::Anonymous(wire::Anonymous {}) => Ok(IncomingAuth::Anonymous),
    }
}

fn write_incoming_auth(auth: &IncomingAuth) -> wire::IncomingAuth {
    let kind = match auth {
        IncomingAuth::Anonymous => wire::incoming_auth::Kind::Anonymous(wire::Anonymous {}),
    };
    wire::IncomingAuth { kind: Some(kind) }
}
