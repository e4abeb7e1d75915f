//! The node's end of the push protocol over real sockets, against the protocol's own machine behind the
//! generated server.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "push/gateway.rs"]
mod gateway;
#[path = "push/plane.rs"]
mod plane;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gateway::Gateway;
use plane::{Plane, Socket};
use tidegate_dataplane_gateway::push::{self, ControlPlaneAddr, PushConfig, load_last_known_good};
use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::table::*;
use tidegate_proto::wire;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Far longer than anything here takes: what passes it has failed.
const DEADLINE: Duration = Duration::from_secs(30);

fn table(backends: &[(&str, &str)]) -> Table {
    let mut table = Table::default();
    for (name, path) in backends {
        table.insert(Entry::Backend(Backend {
            id: BackendId::from_wire(name),
            workload: (*name).into(),
            locality: Locality::Local,
            transport: Transport::StreamableHttp,
            tls: false,
            authority: "a:80".into(),
            path: (*path).into(),
            endpoints: vec![Endpoint { host: "127.0.0.1".into(), port: 80, draining: false }],
            outgoing_auth: OutgoingAuth::Unauthenticated,
            headers: Vec::new(),
            egress: Egress::Any,
            limits: Limits::default(),
        }));
    }
    table
}

fn key(name: &str) -> EntryKey {
    EntryKey::Backend(BackendId::from_wire(name))
}

fn ring() -> KeyRing {
    KeyRing { keys: vec![SessionKey { id: "k1".into(), secret: [7; 32] }] }
}

/// A running push client.
struct Node {
    gateway: Arc<Gateway>,
    reports: watch::Sender<Arc<wire::Report>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Node {
    /// Boots from `state_dir`, as a process would.
    fn start(address: ControlPlaneAddr, state_dir: &Path, gateway: Gateway) -> Self {
        let loaded = load_last_known_good(state_dir);
        assert_eq!(loaded.problems, [""; 0]);
        let config = PushConfig {
            control_plane: address,
            node: "n".into(),
            listen: "http://127.0.0.1:1".into(),
            credentials: None,
            state_dir: state_dir.to_owned(),
            software_version: "1".into(),
        };
        let gateway = Arc::new(gateway);
        let (reports, receive) = watch::channel(Arc::default());
        let (stop, stopped) = oneshot::channel();
        let applier = gateway.clone();
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            let held = loaded.saved.unwrap_or_default();
            push::run(config, applier, held, loaded.keys, receive, shutdown).await;
        });
        Self { gateway, reports, stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(DEADLINE, self.task).await.expect("the client stops").unwrap();
    }
}

async fn check_a_table_goes_through(socket: Socket) {
    let state = tempfile::tempdir().unwrap();
    let plane = Plane::start(socket, table(&[("a", "/1")]), Some(ring())).await;
    let node = Node::start(plane.address(), state.path(), Gateway::default());

    let settled = plane.settled(|s| s.count == 1).await;
    assert!(settled.rejections.is_empty());
    assert_eq!(node.gateway.served(), table(&[("a", "/1")]));
    assert_eq!(node.gateway.key_ids(), ["k1"]);
    node.gateway.wait(|g| g.is_synced).await;

    // the verdict has come, so what it is about is on disk
    let loaded = load_last_known_good(state.path());
    assert_eq!(
        (loaded.saved.map(|saved| saved.table), loaded.keys),
        (Some(table(&[("a", "/1")])), Some(ring()))
    );
    let mode = |name: &str| state.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("session-keys"), 0o600);

    plane.publish(table(&[("a", "/2"), ("b", "/")]));
    plane.settled(|s| s.count == 2).await;
    assert_eq!(node.gateway.served(), table(&[("a", "/2"), ("b", "/")]));
    assert_eq!(node.gateway.steps(), 2);
    node.stop().await;
}

#[tokio::test]
async fn a_table_goes_through_a_unix_socket() {
    check_a_table_goes_through(Socket::Unix).await;
}

#[tokio::test]
async fn a_table_goes_through_tcp() {
    check_a_table_goes_through(Socket::Tcp).await;
}

#[tokio::test]
async fn a_restart_of_the_control_plane_makes_the_node_stale_and_takes_no_step() {
    let state = tempfile::tempdir().unwrap();
    let plane = Plane::start(Socket::Unix, table(&[("a", "/1")]), Some(ring())).await;
    let node = Node::start(plane.address(), state.path(), Gateway::default());
    node.gateway.wait(|g| g.is_synced).await;

    let stopped = plane.stop().await;
    node.gateway.wait(|g| !g.is_synced).await;
    assert_eq!(node.gateway.served(), table(&[("a", "/1")]), "and goes on serving");
    let _plane = stopped.start_again(table(&[("a", "/1")]), Some(ring())).await;
    node.gateway.wait(|g| g.is_synced).await;
    assert_eq!(node.gateway.steps(), 1);
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_boots_with_last_known_good_takes_no_step_when_it_is_current() {
    let state = tempfile::tempdir().unwrap();
    let plane = Plane::start(Socket::Unix, table(&[("a", "/1")]), Some(ring())).await;
    let node = Node::start(plane.address(), state.path(), Gateway::default());
    plane.settled(|s| s.count == 1).await;
    node.stop().await;

    let node = Node::start(plane.address(), state.path(), Gateway::default());
    node.gateway.wait(|g| g.is_synced).await;
    assert_eq!(node.gateway.steps(), 0);
    node.stop().await;
}

#[tokio::test]
async fn a_refused_entry_keeps_its_previous_value_on_disk_too() {
    let state = tempfile::tempdir().unwrap();
    let plane = Plane::start(Socket::Unix, table(&[("a", "/1")]), None).await;
    let node = Node::start(plane.address(), state.path(), Gateway::refusing(key("a"), "/bad"));
    plane.settled(|s| s.count == 1).await;
    plane.publish(table(&[("a", "/bad"), ("b", "/")]));
    let settled = plane.settled(|s| s.count == 2).await;
    assert_eq!(settled.rejections[&key("a")], "bad path");
    assert_eq!(
        load_last_known_good(state.path()).saved.map(|saved| saved.table),
        Some(table(&[("a", "/1"), ("b", "/")]))
    );
    node.stop().await;
}

#[tokio::test]
async fn a_panic_of_the_gateway_refuses_the_step_and_no_more() {
    let state = tempfile::tempdir().unwrap();
    let plane = Plane::start(Socket::Unix, table(&[("a", "/panic")]), None).await;
    let node = Node::start(plane.address(), state.path(), Gateway::default());
    let settled = plane.settled(|s| s.count == 1).await;
    assert_eq!(settled.rejections[&key("a")], "the gateway failed while it took the step");
    plane.publish(table(&[("a", "/1")]));
    plane.settled(|s| s.count == 2).await;
    assert_eq!(node.gateway.served(), table(&[("a", "/1")]));
    node.stop().await;
}

#[tokio::test]
async fn reports_go_up_complete_first_and_then_what_changed() {
    let state = tempfile::tempdir().unwrap();
    let plane = Plane::start(Socket::Unix, Table::default(), None).await;
    let node = Node::start(plane.address(), state.path(), Gateway::default());
    let report = |ids: &[&str]| {
        let backend = |id: &&str| wire::BackendState { id: (*id).into(), ..Default::default() };
        Arc::new(wire::Report { backends: ids.iter().map(backend).collect(), ..Default::default() })
    };
    node.reports.send_replace(report(&["a", "b"]));
    plane.reported(|r| r.backends.keys().eq(["a", "b"])).await;
    node.reports.send_replace(report(&["b"]));
    plane.reported(|r| r.backends.keys().eq(["b"])).await;
    let plane = plane.stop().await.start_again(Table::default(), None).await;
    plane.reported(|r| r.backends.keys().eq(["b"])).await;
    node.stop().await;
}

#[tokio::test]
async fn a_node_stops_while_it_waits_for_a_control_plane() {
    let state = tempfile::tempdir().unwrap();
    let address = ControlPlaneAddr::Unix(state.path().join("nobody.sock"));
    Node::start(address, state.path(), Gateway::default()).stop().await;
}
