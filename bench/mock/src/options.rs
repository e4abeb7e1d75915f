//! What a mock is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The fixed properties of a mock; what changes while it runs is in [`crate::Control`].
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// Its name: `serverInfo.name`, and the answer of the tool `who`
    #[arg(long, default_value = "mock")]
    pub name: String,
    /// Worker threads
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Tools to offer, separated by commas; a name that is not built in behaves as `echo` [default: all built-in ones]
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub tools: Vec<String>,
    /// Add tools whose names need escaping or are not ASCII
    #[arg(long)]
    pub odd_names: bool,
    /// Add this many tools `tool_0`, `tool_1`, … that behave as `echo`
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub tool_count: usize,
    /// Least size of the definition of each such tool in bytes
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub tool_bytes: usize,
    /// Tools per page of `tools/list`; 0: all on one
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub page_size: usize,
    /// Give out no session ids and demand none
    #[arg(long)]
    pub stateless: bool,
    /// Offer the GET stream (else GET is answered 405)
    #[arg(long)]
    pub get_stream: bool,
    /// Answer every `tools/call` as an SSE stream of one event instead of JSON
    #[arg(long)]
    pub sse_answers: bool,
    /// Speak HTTP/2 by prior knowledge, with --tls-cert by ALPN, instead of HTTP/1.1
    #[arg(long)]
    pub h2: bool,
    /// Certificate chain to serve TLS with, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            name: "mock".into(),
            threads: 1,
            tools: Vec::new(),
            odd_names: false,
            tool_count: 0,
            tool_bytes: 0,
            page_size: 0,
            stateless: false,
            get_stream: false,
            sse_answers: false,
            h2: false,
            tls_cert: None,
            tls_key: None,
        }
    }
}

impl Options {
    /// All built-in tools under a name of its own, on a free port.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The same with only these tools.
    #[must_use]
    pub fn with_tools(mut self, tools: &[&str]) -> Self {
        self.tools = tools.iter().map(ToString::to_string).collect();
        self
    }
}
