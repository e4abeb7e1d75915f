//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Puts load on MCP servers over streamable HTTP and checks every answer.
///
/// Each session is initialised, then its connection calls in a closed loop (or at a fixed rate with --rate).
/// Exits with 1 when anything failed.
#[derive(Parser, Debug)]
#[command(name = "tidegate-load", version, max_term_width = 110)]
pub(crate) struct Args {
    /// Where to call, http(s)://HOST:PORT/PATH; several are used in turn by the sessions
    #[arg(long, required = true)]
    pub(crate) url: Vec<String>,
    /// What one request is
    #[arg(long, default_value = "tools/call")]
    pub(crate) method: Method,
    /// Tool to call; several are used in turn by the sessions
    #[arg(long, default_value = "echo")]
    pub(crate) tool: Vec<String>,
    /// The arguments of the tool as JSON
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub(crate) args: String,
    /// Send a progress token with each call
    #[arg(long)]
    pub(crate) progress: bool,
    /// MCP sessions
    #[arg(long, default_value_t = 16)]
    pub(crate) sessions: usize,
    /// Connections, each carrying its share of the sessions in turn [default: one for each session]
    #[arg(long)]
    pub(crate) connections: Option<usize>,
    /// Threads
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// How long to run, e.g. 20s or 500ms
    #[arg(long, default_value = "10s", value_parser = duration, conflicts_with = "requests")]
    pub(crate) duration: Duration,
    /// Run this many requests instead
    #[arg(long, value_name = "N")]
    pub(crate) requests: Option<u64>,
    /// Run this long before measuring; failures count already
    #[arg(long, default_value = "0s", value_parser = duration, conflicts_with = "requests")]
    pub(crate) warmup: Duration,
    /// Requests per second over all connections: open loop, latency from the intended start
    #[arg(long, value_name = "R")]
    pub(crate) rate: Option<f64>,
    /// Bound of one request
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long the first connections may be refused, for a server that still starts
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) wait: Duration,
    /// Text that each result must contain, as it stands in the JSON
    #[arg(long, value_name = "TEXT")]
    pub(crate) expect: Option<String>,
    /// Each answer must equal the first one of its tool byte for byte, but for the id
    #[arg(long)]
    pub(crate) same: bool,
    /// Each answer must be an event stream
    #[arg(long)]
    pub(crate) sse: bool,
    /// Further request header, `NAME: VALUE`; `Host` replaces the one of the URL
    #[arg(long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// Protocol version to ask for
    #[arg(long, default_value = "2025-06-18")]
    pub(crate) protocol: String,
    /// Certificates that vouch for https servers, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Speak HTTP/2: by prior knowledge, or by ALPN to https servers
    #[arg(long)]
    pub(crate) h2: bool,
    /// Only open the sessions and keep them, idle, until the standard input ends
    #[arg(long, conflicts_with_all = ["requests", "rate", "h2"])]
    pub(crate) hold: bool,
    /// With --hold: open a GET stream on each session too
    #[arg(long, requires = "hold")]
    pub(crate) streams: bool,
    /// Report the CPU time that this process used per request; several are possible
    #[arg(long, value_name = "PID")]
    pub(crate) cpu_of: Vec<u32>,
    /// Report as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit with 0 also when requests failed
    #[arg(long)]
    pub(crate) allow_failures: bool,
}

/// What one request of the load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// One call of a tool
    #[value(name = "tools/call")]
    Call,
    /// The first page of the list of tools
    #[value(name = "tools/list")]
    List,
    /// A ping
    #[value(name = "ping")]
    Ping,
    /// A whole session: initialize, initialized, one list, one call, DELETE
    #[value(name = "session")]
    Session,
}

/// `20s`, `500ms`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let amount: u64 = digits.parse().map_err(|_| "expected a number and ms, s or m".to_owned())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(amount)),
        "s" => Ok(Duration::from_secs(amount)),
        "m" => Ok(Duration::from_secs(60 * amount)),
        unit => Err(format!("unknown unit {unit:?}: ms, s or m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["5", "s", "1.5s", "3h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
