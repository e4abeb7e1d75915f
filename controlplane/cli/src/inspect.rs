//! The client of a running control plane.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tidegate_proto::wire::inspect_client::InspectClient;
use tidegate_proto::wire::{StateReply, StateRequest};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

/// How long a control plane may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The state of a thousand virtual servers is some megabytes.
const LARGEST_STATE: usize = 256 * 1024 * 1024;

/// Where a control plane listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// `http://HOST:PORT`.
    Http(String),
}

/// Why there is no state to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    /// Nobody there.
    #[error(
        "no control plane answers at {address}\n  help: start one with `tidegate up -f DIR`, or name another with \
         --control-plane (or TIDEGATE_CONTROL_PLANE)"
    )]
    Unreachable {
        /// Where.
        address: Address,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// Nobody there, in time.
    #[error("no control plane answers at {0} within {t} s", t = PATIENCE.as_secs())]
    Silent(Address),
    /// It answered with an error.
    #[error("the control plane at {0} refused: {1}")]
    Refused(Address, String),
}

/// The state of a control plane, now and at each change.
pub(crate) struct States {
    address: Address,
    stream: tonic::Streaming<StateReply>,
}

impl Address {
    /// Asks for the state; with `watch` again at every change.
    pub(crate) async fn states(&self, watch: bool) -> Result<States, InspectError> {
        let asked = async {
            let channel = self.connect().await;
            let channel =
                channel.map_err(|source| InspectError::Unreachable { address: self.clone(), source })?;
            let mut client = InspectClient::new(channel).max_decoding_message_size(LARGEST_STATE);
            let reply = client.state(StateRequest { watch }).await;
            reply.map_err(|status| InspectError::Refused(self.clone(), status.message().to_owned()))
        };
        let reply = tokio::time::timeout(PATIENCE, asked).await;
        let reply = reply.map_err(|_| InspectError::Silent(self.clone()))??;
        Ok(States { address: self.clone(), stream: reply.into_inner() })
    }

    async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        match self {
            Address::Http(url) => keep_alive(Endpoint::from_shared(url.clone())?).connect().await,
            Address::Unix(path) => {
                let path = path.clone();
                // The URL only fills in the authority; the connector knows the way.
                let endpoint = keep_alive(Endpoint::from_static("http://control-plane.invalid"));
                let connector = tower::service_fn(move |_: http::Uri| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                });
                endpoint.connect_with_connector(connector).await
            }
        }
    }
}

impl States {
    /// The next state; none when the control plane ended the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<StateReply>, InspectError> {
        let reply = self.stream.message().await;
        reply.map_err(|status| InspectError::Refused(self.address.clone(), status.message().to_owned()))
    }

    /// The first state, which comes at once.
    pub(crate) async fn first(&mut self) -> Result<StateReply, InspectError> {
        let silent = || InspectError::Silent(self.address.clone());
        let reply = tokio::time::timeout(PATIENCE, self.stream.message()).await.map_err(|_| silent())?;
        let reply = reply
            .map_err(|status| InspectError::Refused(self.address.clone(), status.message().to_owned()))?;
        reply.ok_or_else(|| InspectError::Refused(self.address.clone(), "it has no state to show".into()))
    }
}

/// A control plane that hangs is noticed while a watch waits for a change.
fn keep_alive(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(PATIENCE)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(PATIENCE)
        .keep_alive_while_idle(true)
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("the path after `unix:` is missing")
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        match text.strip_prefix("http://") {
            Some(rest) if !rest.is_empty() => Ok(Self::Http(text.to_owned())),
            _ => Err("write unix:PATH or http://HOST:PORT"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Http(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Address, &'static str>) {
        assert_eq!(text.parse(), expected, "{text}");
    }

    #[test]
    fn addresses_are_sockets_or_urls() {
        check("unix:/run/x.sock", Ok(Address::Unix("/run/x.sock".into())));
        check("http://10.0.0.5:4486", Ok(Address::Http("http://10.0.0.5:4486".into())));
        check("unix:", Err("the path after `unix:` is missing"));
        check("http://", Err("write unix:PATH or http://HOST:PORT"));
        check("10.0.0.5:4486", Err("write unix:PATH or http://HOST:PORT"));
    }
}
