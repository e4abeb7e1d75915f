//! What nodes have said since somebody asked, so that he looks at that only.

use std::collections::HashSet;

use tidegate_proto::wire::Report;

/// Ids beyond which they are not told apart any more: nobody may be asking.
const MOST: usize = 4096;

/// What may be another than before, of what nodes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Nodes came or went, or too much was said to keep it apart: anything may be.
    pub everything: bool,
    /// Ids of backends.
    pub backends: HashSet<String>,
    /// Virtual servers, `namespace/name`.
    pub virtual_servers: HashSet<String>,
}

/// Before anybody has asked nothing is known.
impl Default for News {
    fn default() -> Self {
        Self { everything: true, backends: HashSet::new(), virtual_servers: HashSet::new() }
    }
}

impl News {
    /// There are none.
    pub(crate) fn none() -> Self {
        Self { everything: false, ..Self::default() }
    }

    /// What a report says, but for times of probes.
    pub(crate) fn take_in(&mut self, report: &Report) {
        if self.everything {
            return;
        }
        let backends = report.backends.iter().map(|state| &state.id);
        self.backends.extend(backends.chain(&report.removed_backends).cloned());
        let servers = report.virtual_servers.iter().map(|state| &state.id);
        self.virtual_servers.extend(servers.chain(&report.removed_virtual_servers).cloned());
        if self.backends.len() + self.virtual_servers.len() > MOST {
            *self = Self::default();
        }
    }
}
