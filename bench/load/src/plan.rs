//! What to do, checked: the arguments as types that cannot be wrong.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::args::{Args, Method};
use crate::tls::{Authorities, Tls};

/// One server to call.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) tls: Option<Tls>,
}

/// When the load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// After this time of measuring.
    Time(Duration),
    /// After this many requests.
    Count(u64),
}

/// The whole run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) targets: Vec<Target>,
    pub(crate) method: Method,
    pub(crate) tools: Vec<String>,
    pub(crate) arguments: String,
    pub(crate) progress: bool,
    pub(crate) sessions: usize,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) limit: Limit,
    pub(crate) warmup: Duration,
    /// Time between two requests of one connection, when the loop is open.
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Duration,
    pub(crate) wait: Duration,
    pub(crate) expect: Option<String>,
    pub(crate) same: bool,
    pub(crate) sse: bool,
    /// Header lines with their ends.
    pub(crate) headers: String,
    pub(crate) protocol: String,
    pub(crate) h2: bool,
    pub(crate) cpu_of: Vec<u32>,
}

impl TryFrom<Args> for Plan {
    type Error = anyhow::Error;

    fn try_from(args: Args) -> anyhow::Result<Self> {
        let connections = args.connections.unwrap_or(args.sessions);
        ensure!(connections > 0, "--connections must be at least 1");
        ensure!(args.sessions >= connections, "--sessions must be at least --connections");
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&args.args)
            .context("--args must be a JSON object")?;
        let authorities = args.ca.as_deref().map(|ca| Authorities::read(ca, args.h2)).transpose()?;
        let targets = args.url.iter().map(|url| target(url, authorities.as_ref()));
        let mut targets = targets.collect::<anyhow::Result<Vec<_>>>()?;
        let headers = headers(&args.header, &mut targets)?;
        let interval = match args.rate {
            None => None,
            Some(rate) => {
                ensure!(rate.is_finite() && rate > 0.0, "--rate must be positive");
                Some(Duration::from_secs_f64(connections as f64 / rate))
            }
        };
        Ok(Self {
            targets,
            method: args.method,
            tools: args.tool,
            arguments: args.args,
            progress: args.progress,
            sessions: args.sessions,
            connections,
            threads: args.threads.clamp(1, connections),
            limit: args.requests.map_or(Limit::Time(args.duration), Limit::Count),
            warmup: args.warmup,
            interval,
            timeout: args.timeout,
            wait: args.wait,
            expect: args.expect,
            same: args.same,
            sse: args.sse,
            headers,
            protocol: args.protocol,
            h2: args.h2,
            cpu_of: args.cpu_of,
        })
    }
}

fn target(url: &str, authorities: Option<&Authorities>) -> anyhow::Result<Target> {
    let (scheme, rest) = url.split_once("://").with_context(|| format!("--url {url}: no scheme"))?;
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => bail!("--url {url}: only http:// and https:// are served"),
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let named = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let (name, authority) = match named {
        Some((name, _)) => (name, host.to_owned()),
        None => (host, format!("{host}:{port}")),
    };
    let tls = match (scheme, authorities) {
        ("https", None) => bail!("--url {url} needs --ca"),
        ("https", Some(authorities)) => Some(authorities.vouch_for(name)?),
        _ => None,
    };
    let resolved = authority.to_socket_addrs().with_context(|| format!("--url {url}"))?.next();
    let addr = resolved.with_context(|| format!("--url {url}: no address"))?;
    let path = if path.is_empty() { "/" } else { path };
    Ok(Target { addr, host: host.into(), path: path.into(), tls })
}

/// The header lines to add; a `Host` goes to the targets instead.
fn headers(given: &[String], targets: &mut [Target]) -> anyhow::Result<String> {
    let mut lines = String::new();
    for header in given {
        let Some((name, value)) = header.split_once(':') else {
            bail!("--header {header:?} must be NAME: VALUE");
        };
        ensure!(!header.contains(['\r', '\n']), "--header must be one line");
        if name.eq_ignore_ascii_case("host") {
            targets.iter_mut().for_each(|t| value.trim().clone_into(&mut t.host));
        } else {
            lines.push_str(&format!("{}: {}\r\n", name.trim(), value.trim()));
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_address_host_and_path() {
        let t = target("http://127.0.0.1:4483/default/demo/mcp", None).unwrap();
        let got = (t.addr.to_string(), t.host, t.path);
        assert_eq!(got, ("127.0.0.1:4483".into(), "127.0.0.1:4483".into(), "/default/demo/mcp".into()));
        assert_eq!(target("http://127.0.0.1", None).unwrap().addr.port(), 80);
        for bad in ["https://127.0.0.1/", "ftp://127.0.0.1/", "127.0.0.1:80"] {
            assert!(target(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_header_replaces_the_host_of_the_url() {
        let mut targets = [target("http://127.0.0.1:1/mcp", None).unwrap()];
        let lines = headers(&["Host: vmcp-demo".into(), "X-A:b".into()], &mut targets).unwrap();
        assert_eq!((lines.as_str(), targets[0].host.as_str()), ("X-A: b\r\n", "vmcp-demo"));
    }
}
