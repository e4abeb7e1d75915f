//! Connecting to backends: name resolution, the guard against forbidden addresses, TCP, and TLS by
//! Pingora's connector. Pooling is the threads' own ([`crate::local`]).

use crate::backend::BackendState;
use crate::endpoints::Endpoint;
use crate::io::{Holding, Io};
use crate::metrics::inc;
use crate::room::Room;
use crate::state::Gateway;
use pingora_core::ErrorType;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::upstreams::peer::HttpPeer;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tidegate_proto::table::Egress;
use tokio::net::TcpStream;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot resolve {0}")]
    Resolve(String, #[source] io::Error),
    #[error("{0} resolves to no address that may be dialled")]
    Forbidden(String),
    #[error("cannot connect")]
    Tcp(#[source] io::Error),
    #[error("cannot connect over TLS")]
    Tls(#[source] Box<pingora_core::Error>),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

/// A connection to a backend, counted while it is open.
pub(crate) struct Upstream {
    wire: Wire,
    /// where it leads
    endpoint: Arc<Endpoint>,
    _open: Counted,
}

/// What it runs on: the bare socket where that is enough, since every layer is paid for with each read and write.
enum Wire {
    Tcp(TcpStream),
    Tls(Holding<Stream>),
}

/// One of the open connections.
struct Counted(Arc<Room>);

impl Counted {
    /// One more, as soon as that stays within `limit`.
    async fn within(open: &Arc<Room>, limit: u32) -> Self {
        if !open.try_take(limit) {
            open.take(limit).await;
        }
        Self(open.clone())
    }

    /// One more in any case.
    fn any(open: &Arc<Room>) -> Self {
        open.take_any();
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl Io for Upstream {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Tcp(stream) => stream.poll_read(cx, buf),
            Wire::Tls(stream) => stream.poll_read(cx, buf),
        }
    }
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Tcp(stream) => stream.poll_write(cx, bufs),
            Wire::Tls(stream) => stream.poll_write(cx, bufs),
        }
    }
}

impl Upstream {
    /// Where it leads.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl ConnectError {
    /// Does nobody listen there?
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Tcp(e) => e.kind() == io::ErrorKind::ConnectionRefused,
            Self::Tls(e) => *e.etype() == ErrorType::ConnectRefused,
            _ => false,
        }
    }

    /// In a few words, for a client: no address is shown.
    pub(crate) fn public(&self) -> &'static str {
        match self {
            Self::Resolve(..) => "name resolution failed",
            Self::Forbidden(_) => "address not allowed",
            Self::Tcp(_) | Self::Tls(_) => "connection refused or broken",
            Self::Timeout(_) => "connection timed out",
        }
    }
}

/// Leave for one connection.
pub(crate) struct Leave(Counted);

/// Leave for the connection of a client's call. Waits for another to close when as many are open as the backend's limit
/// allows; how long, is the caller's business.
pub(crate) async fn leave(b: &BackendState) -> Leave {
    Leave(Counted::within(&b.open, b.spec.limits.connections).await)
}

/// A new connection for a client's call, within `limit`.
pub(crate) async fn connect_for_call(
    gw: &Gateway,
    b: &BackendState,
    endpoint: &Arc<Endpoint>,
    limit: Duration,
    leave: Leave,
) -> Result<Upstream, ConnectError> {
    connect_counted(gw, b, endpoint, limit, leave.0).await
}

/// A new connection to one of the backend's endpoints, within `limit`. For what the gateway sends by itself, which the
/// limit of connections does not hold up.
pub(crate) async fn connect(
    gw: &Gateway,
    b: &BackendState,
    endpoint: &Arc<Endpoint>,
    limit: Duration,
) -> Result<Upstream, ConnectError> {
    connect_counted(gw, b, endpoint, limit, Counted::any(&b.own_open)).await
}

async fn connect_counted(
    gw: &Gateway,
    b: &BackendState,
    endpoint: &Arc<Endpoint>,
    limit: Duration,
    counted: Counted,
) -> Result<Upstream, ConnectError> {
    let attempt = tokio::time::timeout(limit, dial(gw, b, endpoint));
    match attempt.await.unwrap_or(Err(ConnectError::Timeout(limit))) {
        Ok(wire) => {
            inc(&b.shared.stats.connects);
            endpoint.reached();
            Ok(Upstream { wire, endpoint: endpoint.clone(), _open: counted })
        }
        Err(e) => {
            inc(&b.shared.stats.connect_failures);
            endpoint.pass_over(gw.clock.now());
            tracing::debug!(backend = %b.spec.id, endpoint = %endpoint, error = %e, "connect failed");
            Err(e)
        }
    }
}

async fn dial(gw: &Gateway, b: &BackendState, endpoint: &Endpoint) -> Result<Wire, ConnectError> {
    let mut last = None;
    for addr in resolve(endpoint, b.spec.egress).await? {
        let attempt = if b.spec.tls { tls(gw, addr, &endpoint.host).await } else { tcp(addr).await };
        match attempt {
            Ok(wire) => return Ok(wire),
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| ConnectError::Forbidden(endpoint.host.clone())))
}

async fn tcp(addr: SocketAddr) -> Result<Wire, ConnectError> {
    let stream = TcpStream::connect(addr).await.map_err(ConnectError::Tcp)?;
    stream.set_nodelay(true).map_err(ConnectError::Tcp)?;
    Ok(Wire::Tcp(stream))
}

async fn tls(gw: &Gateway, addr: SocketAddr, host: &str) -> Result<Wire, ConnectError> {
    let mut peer = HttpPeer::new(addr, true, host.to_owned());
    peer.options.alpn = ALPN::H1;
    let stream = gw.connector.new_stream(&peer).await.map_err(ConnectError::Tls)?;
    Ok(Wire::Tls(Holding::new(stream)))
}

/// The addresses of an endpoint that may be dialled. Checked after resolution: a name that is allowed may
/// point to an address that is not.
async fn resolve(endpoint: &Endpoint, egress: Egress) -> Result<Vec<SocketAddr>, ConnectError> {
    let addrs: Vec<SocketAddr> = match endpoint.host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, endpoint.port)],
        Err(_) => tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(|e| ConnectError::Resolve(endpoint.host.clone(), e))?
            .collect(),
    };
    let allowed: Vec<_> = addrs.into_iter().filter(|a| may_dial(a.ip(), egress)).collect();
    if allowed.is_empty() { Err(ConnectError::Forbidden(endpoint.host.clone())) } else { Ok(allowed) }
}

fn may_dial(ip: IpAddr, egress: Egress) -> bool {
    let ip = ip.to_canonical();
    match egress {
        Egress::Any => true,
        Egress::NoLoopback => !is_own(ip),
        Egress::Public => !is_own(ip) && !is_private(ip),
    }
}

/// Loopback, link-local (cloud metadata) and unspecified addresses (spec 1.4).
fn is_own(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.octets()[0] == 0 || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ip: &str, any: bool, no_loopback: bool, public: bool) {
        let ip: IpAddr = ip.parse().expect("an address");
        assert_eq!(may_dial(ip, Egress::Any), any, "{ip} any");
        assert_eq!(may_dial(ip, Egress::NoLoopback), no_loopback, "{ip} no loopback");
        assert_eq!(may_dial(ip, Egress::Public), public, "{ip} public");
    }

    #[test]
    fn resolved_addresses_are_held_against_the_egress_rule() {
        check("93.184.216.34", true, true, true);
        check("10.1.2.3", true, true, false);
        check("172.20.0.1", true, true, false);
        check("192.168.1.1", true, true, false);
        check("fd00::1", true, true, false);
        check("127.0.0.1", true, false, false);
        check("::1", true, false, false);
        check("::ffff:127.0.0.1", true, false, false);
        check("169.254.169.254", true, false, false);
        check("::ffff:169.254.169.254", true, false, false);
        check("fe80::1", true, false, false);
        check("0.0.0.0", true, false, false);
        check("0.1.2.3", true, false, false);
        check("::", true, false, false);
    }
}
