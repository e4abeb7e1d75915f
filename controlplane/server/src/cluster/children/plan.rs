//! What is to be done about child objects: what should be, compared with what is there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_controlplane_compile::{Child, ChildKey, ChildKind, Compiled, NamespacedName};

use super::super::covers;
use crate::source::kubernetes::{Body, Mirrors};

/// The child object that something is done about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(pub ChildKey);

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Server-side apply of this body. `seen`: the version that it was compared with; none: it is not there, or not ours.
    Apply {
        /// What it is made of.
        child: Arc<Child>,
        /// As it is to be.
        body: Value,
        /// As it is.
        seen: Option<String>,
    },
    /// Delete the object with this UID.
    Delete {
        /// Whom it was for.
        owner: ObjectRef,
        /// Another object of the same name is not meant.
        uid: String,
    },
}

/// What has been compared and written, so that nothing is done twice.
#[derive(Debug, Default)]
pub(super) struct Memory(BTreeMap<ChildKey, Settled>);

/// In order, as far as is known.
#[derive(Debug)]
struct Settled {
    child: Arc<Child>,
    /// The observed version that covers it, or (just written) the one that did not yet.
    version: Option<String>,
}

impl Settled {
    /// Nothing is to be done about this child at this version.
    fn covers(&self, child: &Arc<Child>, version: &Option<String>) -> bool {
        self.version == *version && (Arc::ptr_eq(&self.child, child) || self.child == *child)
    }
}

impl Memory {
    /// What is to be done now.
    pub(super) fn steps(&mut self, compiled: &Compiled, mirrors: &Mirrors) -> Vec<(Step, Action)> {
        let observed = observed(mirrors);
        self.0.retain(|key, _| compiled.children.contains_key(key));
        let mut steps = Vec::new();
        for (key, child) in &compiled.children {
            let body = observed.get(key);
            let version = body.map(|body| body.version().to_owned());
            let known = self.0.get(key);
            if known.is_some_and(|known| known.covers(child, &version)) {
                continue;
            }
            let desired = child.body(key);
            if body.is_some_and(|body| covers(&body.value(), &desired)) {
                self.0.insert(key.clone(), Settled { child: Arc::clone(child), version });
                continue;
            }
            let action = Action::Apply { child: Arc::clone(child), body: desired, seen: version };
            steps.push((Step(key.clone()), action));
        }
        let unwanted = observed.iter().filter(|(key, _)| !compiled.children.contains_key(*key));
        steps.extend(unwanted.filter_map(|(key, body)| delete(key, body, compiled)));
        steps
    }

    /// It has been done: until the watch tells of another version, there is nothing more to do.
    pub(super) fn done(&mut self, step: &Step, action: Action) {
        if let Action::Apply { child, seen, .. } = action {
            self.0.insert(step.0.clone(), Settled { child, version: seen });
        }
    }
}

/// An object of ours that is not wanted goes, unless its owner is gone (Kubernetes collects it) or is not understood at present (what
/// is served stays).
fn delete(key: &ChildKey, body: &Body, compiled: &Compiled) -> Option<(Step, Action)> {
    let value = body.value();
    let owner = owner(&value, &key.namespace)?;
    if !compiled.status.contains_key(&owner) || compiled.left_alone.contains(&(owner.clone(), key.kind)) {
        return None;
    }
    let uid = value.pointer("/metadata/uid")?.as_str()?.to_owned();
    Some((Step(key.clone()), Action::Delete { owner, uid }))
}

fn owner(value: &Value, namespace: &str) -> Option<ObjectRef> {
    let owners = value.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    let kind = Kind::parse(owner.get("kind")?.as_str()?)?;
    Some(ObjectRef::new(kind, namespace, owner.get("name")?.as_str()?))
}

fn observed(mirrors: &Mirrors) -> BTreeMap<ChildKey, Body> {
    let key = |kind, name: &NamespacedName| ChildKey {
        kind,
        namespace: name.namespace.clone(),
        name: name.name.clone(),
    };
    let mut all = BTreeMap::new();
    mirrors.services.look(|objects| {
        all.extend(objects.iter().map(|(name, kept)| (key(ChildKind::Service, name), kept.body.clone())));
    });
    mirrors.slices.look(|objects| {
        let made_here = objects.iter().filter(|(_, kept)| kept.made_here);
        all.extend(made_here.map(|(name, kept)| (key(ChildKind::EndpointSlice, name), kept.body.clone())));
    });
    mirrors.stateful_sets.look(|objects| {
        all.extend(objects.iter().map(|(name, kept)| (key(ChildKind::StatefulSet, name), kept.body.clone())));
    });
    all
}

impl Action {
    /// Whom the child is for.
    pub(super) fn owner(&self) -> &ObjectRef {
        match self {
            Action::Apply { child, .. } => &child.owner,
            Action::Delete { owner, .. } => owner,
        }
    }

    /// For the log.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Action::Apply { seen: None, .. } => "create",
            Action::Apply { .. } => "apply",
            Action::Delete { .. } => "delete",
        }
    }
}

impl Step {
    /// Kind and name, for people who know the namespace.
    pub(super) fn child(&self) -> impl fmt::Display {
        format!("{} {}", self.0.kind.as_str(), self.0.name)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.0.kind.as_str(), self.0.namespace, self.0.name)
    }
}
