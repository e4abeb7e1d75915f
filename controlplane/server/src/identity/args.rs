//! Command line of what only tests change.

use std::time::Duration;

use clap::Args;
use tidegate_controlplane_api::GoDuration;

use super::lifetimes::{Lifetimes, LifetimesError};
use super::service::Unbound;

/// Lifetimes, and what tokens count.
#[derive(Clone, Debug, Default, Args)]
pub struct IdentityArgs {
    /// How long a certificate authority lives
    #[arg(long, value_name = "DURATION", hide = true, value_parser = duration)]
    identity_authority_lifetime: Option<Duration>,

    /// How long a certificate lives
    #[arg(long, value_name = "DURATION", hide = true, value_parser = duration)]
    identity_certificate_lifetime: Option<Duration>,

    /// How long an authority is trusted before it signs
    #[arg(long, value_name = "DURATION", hide = true, value_parser = duration)]
    identity_lead: Option<Duration>,

    /// Believe the node name of a request whose token is bound to no pod
    #[arg(long, hide = true)]
    identity_unbound_tokens: bool,
}

impl IdentityArgs {
    /// The lifetimes asked for.
    ///
    /// # Errors
    /// When they do not fit together.
    pub fn lifetimes(&self) -> Result<Lifetimes, LifetimesError> {
        let usual = Lifetimes::default();
        Lifetimes::new(
            self.identity_authority_lifetime.unwrap_or(usual.authority()),
            self.identity_certificate_lifetime.unwrap_or(usual.leaf()),
            self.identity_lead.unwrap_or(usual.lead()),
        )
    }

    /// What becomes of tokens that are bound to no pod.
    pub fn unbound(&self) -> Unbound {
        if self.identity_unbound_tokens { Unbound::Believed } else { Unbound::Refused }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    GoDuration::parse(text).map(|d| d.0).ok_or_else(|| "not a duration; write it as in 90s or 24h".to_owned())
}
