//! The GET stream of a session.

use crate::sessions::seen;
use crate::support::http::{Http, Sse};
use crate::support::tables::{Vmcp, backend_id, table};
use crate::support::world::{World, mock, mock_with};
use serde_json::json;
use std::time::Duration;
use tidegate_bench_mock::Options;

const LIST_CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

#[test]
fn c10_the_stream_of_a_session_is_kept_alive_and_tells_of_changed_lists() {
    let a = mock_with(Options { get_stream: true, ..Options::named("a") });
    let b = mock("b");
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::with([&vmcp], &["--keep-alive-ms", "50"]);
    let client = world.client();
    let mut stream = client.listen();
    for _ in 0..3 {
        assert!(matches!(stream.sse(), Some(Sse::Comment(_))));
    }
    seen(&a, "the gateway's own stream", |s| s.streams_open >= 1);
    a.control(&serde_json::from_str(r#"{"tools":["fresh"],"list_changed":true}"#).expect("a control"));
    assert_eq!(stream.event().as_deref(), Some(LIST_CHANGED));
    assert_eq!(client.again().tools(), ["a_fresh"]);
    world.plane.publish(&table([&vmcp.clone().prefix("x_")]));
    assert_eq!(stream.event().as_deref(), Some(LIST_CHANGED));
    assert_eq!(client.again().tools(), ["x_fresh"]);
    world.plane.publish(&table([&vmcp.clone().with("b", b.addr)]));
    world.plane.backend(backend_id("b").as_str(), "is listed", |b| b.tools > 0);
    while client.again().tools().len() < 2 {
        assert_eq!(stream.event().as_deref(), Some(LIST_CHANGED));
    }
    world.gateway.metric_where("tidegate_streams_open", "default/demo", |n| n == 1.0);
    drop(stream);
    world.gateway.metric_where("tidegate_streams_open", "default/demo", |n| n == 0.0);
}

#[test]
fn nothing_is_told_when_nothing_changed_and_the_stream_ends_with_its_session() {
    let a = mock_with(Options { get_stream: true, ..Options::named("a") });
    let vmcp = Vmcp::named("demo").with("a", a.addr);
    let world = World::of([&vmcp]);
    let mut client = world.client();
    let mut streams: Vec<Http> = (0..3).map(|_| client.listen()).collect();
    let lists = a.stats().requests_of("tools/list");
    seen(&a, "the gateway's own stream", |s| s.streams_open >= 1);
    a.control(&serde_json::from_str(r#"{"list_changed":true}"#).expect("a control"));
    seen(&a, "another look at its list", |s| s.requests_of("tools/list") > lists);
    // a bound changes, the list does not
    let other = Vmcp::named("demo").bounded("a", a.addr, Duration::from_secs(9));
    world.publish([&other]);
    assert_eq!(client.call_text("a_echo", json!({})), "{}");
    assert!(streams.iter_mut().all(Http::silent));
    assert_eq!(client.delete().status, 200);
    for mut stream in streams {
        assert_eq!(stream.sse(), None);
    }
}
