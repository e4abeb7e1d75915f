//! Who leads: the holder of the Lease `tidegate-controlplane` in the control plane's namespace. Only the leader writes to the API
//! server; two that believe it for a moment write the same. A leader that stops gives the Lease back, so that a successor need not
//! wait for it to run out. Own code, and not a crate, for that and because clocks of replicas may differ (ADR 17).

mod election;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::NAME;
use crate::push::PushServer;
use election::{Election, Move, Record};

/// Between two looks at the Lease.
const LOOK: Duration = Duration::from_secs(2);
/// For one look and the write that follows.
const STEP: Duration = Duration::from_secs(5);
/// For giving the Lease back when the process stops.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// One replica's part in the election.
#[derive(Debug)]
struct Candidate {
    leases: Api<Lease>,
    identity: String,
    election: Election,
    epoch: Instant,
}

/// Takes part in the election until the process stops; `leading` says whether this replica leads, and `push` whether another does: nodes
/// are left to that one, which writes what they report (ADR 17).
pub async fn campaign(
    client: Client,
    namespace: String,
    identity: String,
    leading: watch::Sender<bool>,
    push: PushServer,
    mut stopping: watch::Receiver<bool>,
) {
    let leases = Api::namespaced(client, &namespace);
    let election = Election::new(&identity);
    let mut candidate = Candidate { leases, identity, election, epoch: Instant::now() };
    loop {
        tokio::select! {
            () = candidate.step() => {}
            _ = stopping.wait_for(|stop| *stop) => break,
        }
        candidate.tell(&leading);
        push.defer(candidate.election.another_leads(candidate.now()));
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = stopping.wait_for(|stop| *stop) => break,
        }
    }
    if leading.send_replace(false) && timeout(GIVE_BACK, candidate.give_back()).await.is_err() {
        tracing::warn!(
            lease = NAME,
            "the Lease was not given back in time, a successor waits for it to run out"
        );
    }
}

impl Candidate {
    /// Looks at the Lease, and takes or renews it where that is due.
    async fn step(&mut self) {
        match timeout(STEP, self.look()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, lease = NAME, "cannot look at the Lease"),
            Err(_) => tracing::debug!(lease = NAME, "no answer about the Lease in time"),
        }
    }

    async fn look(&mut self) -> Result<(), kube::Error> {
        let found = self.leases.get_opt(NAME).await?;
        let next = self.election.observe(found.as_ref().map(record), self.now());
        let spec = match next {
            Move::Wait => return Ok(()),
            Move::Take { transitions } => self.spec(found.as_ref(), transitions),
            Move::Renew => LeaseSpec {
                renew_time: Some(MicroTime(Timestamp::now())),
                ..found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default()
            },
        };
        match self.write(found, spec).await {
            Ok(lease) => self.election.wrote(record(&lease), self.now()),
            // Another was quicker: the next look shows who.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The API server refuses what was changed since it was read (`resourceVersion`): of several, one succeeds.
    async fn write(&self, found: Option<Lease>, spec: LeaseSpec) -> Result<Lease, kube::Error> {
        let params = PostParams { field_manager: Some(NAME.to_owned()), ..PostParams::default() };
        match found {
            Some(lease) => self.leases.replace(NAME, &params, &Lease { spec: Some(spec), ..lease }).await,
            None => {
                let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
                self.leases.create(&params, &Lease { metadata, spec: Some(spec) }).await
            }
        }
    }

    fn spec(&self, found: Option<&Lease>, transitions: i32) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(election::DURATION_S),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..found.and_then(|lease| lease.spec.clone()).unwrap_or_default()
        }
    }

    /// Says who leads, once for each change.
    fn tell(&self, leading: &watch::Sender<bool>) {
        let leads = self.election.leads(self.now());
        if leading.send_if_modified(|known| std::mem::replace(known, leads) != leads) {
            tracing::info!(leads, identity = self.identity, lease = NAME, "leadership");
        }
    }

    async fn give_back(&mut self) {
        let given_back = async {
            let Some(lease) = self.leases.get_opt(NAME).await? else { return Ok(()) };
            if record(&lease).holder != self.identity {
                return Ok(());
            }
            let spec = LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(1),
                ..lease.spec.clone().unwrap_or_default()
            };
            self.write(Some(lease), spec).await.map(drop)
        };
        match given_back.await {
            Ok(()) => tracing::info!(lease = NAME, "the Lease is given back"),
            Err(error) => tracing::warn!(%error, lease = NAME, "cannot give the Lease back"),
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        transitions: spec.lease_transitions.unwrap_or(0),
    }
}
