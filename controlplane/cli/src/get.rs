//! `tidegate get`: lists of what a cluster keeps, or of what a running control plane shows.

mod cluster;
mod control_plane;
mod lookup;
mod select;
mod watch;

use clap::ValueEnum;

use crate::output::Format;
use crate::resources::{Asked, AskedParser};
use crate::target::{Target, TargetArgs};
pub(crate) use lookup::Scope;
pub(crate) use select::{OnlyAtControlPlane, Selection, Wanted, name_once, only_view};

/// Arguments of `get`.
#[derive(clap::Args, Debug)]
pub(crate) struct GetArgs {
    /// What to list (short forms: vmcp, be, rp, …); in a cluster several, with commas
    #[arg(ignore_case = true, value_parser = AskedParser, value_name = "KIND")]
    asked: Asked,
    /// Only those of these names (KIND/NAME and NAMESPACE/NAME are understood, too)
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Only objects with labels that fit, as in kubectl: app=demo,tier!=test
    #[arg(short = 'l', long = "selector", value_name = "SELECTOR", conflicts_with = "names")]
    labels: Option<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Stay, and print again what changes
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Columns
    Table,
    /// More columns
    Wide,
    /// For programs
    Json,
    /// For programs
    Yaml,
    /// One `kind/name` per line
    Name,
}

impl Output {
    /// The form for programs, if it is one.
    fn format(self) -> Option<Format> {
        match self {
            Output::Json => Some(Format::Json),
            Output::Yaml => Some(Format::Yaml),
            Output::Table | Output::Wide | Output::Name => None,
        }
    }
}

/// Lists once, or until the one that is asked or the user ends it.
pub(crate) async fn run(mut args: GetArgs) -> anyhow::Result<()> {
    name_once(&mut args.asked, &mut args.names)?;
    match args.target.find().await? {
        Target::ControlPlane(address) => control_plane::run(&args, &address).await,
        Target::Cluster(cluster) => cluster::run(&args, &cluster).await,
    }
}
