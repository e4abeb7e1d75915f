//! Several replicas: the leader has the nodes, all compile the same, and the next one goes on where a dead one ended.

use tidegate_bench_cluster::Cluster;

use super::stage::Stage;
use crate::support::{FakeNode, Held};

const OBJECTS: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {name: docs}
spec: {groupRef: {name: tools}, remoteUrl: 'https://mcp.example.com/mcp', transport: streamable-http}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: demo}
spec: {groupRef: {name: tools}, incomingAuth: {type: anonymous}}
";

#[tokio::test(flavor = "multi_thread")]
async fn nodes_go_to_the_leader_and_to_the_next_one_with_the_same_table_and_keys() {
    let cluster = Cluster::start().await.expect("a cluster");
    let stage = Stage::on(&cluster, "replicas").await;
    let mut first = stage.plane_with(&["--identity=first"]);
    first.until_log("leads=true").await;
    let second = stage.plane_with(&["--identity=second"]);
    second.until_log("nodes are left to the leading replica").await;
    stage.apply(OBJECTS).await;
    stage.until(&first, "service/vmcp-demo", "the Service", |_| true).await;

    let mut away = FakeNode::join_at(&second.socket(), "n", Held::default()).await;
    away.until_ended().await;
    assert_eq!(away.held().updates, 0, "a follower sends nodes away");
    let mut node = FakeNode::join_at(&first.socket(), "n", Held::default()).await;
    let all = |held: &Held| held.table.virtual_servers().any(|server| !server.listen.is_empty());
    let held = node.until("the table, with the port of the Service", all).await;

    first.kill();
    second.until_log("leads=true").await;
    let mut next = FakeNode::join_at(&second.socket(), "n", Held::default()).await;
    next.until("the same table and keys", |next| next.table == held.table && next.keys == held.keys).await;

    // It comes back as a follower.
    let third = stage.plane_with(&["--identity=third"]);
    third.until_log("nodes are left to the leading replica").await;
    let mut away = FakeNode::join_at(&third.socket(), "n", Held::default()).await;
    away.until_ended().await;
}
