//! One gRPC stream to the control plane.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tidegate_proto::push::Terms;
use tidegate_proto::wire::push_client::PushClient;
use tidegate_proto::wire::{FromNode, ToNode};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Uri};

use super::ControlPlaneAddr;
use super::identity::{IdentityError, NodeIdentity};

/// Bound of connecting, and again of the stream's opening.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// Messages that wait for the control plane to take them.
const QUEUE: usize = 64;

/// Part of the queue that reports leave to verdicts and keep-alive.
const RESERVE: usize = 16;

/// An open stream.
pub(super) struct Stream {
    out: mpsc::Sender<FromNode>,
    inbound: Streaming<ToNode>,
}

/// Why there is no stream (any more).
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("connecting failed")]
    Connect(#[source] tonic::transport::Error),
    #[error("the stream was not opened in time")]
    OpenTimeout,
    #[error("the control plane ended the stream: {}", words(.0))]
    Status(Box<tonic::Status>),
    #[error("the control plane closed the stream")]
    Ended,
    #[error("the control plane takes no messages")]
    Stalled,
}

/// Its message; of a status that comes from the transport, such as an alert of TLS, what is behind it too.
fn words(status: &tonic::Status) -> String {
    match std::error::Error::source(status) {
        Some(cause) => format!("{}: {}", status.message(), super::chain(cause)),
        None => status.message().to_owned(),
    }
}

impl StreamError {
    /// Another process speaks for this node now.
    pub(super) fn is_replaced(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == tonic::Code::Aborted)
    }
}

impl Stream {
    /// Connects and sends the first messages.
    pub(super) async fn open(
        address: &ControlPlaneAddr,
        identity: Option<&NodeIdentity>,
        terms: Terms,
        first: Vec<FromNode>,
    ) -> Result<Self, StreamError> {
        let tls = match (address, identity) {
            (ControlPlaneAddr::Tls(_), None) => return Err(IdentityError::NoCredentials.into()),
            (ControlPlaneAddr::Tls(_), Some(identity)) => Some(identity.ready().await?),
            _ => None,
        };
        let channel = connect(address, tls).await.map_err(StreamError::Connect)?;
        let mut client = PushClient::new(channel)
            .max_decoding_message_size(terms.max_message)
            .max_encoding_message_size(terms.max_message);
        let (out, queue) = mpsc::channel(QUEUE);
        for message in first {
            out.try_send(message).map_err(|_| StreamError::Stalled)?;
        }
        let opening = client.connect(ReceiverStream::new(queue));
        let response =
            tokio::time::timeout(OPEN_WITHIN, opening).await.map_err(|_| StreamError::OpenTimeout)?;
        let inbound = response.map_err(|status| StreamError::Status(Box::new(status)))?.into_inner();
        Ok(Self { out, inbound })
    }

    /// The next message. Cancel-safe.
    pub(super) async fn receive(&mut self) -> Result<ToNode, StreamError> {
        match self.inbound.message().await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(StreamError::Ended),
            Err(status) => Err(StreamError::Status(Box::new(status))),
        }
    }

    /// Queues a message; never waits.
    pub(super) fn send(&self, message: FromNode) -> Result<(), StreamError> {
        self.out.try_send(message).map_err(|_| StreamError::Stalled)
    }

    /// Whether a report may be queued.
    pub(super) fn takes_reports(&self) -> bool {
        self.out.capacity() > RESERVE
    }
}

async fn connect(
    address: &ControlPlaneAddr,
    tls: Option<ClientTlsConfig>,
) -> Result<Channel, tonic::transport::Error> {
    match address {
        ControlPlaneAddr::Tcp(url) | ControlPlaneAddr::Tls(url) => {
            let endpoint = Endpoint::from_shared(url.clone())?.connect_timeout(OPEN_WITHIN).tcp_nodelay(true);
            match tls {
                Some(tls) => endpoint.tls_config(tls)?.connect().await,
                None => endpoint.connect().await,
            }
        }
        ControlPlaneAddr::Unix(path) => {
            // the authority is not used on a Unix socket, but HTTP/2 wants one
            let endpoint = Endpoint::from_static("http://control-plane").connect_timeout(OPEN_WITHIN);
            let path = path.clone();
            endpoint.connect_with_connector(tower::service_fn(move |_: Uri| dial(path.clone()))).await
        }
    }
}

async fn dial(path: PathBuf) -> io::Result<TokioIo<UnixStream>> {
    UnixStream::connect(path).await.map(TokioIo::new)
}
