//! Keeps the authorities in the cluster: reads them in time, and, while it leads, changes what is due and publishes
//! the bundle. Makes this server's own certificate.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ObjectMeta, PostParams};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::Instant;

use super::authority::{Authority, ServerLeaf, ServerName, SignError};
use super::certificate;
use super::kept::{self, Authorities, KeptError};
use super::lifetimes::Lifetimes;
use super::now;
use super::rotation::{Due, Rotation, Signs as _};
use super::tls::{self, TlsError};
use crate::secrets::{self, SecretCell, SecretError};

/// Changes that one round may make: more than can ever be due at a time.
const MAX_CHANGES: usize = 8;
/// For one round of calls to the API server.
const ROUND_WITHIN: Duration = Duration::from_secs(20);

/// Why the authorities are not at hand.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The Secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The Secret's content. It is left as it is.
    #[error(
        "the Secret {path} {source}: repair it, or delete it to get a new authority, which no gateway trusts until it has loaded it"
    )]
    Kept {
        /// Where it is.
        path: String,
        /// What is wrong.
        source: KeptError,
    },
    /// The ConfigMap.
    #[error("cannot publish the authorities in the ConfigMap {path}: {reason}")]
    Publish {
        /// Where.
        path: String,
        /// Why.
        reason: String,
    },
    /// Crypto.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The API server took too long.
    #[error("the API server does not answer in time")]
    Slow,
}

/// What a replica knows of the authorities, and since when.
#[derive(Debug)]
pub struct Known {
    /// The authorities.
    pub authorities: Authorities,
    /// When the reading of them began.
    pub read_at: Instant,
}

impl Known {
    /// What may sign now; none: this is known for so long that another one may have taken its place.
    pub fn signs(&self, lifetimes: &Lifetimes) -> Option<&Arc<Authority>> {
        (self.read_at.elapsed() <= lifetimes.fresh()).then_some(&self.authorities.signing)
    }
}

/// The authorities, their Secret and their ConfigMap.
pub struct Keeper {
    secret: SecretCell,
    config_maps: Api<ConfigMap>,
    namespace: String,
    lifetimes: Lifetimes,
    names: Vec<ServerName>,
    known: watch::Sender<Arc<Known>>,
    leaf: ServerLeaf,
    /// Of the leaf.
    issuer: CertificateDer<'static>,
    config: watch::Sender<Arc<ServerConfig>>,
}

/// Where things are kept.
#[derive(Clone)]
pub struct Place {
    /// Client of the API server.
    pub client: kube::Client,
    /// The control plane's own namespace.
    pub namespace: String,
}

impl Keeper {
    /// Reads the authorities, or makes the first one; of several replicas that do so at once one is heard.
    ///
    /// # Errors
    /// When the API server does not answer or what is kept cannot be understood.
    pub async fn open(
        place: Place,
        lifetimes: Lifetimes,
        names: Vec<ServerName>,
    ) -> Result<Self, KeeperError> {
        let secret = SecretCell::new(place.client.clone(), &place.namespace, kept::NAME);
        let known = first(&secret, &lifetimes).await?;
        let signing = &known.authorities.signing;
        let (leaf, issuer) = (signing.server(&names, &lifetimes, now())?, signing.trusted());
        let config = tls::config(&leaf, &known.authorities.bundle())?;
        Ok(Self {
            secret,
            config_maps: Api::namespaced(place.client, &place.namespace),
            namespace: place.namespace,
            lifetimes,
            names,
            known: watch::Sender::new(Arc::new(known)),
            leaf,
            issuer,
            config: watch::Sender::new(Arc::new(config)),
        })
    }

    /// What is known, as it changes.
    pub fn known(&self) -> watch::Receiver<Arc<Known>> {
        self.known.subscribe()
    }

    /// How to speak TLS, as it changes.
    pub fn config(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.config.subscribe()
    }

    /// Keeps them, for ever. Only a leader changes anything in the cluster.
    pub async fn keep(mut self, mut leading: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.lifetimes.tick());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut said = String::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // when nobody says who leads any more, the process is about to end
                Ok(()) = leading.changed() => {}
            }
            let leads = *leading.borrow_and_update();
            let round = tokio::time::timeout(ROUND_WITHIN, self.round(leads)).await;
            match round.unwrap_or(Err(KeeperError::Slow)).and_then(|()| self.renew()) {
                Ok(()) => said.clear(),
                Err(error) => report(&error, &mut said),
            }
        }
    }

    /// Reads what is kept, and as a leader goes on until nothing is due.
    async fn round(&mut self, leads: bool) -> Result<(), KeeperError> {
        for _ in 0..MAX_CHANGES {
            // In this order: who publishes must not have read the Secret before the ConfigMap, or could put back what
            // another leader has replaced.
            let map = if leads { Some(self.read_map().await?) } else { None };
            let read_at = Instant::now();
            let Some(mut secret) = self.secret.read().await? else {
                return self.restore().await;
            };
            let mut authorities = read(&self.secret, &secret)?;
            self.learn(authorities.clone(), read_at);
            let Some(map) = map else { return Ok(()) };
            if !self.publish(map, &authorities).await? {
                continue;
            }
            let now = now();
            let Some(due) = authorities.due(&self.lifetimes, now, true) else { return Ok(()) };
            self.change(&mut authorities, due, now)?;
            kept::write(&authorities, &mut secret);
            match self.secret.write(&secret).await {
                Ok(()) => {
                    tracing::info!(change = ?due, trusted = authorities.bundle().len(), "authorities changed")
                }
                Err(SecretError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn change(&self, authorities: &mut Authorities, due: Due, now: u64) -> Result<(), SignError> {
        let fresh = || Authority::create(&self.lifetimes, now).map(Arc::new);
        match due {
            Due::Introduce => authorities.introduce(fresh()?),
            Due::Announce => authorities.announce(now),
            Due::Promote => authorities.promote(now),
            Due::Forget => authorities.forget(),
            Due::Replace => authorities.replace(fresh()?, now),
        }
        Ok(())
    }

    /// The Secret has been deleted: an operator wants another authority.
    async fn restore(&mut self) -> Result<(), KeeperError> {
        tracing::warn!(secret = self.secret.path(), "the authorities are gone, making a new one");
        let known = first(&self.secret, &self.lifetimes).await?;
        self.learn(known.authorities, known.read_at);
        Ok(())
    }

    fn learn(&mut self, authorities: Authorities, read_at: Instant) {
        let trusted = authorities.bundle();
        let previous = self.known.send_replace(Arc::new(Known { authorities, read_at }));
        if previous.authorities.bundle() != trusted {
            tracing::info!(trusted = trusted.len(), "trusted authorities changed");
            self.configure();
        }
    }

    /// Makes this server's certificate again, when that is due and the authority is known to be the present one.
    fn renew(&mut self) -> Result<(), KeeperError> {
        let known = self.known.borrow().clone();
        let is_present = known.authorities.signing.trusted() == self.issuer;
        if is_present && !self.leaf.validity.is_due(now()) {
            return Ok(());
        }
        let Some(signing) = known.signs(&self.lifetimes) else { return Ok(()) };
        self.issuer = signing.trusted();
        self.leaf = signing.server(&self.names, &self.lifetimes, now())?;
        tracing::info!(until = self.leaf.validity.until, "certificate of the push port made");
        self.configure();
        Ok(())
    }

    fn configure(&self) {
        let bundle = self.known.borrow().authorities.bundle();
        match tls::config(&self.leaf, &bundle) {
            Ok(config) => drop(self.config.send_replace(Arc::new(config))),
            Err(error) => tracing::error!(%error, "the push port goes on as before"),
        }
    }

    async fn read_map(&self) -> Result<Option<ConfigMap>, KeeperError> {
        self.config_maps.get_opt(kept::NAME).await.map_err(|error| self.unpublished(&error))
    }

    /// Makes the ConfigMap say what the Secret does; false: another replica was first, read again.
    async fn publish(&self, map: Option<ConfigMap>, authorities: &Authorities) -> Result<bool, KeeperError> {
        let bundle = certificate::bundle(&authorities.bundle());
        let mut map = map.unwrap_or_else(|| self.empty_map());
        let data = map.data.get_or_insert_default();
        if data.get(kept::BUNDLE) == Some(&bundle) {
            return Ok(true);
        }
        data.insert(kept::BUNDLE.to_owned(), bundle);
        let params = PostParams::default();
        let written = match map.metadata.resource_version {
            Some(_) => self.config_maps.replace(kept::NAME, &params, &map).await,
            None => self.config_maps.create(&params, &map).await,
        };
        match written {
            Ok(_) => Ok(true),
            Err(error) if secrets::is_outdated(&error) || secrets::is_there(&error) => Ok(false),
            Err(error) => Err(self.unpublished(&error)),
        }
    }

    fn empty_map(&self) -> ConfigMap {
        let metadata = ObjectMeta {
            name: Some(kept::NAME.to_owned()),
            namespace: Some(self.namespace.clone()),
            labels: Some([("app.kubernetes.io/part-of".to_owned(), "tidegate".to_owned())].into()),
            ..ObjectMeta::default()
        };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    fn unpublished(&self, error: &kube::Error) -> KeeperError {
        let path = format!("{}/{}", self.namespace, kept::NAME);
        KeeperError::Publish { path, reason: secrets::reason(error) }
    }
}

/// Reads the authorities, or makes the first one and reads what is there then.
async fn first(secret: &SecretCell, lifetimes: &Lifetimes) -> Result<Known, KeeperError> {
    loop {
        let read_at = Instant::now();
        if let Some(kept) = secret.read().await? {
            return Ok(Known { authorities: read(secret, &kept)?, read_at });
        }
        let now = now();
        let authorities = Rotation::first(Arc::new(Authority::create(lifetimes, now)?), now);
        let mut kept = secret.empty(kept::TYPE);
        kept::write(&authorities, &mut kept);
        match secret.write(&kept).await {
            Ok(()) => tracing::info!(secret = secret.path(), "authority made"),
            Err(SecretError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn read(cell: &SecretCell, secret: &Secret) -> Result<Authorities, KeeperError> {
    kept::read(secret).map_err(|source| KeeperError::Kept { path: cell.path(), source })
}

/// What goes on is told once.
pub(super) fn report(error: &KeeperError, said: &mut String) {
    let error = error.to_string();
    if error != *said {
        tracing::error!(error, "authorities not kept, the present ones stay");
        *said = error;
    }
}
