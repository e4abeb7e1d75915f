//! The command lines of the three servers. Decides nothing else.

use crate::binaries::Binaries;
use crate::credentials::Authority;
use std::path::Path;
use std::process::Command;

/// Ports of one cluster, all on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) peer: u16,
    pub(crate) api: u16,
}

/// Metadata of every request; RequestReceived says nothing that ResponseStarted or ResponseComplete does not.
const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
"rules": [{"level": "Metadata"}]}"#;

/// Not run: what needs a cloud, volumes or the heartbeats of nodes.
const NO_CONTROLLERS: &str = "*,-node-lifecycle-controller,-node-ipam-controller,-taint-eviction-controller,\
-device-taint-eviction-controller,-persistentvolume-binder-controller,-persistentvolume-attach-detach-controller,\
-persistentvolume-expander-controller";

pub(crate) fn etcd(binaries: &Binaries, ports: Ports, dir: &Path) -> Command {
    let mut command = Command::new(&binaries.etcd);
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.peer);
    command.arg("--data-dir").arg(dir.join("etcd"));
    command.args([
        "--name=test".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=test={peer}"),
        "--unsafe-no-fsync=true".to_owned(),
        "--log-level=warn".to_owned(),
    ]);
    command
}

pub(crate) fn apiserver(
    binaries: &Binaries,
    ports: Ports,
    authority: &Authority,
    dir: &Path,
    options: crate::Options,
) -> anyhow::Result<Command> {
    let policy = dir.join("audit-policy.json");
    std::fs::write(&policy, AUDIT_POLICY)?;
    let file = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
    let services = if options.dual_stack { "10.96.0.0/16,fd00:96::/112" } else { "10.96.0.0/16" };
    let mut command = Command::new(&binaries.apiserver);
    command.args([
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.api),
        // or it looks for the default route, which a network namespace has not
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--service-cluster-ip-range={services}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        file("service-account-key-file", &authority.file("sa.pub")),
        file("service-account-signing-key-file", &authority.file("sa.key")),
        file("client-ca-file", &authority.file("ca.crt")),
        file("tls-cert-file", &authority.file("apiserver.crt")),
        file("tls-private-key-file", &authority.file("apiserver.key")),
        file("audit-policy-file", &policy),
        file("audit-log-path", &audit_log(dir)),
        "--audit-log-maxsize=0".to_owned(),
        format!("--watch-cache={}", options.watch_cache),
    ]);
    Ok(command)
}

/// Where the API server writes a line for each request.
pub(crate) fn audit_log(dir: &Path) -> std::path::PathBuf {
    dir.join("audit.log")
}

pub(crate) fn controllers(binaries: &Binaries, authority: &Authority, kubeconfig: &Path) -> Command {
    let file = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
    let mut command = Command::new(&binaries.controllers);
    command.args([
        file("kubeconfig", kubeconfig),
        file("service-account-private-key-file", &authority.file("sa.key")),
        file("root-ca-file", &authority.file("ca.crt")),
        "--use-service-account-credentials=true".to_owned(),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--kube-api-qps=1000".to_owned(),
        "--kube-api-burst=2000".to_owned(),
        format!("--controllers={NO_CONTROLLERS}"),
    ]);
    command
}
