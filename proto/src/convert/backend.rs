//! Backends.

use std::collections::BTreeSet;

use super::error::{At, ConvertError, Problem, items, required};
use super::{checks, wire};
use crate::table::{Backend, BackendId, Egress, Endpoint, Header, Limits, Locality, OutgoingAuth, Transport};

/// Wire to IR.
pub(super) fn read(b: wire::Backend) -> Result<Backend, ConvertError> {
    Ok(Backend {
        id: BackendId::from_wire(&checks::name(b.id).at("id")?),
        workload: checks::name(b.workload).at("workload")?,
        locality: locality(b.locality).at("locality")?,
        transport: transport(b.transport).at("transport")?,
        tls: b.tls,
        authority: checks::authority(b.authority).at("authority")?,
        path: checks::path(b.path).at("path")?,
        endpoints: endpoints(b.endpoints)?,
        outgoing_auth: outgoing_auth(required(b.outgoing_auth, "outgoing_auth")?).at("outgoing_auth")?,
        headers: items("headers", b.headers, header)?,
        egress: egress(b.egress).at("egress")?,
        limits: b.limits.map_or(Ok(Limits::default()), limits).at("limits")?,
    })
}

/// IR to wire.
pub(super) fn write(b: &Backend) -> wire::Backend {
    let locality = match b.locality {
        Locality::Local => wire::Locality::Local,
        Locality::Remote => wire::Locality::Remote,
    };
    let transport = match b.transport {
        Transport::StreamableHttp => wire::Transport::StreamableHttp,
        Transport::Sse => wire::Transport::Sse,
    };
    let egress = match b.egress {
        Egress::Any => wire::Egress::Any,
        Egress::NoLoopback => wire::Egress::NoLoopback,
        Egress::Public => wire::Egress::Public,
    };
    let endpoint =
        |e: &Endpoint| wire::Endpoint { host: e.host.clone(), port: e.port.into(), draining: e.draining };
    let header = |h: &Header| wire::Header { name: h.name.clone(), value: h.value.clone() };
    wire::Backend {
        id: b.id.to_string(),
        workload: b.workload.clone(),
        locality: locality.into(),
        transport: transport.into(),
        tls: b.tls,
        authority: b.authority.clone(),
        path: b.path.clone(),
        endpoints: b.endpoints.iter().map(endpoint).collect(),
        outgoing_auth: Some(write_outgoing_auth(&b.outgoing_auth)),
        headers: b.headers.iter().map(header).collect(),
        egress: egress.into(),
        limits: Some(write_limits(b.limits)),
    }
}

fn limits(l: wire::Limits) -> Result<Limits, ConvertError> {
    Ok(Limits {
        connections: checks::at_least_one(l.connections).at("connections")?,
        requests: checks::at_least_one(l.requests).at("requests")?,
        pending: l.pending,
    })
}

fn write_limits(l: Limits) -> wire::Limits {
    wire::Limits { connections: l.connections, requests: l.requests, pending: l.pending }
}

fn locality(value: i32) -> Result<Locality, Problem> {
    match wire::Locality::try_from(value) {
        Ok(wire::Locality::Local) => Ok(Locality::Local),
        Ok(wire::Locality::Remote) => Ok(Locality::Remote),
        Ok(wire::Locality::Unspecified) | Err(_) => Err(Problem::UnknownValue(value)),
    }
}

fn transport(value: i32) -> Result<Transport, Problem> {
    match wire::Transport::try_from(value) {
        Ok(wire::Transport::StreamableHttp) => Ok(Transport::StreamableHttp),
        Ok(wire::Transport::Sse) => Ok(Transport::Sse),
        Ok(wire::Transport::Unspecified) | Err(_) => Err(Problem::UnknownValue(value)),
    }
}

fn egress(value: i32) -> Result<Egress, Problem> {
    match wire::Egress::try_from(value) {
        Ok(wire::Egress::Any) => Ok(Egress::Any),
        Ok(wire::Egress::NoLoopback) => Ok(Egress::NoLoopback),
        Ok(wire::Egress::Public) => Ok(Egress::Public),
        Ok(wire::Egress::Unspecified) | Err(_) => Err(Problem::UnknownValue(value)),
    }
}

fn endpoints(list: Vec<wire::Endpoint>) -> Result<Vec<Endpoint>, ConvertError> {
    let list = items("endpoints", list, endpoint)?;
    let mut seen = BTreeSet::new();
    for (i, e) in list.iter().enumerate() {
        if !seen.insert((&e.host, e.port)) {
            return Err(Problem::Duplicate).at_item("endpoints", i);
        }
    }
    Ok(list)
}

fn endpoint(e: wire::Endpoint) -> Result<Endpoint, ConvertError> {
    Ok(Endpoint {
        host: checks::host(e.host).at("host")?,
        port: checks::port(e.port).at("port")?,
        draining: e.draining,
    })
}

fn header(h: wire::Header) -> Result<Header, ConvertError> {
    Ok(Header {
        name: checks::header_name(h.name).at("name")?,
        value: checks::header_value(h.value).at("value")?,
    })
}

/// A kind that this version does not know is absent here: refused, never taken for "no credential".
fn outgoing_auth(auth: wire::OutgoingAuth) -> Result<OutgoingAuth, ConvertError> {
    match required(auth.kind, "kind")? {
        wire::outgoing_auth::Kind::Unauthenticated(wire::Unauthenticated {}) => {
            Ok(OutgoingAuth::Unauthenticated)
        }
    }
}

fn write_outgoing_auth(auth: &OutgoingAuth) -> wire::OutgoingAuth {
    let kind = match auth {
        OutgoingAuth::Unauthenticated => wire::outgoing_auth::Kind::Unauthenticated(wire::Unauthenticated {}),
    };
    wire::OutgoingAuth { kind: Some(kind) }
}
