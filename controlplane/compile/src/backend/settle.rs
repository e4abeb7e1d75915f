//! Where a backend goes once it has been looked at: into the table or among the withheld, with its status and its children.

use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind};
use tidegate_proto::table::{Entry, EntryKey};

use super::front::{self, Wishes};
use super::{Fact, Outcome, Surroundings, running};
use crate::compiled::{Condition, Hold, ObjectStatus, Phase, Withheld};
use crate::draft::{Draft, backend_id};
use crate::group;

/// Puts a backend into the table or among the withheld, and writes its status.
pub(super) fn settle(
    document: &Arc<Document>,
    surroundings: &Surroundings<'_>,
    outcome: Outcome,
    draft: &mut Draft,
) -> Fact {
    let Outcome { parts, command, withheld, needs_credential, mut conditions } = outcome;
    let object = &document.object_ref;
    let id = backend_id(object);
    let (mut url, headers) = parts.as_ref().map_or_else(Default::default, |parts| {
        (parts.address.url.clone(), parts.headers.iter().map(|header| header.name.clone()).collect())
    });
    let mut status = ObjectStatus::default();
    keep_pods(document, surroundings, withheld.as_ref(), draft);
    if let Some(exposed) = expose(document, surroundings, withheld.as_ref(), draft) {
        conditions.push(exposed.condition);
        // an MCPServer is known by the Service in front of it, a remote one by where it is
        if object.kind == Kind::McpServer {
            url.clone_from(&exposed.url);
        }
        status.url = Some(exposed.url);
    }
    status.url = status.url.or_else(|| (!url.is_empty()).then(|| url.clone()));
    match (&withheld, parts) {
        (None, Some(parts)) => {
            status.phase = if object.kind == Kind::McpServerEntry { Phase::Valid } else { Phase::FromHealth };
            conditions.push(Condition::of("Valid", true, "ConfigValid", "the configuration is valid"));
            // a backend of no group and without a front is nobody's
            if group::group_of(document).is_some() || surroundings.has_front() {
                draft.compiled.table.insert(Entry::Backend(parts.into_backend(id.clone(), &object.name)));
                draft.compiled.commands.extend(command);
            }
        }
        (withheld, parts) => {
            let reason = withheld.as_ref().map_or("", |withheld| &withheld.reason);
            let hold = withheld.as_ref().map_or(Hold::KeepPrevious, |withheld| withheld.hold);
            status.phase = Phase::Failed;
            reason.clone_into(&mut status.message);
            conditions.push(Condition::of("Valid", false, "ConfigInvalid", reason));
            draft.withhold(object, hold, reason);
            if let (Some(parts), true) = (parts, is_run(document, surroundings)) {
                draft.compiled.endpoints.insert(id.clone(), parts.endpoints);
            }
        }
    }
    tell_pods(document, surroundings, &mut status);
    status.conditions = conditions;
    draft.status.insert(object.clone(), status);
    Fact { id, url, headers, withheld, needs_credential }
}

fn is_run(document: &Arc<Document>, surroundings: &Surroundings<'_>) -> bool {
    surroundings.place.and_then(|place| running(document, place)).is_some()
}

/// A mistake in what says that it is not run (any more) leaves its pods.
fn keep_pods(
    document: &Arc<Document>,
    surroundings: &Surroundings<'_>,
    withheld: Option<&Withheld>,
    draft: &mut Draft,
) {
    let Some(place) = surroundings.place else { return };
    let mistaken = withheld.is_some_and(|withheld| withheld.hold == Hold::KeepPrevious);
    match running(document, place) {
        Some(running) if !document.is_deleting() => running.keep(draft),
        Some(_) => draft.leave_alone(&document.object_ref),
        None if document.is_deleting() || mistaken => draft.leave_alone(&document.object_ref),
        None => {}
    }
}

/// The phase of an MCPServer that is run is that of its pods, unless it is not what the spec says.
fn tell_pods(document: &Arc<Document>, surroundings: &Surroundings<'_>, status: &mut ObjectStatus) {
    let Some(place) = surroundings.place else { return };
    if document.is_deleting() && document.object_ref.kind == Kind::McpRemoteProxy {
        (status.phase, status.message) = (Phase::Terminating, "MCP remote proxy is being deleted".to_owned());
    }
    let Some(running) = running(document, place) else { return };
    let standing = running.standing();
    status.details.ready_replicas = Some(standing.ready);
    if status.phase != Phase::Failed || standing.phase == Phase::Terminating {
        (status.phase, status.message) = (standing.phase, standing.message);
    }
}

/// What is said of a front.
struct Exposed {
    condition: Condition,
    url: String,
}

/// Wants the Service that leads to a backend at the gateways, and the entry by which they serve it.
fn expose(
    document: &Document,
    surroundings: &Surroundings<'_>,
    withheld: Option<&Withheld>,
    draft: &mut Draft,
) -> Option<Exposed> {
    let object = &document.object_ref;
    let place = surroundings.place?;
    let (front, wishes) = (place.front?, Wishes::of(document)?);
    let service = wishes.service();
    let condition = match withheld {
        Some(withheld) if withheld.hold == Hold::Remove || !front.exists() => {
            Condition::of("Exposed", false, "NotServed", withheld.reason.as_str())
        }
        _ => front.exposed(object, service.r#type, service.port),
    };
    if !document.is_deleting() && (withheld.is_none() || front.exists()) {
        place.fronts.keep(object, front, service, draft);
    }
    match (withheld, place.fronts.listen(front)) {
        (Some(withheld), _) => {
            let key = EntryKey::VirtualServer(front::id(object));
            draft.withhold_key(key, withheld.hold, &withheld.reason);
        }
        (None, Some(listen)) => {
            let group = group::group_of(document);
            let server = front::virtual_server(object, group, backend_id(object), listen);
            draft.compiled.table.insert(Entry::VirtualServer(server));
        }
        (None, None) => {}
    }
    Some(Exposed { condition, url: wishes.url(&front.host(object)) })
}
