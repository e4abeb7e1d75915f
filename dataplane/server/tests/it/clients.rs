//! What clients may take of the gateway, and what becomes of those that want more.

use crate::support::http::{Answer, Http};
use crate::support::mcp::{Client, initialize, list, ping};
use crate::support::tables::{Vmcp, table};
use crate::support::until;
use crate::support::world::{World, mock};
use crate::support::{control_plane::ControlPlane, gateway::Gateway};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};

const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[track_caller]
fn assert_overloaded(answer: &Answer) {
    let head = &answer.head;
    assert_eq!((answer.status, head.field("retry-after")), (503, Some("1")), "{}", answer.text());
    let error = json!({"code": 503, "message": "overloaded"});
    assert_eq!(answer.json()["error"], error);
}

fn refused(world: &World, reason: &str) -> f64 {
    world.gateway.metric("tidegate_refused_total", &format!(r#"reason="{reason}""#))
}

/// Waits until the connections of the start have gone.
fn settle(world: &World) {
    world.gateway.metric_where("tidegate_connections_open", "", |n| n == 0.0);
}

#[test]
fn a_connection_above_the_bound_is_told_so_and_the_others_go_on() {
    let a = mock("a");
    let limits = ["--max-connections", "4", "--max-connections-per-address", "0"];
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &limits);
    settle(&world);
    let first = world.client();
    let mut clients: Vec<Client> = (0..3).map(|_| first.again()).collect();
    clients.push(first);
    for client in &mut clients {
        assert_eq!(client.call_text("a_who", json!({})), "a");
    }
    let mut above = clients[0].again();
    assert_overloaded(&above.post(&ping(1)));
    above.http.closed();
    for client in &mut clients {
        assert_eq!(client.call_text("a_who", json!({})), "a");
    }
    assert_eq!(refused(&world, "connections"), 1.0);
    let log = world.gateway.log();
    assert!(log.contains("clients refused") && log.contains(r#"reason="connections""#), "{log}");
    drop(clients.pop());
    world.gateway.metric_where("tidegate_connections_open", "", |n| n == 3.0);
    assert_eq!(clients[0].again().post(&ping(1)).status, 200, "its place is free again");
}

#[test]
fn one_address_does_not_get_all_connections() {
    let a = mock("a");
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &["--max-connections", "4"]);
    settle(&world);
    let mut clients = vec![world.client()];
    clients.push(clients[0].again());
    assert_eq!(clients[1].post(&ping(1)).status, 200);
    assert_overloaded(&clients[0].again().post(&ping(1)));
    let mut other = clients[0].again_from(OTHER);
    assert_eq!(other.post(&ping(1)).status, 200, "another address has room");
    assert_eq!(refused(&world, "connections_per_address"), 1.0);
    assert_eq!(refused(&world, "connections"), 0.0);
}

#[test]
fn a_connection_that_is_turned_away_without_a_word_harms_nobody() {
    let a = mock("a");
    let limits = ["--max-connections", "1", "--max-connections-per-address", "0"];
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &limits);
    settle(&world);
    let mut client = world.client();
    let silent: Vec<Http> = (0..300).map(|_| world.gateway.http()).collect();
    world.gateway.metric_where("tidegate_refused_total", "connections", |n| n == 300.0);
    assert_eq!(client.call_text("a_who", json!({})), "a");
    for mut connection in silent {
        connection.closed();
    }
    let lines = world.gateway.log().matches("clients refused").count();
    assert!(lines < 20, "{lines} lines for 300 refusals");
}

#[test]
fn streams_of_one_address_are_bounded_and_come_back() {
    let a = mock("a");
    let limits = ["--max-streams-per-address", "2"];
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &limits);
    let client = world.client();
    let streams = [client.listen(), client.listen()];
    let mut third = client.again();
    let request = third.head("GET", "");
    third.http.send(&request);
    assert_overloaded(&third.http.response());
    assert_eq!(third.call_text("a_who", json!({})), "a", "its connection and its session go on");
    assert_eq!(refused(&world, "streams_per_address"), 1.0);
    drop(streams);
    world.gateway.metric_where("tidegate_streams_open", "", |n| n == 0.0);
    client.listen();
}

#[test]
fn sessions_of_one_address_are_bounded_until_they_end() {
    let a = mock("a");
    let limits = ["--max-sessions-per-address", "2"];
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &limits);
    let (mut first, mut second) = (world.client(), world.client());
    let opened = a.stats().sessions_opened;
    let mut third = Client::without_session(world.gateway.addr, "/mcp");
    assert_overloaded(&third.post(&initialize("2025-11-25")));
    assert_eq!(a.stats().sessions_opened, opened, "the backend does not notice");
    assert_eq!(refused(&world, "sessions_per_address"), 1.0);
    let mut other = third.again_from(OTHER);
    assert_eq!(other.post(&initialize("2025-11-25")).status, 200, "another address has room");
    assert_eq!(second.call_text("a_who", json!({})), "a");
    assert_eq!(first.delete().status, 200);
    assert_eq!(first.delete().status, 404, "twice is once");
    assert_eq!(third.post(&initialize("2025-11-25")).status, 200);
    assert_overloaded(&third.post(&initialize("2025-11-25")));
}

#[test]
fn a_session_that_expires_gives_its_place_back() {
    let a = mock("a");
    let limits = ["--max-sessions-per-address", "1", "--session-seconds", "2"];
    let world = World::with([&Vmcp::named("demo").with("a", a.addr)], &limits);
    let mut client = Client::without_session(world.gateway.addr, "/mcp");
    assert_eq!(client.post(&initialize("2025-11-25")).status, 200);
    until("it expires", || client.post(&initialize("2025-11-25")).status == 200);
}

#[test]
fn without_descriptors_it_serves_whom_it_has_and_does_not_spin() {
    let a = mock("a");
    let plane = ControlPlane::start();
    plane.publish(&table([&Vmcp::named("demo").with("a", a.addr)]));
    let limits = ["--max-connections", "1000", "--max-connections-per-address", "0", "--threads", "1"];
    let gateway = Gateway::start_after("ulimit -n 64", &plane.address(), &limits);
    let world = World { gateway, plane };
    world.plane.settled();
    world.reached();
    let mut client = world.client();
    let mut admin = Admin::of(&world.gateway);
    // this connection is among those that it has
    assert_eq!(admin.metric("tidegate_accept_failures_total"), 0.0);
    let mut waiting: Vec<Http> = (0..100).map(|_| world.gateway.http()).collect();
    until("accept fails", || admin.metric("tidegate_accept_failures_total") >= 3.0);
    for i in 1..20 {
        assert_eq!(client.post(&ping(i)).status, 200);
        assert_eq!(client.post(&list(i)).status, 200);
    }
    // each failure is followed by a pause: far fewer than a loop without one would make in the time of these requests
    let failures = admin.metric("tidegate_accept_failures_total");
    let open = admin.metric("tidegate_connections_open");
    assert!(failures < 1_000.0 && open < 64.0, "{failures} failures, {open} connections");
    waiting.drain(..90);
    until("all that wait are taken", || {
        admin.metric("tidegate_connections_open") >= 11.0 && admin.metric("tidegate_connections_open") <= 12.0
    });
    let mut last = waiting.pop().expect("a connection that had to wait");
    last.send(client.request(&ping(1).to_string()));
    assert_eq!(last.response().status, 200);
    assert_eq!(client.call_text("a_who", json!({})), "a");
    assert!(world.gateway.log().contains("accept failed"));
}

/// One connection to the admin port, kept.
struct Admin {
    http: Http,
    request: String,
}

impl Admin {
    fn of(gateway: &Gateway) -> Self {
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {}\r\n\r\n", gateway.admin);
        Self { http: Http::connect(gateway.admin), request }
    }

    fn metric(&mut self, name: &str) -> f64 {
        self.http.send(&self.request);
        let text = self.http.response().text();
        let value = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |v| v.parse().expect("a number"))
    }
}
