//! Events on objects that are not served as written, that a node refuses, or whose children the API server refuses: `kubectl describe` and `kubectl get events` show them.
//! Each is said once when it appears, by the leader.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tidegate_controlplane_api::meta::{GROUP, VERSIONS};
use tidegate_controlplane_api::{Diagnostic, Kind, ObjectRef, Severity};
use tidegate_controlplane_compile::NamespacedName;
use tidegate_proto::table::EntryKey;
use tokio::sync::watch;
use tokio::time::Instant;

use super::refusals::Refused;
use super::{NAME, answer, bounded};
use crate::metrics;
use crate::pipeline::Outcome;
use crate::push::NodeState;
use crate::source::kubernetes::Mirrors;
use crate::status::Board;

/// Between two looks at least.
const PACE: Duration = Duration::from_secs(1);
/// Events of one look; the rest is said by statuses and the log. The API server throttles who sends more.
const MAX_EVENTS: usize = 100;
/// Between two looks at most.
const RESYNC: Duration = Duration::from_secs(600);
/// As long as a note may be (events.k8s.io/v1).
const MAX_NOTE: usize = 1_024;

/// Sends events until dropped.
pub struct Announcer {
    recorder: Recorder,
    mirrors: Mirrors,
    leading: watch::Receiver<bool>,
    said: BTreeMap<ObjectRef, Vec<Finding>>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    reason: String,
    note: String,
    /// What was tried.
    action: &'static str,
}

impl Announcer {
    /// `identity`: the name of this replica.
    pub fn new(client: Client, mirrors: Mirrors, leading: watch::Receiver<bool>, identity: &str) -> Self {
        let reporter = Reporter { controller: NAME.to_owned(), instance: Some(identity.to_owned()) };
        Self { recorder: Recorder::new(client, reporter), mirrors, leading, said: BTreeMap::new() }
    }

    /// Looks at the board whenever it changes.
    pub async fn run(mut self, board: Board) {
        let mut changes = board.changes();
        loop {
            changes.seen();
            if *self.leading.borrow_and_update() {
                let (outcome, nodes) = board.glance();
                let refused = board.refusals().now();
                self.announce(findings(&outcome, &nodes, &refused)).await;
            }
            tokio::time::sleep(PACE).await;
            tokio::select! {
                more = changes.next(Instant::now() + RESYNC) => if more.is_none() { return },
                changed = self.leading.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn announce(&mut self, present: BTreeMap<ObjectRef, Vec<Finding>>) {
        let before = std::mem::take(&mut self.said);
        let mut left = MAX_EVENTS;
        for (object, findings) in &present {
            let known = before.get(object).map(Vec::as_slice).unwrap_or_default();
            for finding in findings.iter().filter(|finding| !known.contains(finding)) {
                if left == 0 {
                    tracing::warn!("more findings appeared at once than are sent as events");
                    self.said = present;
                    return;
                }
                left -= 1;
                self.send(object, finding).await;
            }
        }
        self.said = present;
    }

    async fn send(&self, object: &ObjectRef, finding: &Finding) {
        let Some(reference) = self.reference(object) else { return };
        let event = Event {
            type_: EventType::Warning,
            reason: finding.reason.clone(),
            note: Some(finding.note.clone()),
            action: finding.action.to_owned(),
            secondary: None,
        };
        // An event is a courtesy: status and log say the same.
        let sent = answer(self.recorder.publish(&event, &reference)).await;
        metrics::wrote("event", sent.is_ok());
        if let Err(error) = sent {
            tracing::debug!(%error, %object, reason = finding.reason, "cannot send an event");
        }
    }

    /// None for an object that is gone.
    fn reference(&self, object: &ObjectRef) -> Option<ObjectReference> {
        let name =
            NamespacedName { namespace: Arc::clone(&object.namespace), name: Arc::clone(&object.name) };
        let document = self
            .mirrors
            .customs
            .get(&object.kind)?
            .look(|objects| objects.get(&name).and_then(|custom| custom.document.clone()))?;
        Some(ObjectReference {
            api_version: Some(format!("{GROUP}/{}", VERSIONS[0])),
            kind: Some(object.kind.as_str().to_owned()),
            namespace: Some(object.namespace.to_string()),
            name: Some(object.name.to_string()),
            uid: document.object.metadata().uid.clone(),
            ..ObjectReference::default()
        })
    }
}

fn findings(outcome: &Outcome, nodes: &[NodeState], refused: &Refused) -> BTreeMap<ObjectRef, Vec<Finding>> {
    let mut all: BTreeMap<ObjectRef, Vec<Finding>> = BTreeMap::new();
    let worth = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
    for diagnostic in outcome.diagnostics.iter().filter(worth) {
        if let Some(object) = &diagnostic.object {
            all.entry(object.clone()).or_default().push(Finding::of(diagnostic));
        }
    }
    for node in nodes.iter().filter(|node| node.connected) {
        for (key, reason) in &node.rejections {
            if let EntryKey::VirtualServer(id) = key {
                let object = ObjectRef::new(Kind::VirtualMcpServer, &id.namespace, &id.name);
                let note = bounded(format!("node {}: {reason}", node.name), MAX_NOTE);
                all.entry(object).or_default().push(Finding {
                    reason: "RejectedByNode".to_owned(),
                    note,
                    action: "Compile",
                });
            }
        }
    }
    for refusal in refused.children.values() {
        let (reason, note) = (refusal.reason.to_owned(), refusal.message.clone());
        all.entry(refusal.owner.clone()).or_default().push(Finding { reason, note, action: "Apply" });
    }
    all
}

impl Finding {
    fn of(diagnostic: &Diagnostic) -> Self {
        let field = diagnostic.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
        let note = bounded(format!("{field}{}; remedy: {}", diagnostic.message, diagnostic.remedy), MAX_NOTE);
        Self { reason: camel_case(diagnostic.code), note, action: "Compile" }
    }
}

/// `group-not-found` as `GroupNotFound`.
fn camel_case(code: &str) -> String {
    code.split('-')
        .map(|word| word.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(word.chars().skip(1)))
        .fold(String::new(), |mut all, word| {
            all.extend(word);
            all
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words_in_camel_case_and_notes_are_bounded() {
        assert_eq!(camel_case("group-not-found"), "GroupNotFound");
        assert_eq!(camel_case("bad"), "Bad");
        assert_eq!(bounded("é".repeat(2_000), MAX_NOTE).len(), 1_024);
        assert_eq!(bounded("short".to_owned(), MAX_NOTE), "short");
    }
}
