//! Where nodes connect.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Address of the push server, as in `--push`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushAddr {
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `ADDR:PORT`; port 0: any.
    Tcp(SocketAddr),
}

/// Why a text is no push address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushAddrError {
    /// Neither form.
    #[error("push address {0:?} must be unix:PATH or ADDR:PORT")]
    Form(String),
    /// `unix:` alone.
    #[error("push address \"unix:\" names no path")]
    NoPath,
}

impl FromStr for PushAddr {
    type Err = PushAddrError;

    fn from_str(text: &str) -> Result<Self, PushAddrError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(PushAddrError::NoPath),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| PushAddrError::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for PushAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let actual = text.parse::<PushAddr>().map(|a| a.to_string()).map_err(|e| e.to_string());
        assert_eq!(actual, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn an_address_is_a_socket_path_or_an_address_with_a_port() {
        check("unix:/run/push.sock", Ok("unix:/run/push.sock"));
        check("127.0.0.1:4484", Ok("127.0.0.1:4484"));
        check("[::]:4484", Ok("[::]:4484"));
        check("unix:", Err("push address \"unix:\" names no path"));
        for text in ["", "localhost:4484", "127.0.0.1", "http://127.0.0.1:1", "/run/push.sock"] {
            check(text, Err(&format!("push address {text:?} must be unix:PATH or ADDR:PORT")));
        }
    }
}
