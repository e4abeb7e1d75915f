//! The node's end.

use std::sync::Arc;
use std::time::Duration;

use tidegate_proto::keys::KeyRing;
use tidegate_proto::push::Terms;
use tidegate_proto::push::node::{Effect, Identity, Session, Step};
use tidegate_proto::table::Table;
use tidegate_proto::wire::{self, from_node, to_node::Body};

use crate::fixture::*;

const START: Duration = Duration::ZERO;

fn connected(holds: Table, keys: Option<&KeyRing>) -> Session {
    let identity = Identity { node: "n".into(), software_version: "1".into(), listen: "l".into() };
    let mut session = Session::new(identity, Terms::default(), Arc::new(holds), keys);
    session.opened(START);
    session
}

fn take(session: &mut Session, update: wire::Update) -> Vec<Effect> {
    session.message(to_node(Body::Update(update)), START)
}

#[track_caller]
fn the_step(effects: Vec<Effect>) -> Step {
    match <[Effect; 1]>::try_from(effects) {
        Ok([Effect::Apply(step)]) => step,
        other => panic!("no step: {other:?}"),
    }
}

fn verdicts_in(effects: &[Effect]) -> Vec<(String, String)> {
    let verdicts = effects.iter().find_map(|effect| match effect {
        Effect::Send(wire::FromNode { body: Some(from_node::Body::Verdicts(v)) }) => Some(v),
        _ => None,
    });
    let verdicts = verdicts.expect("verdicts are sent").entries.iter();
    verdicts.map(|v| (v.key.clone().unwrap_or_default().name, v.rejected.clone())).collect()
}

/// Whether each effect is one of: a write, verdicts, synced.
fn kinds(effects: &[Effect]) -> Vec<&'static str> {
    let kind = |effect: &Effect| match effect {
        Effect::Persist { .. } => "persist",
        Effect::Send(_) => "send",
        Effect::Synced(true) => "synced",
        Effect::Synced(false) => "stale",
        Effect::Apply(_) => "apply",
        Effect::Close(_) => "close",
    };
    effects.iter().map(kind).collect()
}

#[test]
fn the_node_introduces_itself_with_what_it_holds() {
    let held = version(&[("a", "/")], &[]);
    let identity = Identity { node: "n".into(), software_version: "1".into(), listen: "l".into() };
    let mut session = Session::new(identity, Terms::default(), held.table().clone(), Some(&ring("k1")));
    let expected = wire::Hello {
        software_version: "1".into(),
        listen: "l".into(),
        session_keys: vec!["k1".into()],
        ..hello(&held)
    };
    assert_eq!(session.opened(START), [Effect::Send(from_node(from_node::Body::Hello(expected)))]);
}

#[test]
fn a_step_is_taken_then_written_then_answered() {
    let mut session = connected(Table::default(), None);
    let newest = version(&[("a", "/")], &[("v", "a")]);
    let step = the_step(take(&mut session, update(1, &newest)));
    assert_eq!((&*step.table, step.version), (&**newest.table(), newest.id()));
    assert_eq!(step.delta.len(), 2);
    assert!(session.is_applying());
    let effects = session.applied(Vec::new());
    assert_eq!(kinds(&effects), ["persist", "send", "synced"]);
    assert!(verdicts_in(&effects).iter().all(|(_, rejected)| rejected.is_empty()));
    assert_eq!(session.held().id(), newest.id());
}

#[test]
fn an_update_without_changes_is_answered_and_neither_taken_nor_written() {
    let newest = version(&[("a", "/")], &[]);
    let mut session = connected((**newest.table()).clone(), None);
    let empty = wire::Update { nonce: 1, version: newest.id().as_bytes().to_vec(), ..Default::default() };
    assert_eq!(kinds(&take(&mut session, empty)), ["send", "synced"]);
    let known = update(2, &newest);
    assert_eq!(kinds(&take(&mut session, known)), ["send"], "what it holds already is no change");
}

#[test]
fn keys_alone_are_a_step_that_writes_only_them() {
    let mut session = connected(Table::default(), Some(&ring("k1")));
    let mut update = update(1, &version(&[], &[]));
    update.key_ring = Some((&ring("k2")).into());
    let step = the_step(take(&mut session, update));
    assert!(step.delta.is_empty());
    let effects = session.applied(Vec::new());
    assert_eq!(effects[0], Effect::Persist { table: None, epoch: 0, keys: Some(ring("k2")) });
}

#[test]
fn what_the_gateway_refuses_keeps_its_previous_value() {
    let old = version(&[("a", "/1")], &[]);
    let mut session = connected((**old.table()).clone(), None);
    the_step(take(&mut session, update(1, &version(&[("a", "/2"), ("b", "/")], &[]))));
    let effects =
        session.applied(vec![(backend_key("a"), String::new()), (backend_key("x"), "stray".into())]);
    let expected = [("a", "refused without a reason"), ("b", "")];
    assert_eq!(verdicts_in(&effects), expected.map(|(k, r)| (k.to_owned(), r.to_owned())));
    assert_eq!(**session.held().table(), table(&[("a", "/1"), ("b", "/")], &[]));
}

#[test]
fn a_step_that_is_refused_as_a_whole_is_not_written() {
    let mut session = connected(Table::default(), None);
    the_step(take(&mut session, update(1, &version(&[("a", "/")], &[]))));
    let effects = session.applied(vec![(backend_key("a"), "no".into())]);
    assert_eq!(kinds(&effects), ["send", "synced"]);
}

/// The verdicts on an edited update to backends a and b and virtual server v over a; entries that are
/// not refused would be applied.
#[track_caller]
fn check_refusals(held: Table, edit: impl FnOnce(&mut wire::Update), expected: &[(&str, &str)]) {
    let mut session = connected(held, None);
    let mut update = update(1, &version(&[("a", "/2"), ("b", "/2")], &[("v", "a")]));
    edit(&mut update);
    let mut effects = take(&mut session, update);
    if session.is_applying() {
        effects = session.applied(Vec::new());
    }
    let refused = verdicts_in(&effects).into_iter().filter(|(_, words)| !words.is_empty());
    let expected = expected.iter().map(|(k, r)| ((*k).to_owned(), (*r).to_owned()));
    assert_eq!(refused.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

fn spoil_backend(at: usize) -> impl FnOnce(&mut wire::Update) {
    move |update| match update.upserts[at].entry.as_mut().unwrap().body.as_mut().unwrap() {
        wire::entry::Body::Backend(b) => b.path = "x".into(),
        wire::entry::Body::VirtualServer(v) => v.group.clear(),
    }
}

#[test]
fn one_bad_entry_is_refused_by_name_and_the_rest_lands() {
    let b = |words| [("b", words)];
    check_refusals(Table::default(), |_| (), &[]);
    check_refusals(Table::default(), spoil_backend(1), &b("path: must begin with '/'"));
    check_refusals(Table::default(), |u| u.upserts[1].entry = None, &b("body: is required"));
    let digest = "this version of the node reads it otherwise than it was written: digests differ";
    check_refusals(Table::default(), |u| u.upserts[1].digest[0] ^= 1, &b(digest));
    let other = |u: &mut wire::Update| u.upserts[1].key.as_mut().unwrap().name = "c".into();
    check_refusals(Table::default(), other, &[("c", "the entry is backend b")]);
    let twice = |u: &mut wire::Update| u.removals.push((&backend_key("b")).into());
    check_refusals(Table::default(), twice, &b("the update names it twice"));
    check_refusals(Table::default(), |u| u.upserts[1].key = None, &[("", "key.name: must not be empty")]);
}

#[test]
fn what_is_refused_tears_no_virtual_server_from_its_backends() {
    let torn = ("d/v", "it refers to backend a, which this node does not have");
    let bad = ("a", "path: must begin with '/'");
    check_refusals(Table::default(), spoil_backend(0), &[bad, torn]);
    check_refusals(table(&[("a", "/1")], &[]), spoil_backend(0), &[bad]);

    // v used to refer to c, which the update removes; v stays as it was, and so c stays
    let held = table(&[("c", "/")], &[("v", "c")]);
    let edit = |update: &mut wire::Update| {
        spoil_backend(2)(update);
        update.removals.push((&backend_key("c")).into());
    };
    let used = ("c", "virtual server d/v, which keeps its previous value, refers to it");
    check_refusals(held.clone(), edit, &[("d/v", "group: must not be empty"), used]);

    // as before, but v is refused because its new backend is
    let edit = |update: &mut wire::Update| {
        spoil_backend(0)(update);
        update.removals.push((&backend_key("c")).into());
    };
    check_refusals(held, edit, &[bad, torn, used]);
}

#[test]
fn an_update_that_breaks_the_protocol_closes_the_stream() {
    let newest = version(&[("a", "/")], &[]);
    let check = |updates: Vec<wire::Update>, expected: &str| {
        let mut session = connected(Table::default(), None);
        let effects = updates.into_iter().fold(Vec::new(), |_, u| take(&mut session, u));
        let [Effect::Close(reason)] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(reason.to_string(), expected);
    };
    let empty = |nonce| update(nonce, &version(&[], &[]));
    check(vec![update(1, &newest), update(2, &newest)], "update 2 while another one is in flight");
    check(vec![empty(2), empty(2)], "update 2 after update 2");
    check(vec![empty(0)], "update 0 after update 0");
    let no_version = wire::Update { version: Vec::new(), ..empty(1) };
    check(vec![no_version], "update.version: must be 32 bytes long, not 0");
    let no_keys = wire::Update { key_ring: Some(wire::KeyRing::default()), ..empty(1) };
    check(vec![no_keys], "update.key_ring.keys: must not be empty");
}

#[test]
fn a_step_outlives_its_stream_and_its_verdicts_do_not() {
    let mut session = connected(Table::default(), None);
    let newest = version(&[("a", "/")], &[]);
    the_step(take(&mut session, update(1, &newest)));
    assert_eq!(session.closed(), [], "it was not synced yet");
    assert_eq!(kinds(&session.applied(Vec::new())), ["persist"]);
    assert_eq!(session.held().id(), newest.id());
}

#[test]
fn a_node_without_a_stream_is_stale() {
    let mut session = connected(Table::default(), None);
    take(&mut session, update(1, &version(&[], &[])));
    assert!(session.is_synced());
    assert_eq!(session.closed(), [Effect::Synced(false)]);
    assert_eq!(session.closed(), []);
}

#[test]
fn reports_carry_what_changed_since_the_last_one_on_the_stream() {
    let mut session = connected(Table::default(), None);
    let state = |tools| wire::Report {
        backends: vec![wire::BackendState { id: "a".into(), tools, ..Default::default() }],
        ..Default::default()
    };
    let sent = |state| [Effect::Send(from_node(from_node::Body::Report(state)))];
    assert_eq!(session.report(&state(1)), sent(state(1)));
    assert_eq!(session.report(&state(1)), []);
    assert_eq!(session.report(&state(2)), sent(state(2)));
    session.closed();
    assert_eq!(session.report(&state(3)), []);
    session.opened(START);
    assert_eq!(session.report(&state(2)), sent(state(2)), "the first one on a stream is complete");
}
