//! Where the control plane answers.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Address of the control plane, as in `--control-plane`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlPlaneAddr {
    /// `unix:PATH`: a socket on this machine.
    Unix(PathBuf),
    /// `http://HOST:PORT`.
    Tcp(String),
    /// `https://HOST:PORT`.
    Tls(String),
}

/// Why a text is no address of a control plane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlPlaneAddrError {
    /// Neither form.
    #[error("control plane address {0:?} must be unix:PATH, http://HOST:PORT or https://HOST:PORT")]
    Form(String),
    /// `unix:` alone.
    #[error("control plane address \"unix:\" names no path")]
    NoPath,
    /// Not `http://HOST:PORT` nor `https://HOST:PORT`.
    #[error("control plane address {0:?} must have a host and a port and nothing else: https://HOST:PORT")]
    NotHostAndPort(String),
}

impl FromStr for ControlPlaneAddr {
    type Err = ControlPlaneAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err(ControlPlaneAddrError::NoPath)
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        let form = || ControlPlaneAddrError::Form(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let address = match scheme {
            "http" => Self::Tcp,
            "https" => Self::Tls,
            _ => return Err(form()),
        };
        if !is_host_and_port(authority) {
            return Err(ControlPlaneAddrError::NotHostAndPort(text.to_owned()));
        }
        Ok(address(format!("{scheme}://{authority}")))
    }
}

impl fmt::Display for ControlPlaneAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(url) | Self::Tls(url) => f.write_str(url),
        }
    }
}

fn is_host_and_port(text: &str) -> bool {
    let Ok(authority) = text.parse::<http::uri::Authority>() else { return false };
    let has_user = text.contains('@');
    !authority.host().is_empty() && authority.port_u16().is_some_and(|p| p > 0) && !has_user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let parsed = text.parse::<ControlPlaneAddr>();
        let actual = parsed.map(|a| a.to_string()).map_err(|e| e.to_string());
        assert_eq!(actual, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
    }

    #[test]
    fn an_address_is_a_socket_path_or_a_url_with_a_port() {
        check("unix:/run/push.sock", Ok("unix:/run/push.sock"));
        check("unix:push.sock", Ok("unix:push.sock"));
        check("http://127.0.0.1:4484", Ok("http://127.0.0.1:4484"));
        check("http://[::1]:4484/", Ok("http://[::1]:4484"));
        check("http://control.example:80", Ok("http://control.example:80"));
        check("unix:", Err("control plane address \"unix:\" names no path"));
        check(
            "https://tidegate-controlplane.tidegate.svc:4486",
            Ok("https://tidegate-controlplane.tidegate.svc:4486"),
        );
        for text in ["127.0.0.1:4484", "ftp://127.0.0.1:4484"] {
            let forms = "must be unix:PATH, http://HOST:PORT or https://HOST:PORT";
            check(text, Err(&format!("control plane address {text:?} {forms}")));
        }
        let and_nothing_else = "must have a host and a port and nothing else: https://HOST:PORT";
        for text in ["http://host", "http://:80", "http://host:80/path", "http://u@host:80", "https://host:0"]
        {
            check(text, Err(&format!("control plane address {text:?} {and_nothing_else}")));
        }
    }
}
