//! What the pages on a virtual server's port say while backends fail (spec 3.2, 3.3), and empty groups.

use super::{INTERVAL, PROBE, is, page};
use crate::support::control_plane::ControlPlane;
use crate::support::gateway::Gateway;
use crate::support::tables::{Vmcp, table};
use crate::support::world::{World, mock};
use crate::support::{ports, until};
use serde_json::json;
use tidegate_proto::wire::BackendHealth::Unhealthy;

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
fn d8_an_empty_group_is_served_with_an_empty_list() {
    let world = World::of([&Vmcp::named("demo")]);
    let mut client = world.client();
    assert!(client.tools().is_empty());
    let a = mock("a");
    world.publish([&Vmcp::named("demo").with("a", a.addr)]);
    until("the first member is listed", || client.tools().len() == 12);
    assert_eq!(client.call_text("a_who", json!({})), "a");
}
