//! Groups of which some backends are missing (spec 5.6).

use super::backend::Backend;
use super::{INTERVAL, PROBE, is};
use crate::support::mcp::{Client, initialize, list};
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::{Value, json};
use tidegate_bench_mock::Mock;
use tidegate_proto::table::PartialFailure;
use tidegate_proto::wire::BackendHealth::{Healthy, Unhealthy};

/// Backend `a` that is there, `b` that was, and a client of before.
fn half(mode: PartialFailure) -> (Mock, Backend, World, Client) {
    let (a, mut b) = (mock("a"), Backend::start("b"));
    let vmcp = Vmcp::named("demo").with("a", a.addr).with("b", b.addr).probed(INTERVAL, PROBE, 1);
    let world = World::of([&vmcp.tuned(|s| s.partial_failure = mode)]);
    let client = world.client();
    b.kill();
    is(&world, "b", Unhealthy);
    (a, b, world, client)
}

fn is_missing(error: &Value) -> bool {
    let text = error["message"].as_str().unwrap_or_default();
    error["data"]["backends"] == json!(["b"])
        && text.starts_with("backend unavailable")
        && text.ends_with(": b")
}

#[test]
fn where_all_are_required_lists_and_initialize_fail_and_name_what_is_missing() {
    let (_a, mut b, world, mut client) = half(PartialFailure::Fail);
    until("the list is refused", || is_missing(&client.post(&list(1)).json()["error"]));
    let mut fresh = Client::without_session(world.gateway.addr, "/mcp");
    let refused = fresh.post(&initialize("2025-11-25"));
    assert!(is_missing(&refused.json()["error"]), "{}", refused.text());
    assert_eq!(refused.head.field("mcp-session-id"), None);
    assert_eq!(client.call_text("a_who", json!({})), "a", "a call needs its own backend only");
    b.up();
    is(&world, "b", Healthy);
    until("the list is whole", || {
        client.post(&list(1)).json()["result"]["tools"].as_array().map(Vec::len) == Some(24)
    });
    assert_eq!(world.client().call_text("b_who", json!({})), "b");
}

#[test]
fn in_best_effort_the_rest_is_listed_and_what_is_missing_is_named() {
    let (_a, mut b, world, mut client) = half(PartialFailure::BestEffort);
    let missing = |client: &mut Client| {
        let mut answer = client.post(&list(1)).json();
        let tools = answer["result"]["tools"].as_array().map_or(0, Vec::len);
        (tools, answer["result"]["_meta"]["dev.tidegate/missingBackends"].take())
    };
    until("its tools leave and it is named", || missing(&mut client) == (12, json!(["b"])));
    assert_eq!(missing(&mut world.client()), (12, json!(["b"])));
    b.up();
    until("its tools are back and nothing is missing", || missing(&mut client) == (24, Value::Null));
}
