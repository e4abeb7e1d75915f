//! What is to be done about child objects: what should be, compared with what is there.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use tidegate_controlplane_api::{Kind, ObjectRef};
use tidegate_controlplane_compile::{ChildKey, ChildKind, Compiled, NamespacedName, Phase};

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
        /// As it is to be.
        body: Value,
        /// As it is.
        seen: Option<String>,
    },
    /// Delete the object with this UID.
    Delete {
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
    desired: Value,
    /// The observed version that covers it, or (just written) the one that did not yet.
    version: Option<String>,
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
            if known.is_some_and(|known| known.version == version && known.desired == child.body) {
                continue;
            }
            if body.is_some_and(|body| covers(&body.value(), &child.body)) {
                self.0.insert(key.clone(), Settled { desired: child.body.clone(), version });
                continue;
            }
            steps.push((Step(key.clone()), Action::Apply { body: child.body.clone(), seen: version }));
        }
        let unwanted = observed.iter().filter(|(key, _)| !compiled.children.contains_key(*key));
        steps.extend(unwanted.filter_map(|(key, body)| delete(key, body, compiled)));
        steps
    }

    /// It has been done: until the watch tells of another version, there is nothing more to do.
    pub(super) fn done(&mut self, step: &Step, action: Action) {
        if let Action::Apply { body, seen } = action {
            self.0.insert(step.0.clone(), Settled { desired: body, version: seen });
        }
    }
}

/// An object of ours that is not wanted goes when its owner is in order and does not want it. When the owner is gone, Kubernetes
/// collects it; while the owner is withheld, what is served stays.
fn delete(key: &ChildKey, body: &Body, compiled: &Compiled) -> Option<(Step, Action)> {
    let value = body.value();
    let owner = owner(&value, &key.namespace)?;
    let status = compiled.status.get(&owner)?;
    if matches!(status.phase, Phase::Failed) {
        return None;
    }
    let uid = value.pointer("/metadata/uid")?.as_str()?.to_owned();
    Some((Step(key.clone()), Action::Delete { uid }))
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
    mirrors.deployments.look(|objects| {
        all.extend(objects.iter().map(|(name, kept)| (key(ChildKind::Deployment, name), kept.body.clone())));
    });
    all
}

impl Action {
    /// For the log.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Action::Apply { seen: None, .. } => "create",
            Action::Apply { .. } => "apply",
            Action::Delete { .. } => "delete",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.0.kind.as_str(), self.0.namespace, self.0.name)
    }
}
