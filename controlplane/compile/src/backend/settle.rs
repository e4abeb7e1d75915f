//! Where a backend goes once it has been looked at: into the table or among the withheld, with its status and its children.

use std::sync::Arc;

use tidegate_controlplane_api::Kind;
use tidegate_proto::table::{Entry, EntryKey};

use super::front::{self, Wishes};
use super::{Fact, Inputs, Outcome};
use crate::compiled::{Condition, Hold, ObjectStatus, Phase, Withheld};
use crate::group;
use crate::piece::{Piece, backend_id};

/// Puts a backend into the table or among the withheld, and writes its status.
pub(super) fn settle(inputs: &Inputs, outcome: Outcome, piece: &mut Piece) {
    let Outcome { parts, command, withheld, needs_credential, mut conditions } = outcome;
    let object = &inputs.document.object_ref;
    let id = backend_id(object);
    let (mut url, headers) = parts.as_ref().map_or_else(Default::default, |parts| {
        (parts.address.url.clone(), parts.headers.iter().map(|header| header.name.clone()).collect())
    });
    let mut status = ObjectStatus::default();
    keep_pods(inputs, withheld.as_ref(), piece);
    if let Some(exposed) = expose(inputs, withheld.as_ref(), piece) {
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
            if inputs.group.is_some() || inputs.exposure().is_some() {
                piece.serve(Entry::Backend(parts.into_backend(id.clone(), &object.name)));
                piece.command = command.map(Box::new);
            }
        }
        (withheld, parts) => {
            let reason = withheld.as_ref().map_or("", |withheld| &withheld.reason);
            let hold = withheld.as_ref().map_or(Hold::KeepPrevious, |withheld| withheld.hold);
            status.phase = Phase::Failed;
            reason.clone_into(&mut status.message);
            conditions.push(Condition::of("Valid", false, "ConfigInvalid", reason));
            piece.withhold(object, hold, reason);
            piece.endpoints = parts.filter(|_| inputs.running().is_some()).map(|parts| parts.endpoints);
        }
    }
    tell_pods(inputs, &mut status);
    status.conditions = conditions;
    piece.set_status(status);
    let name = Arc::clone(&object.name);
    piece.fact = Some(Arc::new(Fact { name, id, url, headers, withheld, needs_credential }));
}

/// A mistake in what says that it is not run (any more) leaves its pods.
fn keep_pods(inputs: &Inputs, withheld: Option<&Withheld>, piece: &mut Piece) {
    if inputs.place.is_none() {
        return;
    }
    let mistaken = withheld.is_some_and(|withheld| withheld.hold == Hold::KeepPrevious);
    let deleting = inputs.document.is_deleting();
    match inputs.running() {
        Some(running) if !deleting => running.keep(piece),
        Some(_) => piece.leave_alone(),
        None if deleting || mistaken => piece.leave_alone(),
        None => {}
    }
}

/// The phase of an MCPServer that is run is that of its pods, unless it is not what the spec says.
fn tell_pods(inputs: &Inputs, status: &mut ObjectStatus) {
    if inputs.place.is_none() {
        return;
    }
    let document = &inputs.document;
    if document.is_deleting() && document.object_ref.kind == Kind::McpRemoteProxy {
        (status.phase, status.message) = (Phase::Terminating, "MCP remote proxy is being deleted".to_owned());
    }
    let Some(running) = inputs.running() else { return };
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
fn expose(inputs: &Inputs, withheld: Option<&Withheld>, piece: &mut Piece) -> Option<Exposed> {
    let document = &inputs.document;
    let object = &document.object_ref;
    let exposure = inputs.exposure()?;
    let (front, wishes) = (&exposure.front, Wishes::of(document)?);
    let service = wishes.service();
    let condition = match withheld {
        Some(withheld) if withheld.hold == Hold::Remove || !front.exists() => {
            Condition::of("Exposed", false, "NotServed", withheld.reason.as_str())
        }
        _ => front.exposed(object, service.r#type, service.port),
    };
    if !document.is_deleting() && (withheld.is_none() || front.exists()) {
        exposure.keep(object, service, piece);
    }
    match (withheld, exposure.listen()) {
        (Some(withheld), _) => {
            let key = EntryKey::VirtualServer(front::id(object));
            piece.withhold_key(key, withheld.hold, &withheld.reason);
        }
        (None, Some(listen)) => {
            let group = group::group_of(document);
            let server = front::virtual_server(object, group, backend_id(object), listen);
            piece.serve(Entry::VirtualServer(server));
        }
        (None, None) => {}
    }
    Some(Exposed { condition, url: wishes.url(&front.host(object)) })
}
