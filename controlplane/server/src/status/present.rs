//! The present statuses: what may have changed since the last look is made anew, the rest stays what it is (docs/scale.md).
//!
//! A status is a function of what compile says of the object, of what the API server refuses of its children and, of those that are
//! served, of entries of the table and of what the nodes say of these. Each of that is known by its difference to the last look.

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_proto::table::{EntryKey, VirtualServerId};

use super::facts::Facts;
use super::transitions::{Since, Transitions, Turn};
use super::{Statuses, status};
use crate::cluster::refusals::Refused;
use crate::pipeline::Outcome;
use crate::push::News;

/// Statuses, and since when their conditions hold.
#[derive(Debug, Default)]
pub(super) struct Present {
    statuses: Statuses,
    transitions: Transitions,
    /// What the statuses were made of; none: nothing of them holds.
    basis: Option<Basis>,
}

/// What is not told as news, and has to be compared.
#[derive(Debug)]
struct Basis {
    outcome: Arc<Outcome>,
    refused: Arc<Refused>,
    any_current: bool,
}

impl Present {
    /// As they were made last.
    pub(super) fn statuses(&self) -> &Statuses {
        &self.statuses
    }

    /// Takes over times that are on record.
    pub(super) fn remember(&mut self, object: &ObjectRef, conditions: Vec<Since>) {
        self.transitions.remember(object, conditions);
        self.basis = None;
    }

    /// Keeps up with `outcome`, with what is refused, and with the nodes, who have said `news` since the last time; looks at `also` in
    /// any case. Returns the phases that changed.
    pub(super) fn update(
        &mut self,
        outcome: &Arc<Outcome>,
        facts: &Facts<'_>,
        refused: &Arc<Refused>,
        news: &News,
        also: &[ObjectRef],
        now_unix_ms: u64,
    ) -> Vec<Turn> {
        let affected = self.basis.as_ref().and_then(|basis| basis.affected(facts, refused, news));
        let turns = match affected {
            Some(objects) => self.make(objects.iter().chain(also), facts, refused, now_unix_ms),
            None => {
                let gone = |object: &&ObjectRef| facts.compiled(object).is_none();
                let gone: Vec<_> = self.statuses.keys().filter(gone).cloned().collect();
                self.transitions.retain(|object| facts.compiled(object).is_some());
                let there = facts.statuses().map(|(object, _)| object);
                self.make(gone.iter().chain(there), facts, refused, now_unix_ms)
            }
        };
        let (outcome, refused) = (Arc::clone(outcome), Arc::clone(refused));
        self.basis = Some(Basis { outcome, refused, any_current: facts.any_current });
        turns
    }

    fn make<'o>(
        &mut self,
        objects: impl Iterator<Item = &'o ObjectRef>,
        facts: &Facts<'_>,
        refused: &Refused,
        now_unix_ms: u64,
    ) -> Vec<Turn> {
        let owners = refused.by_owner();
        let mut turns = Vec::new();
        for object in objects {
            let Some(compiled) = facts.compiled(object) else {
                self.statuses.remove(object);
                self.transitions.forget(object);
                continue;
            };
            let mut status = status(facts, object, compiled);
            status.refused(object, owners.get(object).map(Vec::as_slice).unwrap_or_default());
            turns.extend(self.transitions.stamp(object, &mut status, now_unix_ms));
            // An equal one stays the same one: who has seen it need not compare.
            if self.statuses.get(object).is_none_or(|known| **known != status) {
                self.statuses.insert(object.clone(), Arc::new(status));
            }
        }
        turns
    }
}

impl Basis {
    /// The objects whose status may be another now; none: any may.
    fn affected(
        &self,
        facts: &Facts<'_>,
        refused: &Arc<Refused>,
        news: &News,
    ) -> Option<BTreeSet<ObjectRef>> {
        if news.everything {
            return None;
        }
        let (was, is) = (self.outcome.compiled.as_ref()?, facts.outcome.compiled.as_ref()?);
        let (before, table) = (self.outcome.published.as_ref()?.table(), facts.table()?);
        let mut objects: BTreeSet<ObjectRef> = differing(&was.status, &is.status).cloned().collect();
        if !Arc::ptr_eq(&self.refused, refused) {
            let owners = [&self.refused, refused].into_iter().flat_map(|refused| refused.children.values());
            objects.extend(owners.map(|refusal| refusal.owner.clone()));
        }
        let mut backends: HashSet<&str> = news.backends.iter().map(String::as_str).collect();
        let entries = differing(&before.entries, &table.entries);
        for key in entries.chain(differing(&was.withheld, &is.withheld)) {
            match key {
                EntryKey::Backend(id) => drop(backends.insert(id.as_str())),
                EntryKey::VirtualServer(id) => drop(objects.insert(virtual_server(id))),
            }
        }
        objects.extend(news.virtual_servers.iter().filter_map(|id| {
            let (namespace, name) = id.split_once('/')?;
            Some(ObjectRef::new(Kind::VirtualMcpServer, namespace, name))
        }));
        objects.extend(backends.iter().filter_map(|id| resource(id)));
        let turned = self.any_current != facts.any_current;
        if turned || !backends.is_empty() {
            let affected = table.virtual_servers().filter(|server| {
                server.members.iter().any(|member| backends.contains(member.backend.as_str()))
                    || turned && !facts.reported.knows_virtual_server(&server.id.to_string())
            });
            objects.extend(affected.map(|server| virtual_server(&server.id)));
        }
        Some(objects)
    }
}

/// The keys at which two maps differ. What they share is not looked at.
fn differing<'a, K, V>(was: &'a OrdMap<K, V>, is: &'a OrdMap<K, V>) -> impl Iterator<Item = &'a K>
where
    K: Ord + Hash,
    V: PartialEq,
{
    was.diff(is).map(|item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => key,
    })
}

fn virtual_server(id: &VirtualServerId) -> ObjectRef {
    ObjectRef::new(Kind::VirtualMcpServer, &id.namespace, &id.name)
}

/// The object that a backend of the table is, where its status speaks of health (`BackendId::resource`).
fn resource(id: &str) -> Option<ObjectRef> {
    let mut parts = id.splitn(3, '/');
    let (namespace, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = Kind::BACKENDS.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(kind))?;
    Some(ObjectRef::new(kind, namespace, name))
}

#[cfg(test)]
mod tests;
