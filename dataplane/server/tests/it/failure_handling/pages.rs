//! What the pages on a virtual server's port say while backends fail (spec 3.2, 3.3), and empty groups.

use super::{INTERVAL, PROBE, is, page};
use crate::support::control_plane::ControlPlane;
use crate::support::gateway::Gateway;
use crate::support::tables::{Vmcp, table};
use crate::support::world::{World, mock};
use crate::support::{ports, until};
use serde_json::json;
use tidegate_proto::wire::BackendHealth::{Healthy, Unhealthy};

#[test]
fn c1_health_does_not_depend_on_backends_and_readyz_waits_for_the_table() {
    let plane = ControlPlane::start();
    let gateway = Gateway::start(&plane.address(), &[]);
    let world = World { gateway, plane };
    assert_eq!(world.gateway.admin("/readyz").0, 503, "nothing was published yet");
    assert_eq!(world.gateway.admin("/healthz").0, 200);
    let (one, two) = (ports::free(), ports::free());
    let vmcp = Vmcp::named("demo").with("one", one).with("two", two).probed(INTERVAL, PROBE, 1);
    world.plane.publish(&table([&vmcp]));
    world.plane.settled();
    is(&world, "one", Unhealthy);
    is(&world, "two", Unhealthy);
    let health = page(&world, "GET", "/health");
    assert_eq!((health.status, health.json()), (200, json!({"status": "ok"})));
    let ready = page(&world, "GET", "/readyz");
    assert_eq!((ready.status, ready.json()), (200, json!({"status": "ready", "mode": "dynamic"})));
}

#[test]
fn c7_status_names_each_backend_with_its_health_and_no_address() {
    let up = mock("up");
    let down = ports::free();
    let vmcp = Vmcp::named("demo").with("up", up.addr).with("down", down).probed(INTERVAL, PROBE, 1);
    let world = World::unsettled([&vmcp], &[]);
    world.plane.settled();
    is(&world, "down", Unhealthy);
    is(&world, "up", Healthy);
    let answer = page(&world, "GET", "/status");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.head.field("cache-control"), Some("no-store"));
    assert_eq!(answer.head.field("x-content-type-options"), Some("nosniff"));
    let document = answer.json();
    assert_eq!((&document["healthy"], &document["group_ref"]), (&json!(true), &json!("tools")));
    assert!(document["version"].is_string());
    let backends = document["backends"].as_array().expect("a list");
    let of = |n: usize| {
        ["name", "health", "transport", "auth_type"]
            .map(|f| backends[n][f].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(backends.len(), 2);
    assert_eq!(of(0), ["down", "unhealthy", "streamable-http", "unauthenticated"]);
    assert_eq!(of(1), ["up", "healthy", "streamable-http", "unauthenticated"]);
    let text = answer.text();
    for address in [up.addr, down] {
        assert!(!text.contains("http://") && !text.contains(&address.port().to_string()), "{text}");
    }
    let post = page(&world, "POST", "/status");
    assert_eq!(post.status, 405);
    let mut http = world.gateway.http();
    http.send("HEAD /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert_eq!(http.head().status, 200);
    http.closed();
}

#[test]
fn backends_health_counts_each_state() {
    let up = mock("up");
    let vmcp = Vmcp::named("demo").with("up", up.addr).with("down", ports::free()).probed(INTERVAL, PROBE, 1);
    let world = World::unsettled([&vmcp], &[]);
    world.plane.settled();
    is(&world, "down", Unhealthy);
    is(&world, "up", Healthy);
    let document = page(&world, "GET", "/api/backends/health").json();
    assert_eq!(document["monitoring_enabled"], true);
    let expected =
        json!({"Total": 2, "Healthy": 1, "Degraded": 0, "Unhealthy": 1, "Unknown": 0, "Unauthenticated": 0});
    assert_eq!(document["summary"], expected);
}

#[test]
fn d8_an_empty_group_is_served_with_an_empty_list() {
    let world = World::of([&Vmcp::named("demo")]);
    let mut client = world.client();
    assert!(client.tools().is_empty());
    let a = mock("a");
    world.publish([&Vmcp::named("demo").with("a", a.addr)]);
    until("the first member is listed", || client.tools().len() == 12);
    assert_eq!(client.call_text("a_who", json!({})), "a");
}
