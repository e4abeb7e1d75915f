//! The push server over real sockets, against the protocol's own machine of a node.

mod node;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::push::Terms;
use tidegate_proto::table::*;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::service::Routes;

use super::*;
use node::TestNode;

/// Far longer than anything here takes: what passes it has failed.
const DEADLINE: Duration = Duration::from_secs(30);

fn table(names: &[&str]) -> Arc<Table> {
    let mut table = Table::default();
    for name in names {
        table.insert(Entry::Backend(Backend {
            id: BackendId::from_wire(name),
            workload: (*name).into(),
            locality: Locality::Local,
            transport: Transport::StreamableHttp,
            tls: false,
            authority: "a:80".into(),
            path: "/".into(),
            endpoints: vec![Endpoint { host: "127.0.0.1".into(), port: 80, draining: false }],
            outgoing_auth: OutgoingAuth::Unauthenticated,
            headers: Vec::new(),
            egress: Egress::Any,
            limits: Limits::default(),
        }));
    }
    Arc::new(table)
}

/// A push server that is being served.
struct Running {
    push: PushServer,
    address: PushAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServeError>>,
    _dir: TempDir,
}

impl Running {
    async fn on_unix() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = PushAddr::Unix(dir.path().join("run/push.sock"));
        Self::start(dir, address, PushOptions::default()).await
    }

    async fn start(dir: TempDir, address: PushAddr, options: PushOptions) -> Self {
        let push = PushServer::new(options);
        let listener = bind(&address).await.unwrap();
        let address = listener.address().unwrap();
        let routes = Routes::new(push.service());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(listener.serve(routes, stopped));
        Self { push, address, stop, task, _dir: dir }
    }

    /// Waits for a state of the nodes.
    async fn nodes(&self, mut condition: impl FnMut(&[NodeState]) -> bool) -> Vec<NodeState> {
        let mut changed = self.push.changed();
        let wait = async {
            loop {
                changed.borrow_and_update();
                let nodes = self.push.nodes();
                if condition(&nodes) {
                    return nodes;
                }
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.expect("the nodes come to this state")
    }

    async fn stop(self) {
        self.push.stop();
        self.stop.send(()).unwrap();
        tokio::time::timeout(DEADLINE, self.task).await.expect("serving ends").unwrap().unwrap();
    }
}

async fn check_a_node_is_served(running: Running) {
    running.push.publish(table(&["a"]));
    let ring = KeyRing { keys: vec![SessionKey { id: "k1".into(), secret: [1; 32] }] };
    running.push.set_key_ring(ring);
    let node = TestNode::start(&running.address, "n", None);
    let nodes = running.nodes(|n| n.first().is_some_and(|n| n.current)).await;
    let version = tidegate_proto::digest::TableDigest::of(&table(&["a"]));
    assert_eq!((nodes[0].name.as_str(), nodes[0].version), ("n", Some(version)));
    assert_eq!((nodes[0].listen.as_str(), nodes[0].software_version.as_str()), ("l", "1"));
    node.wait(|n| n.table == *table(&["a"]) && n.key_ids == ["k1"]).await;

    running.push.publish(table(&["a", "b"]));
    node.wait(|n| n.table == *table(&["a", "b"])).await;
    running.nodes(|n| n[0].current).await;

    node.stop().await;
    let nodes = running.nodes(|n| !n[0].connected).await;
    assert!(!nodes[0].current, "and is remembered");
    running.stop().await;
}

#[tokio::test]
async fn a_node_is_served_on_a_unix_socket() {
    check_a_node_is_served(Running::on_unix().await).await;
}

#[tokio::test]
async fn a_node_is_served_on_tcp() {
    let dir = tempfile::tempdir().unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    check_a_node_is_served(Running::start(dir, address, PushOptions::default()).await).await;
}

#[tokio::test]
async fn a_node_that_comes_before_the_first_publish_waits_for_it() {
    let running = Running::on_unix().await;
    let node = TestNode::start(&running.address, "n", None);
    let nodes = running.nodes(|n| n.first().is_some_and(|n| n.connected)).await;
    assert!(!nodes[0].current && nodes[0].version.is_none());
    running.push.publish(table(&[]));
    node.wait(|n| n.is_synced).await;
    running.stop().await;
}

#[tokio::test]
async fn a_refusal_is_known_by_entry_and_reason() {
    let running = Running::on_unix().await;
    running.push.publish(table(&["a", "b"]));
    let key = EntryKey::Backend(BackendId::from_wire("b"));
    let _node = TestNode::start(&running.address, "n", Some(key.clone()));
    let nodes = running.nodes(|n| n.first().is_some_and(|n| n.version.is_some())).await;
    assert_eq!(nodes[0].rejections, BTreeMap::from([(key, "not here".to_owned())]));
    running.stop().await;
}

#[tokio::test]
async fn a_second_stream_of_a_node_replaces_the_first() {
    let running = Running::on_unix().await;
    running.push.publish(table(&[]));
    let first = TestNode::start(&running.address, "n", None);
    first.wait(|n| n.is_synced).await;
    let second = TestNode::start(&running.address, "n", None);
    second.wait(|n| n.is_synced).await;
    assert_eq!(first.ended().await, "another stream has taken the name of this node");
    let nodes = running.nodes(|n| n[0].current).await;
    assert_eq!(nodes.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_node_is_told_why_its_stream_ends() {
    let dir = tempfile::tempdir().unwrap();
    let address = PushAddr::Unix(dir.path().join("push.sock"));
    let terms = Terms { max_message: 400, ..Terms::default() };
    let running = Running::start(dir, address, PushOptions { terms, ..PushOptions::default() }).await;
    running.push.publish(table(&["a", "b", "c", "d", "e", "f"]));
    let node = TestNode::start(&running.address, "n", None);
    let reason = node.ended().await;
    assert!(reason.ends_with("more than the 400 of a message: split the configuration"), "{reason}");
    running.stop().await;
}

#[tokio::test]
async fn stopping_ends_every_stream() {
    let running = Running::on_unix().await;
    running.push.publish(table(&[]));
    let node = TestNode::start(&running.address, "n", None);
    node.wait(|n| n.is_synced).await;
    running.stop().await;
    assert_eq!(node.ended().await, "the control plane stops");
}

#[tokio::test]
async fn equal_tables_make_one_version() {
    let push = PushServer::new(PushOptions::default());
    let changed = push.changed();
    push.publish(table(&["a"]));
    push.publish(table(&["a"]));
    assert_eq!(*changed.borrow(), 1);
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_socket_is_for_its_owner_only_and_goes_with_the_server() {
    let running = Running::on_unix().await;
    let PushAddr::Unix(path) = running.address.clone() else { panic!("a Unix socket") };
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1, "nothing else is left there");
    running.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_of_a_dead_process_is_replaced_and_that_of_a_live_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("push.sock");
    let address = PushAddr::Unix(path.clone());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = bind(&address).await.unwrap();

    let error = bind(&address).await.unwrap_err().to_string();
    assert_eq!(error, format!("{} is in use by a running process", path.display()));
    drop(listener);
    assert!(!path.exists());

    std::fs::write(&path, "precious").unwrap();
    let error = bind(&address).await.unwrap_err().to_string();
    assert_eq!(error, format!("{} exists and is not a socket", path.display()));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");

    let below = PushAddr::Unix(path.join("push.sock"));
    let error = bind(&below).await.unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen on {below}"));
}
