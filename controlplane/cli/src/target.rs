//! Whom to ask: a control plane or a cluster. What stands on the command line counts first, then what the environment
//! says, then what is found on the machine.

use std::os::unix::net::UnixStream;

use anyhow::Context as _;

use crate::cluster::{self, Cluster, ClusterArgs};
use crate::inspect::Address;
use crate::state_dir;

/// Names a control plane.
const VARIABLE: &str = "TIDEGATE_CONTROL_PLANE";

/// The arguments that say whom to ask.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct TargetArgs {
    /// Ask this control plane and no cluster [env: TIDEGATE_CONTROL_PLANE]
    #[arg(long, value_name = "unix:PATH|http://HOST:PORT", conflicts_with_all = ["kubeconfig", "context"])]
    control_plane: Option<Address>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Who is asked.
pub(crate) enum Target {
    /// A control plane, over gRPC.
    ControlPlane(Address),
    /// A cluster's API server.
    Cluster(Cluster),
}

/// Nothing was said, and nothing was found.
#[derive(Debug, thiserror::Error)]
#[error(
    "no control plane answers at {up}, and there is no kubeconfig\n  help: start one with `tidegate up -f DIR`, name \
     another with --control-plane (or {VARIABLE}), or a cluster with --kubeconfig (or KUBECONFIG)"
)]
pub(crate) struct Nobody {
    up: Address,
}

/// What the arguments do not say.
struct Surroundings {
    /// Of the environment.
    control_plane: Option<Address>,
    /// `KUBECONFIG` is set.
    kubeconfig: bool,
    /// Where `tidegate up` listens by default.
    up: Address,
    /// It does listen.
    is_up: bool,
    /// A kubeconfig in the home directory, or this is a pod.
    cluster: bool,
}

#[derive(Debug, PartialEq)]
enum Choice {
    ControlPlane(Address),
    Cluster,
    Nobody,
}

impl TargetArgs {
    /// Decides, and for a cluster makes the client; nothing is asked yet.
    pub(crate) async fn find(&self) -> anyhow::Result<Target> {
        let around = Surroundings::look()?;
        match self.choose(&around) {
            Choice::ControlPlane(address) => {
                if address == around.up && around.cluster && !self.names_control_plane(&around) {
                    eprintln!(
                        "note: this is `tidegate up` on this machine; --context or --kubeconfig asks the cluster"
                    );
                }
                Ok(Target::ControlPlane(address))
            }
            Choice::Cluster => Ok(Target::Cluster(Cluster::connect(&self.cluster).await?)),
            Choice::Nobody => Err(Nobody { up: around.up }.into()),
        }
    }

    fn names_control_plane(&self, around: &Surroundings) -> bool {
        self.control_plane.is_some() || around.control_plane.is_some()
    }

    fn choose(&self, around: &Surroundings) -> Choice {
        let said = self.control_plane.as_ref().or(around.control_plane.as_ref());
        match said {
            Some(address) if self.control_plane.is_some() || !self.cluster.is_given() => {
                Choice::ControlPlane(address.clone())
            }
            _ if self.cluster.is_given() || around.kubeconfig => Choice::Cluster,
            _ if around.is_up => Choice::ControlPlane(around.up.clone()),
            _ if around.cluster => Choice::Cluster,
            _ => Choice::Nobody,
        }
    }
}

impl Surroundings {
    fn look() -> anyhow::Result<Self> {
        let named = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
        let named = named.map(|value| value.parse().map_err(anyhow::Error::msg)).transpose();
        let socket = state_dir::control_socket(&state_dir::default())?;
        Ok(Self {
            control_plane: named.context(VARIABLE)?,
            kubeconfig: cluster::names_kubeconfig(),
            // A socket file that a killed process left behind takes no connection.
            is_up: UnixStream::connect(&socket).is_ok(),
            up: Address::Unix(socket),
            cluster: cluster::home_kubeconfig().is_some() || cluster::is_pod(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Address {
        Address::Http(text.to_owned())
    }

    fn around(control_plane: bool, kubeconfig: bool, is_up: bool, cluster: bool) -> Surroundings {
        let control_plane = control_plane.then(|| named("environment"));
        Surroundings { control_plane, kubeconfig, up: named("up"), is_up, cluster }
    }

    #[track_caller]
    fn check(args: &TargetArgs, around: Surroundings, expected: &str) {
        let expected = match expected {
            "cluster" => Choice::Cluster,
            "nobody" => Choice::Nobody,
            address => Choice::ControlPlane(named(address)),
        };
        assert_eq!(args.choose(&around), expected);
    }

    #[test]
    fn what_is_said_counts_before_what_is_found() {
        let nothing = TargetArgs::default();
        let flag = TargetArgs { control_plane: Some(named("flag")), ..TargetArgs::default() };
        let context = ClusterArgs { context: Some("c".into()), ..ClusterArgs::default() };
        let context = TargetArgs { cluster: context, ..TargetArgs::default() };
        check(&flag, around(true, true, true, true), "flag");
        check(&context, around(true, false, true, false), "cluster");
        check(&nothing, around(true, true, true, true), "environment");
        check(&nothing, around(false, true, true, true), "cluster");
        check(&nothing, around(false, false, true, true), "up");
        check(&nothing, around(false, false, false, true), "cluster");
        check(&nothing, around(false, false, false, false), "nobody");
    }
}
