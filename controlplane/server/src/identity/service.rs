//! Answers gateways that ask for a certificate.

use std::sync::{Arc, Mutex, PoisonError};

use tidegate_proto::identity::NodeName;
use tidegate_proto::wire::identity_server::Identity;
use tidegate_proto::wire::{IssueRequest, IssueResponse};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::allowance::Allowances;
use super::authority::{self, SignError};
use super::certificate;
use super::keeper::Known;
use super::lifetimes::Lifetimes;
use super::now;
use super::review::{Gateway, ReviewError, Reviewer, Token};
use crate::push::TlsPeer;

/// Reviews at the same time: a cluster that starts must not keep the API server busy.
const MAX_REVIEWS: usize = 16;

/// Issues certificates to gateways.
#[derive(Clone)]
pub struct Issuer {
    shared: Arc<Shared>,
}

struct Shared {
    reviewer: Reviewer,
    known: watch::Receiver<Arc<Known>>,
    lifetimes: Lifetimes,
    unbound: Unbound,
    allowances: Mutex<Allowances>,
    reviews: Semaphore,
    epoch: Instant,
}

/// What becomes of a token that is bound to no pod, and so names no node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unbound {
    /// It is refused.
    #[default]
    Refused,
    /// The request's common name counts: for tests.
    Believed,
}

/// Why no certificate is issued.
#[derive(Debug, thiserror::Error)]
enum IssueError {
    #[error("certificates are issued over TLS only")]
    Plain,
    #[error("too many requests: try again in {0} s")]
    TooMany(u64),
    #[error(transparent)]
    Review(#[from] ReviewError),
    #[error("csr: {0}")]
    Request(#[from] authority::RequestError),
    #[error(
        "the token is bound to no pod on a node: gateways need a projected service account token, and Kubernetes 1.30 or later"
    )]
    NoNode,
    #[error("the control plane has not read its authorities for too long")]
    Stale,
    #[error("cannot sign")]
    Sign(#[from] SignError),
}

impl Issuer {
    /// Issues what `known` signs.
    pub fn new(
        reviewer: Reviewer,
        known: watch::Receiver<Arc<Known>>,
        lifetimes: Lifetimes,
        unbound: Unbound,
    ) -> Self {
        let shared = Shared {
            reviewer,
            known,
            lifetimes,
            unbound,
            allowances: Mutex::default(),
            reviews: Semaphore::new(MAX_REVIEWS),
            epoch: Instant::now(),
        };
        Self { shared: Arc::new(shared) }
    }

    async fn answer(&self, request: Request<IssueRequest>) -> Result<IssueResponse, IssueError> {
        let peer = request.extensions().get::<TlsPeer>().ok_or(IssueError::Plain)?;
        self.allow(peer)?;
        let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let token = Token::from_header(header)?;
        let csr = authority::Request::read(&request.get_ref().csr)?;
        let gateway = {
            // The semaphore is never closed.
            let _turn = self.shared.reviews.acquire().await;
            self.shared.reviewer.review(&token).await?
        };
        let node = self.node(&gateway, &csr)?;
        let response = self.sign(&csr, &node)?;
        tracing::info!(%node, pod = gateway.pod, "certificate issued");
        Ok(response)
    }

    fn allow(&self, peer: &TlsPeer) -> Result<(), IssueError> {
        let mut allowances = self.shared.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = allowances.take(peer.address, self.shared.epoch.elapsed());
        taken.map_err(|wait| IssueError::TooMany(wait.as_secs() + 1))
    }

    fn node(&self, gateway: &Gateway, csr: &authority::Request) -> Result<NodeName, IssueError> {
        let wish = || csr.wish.as_ref()?.parse().ok();
        match (&gateway.node, self.shared.unbound) {
            (Some(node), _) => Ok(node.clone()),
            (None, Unbound::Refused) => Err(IssueError::NoNode),
            (None, Unbound::Believed) => wish().ok_or(IssueError::NoNode),
        }
    }

    fn sign(&self, csr: &authority::Request, node: &NodeName) -> Result<IssueResponse, IssueError> {
        let known = self.shared.known.borrow().clone();
        let lifetimes = &self.shared.lifetimes;
        let signing = known.signs(lifetimes).ok_or(IssueError::Stale)?;
        Ok(IssueResponse {
            chain: signing.node(csr, node, lifetimes, now())?,
            trust: certificate::bundle(&known.authorities.bundle()),
            node: node.to_string(),
        })
    }
}

#[tonic::async_trait]
impl Identity for Issuer {
    async fn issue(&self, request: Request<IssueRequest>) -> Result<Response<IssueResponse>, Status> {
        let address = request.extensions().get::<TlsPeer>().map(|peer| peer.address.to_string());
        match self.answer(request).await {
            Ok(response) => Ok(Response::new(response)),
            Err(error) => {
                let cause = match &error {
                    IssueError::Review(ReviewError::Unavailable(cause)) => Some(cause),
                    _ => None,
                };
                tracing::warn!(address, %error, cause, "no certificate issued");
                Err(error.status())
            }
        }
    }
}

impl IssueError {
    fn status(&self) -> Status {
        let words = self.to_string();
        match self {
            Self::Plain => Status::failed_precondition(words),
            Self::TooMany(_) => Status::resource_exhausted(words),
            Self::Review(ReviewError::Unavailable(_)) | Self::Stale => Status::unavailable(words),
            Self::Review(ReviewError::NoToken | ReviewError::Refused(_)) => Status::unauthenticated(words),
            Self::Review(_) | Self::NoNode => Status::permission_denied(words),
            Self::Request(_) => Status::invalid_argument(words),
            Self::Sign(_) => Status::internal(words),
        }
    }
}
