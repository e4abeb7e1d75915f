//! What one object adds to the result. No two objects add the same key, so that a result is the sum of its pieces, and one
//! object's can be taken out and put in without a look at the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_controlplane_api::{Diagnostic, Document, Kind, ObjectRef};
use tidegate_proto::table::{BackendId, Endpoint, Entry, EntryKey, Member, VirtualServerId};

use crate::backend::Fact;
use crate::child::{Child, ChildKey, ChildKind};
use crate::compiled::{Command, Compiled, Condition, Finalizer, Hold, ObjectStatus, Withheld};

/// What one object adds; the fields are those of [`Compiled`].
#[derive(Debug, Default)]
pub(crate) struct Piece {
    entries: Vec<Arc<Entry>>,
    withheld: BTreeMap<EntryKey, Withheld>,
    status: Option<Arc<ObjectStatus>>,
    children: BTreeMap<ChildKey, Arc<Child>>,
    left_alone: BTreeSet<ChildKind>,
    pub(crate) command: Option<Box<Command>>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) candidates: Vec<Member>,
    pub(crate) endpoints: Option<Vec<Endpoint>>,
    pub(crate) finalizer: Option<Finalizer>,
    pub(crate) barred: BTreeSet<BackendId>,
    /// What virtual servers need to know of a backend.
    pub(crate) fact: Option<Arc<Fact>>,
}

impl Piece {
    /// An entry of the table.
    pub(crate) fn serve(&mut self, entry: Entry) {
        self.entries.push(Arc::new(entry));
    }

    /// Leaves an object's entry out of the table. Said twice, the stricter holds.
    pub(crate) fn withhold(&mut self, object: &ObjectRef, hold: Hold, reason: &str) {
        if let Some(key) = entry_key(object) {
            self.withhold_key(key, hold, reason);
        }
    }

    pub(crate) fn withhold_key(&mut self, key: EntryKey, hold: Hold, reason: &str) {
        let withheld = Withheld { hold, reason: reason.to_owned() };
        let entry = self.withheld.entry(key).or_insert_with(|| withheld.clone());
        if entry.hold < hold {
            *entry = withheld;
        }
    }

    /// Wants a child object.
    pub(crate) fn want(&mut self, key: ChildKey, child: Child) {
        self.children.insert(key, Arc::new(child));
    }

    /// Leaves all children of the object as they are.
    pub(crate) fn leave_alone(&mut self) {
        self.left_alone.extend(ChildKind::ALL);
    }

    /// Leaves its children of one kind as they are.
    pub(crate) fn leave_kind_alone(&mut self, kind: ChildKind) {
        self.left_alone.insert(kind);
    }

    pub(crate) fn set_status(&mut self, status: ObjectStatus) {
        self.status = Some(Arc::new(status));
    }

    pub(crate) fn add_conditions(&mut self, conditions: impl IntoIterator<Item = Condition>) {
        if let Some(status) = &mut self.status {
            Arc::make_mut(status).conditions.extend(conditions);
        }
    }

    /// Says which edit of the spec the status is about.
    pub(crate) fn observe(&mut self, document: &Document) {
        let generation = document.object.metadata().generation;
        if let Some(status) = &mut self.status {
            Arc::make_mut(status).observed_generation = Some(generation).filter(|generation| *generation > 0);
        }
    }

    pub(crate) fn status(&self) -> Option<&ObjectStatus> {
        self.status.as_deref()
    }

    /// Whether it adds to what is kept in one list for all objects.
    pub(crate) fn speaks(&self) -> bool {
        self.command.is_some() || !self.diagnostics.is_empty()
    }

    /// Adds it to the result, but for diagnostics and commands.
    pub(crate) fn put_into(&self, compiled: &mut Compiled, object: &ObjectRef) {
        let Compiled { table, withheld, status, children, left_alone, .. } = compiled;
        table.entries.extend(self.entries.iter().map(|entry| (entry.key(), Arc::clone(entry))));
        withheld.extend(self.withheld.iter().map(|(key, reason)| (key.clone(), reason.clone())));
        status.extend(self.status.iter().map(|status| (object.clone(), Arc::clone(status))));
        children.extend(self.children.iter().map(|(key, child)| (key.clone(), Arc::clone(child))));
        left_alone.extend(self.left_alone.iter().map(|kind| (object.clone(), *kind)));
        let Compiled { candidates, endpoints, finalizers, barred, .. } = compiled;
        if !self.candidates.is_empty() {
            candidates.insert(virtual_server_id(object), self.candidates.clone());
        }
        if let Some(pods) = &self.endpoints {
            endpoints.insert(backend_id(object), pods.clone());
        }
        finalizers.extend(self.finalizer.map(|finalizer| (object.clone(), finalizer)));
        if !self.barred.is_empty() {
            barred.insert(virtual_server_id(object), self.barred.clone());
        }
    }

    /// The opposite of [`put_into`](Self::put_into).
    pub(crate) fn take_out(&self, compiled: &mut Compiled, object: &ObjectRef) {
        let Compiled { table, withheld, status, children, left_alone, .. } = compiled;
        self.entries.iter().for_each(|entry| drop(table.entries.remove(&entry.key())));
        self.withheld.keys().for_each(|key| drop(withheld.remove(key)));
        self.children.keys().for_each(|key| drop(children.remove(key)));
        self.left_alone.iter().for_each(|kind| drop(left_alone.remove(&(object.clone(), *kind))));
        if self.status.is_some() {
            status.remove(object);
        }
        let Compiled { candidates, endpoints, finalizers, barred, .. } = compiled;
        if !self.candidates.is_empty() {
            candidates.remove(&virtual_server_id(object));
        }
        if self.endpoints.is_some() {
            endpoints.remove(&backend_id(object));
        }
        if self.finalizer.is_some() {
            finalizers.remove(object);
        }
        if !self.barred.is_empty() {
            barred.remove(&virtual_server_id(object));
        }
    }
}

/// The entry that an object becomes; groups become none.
pub(crate) fn entry_key(object: &ObjectRef) -> Option<EntryKey> {
    match object.kind {
        Kind::VirtualMcpServer => Some(EntryKey::VirtualServer(virtual_server_id(object))),
        kind if kind.is_backend() => Some(EntryKey::Backend(backend_id(object))),
        _ => None,
    }
}

pub(crate) fn backend_id(object: &ObjectRef) -> BackendId {
    BackendId::resource(&object.namespace, object.kind.as_str(), &object.name)
}

pub(crate) fn virtual_server_id(object: &ObjectRef) -> VirtualServerId {
    VirtualServerId::new(&object.namespace, &object.name)
}
