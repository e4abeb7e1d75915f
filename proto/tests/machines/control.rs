//! The control plane's end.

use std::sync::Arc;
use std::time::Duration;

use tidegate_proto::push::control::{CloseReason, Effect, Stream};
use tidegate_proto::push::{Terms, Version};
use tidegate_proto::table::EntryKey;
use tidegate_proto::wire::{self, from_node::Body, to_node};

use crate::fixture::*;

const START: Duration = Duration::ZERO;

fn nothing() -> Arc<Version> {
    version(&[], &[])
}

/// A stream to a node that holds `holds`, and the first update.
fn connected(holds: &Version, newest: &Arc<Version>) -> (Stream, wire::Update) {
    let mut stream = Stream::new(Terms::default(), Some(newest.clone()), None, START);
    let effects = stream.message(from_node(Body::Hello(hello(holds))), START);
    let update = the_update(&effects);
    (stream, update)
}

fn updates(effects: &[Effect]) -> Vec<wire::Update> {
    let update = |effect: &Effect| match effect {
        Effect::Send(wire::ToNode { body: Some(to_node::Body::Update(update)) }) => Some(update.clone()),
        _ => None,
    };
    effects.iter().filter_map(update).collect()
}

#[track_caller]
fn the_update(effects: &[Effect]) -> wire::Update {
    let mut updates = updates(effects);
    assert_eq!(updates.len(), 1, "{effects:?}");
    updates.remove(0)
}

fn answer(stream: &mut Stream, update: &wire::Update, refused: Option<&EntryKey>) -> Vec<Effect> {
    stream.message(from_node(Body::Verdicts(verdicts(update, refused))), START)
}

fn upserted(update: &wire::Update) -> Vec<String> {
    update.upserts.iter().map(|u| u.key.as_ref().unwrap().name.clone()).collect()
}

fn removed(update: &wire::Update) -> Vec<String> {
    update.removals.iter().map(|k| k.name.clone()).collect()
}

#[track_caller]
fn check_closed(effects: Vec<Effect>, expected: &str) {
    match &effects[..] {
        [Effect::Close(reason)] => assert_eq!(reason.to_string(), expected),
        other => panic!("not closed: {other:?}"),
    }
}

#[test]
fn nothing_is_pushed_before_the_first_publish() {
    let mut stream = Stream::new(Terms::default(), None, Some(Arc::new(ring("k1"))), START);
    let effects = stream.message(from_node(Body::Hello(hello(&nothing()))), START);
    assert!(matches!(effects[..], [Effect::Introduced(_)]));
    let update = the_update(&stream.published(version(&[("a", "/")], &[]), START));
    assert_eq!(upserted(&update), ["a"]);
    assert_eq!(update.key_ring, Some((&ring("k1")).into()));
}

#[test]
fn a_node_that_is_current_gets_an_empty_update_and_then_nothing() {
    let newest = version(&[("a", "/")], &[("v", "a")]);
    let (mut stream, update) = connected(&newest, &newest);
    assert_eq!(update, wire::Update { nonce: 1, version: newest.id().as_bytes().to_vec(), ..update.clone() });
    assert!(update.upserts.is_empty() && update.removals.is_empty() && update.key_ring.is_none());
    let effects = answer(&mut stream, &update, None);
    assert_eq!(effects.len(), 1, "settled and no more");
    assert_eq!(stream.published(newest.clone(), START), []);
    assert_eq!(stream.version(), Some(newest.id()));
}

#[test]
fn an_update_leads_from_what_the_node_holds_to_the_newest_version() {
    let held = version(&[("a", "/"), ("b", "/"), ("c", "/")], &[]);
    let (_, update) = connected(&held, &version(&[("a", "/"), ("b", "/2")], &[("v", "a")]));
    assert_eq!(upserted(&update), ["b", "d/v"]);
    assert_eq!(removed(&update), ["c"]);
}

#[test]
fn a_slow_node_skips_to_the_newest_version() {
    let (mut stream, first) = connected(&nothing(), &version(&[("a", "/1")], &[]));
    for path in ["/2", "/3", "/4"] {
        assert_eq!(stream.published(version(&[("a", path)], &[]), START), [], "one update is in flight");
    }
    let newest = version(&[("a", "/5")], &[]);
    assert_eq!(stream.published(newest.clone(), START), []);
    let second = the_update(&answer(&mut stream, &first, None));
    assert_eq!((second.nonce, &second.version[..]), (2, &newest.id().as_bytes()[..]));
}

#[test]
fn a_refused_entry_is_sent_again_only_when_it_changes() {
    let (mut stream, update) = connected(&nothing(), &version(&[("a", "/1"), ("b", "/1")], &[]));
    let effects = answer(&mut stream, &update, Some(&backend_key("a")));
    let [Effect::Settled { rejections, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(rejections[&backend_key("a")], "no");

    let update = the_update(&stream.published(version(&[("a", "/1"), ("b", "/2")], &[]), START));
    assert_eq!(upserted(&update), ["b"], "the same entry is not tried again");
    let effects = answer(&mut stream, &update, None);
    let [Effect::Settled { rejections, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert!(rejections.contains_key(&backend_key("a")), "and is still refused");

    let update = the_update(&stream.published(version(&[("a", "/2"), ("b", "/2")], &[]), START));
    assert_eq!(upserted(&update), ["a"]);
    answer(&mut stream, &update, None);
    assert_eq!(stream.refusals().count(), 0);
}

#[test]
fn a_refusal_is_forgotten_when_the_entry_goes_back_to_what_the_node_holds() {
    let held = version(&[("a", "/1")], &[]);
    let (mut stream, update) = connected(&held, &version(&[("a", "/2")], &[]));
    answer(&mut stream, &update, Some(&backend_key("a")));
    let update = the_update(&stream.published(held.clone(), START));
    assert_eq!(upserted(&update).len() + removed(&update).len(), 0, "only the version is told");
    answer(&mut stream, &update, None);
    assert_eq!(stream.refusals().count(), 0);
    assert_eq!(stream.version(), Some(held.id()));
}

#[test]
fn a_refused_virtual_server_goes_again_with_its_backend() {
    let table = |path| version(&[("a", path), ("b", "/")], &[("v", "a"), ("w", "b")]);
    let (mut stream, update) = connected(&nothing(), &table("/1"));
    let mut verdicts = verdicts(&update, Some(&backend_key("a")));
    for verdict in &mut verdicts.entries {
        if verdict.key.as_ref().unwrap().name.starts_with("d/") {
            verdict.rejected = "no backend".into();
        }
    }
    stream.message(from_node(Body::Verdicts(verdicts)), START);
    let update = the_update(&stream.published(table("/2"), START));
    assert_eq!(upserted(&update), ["a", "d/v"], "w has nothing to do with a");
}

#[test]
fn a_refused_removal_goes_again_with_anything() {
    let held = version(&[("a", "/"), ("b", "/")], &[]);
    let (mut stream, update) = connected(&held, &version(&[("b", "/")], &[]));
    assert_eq!(removed(&update), ["a"]);
    assert_eq!(answer(&mut stream, &update, Some(&backend_key("a"))).len(), 1, "not at once");
    let update = the_update(&stream.published(version(&[("b", "/2")], &[]), START));
    assert_eq!((upserted(&update), removed(&update)), (vec!["b".to_owned()], vec!["a".to_owned()]));
}

#[test]
fn the_key_ring_goes_to_a_node_that_has_other_ids() {
    let newest = nothing();
    let mut stream = Stream::new(Terms::default(), Some(newest.clone()), Some(Arc::new(ring("k1"))), START);
    let hello = wire::Hello { session_keys: vec!["k1".into()], ..hello(&newest) };
    let update = the_update(&stream.message(from_node(Body::Hello(hello)), START));
    assert_eq!(update.key_ring, None);
    answer(&mut stream, &update, None);
    let update = the_update(&stream.key_ring(Arc::new(ring("k2")), START));
    assert_eq!(update.key_ring, Some((&ring("k2")).into()));
    assert_eq!(answer(&mut stream, &update, None).len(), 1);
}

#[test]
fn a_stream_that_breaks_the_protocol_is_closed_with_the_reason() {
    let newest = version(&[("a", "/")], &[]);
    let fresh = || Stream::new(Terms::default(), Some(newest.clone()), None, START);
    let say = |stream: &mut Stream, body| stream.message(from_node(body), START);
    let good = || hello(&nothing());

    let other = wire::Hello { protocol: 2, ..good() };
    check_closed(
        say(&mut fresh(), Body::Hello(other)),
        "the node speaks push protocol 2, this control plane 1",
    );
    let unnamed = wire::Hello { node: String::new(), ..good() };
    check_closed(say(&mut fresh(), Body::Hello(unnamed)), "hello.node: must not be empty");
    let bad = wire::Hello { held: vec![wire::Held::default()], ..good() };
    check_closed(say(&mut fresh(), Body::Hello(bad)), "hello.held[0].key.name: must not be empty");
    let mut short = hello(&newest);
    short.held[0].digest.pop();
    check_closed(
        say(&mut fresh(), Body::Hello(short)),
        "hello.held[0].digest: must be 32 bytes long, not 31",
    );
    check_closed(say(&mut fresh(), Body::Ping(wire::Ping { id: 1 })), "the first message must be a hello");
    check_closed(fresh().message(wire::FromNode::default(), START), "a message of an unknown kind");

    let (mut stream, _) = connected(&nothing(), &newest);
    check_closed(say(&mut stream, Body::Hello(good())), "a second hello on one stream");
    assert_eq!(say(&mut stream, Body::Ping(wire::Ping { id: 1 })), [], "a closed stream is dead");
    assert_eq!(stream.published(nothing(), START), []);
}

#[test]
fn verdicts_must_fit_the_update_in_flight() {
    let newest = version(&[("a", "/"), ("b", "/")], &[]);
    let check = |edit: fn(&mut wire::Verdicts), expected: &str| {
        let (mut stream, update) = connected(&nothing(), &newest);
        let mut verdicts = verdicts(&update, None);
        edit(&mut verdicts);
        check_closed(stream.message(from_node(Body::Verdicts(verdicts)), START), expected);
    };
    check(|v| v.nonce = 7, "verdicts for nonce 7; 1 is in flight");
    check(|v| v.version.clear(), "verdicts.version: must be 32 bytes long, not 0");
    check(|v| v.entries.truncate(1), "no verdict on backend b");
    check(|v| v.entries.extend(v.entries.clone()), "a verdict on backend a, which awaits none");
    check(|v| v.entries[1].key = None, "verdicts.entries[1].key.name: must not be empty");

    let (mut stream, update) = connected(&nothing(), &newest);
    answer(&mut stream, &update, None);
    check_closed(answer(&mut stream, &update, None), "verdicts for nonce 1; no update is in flight");
}

#[test]
fn an_update_that_fits_no_message_closes_the_stream() {
    let terms = Terms { max_message: 100, ..Terms::default() };
    let mut stream = Stream::new(terms, Some(version(&[("a", &"/".repeat(100))], &[])), None, START);
    let effects = stream.message(from_node(Body::Hello(hello(&nothing()))), START);
    let [Effect::Close(reason @ CloseReason::TooLarge { limit: 100, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(reason.to_string().ends_with("more than the 100 of a message: split the configuration"));
}

#[test]
fn a_node_is_slow_once_and_late_in_the_end() {
    let (mut stream, _) = connected(&nothing(), &version(&[("a", "/")], &[]));
    let mut said = Vec::new();
    for s in 1..=120 {
        let now = Duration::from_secs(s);
        let pong = stream.message(from_node(Body::Ping(wire::Ping { id: s })), now);
        assert_eq!(pong, [Effect::Send(to_node(to_node::Body::Pong(wire::Pong { id: s })))]);
        said.extend(stream.tick(now).into_iter().filter(|e| !matches!(e, Effect::Send(_))));
    }
    let expected = [Effect::Slow(Duration::from_secs(5)), Effect::Close(CloseReason::Late(1))];
    assert_eq!(said, expected);
}

#[test]
fn a_silent_node_is_pinged_and_given_up() {
    let (mut stream, update) = connected(&nothing(), &nothing());
    answer(&mut stream, &update, None);
    let ping = |id| vec![Effect::Send(to_node(to_node::Body::Ping(wire::Ping { id })))];
    assert_eq!(stream.tick(Duration::from_secs(10)), ping(1));
    let pong = from_node(Body::Pong(wire::Pong { id: 1 }));
    assert_eq!(stream.message(pong, Duration::from_secs(11)), []);
    assert_eq!(stream.tick(Duration::from_secs(40))[0], ping(2)[0]);
    check_closed(stream.tick(Duration::from_secs(41)), "nothing heard from the node in time");
}

#[test]
fn three_thousand_entries_pass_in_one_message() {
    let names: Vec<String> = (0..3000).map(|n| format!("default/mcpserver/backend-{n}")).collect();
    let backends: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "/mcp")).collect();
    let (_, update) = connected(&nothing(), &version(&backends, &[]));
    assert_eq!(update.upserts.len(), 3000);
}

#[test]
fn a_node_that_has_seen_a_newer_view_gets_nothing_until_this_one_has_caught_up() {
    let older = version(&[("a", "/older")], &[]);
    let hello = wire::Hello { epoch: 7, ..hello(&version(&[("a", "/newer")], &[])) };
    let open = |epoch| {
        let mut stream = Stream::new(Terms::default(), Some(older.clone()), None, START);
        stream.at(epoch);
        let effects = stream.message(from_node(Body::Hello(hello.clone())), START);
        (stream, effects)
    };
    let (_, effects) = open(0);
    assert_eq!(the_update(&effects[1..]).epoch, 0, "from a directory, which has no epochs");
    let (_, effects) = open(7);
    assert_eq!(the_update(&effects[1..]).epoch, 7, "as new as what it has seen");

    let (mut stream, effects) = open(5);
    assert_eq!(effects[1..], [Effect::Fenced { epoch: 7, own: 5 }]);
    let second = START + Duration::from_secs(1);
    assert_eq!(stream.tick(second), []);
    stream.at(6);
    assert_eq!(stream.published(version(&[("a", "/old")], &[]), second), []);
    stream.at(8);
    let update = the_update(&stream.published(version(&[("a", "/newest")], &[]), second));
    assert_eq!((update.epoch, update.upserts.len()), (8, 1));

    let (mut stream, _) = open(5);
    let (patience, mut now) = (Terms::default().catch_up_within, START);
    let late = loop {
        now += Duration::from_secs(1);
        let heard = stream.message(from_node(Body::Pong(wire::Pong { id: 1 })), now);
        assert_eq!(heard, []);
        let effects = stream.tick(now);
        if !updates(&effects).is_empty() {
            break now - START;
        }
    };
    assert_eq!(late, patience, "a view that nobody else knows is lost, as after a restored backup");
}
