//! The result while it is being made.

use std::collections::BTreeMap;

use tidegate_controlplane_api::{Diagnostic, Kind, ObjectRef};
use tidegate_proto::table::{BackendId, EntryKey, VirtualServerId};

use crate::child::ChildKind;
use crate::compiled::{Compiled, Hold, ObjectStatus, Withheld};

#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) compiled: Compiled,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) status: BTreeMap<ObjectRef, ObjectStatus>,
}

impl Draft {
    /// Leaves an object's entry out of the table. Said twice, the stricter holds.
    pub(crate) fn withhold(&mut self, object: &ObjectRef, hold: Hold, reason: &str) {
        if let Some(key) = entry_key(object) {
            self.withhold_key(key, hold, reason);
        }
    }

    pub(crate) fn withhold_key(&mut self, key: EntryKey, hold: Hold, reason: &str) {
        let withheld = Withheld { hold, reason: reason.to_owned() };
        let entry = self.compiled.withheld.entry(key).or_insert_with(|| withheld.clone());
        if entry.hold < hold {
            *entry = withheld;
        }
    }

    /// Leaves all children of an object as they are.
    pub(crate) fn leave_alone(&mut self, object: &ObjectRef) {
        self.compiled.left_alone.extend(ChildKind::ALL.map(|kind| (object.clone(), kind)));
    }

    pub(crate) fn finish(self) -> Compiled {
        let Self { mut compiled, diagnostics, status } = self;
        compiled.diagnostics = diagnostics;
        Diagnostic::sort(&mut compiled.diagnostics);
        compiled.status = status;
        compiled.commands.sort_by(|a, b| a.backend.cmp(&b.backend));
        compiled
    }
}

/// The entry that an object becomes; groups become none.
pub(crate) fn entry_key(object: &ObjectRef) -> Option<EntryKey> {
    match object.kind {
        Kind::VirtualMcpServer => {
            Some(EntryKey::VirtualServer(VirtualServerId::new(&object.namespace, &object.name)))
        }
        kind if kind.is_backend() => Some(EntryKey::Backend(backend_id(object))),
        _ => None,
    }
}

pub(crate) fn backend_id(object: &ObjectRef) -> BackendId {
    BackendId::resource(&object.namespace, object.kind.as_str(), &object.name)
}
