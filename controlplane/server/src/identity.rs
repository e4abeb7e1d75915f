//! Who is who between the planes, in a cluster: the certificate authorities of the control plane, their rotation, this
//! server's certificate, and the certificates of nodes, which are issued for service account tokens.
//!
//! [`Identities`] is the whole. Decisions are [`rotation`]'s, which is pure; what travels is `identity.proto`. Must not
//! know what is pushed.

pub mod allowance;
pub mod args;
pub mod authority;
pub mod certificate;
pub mod keeper;
pub mod kept;
pub mod lifetimes;
pub mod review;
pub mod rotation;
pub mod service;
pub mod tls;

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_proto::wire::identity_server::IdentityServer;
use tokio::sync::watch;

pub use args::IdentityArgs;
pub use keeper::{KeeperError, Place};
pub use lifetimes::Lifetimes;
pub use service::Unbound;
pub use tls::ServerTls;

use authority::ServerName;
use keeper::Keeper;
use review::Reviewer;
use service::Issuer;

/// Name of the control plane's Service, and of its certificate.
const SERVICE: &str = "tidegate-controlplane";
/// Largest request: a signing request, and what is put around it.
const MAX_MESSAGE: usize = 8 * 1024;
/// Between two attempts to reach the API server at the start.
const RETRY: Duration = Duration::from_secs(2);

/// What identities are made of.
pub struct Options {
    /// Where they are kept.
    pub place: Place,
    /// How long they live.
    pub lifetimes: Lifetimes,
    /// What becomes of tokens that are bound to no pod.
    pub unbound: Unbound,
    /// Address of the push port, for its certificate; one that stands for all adds nothing.
    pub address: IpAddr,
}

/// The identities of one control plane replica.
pub struct Identities {
    keeper: Keeper,
    issuer: Issuer,
}

impl Identities {
    /// Reads the authorities or makes the first one. Waits for an API server that does not answer.
    ///
    /// # Errors
    /// When what is kept cannot be understood.
    pub async fn open(options: Options) -> Result<Self, KeeperError> {
        let Options { place, lifetimes, unbound, address } = options;
        let names = server_names(&place.namespace, address);
        let mut said = String::new();
        let keeper = loop {
            match Keeper::open(place.clone(), lifetimes, names.clone()).await {
                Ok(keeper) => break keeper,
                Err(error @ KeeperError::Secret(_)) => {
                    keeper::report(&error, &mut said);
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(error),
            }
        };
        let reviewer = Reviewer::new(place.client, &place.namespace);
        let issuer = Issuer::new(reviewer, keeper.known(), lifetimes, unbound);
        Ok(Self { keeper, issuer })
    }

    /// How the push port speaks TLS.
    pub fn tls(&self) -> ServerTls {
        ServerTls::new(self.keeper.config())
    }

    /// The gRPC service that issues certificates.
    pub fn service(&self) -> IdentityServer<Issuer> {
        IdentityServer::new(self.issuer.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    /// Follows the authorities, for ever; while `leading`, rotates and publishes them.
    pub async fn keep(self, leading: watch::Receiver<bool>) {
        self.keeper.keep(leading).await;
    }
}

/// What gateways may call the control plane of a namespace, on this machine too.
fn server_names(namespace: &str, address: IpAddr) -> Vec<ServerName> {
    let service = format!("{SERVICE}.{namespace}");
    let cluster = [
        SERVICE.to_owned(),
        format!("{service}.svc"),
        format!("{service}.svc.cluster.local"),
        service,
        "localhost".to_owned(),
    ];
    let addresses = [address, IpAddr::from([127, 0, 0, 1])];
    let mut names: Vec<_> = cluster.into_iter().map(ServerName::Dns).collect();
    names.extend(addresses.into_iter().filter(|a| !a.is_unspecified()).map(ServerName::Address));
    names.dedup();
    names
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    // A clock before 1970 makes certificates that are good once it is right again.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
