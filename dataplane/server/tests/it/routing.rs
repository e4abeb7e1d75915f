//! Which virtual server a request means: by its port, by Host, by path, or the only one there is.

use crate::support::mcp::{Client, initialize};
use crate::support::tables::{Vmcp, table};
use crate::support::world::{World, mock};
use crate::support::{ports, until};
use serde_json::json;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// What a request with this Host and path leads to: the status, and the server's name.
#[track_caller]
fn leads_to(addr: SocketAddr, host: &str, path: &str) -> (u16, String) {
    let mut client = Client::without_session(addr, path);
    client.host = host.into();
    let answer = client.post(&initialize("2025-11-25"));
    let name = answer.json()["result"]["serverInfo"]["name"].as_str().unwrap_or_default().to_owned();
    (answer.status, name)
}

#[test]
fn the_only_virtual_server_answers_at_mcp() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").with("a", a.addr)]);
    for path in ["/mcp", "/", "/mcp?x=1", "/default/demo/mcp", "/default/demo"] {
        assert_eq!(leads_to(world.gateway.addr, "localhost", path), (200, "demo".into()), "{path}");
    }
    for path in ["/other", "/default/other/mcp", "/mcp/x", "//mcp", "/%6dcp"] {
        assert_eq!(leads_to(world.gateway.addr, "localhost", path).0, 404, "{path}");
    }
}

#[test]
fn host_and_path_choose_among_several() {
    let a = mock("a");
    let names = ["one", "two", "team/one", "team/three"];
    let world = World::of(&names.map(|n| Vmcp::named(n).with("a", a.addr)));
    let check = |host: &str, path: &str, status: u16, name: &str| {
        assert_eq!(leads_to(world.gateway.addr, host, path), (status, name.into()), "{host} {path}");
    };
    check("localhost", "/default/one/mcp", 200, "one");
    check("localhost", "/default/two/mcp", 200, "two");
    check("localhost", "/team/three/mcp", 200, "three");
    check("localhost", "/mcp", 404, "");
    check("localhost", "/", 404, "");
    check("localhost", "/default/three/mcp", 404, "");
    check("vmcp-two", "/mcp", 200, "two");
    check("vmcp-two:4483", "/", 200, "two");
    check("VMCP-Two", "/mcp", 200, "two");
    check("vmcp-three.team", "/mcp", 200, "three");
    check("vmcp-three.team.svc", "/mcp", 200, "three");
    check("vmcp-three.team.svc.cluster.local", "/mcp", 200, "three");
    check("vmcp-one.team", "/mcp", 200, "one");
    check("vmcp-two", "/default/two/mcp", 200, "two");
    check("vmcp-two", "/default/one/mcp", 404, "");
}

#[test]
fn operational_pages_are_answered_beside_mcp() {
    let a = mock("a");
    let world = World::over(&a);
    let get = |path: &str, method: &str| {
        let mut http = world.gateway.http();
        http.send(format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
        http.response()
    };
    for path in ["/health", "/ping", "/default/demo/health"] {
        let answer = get(path, "GET");
        assert_eq!((answer.status, answer.text()), (200, r#"{"status":"ok"}"#.into()), "{path}");
    }
    assert_eq!(get("/readyz", "GET").json(), json!({"status": "ready", "mode": "dynamic"}));
    assert_eq!(get("/health", "POST").status, 405);
    assert_eq!(get("/.well-known/oauth-protected-resource", "GET").status, 404);
}

#[test]
fn a_port_of_its_own_comes_and_goes_without_a_restart() {
    let a = mock("a");
    let (first, second) = (ports::free(), ports::free());
    let one = Vmcp::named("one").with("a", a.addr);
    let two = Vmcp::named("two").with("a", a.addr);
    let world = World::of([&one, &two]);
    assert!(TcpStream::connect(first).is_err());
    world.publish([&one, &two.clone().listen(first)]);
    let mut client = Client::open(first, "/mcp");
    assert_eq!(client.call_text("a_who", json!({})), "a");
    assert_eq!(leads_to(first, "localhost", "/mcp"), (200, "two".into()));
    assert_eq!(leads_to(first, "vmcp-one", "/").1, "two", "the port decides");
    let url = format!("http://{first}/mcp");
    until("its URL is reported", || world.plane.seen().virtual_servers["default/two"].urls.contains(&url));

    world.publish([&one, &two.clone().listen(second)]);
    until("the new port answers", || TcpStream::connect(second).is_ok());
    until("the old port is closed", || TcpStream::connect(first).is_err());
    assert_eq!(leads_to(second, "localhost", "/mcp"), (200, "two".into()));
    let mut moved = Client::without_session(second, "/mcp");
    moved.session.clone_from(&client.session);
    assert_eq!(moved.call_text("a_who", json!({})), "a", "its sessions go on");

    world.publish([&two.clone(), &one.clone().listen(second)]);
    until("the port has its new owner", || leads_to(second, "localhost", "/mcp").1 == "one");
    world.publish([&one, &two]);
    until("the port is closed", || TcpStream::connect(second).is_err());
}

#[test]
fn a_port_that_cannot_be_had_rejects_its_entry_by_name_and_nothing_else() {
    let a = mock("a");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken_addr = taken.local_addr().expect("bound");
    let one = Vmcp::named("one").with("a", a.addr);
    let two = Vmcp::named("two").with("a", a.addr);
    let world = World::of([&one, &two]);
    let bad = two.clone().listen(taken_addr).prefix("never_");
    let three = Vmcp::named("three").with("a", a.addr);
    world.publish_table(&table([&one.clone().prefix("p_"), &bad, &three]));
    let seen = world.plane.settled();
    assert_eq!(seen.refusals.len(), 1, "{:?}", seen.refusals);
    let reason = &seen.refusals["virtual server default/two"];
    assert!(reason.contains(&taken_addr.to_string()) && reason.contains("listen"), "{reason}");
    let tools_of = |name: &str| world.client_of(name).tools().remove(0);
    assert!(tools_of("one").starts_with("p_"), "the others apply");
    assert!(tools_of("three").starts_with("a_"));
    assert!(tools_of("two").starts_with("a_"), "it keeps its previous value");
    assert_eq!(world.gateway.metric("tidegate_entries_rejected_total", ""), 1.0);

    drop(taken);
    let good = two.listen(ports::free()).prefix("now_");
    world.publish([&one, &good, &three]);
    assert_eq!(world.plane.settled().refusals.len(), 0);
    assert!(tools_of("two").starts_with("now_"));
}

#[test]
fn one_port_for_two_servers_goes_to_the_first() {
    let a = mock("a");
    let addr = ports::free();
    let one = Vmcp::named("one").with("a", a.addr).listen(addr);
    let two = Vmcp::named("two").with("a", a.addr).listen(addr);
    let world = World::of([&one, &two]);
    let seen = world.plane.settled();
    assert!(seen.refusals["virtual server default/two"].contains("default/one"), "{:?}", seen.refusals);
    assert_eq!(leads_to(addr, "localhost", "/mcp"), (200, "one".into()));
    assert_eq!(
        leads_to(world.gateway.addr, "localhost", "/default/two/mcp").0,
        404,
        "there is no previous value"
    );
}

#[test]
fn readiness_waits_for_the_first_table() {
    let plane = crate::support::control_plane::ControlPlane::start();
    let gateway = crate::support::gateway::Gateway::start(&plane.address(), &[]);
    assert_eq!(gateway.admin("/healthz").0, 200);
    assert_eq!(gateway.admin("/readyz").0, 503);
    assert_eq!(leads_to(gateway.addr, "localhost", "/mcp").0, 404);
    let a = mock("a");
    plane.publish(&table([&Vmcp::named("demo").with("a", a.addr)]));
    plane.settled();
    assert_eq!(gateway.admin("/readyz").0, 200);
    assert_eq!(leads_to(gateway.addr, "localhost", "/mcp"), (200, "demo".into()));
}
