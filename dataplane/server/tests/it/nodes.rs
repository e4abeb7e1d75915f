//! Sessions belong to no node: any gateway with the keys serves them.

use crate::support::gateway::Gateway;
use crate::support::mcp::Client;
use crate::support::tables::{Vmcp, table};
use crate::support::until;
use crate::support::world::{World, mock};
use serde_json::json;

/// The same session at another gateway.
fn at(gateway: &Gateway, client: &Client) -> Client {
    let mut there = Client::without_session(gateway.addr, &client.path);
    there.session.clone_from(&client.session);
    there
}

#[test]
fn a_session_of_one_node_is_served_by_another() {
    let a = mock("a");
    let world = World::over(&a);
    let other = Gateway::start(&world.plane.address(), &[]);
    until("the other node is ready", || other.admin("/readyz").0 == 200);
    let mut client = world.client();
    assert_eq!(client.call_text("a_who", json!({})), "a");
    let session = |mock: &tidegate_bench_mock::Mock| {
        mock.stats().last_by_method["tools/call"].header("mcp-session-id").map(str::to_owned)
    };
    let here = session(&a);
    let mut there = at(&other, &client);
    assert_eq!(there.call_text("a_who", json!({})), "a");
    assert_eq!(session(&a), here, "with the same backend session");
    assert_eq!(there.tools().len(), 12);
    assert_eq!(there.delete().status, 200);
    assert_eq!(a.stats().sessions_deleted, 1);
}

#[test]
fn a_session_over_more_backends_than_a_token_holds_works_everywhere() {
    let a = mock("a");
    let mut vmcp = Vmcp::named("demo");
    for n in 0..200 {
        vmcp = vmcp.with(&format!("w{n:03}"), a.addr);
    }
    let mut world = World::of([&vmcp]);
    let other = Gateway::start(&world.plane.address(), &[]);
    let mut client = world.client();
    assert!(client.session.len() <= 4096, "{} bytes", client.session.len());
    assert_eq!(client.tools().len(), 2400);
    let check = |mut client: Client| {
        for n in (0..200).step_by(13) {
            assert_eq!(client.call_text(&format!("w{n:03}_who"), json!({})), "a");
        }
    };
    let listed = |gateway: &Gateway| gateway.metric_where("tidegate_tools", "", |n| n == 2400.0);
    check(client.again());
    listed(&other);
    check(at(&other, &client));
    world.gateway.kill();
    world.gateway.restart();
    listed(&world.gateway);
    check(client.again());
}

#[test]
fn a_thousand_virtual_servers_are_served_and_edited() {
    let a = mock("a");
    let mut servers: Vec<Vmcp> =
        (0..1000).map(|n| Vmcp::named(&format!("s{n:04}")).with(&format!("w{}", n % 10), a.addr)).collect();
    let world = World::of(&servers);
    let check = |n: usize, prefix: &str| {
        let mut client = Client::open(world.gateway.addr, &format!("/default/s{n:04}/mcp"));
        assert_eq!(client.call_text(&format!("{prefix}who"), json!({})), "a");
    };
    for n in (0..1000).step_by(111) {
        check(n, &format!("w{}_", n % 10));
    }
    servers[500] = servers[500].clone().prefix("edited_");
    world.publish_table(&table(&servers));
    check(500, "edited_");
    check(501, "w1_");
    servers.truncate(1);
    world.publish(&servers);
    check(0, "w0_");
}
