//! What a control plane shows.

/// A kind of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// VirtualMCPServers as served
    VirtualServers,
    /// MCP servers behind them
    Backends,
    /// Tools as clients see them
    Tools,
    /// Data planes
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
