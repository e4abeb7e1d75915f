//! A namespace with the gateways' service account, replicas in this process, and gateways as processes.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret, ServiceAccount};
use kube::api::{Api, PostParams};
use serde_json::json;
use tidegate_bench_cluster::{Cluster, TokenFor, eventually, shared};
use tidegate_controlplane_server::check::check_dir;
use tidegate_controlplane_server::identity::{Identities, Lifetimes, Options, Place, Unbound};
use tidegate_controlplane_server::push::{NodeState, PushAddr, PushOptions, PushServer, bind};
use tidegate_proto::identity::AUDIENCE;
use tidegate_proto::table::Table;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::Routes;

use crate::support::{DEADLINE, ECHO};

pub(super) const ACCOUNT: &str = "tidegate-dataplane";

/// A namespace of the shared cluster.
pub(super) struct Stage {
    pub(super) cluster: &'static Cluster,
    pub(super) namespace: String,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let cluster = shared().await.expect("a cluster");
        let stage = Self { cluster, namespace: cluster.namespace("identity").await.expect("a namespace") };
        for account in [ACCOUNT, "other"] {
            let account = json!({"metadata": {"name": account}});
            let account: ServiceAccount = serde_json::from_value(account).expect("an account");
            stage.api().create(&PostParams::default(), &account).await.expect("it is made");
        }
        stage
    }

    pub(super) fn client(&self) -> kube::Client {
        self.cluster.client().expect("a client")
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// Names of nodes belong to no namespace.
    pub(super) fn node(&self, name: &str) -> String {
        format!("{name}.{}", self.namespace)
    }

    pub(super) async fn secret(&self, name: &str) -> Option<Secret> {
        self.api().get_opt(name).await.expect("an answer")
    }

    /// The authorities as gateways mount them, once they are published.
    pub(super) async fn authorities(&self) -> String {
        let maps = self.api::<ConfigMap>();
        let published = async || maps.get_opt("tidegate-ca").await.ok()??.data?.remove("ca.crt");
        eventually("the authorities are published", DEADLINE, published).await.expect("in time")
    }

    /// A gateway's token, bound to a pod on a node.
    pub(super) async fn gateway_token(&self, node: &str) -> String {
        let (nodes, pods) = (Api::<Node>::all(self.client()), self.api::<Pod>());
        let node = self.node(node);
        if nodes.get_opt(&node).await.expect("an answer").is_none() {
            let object = json!({"metadata": {"name": &node}});
            let object = serde_json::from_value(object).expect("a node");
            nodes.create(&PostParams::default(), &object).await.expect("it is made");
        }
        let spec = json!({
            "serviceAccountName": ACCOUNT,
            "nodeName": node,
            "containers": [{"name": "gateway", "image": "gateway"}],
        });
        let pod = json!({"metadata": {"generateName": "gateway-"}, "spec": spec});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let pod = pods.create(&PostParams::default(), &pod).await.expect("it is made");
        let bound = pod.metadata.name.zip(pod.metadata.uid);
        self.token(ACCOUNT, AUDIENCE, bound).await
    }

    pub(super) async fn token(&self, account: &str, audience: &str, pod: Option<(String, String)>) -> String {
        let wanted = TokenFor { audiences: vec![audience.to_owned()], pod };
        self.cluster.token(&self.namespace, account, wanted).await.expect("a token")
    }
}

/// One replica of the control plane.
pub(super) struct Replica {
    pub(super) push: PushServer,
    pub(super) address: SocketAddr,
    pub(super) leading: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Replica {
    pub(super) async fn start(stage: &Stage, lifetimes: Lifetimes, leads: bool) -> Self {
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let place = Place { client: stage.client(), namespace: stage.namespace.clone() };
        let options = Options { place, lifetimes, unbound: Unbound::Refused, address: address.ip() };
        let identities = Identities::open(options).await.expect("authorities");
        let listener = bind(&PushAddr::Tcp(address)).await.expect("a port");
        let Ok(PushAddr::Tcp(address)) = listener.address() else { panic!("a TCP port") };
        let push = PushServer::new(PushOptions::default());
        let routes = Routes::new(push.service()).add_service(identities.service());
        let (stop, mut stopped) = watch::channel(false);
        let (leading, leads) = watch::channel(leads);
        let mut tasks = JoinSet::new();
        let tls = identities.tls();
        tasks.spawn(async move {
            let stopped = async move {
                let _gone = stopped.wait_for(|stop| *stop).await;
            };
            listener.serve_tls(routes, tls, stopped).await.expect("it serves");
        });
        tasks.spawn(identities.keep(leads));
        Self { push, address, leading, stop, tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Publishes a table that differs from others by its number.
    pub(super) fn publish(&self, number: u16) {
        self.push.publish(Arc::new(table(number)));
    }

    /// Publishes a table with which the only node is current when this returns.
    pub(super) async fn publish_to_node(&self, number: u16) {
        self.publish(number);
        self.node("the node has the newest table", |node| node.current).await;
    }

    /// Waits for a state of the only node.
    pub(super) async fn node(&self, what: &str, condition: impl Fn(&NodeState) -> bool) -> NodeState {
        let mut changed = self.push.changed();
        let wait = async {
            loop {
                changed.borrow_and_update();
                if let Some(node) = self.push.nodes().into_iter().next().filter(&condition) {
                    return node;
                }
                changed.changed().await.expect("a push server");
            }
        };
        match tokio::time::timeout(DEADLINE, wait).await {
            Ok(node) => node,
            Err(_) => panic!("never: {what}\n{:#?}", self.push.nodes()),
        }
    }

    pub(super) async fn stop(mut self) {
        self.push.stop();
        self.stop.send_replace(true);
        tokio::time::timeout(DEADLINE, self.tasks.join_next()).await.expect("it stops");
    }
}

fn table(number: u16) -> Table {
    let dir = tempfile::tempdir().expect("a directory");
    let text = ECHO.replace("7001", &(7_001 + number).to_string());
    fs::write(dir.path().join("a.yaml"), text).expect("a file");
    check_dir(dir.path()).expect("a directory of manifests").compiled.table
}

/// A gateway's process, with what kubelet would mount for it. Killed when dropped.
pub(super) struct GatewayProcess {
    dir: tempfile::TempDir,
    args: Vec<String>,
    admin: SocketAddr,
    child: Child,
}

impl GatewayProcess {
    pub(super) fn start(control_plane: &str, node: &str, authorities: &str, token: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("ca.crt"), authorities).expect("a file");
        fs::write(dir.path().join("token"), format!("{token}\n")).expect("a file");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let admin = free();
        let args = [
            ("--control-plane", control_plane.to_owned()),
            ("--control-plane-ca", path("ca.crt")),
            ("--token-file", path("token")),
            ("--node", node.to_owned()),
            ("--state-dir", path("state")),
            ("--listen", free().to_string()),
            ("--admin", admin.to_string()),
            ("--threads", "1".to_owned()),
        ];
        let args: Vec<String> = args.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        let child = spawn(&dir, &args);
        Self { dir, args, admin, child }
    }

    /// Replaces a file in one step, as kubelet does.
    pub(super) fn mount(&self, name: &str, text: &str) {
        let new = self.path(&format!("{name}.new"));
        fs::write(&new, text).expect("a file");
        fs::rename(new, self.path(name)).expect("a file");
    }

    pub(super) fn restart(&mut self) {
        self.end();
        self.child = spawn(&self.dir, &self.args);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits for words in the log.
    pub(super) async fn says(&self, words: &str) {
        let said = async || self.log().contains(words).then_some(());
        if eventually(words, DEADLINE, said).await.is_err() {
            panic!("never said: {words}\n{}", self.log());
        }
    }

    /// A page of its admin port.
    pub(super) async fn admin(&self, path: &str) -> Option<String> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(self.admin).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.admin);
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    pub(super) async fn metric(&self, name: &str) -> Option<u64> {
        let page = self.admin("/metrics").await?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        value.trim().parse().ok()
    }

    fn end(&mut self) {
        // errors: it has ended by itself
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let ours = |line: &&str| line.contains("tidegate");
            let log = self.log();
            let lines: Vec<&str> = log.lines().filter(ours).collect();
            let from = lines.len().saturating_sub(60);
            eprintln!("--- log of the gateway\n{}\n---", lines[from..].join("\n"));
        }
    }
}

fn spawn(dir: &tempfile::TempDir, args: &[String]) -> Child {
    let log = File::options().create(true).append(true).open(dir.path().join("log")).expect("a log file");
    let test = std::env::current_exe().expect("our own path");
    let binary = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
    let binary = binary.join("tidegate-dataplane");
    assert!(binary.exists(), "{} is missing: run cargo build --workspace --bins", binary.display());
    Command::new(binary)
        .args(args)
        .env("TIDEGATE_LOG", "debug")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log file"))
        .stderr(log)
        .spawn()
        .expect("the binary starts")
}

/// An address from below the range that the system gives out for outgoing connections.
fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 90).expect("below 90") * 100;
    loop {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 11_000 + (first + n) % 9_000));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Lifetimes in seconds.
pub(super) fn lifetimes(authority: u64, leaf: u64, lead: u64) -> Lifetimes {
    let secs = Duration::from_secs;
    Lifetimes::new(secs(authority), secs(leaf), secs(lead)).expect("they fit")
}
