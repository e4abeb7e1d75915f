//! `tidegate describe`: everything about one object, for people.

mod cluster;
mod control_plane;
mod events;
mod grids;
mod page;

use anyhow::bail;

use crate::get::{Selection, name_once};
use crate::resources::{Asked, AskedParser};
use crate::target::{Target, TargetArgs};

/// Arguments of `describe`.
#[derive(clap::Args, Debug)]
pub(crate) struct DescribeArgs {
    /// What to describe (short forms: vmcp, be, rp, …)
    #[arg(ignore_case = true, value_parser = AskedParser, value_name = "KIND")]
    asked: Asked,
    /// Which ones (KIND/NAME and NAMESPACE/NAME are understood, too)
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    target: TargetArgs,
}

/// Describes all objects of the names (backends of several kinds may share one).
pub(crate) async fn run(mut args: DescribeArgs) -> anyhow::Result<()> {
    name_once(&mut args.asked, &mut args.names)?;
    if args.names.is_empty() {
        let word = &args.asked.subjects[0].word;
        bail!("which one of the {word}?\n  help: `tidegate get {word}` lists them");
    }
    match args.target.find().await? {
        Target::ControlPlane(address) => control_plane::run(&args, &address).await,
        Target::Cluster(cluster) => cluster::run(&args, &cluster).await,
    }
}
