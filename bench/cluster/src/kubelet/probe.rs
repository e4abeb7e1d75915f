//! Readiness: the container's readiness probe, or that its ports answer.

use super::container::{Container, Phase, Place};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How often it is asked until it says yes for the first time: tests do not wait for a probe's period.
const EAGER: Duration = Duration::from_millis(100);
const DEFAULT_PERIOD: i32 = 10;
const DEFAULT_TIMEOUT: i32 = 1;

enum Probe {
    /// All of them have to accept a connection, once.
    Listens(Vec<SocketAddr>),
    Tcp(SocketAddr),
    Http {
        addr: SocketAddr,
        path: String,
    },
}

/// Keeps the container's readiness up to date for as long as it runs.
pub(super) async fn watch(container: &Container, place: &Place) -> Infallible {
    let spec = container.spec.readiness_probe.as_ref();
    let seconds = |value: Option<i32>, default| {
        Duration::from_secs(u64::try_from(value.unwrap_or(default)).unwrap_or_default().max(1))
    };
    let period = seconds(spec.and_then(|s| s.period_seconds), DEFAULT_PERIOD);
    let limit = seconds(spec.and_then(|s| s.timeout_seconds), DEFAULT_TIMEOUT);
    let probe = Probe::of(container);
    loop {
        let ready = tokio::time::timeout(limit, probe.ask()).await.is_ok_and(|answer| answer.is_ok());
        place.set(Phase::Running { ready });
        match (&probe, ready) {
            (Probe::Listens(_), true) => std::future::pending().await,
            (_, true) => tokio::time::sleep(period).await,
            (_, false) => tokio::time::sleep(EAGER).await,
        }
    }
}

impl Probe {
    fn of(container: &Container) -> Self {
        let spec = container.spec.readiness_probe.as_ref();
        let named = |port: &str| {
            let mut ports = container.spec.ports.iter().flatten();
            ports.find(|p| p.name.as_deref() == Some(port)).map(|p| p.container_port)
        };
        let addr = |port: &IntOrString| {
            let port = match port {
                IntOrString::Int(port) => *port,
                IntOrString::String(name) => named(name)?,
            };
            Some(SocketAddr::from((container.ip, u16::try_from(port).ok()?)))
        };
        let http = spec.and_then(|s| s.http_get.as_ref());
        let tcp = spec.and_then(|s| s.tcp_socket.as_ref());
        if let Some((get, addr)) = http.and_then(|get| Some((get, addr(&get.port)?))) {
            return Self::Http { addr, path: get.path.clone().unwrap_or_else(|| "/".to_owned()) };
        }
        match tcp.and_then(|tcp| addr(&tcp.port)) {
            Some(addr) => Self::Tcp(addr),
            None => Self::Listens(container.addresses().collect()),
        }
    }

    async fn ask(&self) -> std::io::Result<()> {
        match self {
            Self::Listens(addrs) => {
                for addr in addrs {
                    TcpStream::connect(addr).await?;
                }
                Ok(())
            }
            Self::Tcp(addr) => TcpStream::connect(addr).await.map(drop),
            Self::Http { addr, path } => get(*addr, path).await,
        }
    }
}

/// That a GET is answered with a status from 200 to 399.
async fn get(addr: SocketAddr, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(addr).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\nuser-agent: kube-probe\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    let good = head.starts_with(b"HTTP/1.") && matches!(head[9], b'2' | b'3');
    good.then_some(()).ok_or_else(|| std::io::ErrorKind::Other.into())
}
