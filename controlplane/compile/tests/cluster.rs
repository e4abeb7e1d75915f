//! What compiling does over several moments of a cluster, and at its size.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tidegate_controlplane_api::{Kind, ObjectRef, Store};
use tidegate_controlplane_compile::{
    Child, ChildKey, ChildKind, Cluster, ClusterView, Compiled, Gateway, NamespacedName, PodEndpoint,
    Service, Workload, compile, hold,
};
use tidegate_proto::table::BackendId;

const GROUP: &str =
    "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPGroup\nmetadata: {name: g, uid: u-g}\n---\n";

fn server(name: &str, more: &str) -> String {
    format!(
        "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPServer\nmetadata: {{name: {name}, uid: u-{name}}}\n\
         spec: {{image: i, transport: streamable-http, groupRef: {{name: g}}{more}}}\n---\n"
    )
}

fn virtual_server(name: &str) -> String {
    format!(
        "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: VirtualMCPServer\nmetadata: {{name: {name}, uid: u-{name}}}\n\
         spec: {{groupRef: {{name: g}}, incomingAuth: {{type: anonymous}}}}\n---\n"
    )
}

fn gateway(n: u8) -> (String, Gateway) {
    let (node, address) = (format!("node-{n}"), IpAddr::from([10, 0, 0, n]));
    (format!("gateway-{n}"), Gateway { node, address, ready: true, terminating: false })
}

fn pods(addresses: &[[u8; 4]]) -> Arc<Workload> {
    let pod = |address: &[u8; 4]| PodEndpoint { address: (*address).into(), port: 8080, draining: false };
    Arc::new(Workload {
        replicas: Some(1),
        ready: 1,
        endpoints: addresses.iter().map(pod).collect(),
        ..Workload::default()
    })
}

fn compiled(text: &str, cluster: &Cluster) -> Compiled {
    let mut store = Store::new();
    store.update("in.yaml", Some(text.as_bytes()));
    assert_eq!(store.diagnostics().filter(|diagnostic| diagnostic.is_error()).count(), 0);
    compile(&ClusterView::of(&store).in_cluster(Arc::new(cluster.clone())))
}

/// The API server after the leader has written what is wanted.
fn written(compiled: &Compiled, cluster: &Cluster) -> Cluster {
    let services = compiled.children.iter().filter(|(key, _)| key.kind == ChildKind::Service);
    let service = |(key, child): (&ChildKey, &Arc<Child>)| {
        let body = child.body(key);
        let service = Service {
            owner: body["metadata"]["ownerReferences"][0]["uid"].as_str().map(str::to_owned),
            target_port: body["spec"]["ports"][0]["targetPort"]
                .as_u64()
                .and_then(|port| port.try_into().ok()),
            ..Service::default()
        };
        (NamespacedName::new(&key.namespace, &key.name), service)
    };
    Cluster { services: services.map(service).collect(), ..cluster.clone() }
}

#[test]
fn a_kept_backend_is_called_at_the_pods_that_it_has_now() {
    let object = ObjectRef::new(Kind::McpServer, "default", "clock");
    let id = BackendId::resource("default", "MCPServer", "clock");
    let at =
        |pod: [u8; 4]| Cluster { workloads: [(object.clone(), pods(&[pod]))].into(), ..Cluster::default() };
    let before = compiled(&(GROUP.to_owned() + &server("clock", "")), &at([10, 1, 0, 1]));
    let mistaken = GROUP.to_owned() + &server("clock", ", podTemplateSpec: {spec: {containers: 1}}");
    let after = compiled(&mistaken, &at([10, 1, 0, 2]));
    assert!(after.withheld.len() == 2 && after.table.backends().count() == 0, "{:?}", after.withheld);
    let served = hold(&before.table, &after);
    assert_eq!(served.backend(&id).unwrap().endpoints[0].host, "10.1.0.2");
}

#[test]
fn ports_are_listened_on_once_recorded_and_then_stay() {
    let mut text = GROUP.to_owned();
    (0..300).for_each(|n| text += &virtual_server(&format!("v{n}")));
    let mut cluster = Cluster { gateways: [gateway(1)].into(), ..Cluster::default() };
    let first = compiled(&text, &cluster);
    assert!(first.table.virtual_servers().all(|server| server.listen.is_empty()));
    cluster = written(&first, &cluster);
    let second = compiled(&text, &cluster);
    let ports = |compiled: &Compiled| -> Vec<_> {
        let servers = compiled.table.virtual_servers();
        servers.map(|server| (server.id.clone(), server.listen.clone())).collect()
    };
    let distinct: BTreeSet<_> = ports(&second).into_iter().flat_map(|(_, listen)| listen).collect();
    assert_eq!(distinct.len(), 300);
    assert_eq!(second.children, first.children);
    // one that comes, and one that goes, change no other's port
    let third = compiled(&(text.replace(&virtual_server("v7"), "") + &virtual_server("aaa")), &cluster);
    let listening =
        |compiled: &Compiled| ports(compiled).into_iter().filter(|(_, listen)| !listen.is_empty());
    let before: Vec<_> = ports(&second).into_iter().filter(|(id, _)| &*id.name != "v7").collect();
    assert_eq!(listening(&third).collect::<Vec<_>>(), before);
}

#[test]
fn two_that_recorded_the_same_port_part_for_good() {
    let text = GROUP.to_owned() + &virtual_server("a") + &virtual_server("b");
    let service = |owner: &str| Service {
        owner: Some(owner.to_owned()),
        target_port: Some(20005),
        ..Service::default()
    };
    let services = [
        (NamespacedName::new("default", "vmcp-a"), service("u-a")),
        (NamespacedName::new("default", "vmcp-b"), service("u-b")),
    ];
    let cluster = Cluster { services: services.into(), ..Cluster::default() };
    let first = compiled(&text, &cluster);
    let second = compiled(&text, &written(&first, &cluster));
    let listen: Vec<_> = second.table.virtual_servers().map(|server| server.listen[0].port()).collect();
    assert!(listen[0] == 20005 && listen[1] != 20005, "{listen:?}");
    assert_eq!(second.children, first.children);
}

#[test]
fn backends_that_take_all_their_ports_leave_those_of_virtual_servers() {
    let mut text = GROUP.to_owned();
    (0..5010).for_each(|n| text += &server(&format!("s{n}"), ""));
    text += &virtual_server("v");
    let compiled = compiled(&text, &Cluster { gateways: [gateway(1)].into(), ..Cluster::default() });
    let has_none = |object: &&ObjectRef| {
        compiled.status[*object].conditions.iter().any(|condition| condition.reason == "PortsExhausted")
    };
    let without: Vec<_> = compiled.status.keys().filter(has_none).collect();
    assert!(
        without.len() >= 10 && without.iter().all(|object| object.kind == Kind::McpServer),
        "{without:?}"
    );
    // the virtual server's may be one of theirs
    assert!(without.len() <= 11, "{}", without.len());
}

#[test]
fn a_hundred_virtual_servers_and_a_thousand_servers_compile_in_a_cluster() {
    let mut store = Store::new();
    store.update("g.yaml", Some(GROUP.as_bytes()));
    for n in 0..1000 {
        store.update(
            &format!("s{n}.yaml"),
            Some(server(&format!("s{n}"), "").replace("name: g", &format!("name: g{}", n / 10)).as_bytes()),
        );
    }
    for n in 0..100 {
        let group = GROUP.replace("name: g,", &format!("name: g{n},"));
        let text = group + &virtual_server(&format!("v{n}")).replace("name: g}", &format!("name: g{n}}}"));
        store.update(&format!("v{n}.yaml"), Some(text.as_bytes()));
    }
    let cluster = Cluster { gateways: (0..50).map(gateway).collect(), ..Cluster::default() };
    let view = ClusterView::of(&store);
    let cluster = written(&compile(&view.clone().in_cluster(Arc::new(cluster.clone()))), &cluster);
    let view = view.in_cluster(Arc::new(cluster));
    let started = std::time::Instant::now();
    let compiled = compile(&view);
    let compiling = started.elapsed();
    let bytes: usize = compiled.children.iter().map(|(key, child)| child.body(key).to_string().len()).sum();
    let count = compiled.children.len();
    println!("compile {compiling:?}; {count} bodies of {bytes} bytes {:?}", started.elapsed() - compiling);
    assert_eq!(compiled.table.backends().count(), 1000);
    assert_eq!(compiled.table.virtual_servers().count(), 1100);
}
