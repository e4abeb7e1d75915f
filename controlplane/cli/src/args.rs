//! The command line of `tidegate`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::bridge::BridgeArgs;
use crate::describe::DescribeArgs;
use crate::get::GetArgs;
use crate::up::UpArgs;
use crate::validate::ValidateArgs;

const EXAMPLES: &str = "\
Examples:
  Serve the manifests below ./mcp and start the MCP servers they name:
    tidegate up -f ./mcp

  Check manifests without starting anything (exit code 1 when there are errors):
    tidegate validate -f ./mcp

  See, from another terminal, what is served:
    tidegate get vmcp
    tidegate get tools -o wide
    tidegate describe virtualserver demo

  The same of a cluster, through its kubeconfig:
    tidegate get vmcp -n team --context staging

Exit codes: 0 done, 1 failed, 2 wrong arguments.";

const UP_EXAMPLES: &str = "\
Examples:
  Serve ./mcp at http://127.0.0.1:4483/NAMESPACE/NAME/mcp (one virtual server: also at /mcp):
    tidegate up -f ./mcp

  On other ports, beside another `tidegate up`:
    tidegate up -f ./mcp --listen 127.0.0.1:5483 --admin 127.0.0.1:5485 --state-dir /tmp/second

  A manifest can have its server started (a stdio server behind a bridge):
    metadata:
      annotations:
        tidegate.dev/command: '[\"timezones-mcp\", \"--stdio\"]'
        tidegate.dev/endpoint: http://127.0.0.1:9101/mcp

Edits are served as soon as they are saved; clients stay connected.

A command is looked up beside the tidegate binary, then in PATH, and runs in DIR with PORT and TIDEGATE_ENDPOINT set. \
It is started again when it ends (after 0.5 s, then up to 30 s), and stopped with SIGTERM (SIGKILL after 5 s) when its \
manifest goes or changes, or `tidegate up` ends, even by kill -9.

Metrics: http://ADMIN/metrics, health: http://ADMIN/readyz.";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  Check a directory (recursively: *.yaml, *.yml, *.json), or some files together:
    tidegate validate -f ./mcp
    tidegate validate -f group.yaml -f vmcp.yaml

  Check what another program writes:
    helm template ./chart | tidegate validate -f -

  For programs (one object with `diagnostics` and the counts):
    tidegate validate -f ./mcp -o json

  Ask the cluster, too, whether it would take each object, of every kind (its CRDs, admission and permissions):
    tidegate validate -f ./mcp --cluster
    tidegate validate -f ./mcp --context staging -n team

Without a cluster this is all that CI needs: the rules are built in. With one, each object is also sent as a server-side dry \
run, as `kubectl apply --server-side --force-conflicts --dry-run=server` would, which finds what only that cluster knows: \
other CRDs, webhooks, quotas, a missing namespace. Nothing is changed.

Exit codes: 0 no errors (warnings are allowed), 1 errors, 2 wrong arguments.";

const GET_EXAMPLES: &str = "\
Examples:
  tidegate get virtualservers                 # or: vmcp, vs
  tidegate get backends -A -o wide            # in all namespaces, with more columns
  tidegate get mcpservers,mcpgroups -l app=x  # of a cluster
  tidegate get toolhive                       # of a cluster: all kinds
  tidegate get vmcp demo -o yaml
  tidegate get vmcp -w                        # stay, and print what changes
  tidegate get tools                          # of a control plane
  tidegate get nodes --control-plane http://10.0.0.5:4486

What is asked: a control plane with --control-plane; a cluster with --kubeconfig or --context; else what TIDEGATE_CONTROL_PLANE or \
KUBECONFIG names; else the `tidegate up` that runs on this machine; else ~/.kube/config or the pod's service account. A cluster's \
columns are those of `kubectl get`; tools and nodes are known to control planes only.";

const DESCRIBE_EXAMPLES: &str = "\
Examples:
  tidegate describe virtualserver demo
  tidegate describe backend clock -n team
  tidegate describe mcpgroup/tools --context staging   # with its events
  tidegate describe node $(hostname)

What is asked is decided as for `tidegate get`.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  tidegate completions bash > ~/.local/share/bash-completion/completions/tidegate
  tidegate completions zsh > ~/.zfunc/_tidegate
  tidegate completions fish > ~/.config/fish/completions/tidegate.fish";

/// Many MCP servers behind one endpoint, edited while it runs.
#[derive(Parser, Debug)]
#[command(name = "tidegate", version, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Serve a directory of manifests on this machine
    #[command(after_help = UP_EXAMPLES)]
    Up(UpArgs),
    /// Check manifests; needs nothing running, can ask a cluster
    #[command(after_help = VALIDATE_EXAMPLES)]
    Validate(ValidateArgs),
    /// List what a cluster keeps, or a running control plane shows
    #[command(after_help = GET_EXAMPLES)]
    Get(GetArgs),
    /// Show everything about one object: a virtual server, a backend, a node…
    #[command(after_help = DESCRIBE_EXAMPLES)]
    Describe(DescribeArgs),
    /// List the tools of a virtual server, and call one
    Call(crate::call::CallArgs),
    /// Print the completions of a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Serve a stdio MCP server over streamable HTTP
    #[command(hide = true)]
    Bridge(BridgeArgs),
    /// Copy this program into a folder
    #[command(hide = true)]
    CopyTo {
        /// Which folder
        folder: PathBuf,
    },
    /// End the process groups named on standard input when it closes
    #[command(hide = true)]
    Leash,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_people_see_teaches_by_example() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(&format!("tidegate {name}")), "{name}");
        }
    }
}
