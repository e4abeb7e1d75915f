//! The request log: off, on for the node, on for one virtual server; never more than it may say.

use crate::support::gateway::Gateway;
use crate::support::mcp::{call, initialize, ping};
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::{Value, json};

/// The lines of requests, in their order.
fn requests(gateway: &Gateway) -> Vec<String> {
    gateway.log().lines().filter(|l| l.contains(" request: ")).map(str::to_owned).collect()
}

/// Waits for so many lines and gives them.
#[track_caller]
fn lines(gateway: &Gateway, count: usize) -> Vec<String> {
    until(&format!("{count} lines"), || requests(gateway).len() >= count);
    let lines = requests(gateway);
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

#[track_caller]
fn set(gateway: &Gateway, query: &str) -> Value {
    let (status, body) = gateway.admin_post(&format!("/logging?{query}"), "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

#[test]
fn requests_are_logged_as_the_node_is_told_while_it_runs() {
    let a = mock("a");
    let world = World::over(&a);
    let gateway = &world.gateway;
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    assert_eq!(requests(gateway), [""; 0], "off by default");

    assert_eq!(set(gateway, "requests=all")["requests"], "all");
    client.call("a_echo", json!({"text": "a secret argument"}));
    client.post(&ping(1));
    client.post(&call(1, "a secret tool", json!({})));
    let mut lost = client.again();
    lost.path = "/nowhere".into();
    lost.post(&ping(1));
    let said = lines(gateway, 4);
    for (line, parts) in said.iter().zip([
        &[
            "virtual_server=default/demo",
            "kind=\"tools_call\"",
            "tool=\"a_echo\"",
            "backend=default/mcpserver/a",
            "end=\"ok\"",
            "duration_us=",
            "client=127.0.0.1",
        ][..],
        &["virtual_server=default/demo", "kind=\"ping\"", "end=\"ok\""],
        &["virtual_server=default/demo", "kind=\"tools_call\"", "end=\"fault\"", "fault=\"unknown_tool\""],
        &["kind=\"other\"", "end=\"fault\"", "fault=\"unknown_virtual_server\""],
    ]) {
        assert!(parts.iter().all(|p| line.contains(p)), "{parts:?} in {line}");
        assert!(!line.contains("secret") && !line.contains(&client.session), "{line}");
    }
    assert!(!said[1].contains("tool=") && !said[2].contains("tool=") && !said[3].contains("virtual_server="));

    set(gateway, "requests=failed");
    client.call("a_who", json!({}));
    client.post(&call(1, "unknown", json!({})));
    assert!(lines(gateway, 5)[4].contains("unknown_tool"));

    set(gateway, "requests=off");
    client.post(&call(1, "unknown", json!({})));
    client.post(&ping(1));
    set(gateway, "requests=all");
    client.delete();
    assert!(lines(gateway, 6)[5].contains("kind=\"delete\""), "nothing while it was off");
}

#[test]
fn a_virtual_server_has_its_own_requests_logged_until_an_edit() {
    let a = mock("a");
    let (loud, quiet) = (Vmcp::named("loud").with("a", a.addr), Vmcp::named("quiet").with("a", a.addr));
    let world = World::of([&loud.clone().logged(), &quiet]);
    let (mut one, mut other) = (world.client_of("loud"), world.client_of("quiet"));
    one.call("a_who", json!({}));
    other.call("a_who", json!({}));
    // initialize, initialized, call
    let said = lines(&world.gateway, 3);
    assert!(said.iter().all(|l| l.contains("virtual_server=default/loud")), "{said:#?}");
    world.publish([&loud, &quiet.logged()]);
    one.call("a_who", json!({}));
    other.call("a_who", json!({}));
    assert!(lines(&world.gateway, 4)[3].contains("virtual_server=default/quiet"));
}

#[test]
fn the_level_of_the_log_is_shown_and_changed_and_requests_do_not_depend_on_it() {
    let a = mock("a");
    let world = World::over(&a);
    let gateway = &world.gateway;
    let shown = || serde_json::from_str::<Value>(&gateway.admin("/logging").1).expect("JSON");
    assert_eq!(shown()["requests"], "off");
    let refused_lines = || gateway.log().matches("request refused").count();
    let mut client = world.client();
    client.post(&call(1, "unknown", json!({})));
    assert_eq!(refused_lines(), 1, "the tests log at debug");
    assert_eq!(set(gateway, "level=warn&requests=all"), json!({"level": "warn", "requests": "all"}));
    client.post(&call(1, "unknown", json!({})));
    lines(gateway, 1);
    assert_eq!(refused_lines(), 1);
    set(gateway, "level=warn,tidegate_dataplane_gateway=debug");
    client.post(&call(1, "unknown", json!({})));
    assert_eq!((lines(gateway, 2).len(), refused_lines()), (2, 2));
    for (query, field, says) in [
        ("level=info,x=nonsense&requests=off", "", "level"),
        ("requests=some&level=info", "", "requests"),
        ("verbose=1", "", "verbose"),
    ] {
        let (status, body) = gateway.admin_post(&format!("/logging?{query}"), field);
        assert_eq!((status, body.contains(says)), (400, true), "{query}: {body}");
    }
    let page = "origin: http://evil.example\r\n";
    assert_eq!(gateway.admin_post("/logging?requests=off", page).0, 403, "a page in a browser");
    assert_eq!(gateway.admin_post("/metrics", "").0, 405);
    let level = "warn,tidegate_dataplane_gateway=debug";
    assert_eq!(shown(), json!({"level": level, "requests": "all"}), "nothing was changed");
}

#[test]
fn calls_that_fail_say_how_and_at_which_backend() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").bounded("a", a.addr, std::time::Duration::from_millis(300))]);
    let gateway = &world.gateway;
    let mut client = world.client();
    set(gateway, "requests=failed");
    client.call("a_slow", json!({"ms": 600_000}));
    let mut leaver = client.again();
    leaver.send(&call(2, "a_stream_forever", json!({})));
    leaver.http.head();
    drop(leaver);
    client.post(&initialize("2025-11-25"));
    let said = lines(gateway, 2);
    for (line, parts) in said.iter().zip([
        ["tool=\"a_slow\"", "backend=default/mcpserver/a", "end=\"fault\"", "fault=\"backend_timeout\""],
        [
            "tool=\"a_stream_forever\"",
            "backend=default/mcpserver/a",
            "end=\"client_gone\"",
            "kind=\"tools_call\"",
        ],
    ]) {
        assert!(parts.iter().all(|p| line.contains(p)), "{parts:?} in {line}");
    }
}
