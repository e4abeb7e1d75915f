//! Where a backend is: a URL taken apart.

use tidegate_proto::table::Endpoint;
use url::{Host, Url};

/// An address that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) tls: bool,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) host: Host<String>,
    /// In canonical form.
    pub(crate) url: String,
}

/// Path of MCP when an address does not say.
const DEFAULT_PATH: &str = "/mcp";

impl Address {
    /// From `http://` or `https://` and the rest; the error says what is wrong.
    pub(crate) fn from_url(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
        Self::new(&url)
    }

    /// From `tidegate.dev/endpoint`: `host:port`, `host:port/path` or a URL; path `/mcp` when there is none.
    pub(crate) fn from_annotation(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { DEFAULT_PATH } else { path };
        if scheme.is_empty() && port_of(authority).is_none() {
            return Err(format!("{text:?} has no port"));
        }
        let scheme = if scheme.is_empty() { "http" } else { scheme };
        Self::from_url(&format!("{scheme}://{authority}{path}"))
            .map_err(|reason| reason.replace(&format!("{scheme}://{authority}{path}"), text))
    }

    fn new(url: &Url) -> Result<Self, String> {
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            scheme => return Err(format!("the scheme {scheme} is neither http nor https")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL contains a user name or password".to_owned());
        }
        let host = url.host().ok_or("the URL has no host")?.to_owned();
        let port = url.port_or_known_default().filter(|port| *port > 0).ok_or("the port is 0")?;
        let dial = match &host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let mut path = url.path().to_owned();
        if let Some(query) = url.query() {
            path = format!("{path}?{query}");
        }
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let url = format!("{}://{authority}{path}", url.scheme());
        Ok(Self { tls, authority, path, endpoint: Endpoint { host: dial, port, draining: false }, host, url })
    }

    /// `host:port/path`, the port always written.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}{}", self.host, self.endpoint.port, self.path)
    }
}

fn port_of(authority: &str) -> Option<u16> {
    authority.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_says_where_a_server_listens() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = Address::from_annotation(text).map(|address| address.url);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        };
        check("127.0.0.1:9001", Ok("http://127.0.0.1:9001/mcp"));
        check("[::1]:9001", Ok("http://[::1]:9001/mcp"));
        check("localhost:9001/tools", Ok("http://localhost:9001/tools"));
        check("http://tools", Ok("http://tools/mcp"));
        check("https://tools:8443/a/b?c=d", Ok("https://tools:8443/a/b?c=d"));
        check("http://tools/", Ok("http://tools/"));
        check("127.0.0.1", Err("\"127.0.0.1\" has no port"));
        check("", Err("\"\" has no port"));
        check("host:99999", Err("\"host:99999\" has no port"));
        check("127.0.0.1:0", Err("the port is 0"));
        check("ftp://host:21", Err("the scheme ftp is neither http nor https"));
        check("http://user:secret@host:80", Err("the URL contains a user name or password"));
        check("bad host:80", Err("\"bad host:80\" is not a URL: invalid international domain name"));
    }
}
