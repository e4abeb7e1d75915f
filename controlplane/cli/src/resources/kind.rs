//! The names of the kinds on the command line, with the short forms kubectl users expect.

use clap::ValueEnum;

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// VirtualMCPServers as served
    #[value(
        name = "virtualservers",
        alias = "virtualserver",
        alias = "vs",
        alias = "vmcp",
        alias = "virtualmcp",
        alias = "virtualmcpserver",
        alias = "virtualmcpservers"
    )]
    VirtualServers,
    /// MCP servers behind them
    #[value(name = "backends", alias = "backend", alias = "be")]
    Backends,
    /// Tools as clients see them
    #[value(name = "tools", alias = "tool")]
    Tools,
    /// Data planes
    #[value(name = "nodes", alias = "node", alias = "no")]
    Nodes,
}

impl Kind {
    /// One of them, as in `virtualserver/demo`.
    pub(crate) fn singular(self) -> &'static str {
        match self {
            Kind::VirtualServers => "virtualserver",
            Kind::Backends => "backend",
            Kind::Tools => "tool",
            Kind::Nodes => "node",
        }
    }

    /// Many of them.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Kind::VirtualServers => "virtualservers",
            Kind::Backends => "backends",
            Kind::Tools => "tools",
            Kind::Nodes => "nodes",
        }
    }

    /// Whether its items live in namespaces.
    pub(crate) fn is_namespaced(self) -> bool {
        self != Kind::Nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectls_names_and_short_names_are_understood() {
        for name in ["vmcp", "virtualmcpserver", "VirtualMCPServers", "virtualserver", "virtualservers", "vs"]
        {
            assert_eq!(Kind::from_str(name, true), Ok(Kind::VirtualServers), "{name}");
        }
        for (name, kind) in [("be", Kind::Backends), ("tool", Kind::Tools), ("nodes", Kind::Nodes)] {
            assert_eq!(Kind::from_str(name, true), Ok(kind), "{name}");
        }
    }
}
