//! `tidegate` in a pod: no kubeconfig, but the files of a service account and the address of the API server.

use std::path::Path;
use std::process::Command;

use tidegate_bench_cluster::{TokenFor, eventually};

use super::Site;
use crate::processes::{DEADLINE, temporary, told};

/// Lays the files of the pod's service account where every pod has them, in a mount namespace of the child's own: the machine may be a
/// pod itself.
const IN_A_POD: &str = r#"
set -e
mount -t tmpfs none "$(readlink -f /var/run)"
mkdir -p /var/run/secrets/kubernetes.io
cp -r "$1" /var/run/secrets/kubernetes.io/serviceaccount
shift
exec "$@"
"#;

const READER: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [toolhive.stacklok.dev], resources: ['*'], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
";

/// What a kubelet mounts into a pod of the namespace.
async fn service_account(site: &Site) -> tempfile::TempDir {
    site.kubectl(&["apply", "-f", "-"], READER).await;
    let token = site.cluster.token(&site.namespace, "reader", TokenFor::default()).await.unwrap();
    let root =
        ["get", "configmap", "kube-root-ca.crt", "-o", r"jsonpath={.data['ca\.crt']}", "--ignore-not-found"];
    let published = async || Some(site.kubectl(&root, "").await).filter(|authority| !authority.is_empty());
    let authority = eventually("the authority's certificate", DEADLINE, published).await.unwrap();
    let files = temporary();
    std::fs::write(files.path().join("ca.crt"), authority).unwrap();
    std::fs::write(files.path().join("token"), token).unwrap();
    std::fs::write(files.path().join("namespace"), &site.namespace).unwrap();
    files
}

fn run_in_pod(site: &Site, files: &Path, args: &[&str]) -> (String, String, i32) {
    let address = site.cluster.address();
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "sh", "-c", IN_A_POD, "sh"]).arg(files);
    command.arg(env!("CARGO_BIN_EXE_tidegate")).args(args);
    command.env_remove("KUBECONFIG").env_remove("TIDEGATE_CONTROL_PLANE").env("HOME", site.home.path());
    command.env("KUBERNETES_SERVICE_HOST", address.ip().to_string());
    command.env("KUBERNETES_SERVICE_PORT", address.port().to_string());
    let (out, err, code) = told(&command.output().unwrap());
    (site.anonymous(&out), site.anonymous(&err), code)
}

#[tokio::test]
async fn in_a_pod_the_service_account_is_who_asks_and_its_namespace_is_meant() {
    let site = Site::with_team().await;
    let files = service_account(&site).await;
    let run = |args: &[&str]| run_in_pod(&site, files.path(), args);
    let names = run(&["get", "vmcp", "-o", "name"]);
    assert_eq!(names, site.run_here(&["get", "vmcp", "-o", "name"]));
    assert_eq!(names.2, 0, "{names:?}");
    assert!(names.0.ends_with("/demo\n"), "{names:?}");
    let (described, err, code) = run(&["describe", "vmcp", "demo"]);
    assert_eq!(code, 0, "{err}");
    assert!(described.contains("1 of 2 backends answers"), "{described}");
    // What the account may not see is said as for everybody.
    let (out, err, code) = run(&["get", "vmcp", "-A"]);
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.contains("forbidden") && err.contains("system:serviceaccount:NS:reader"), "{err}");
}

#[tokio::test]
async fn a_pod_without_a_token_is_told_what_is_missing() {
    let site = Site::new().await;
    let files = service_account(&site).await;
    std::fs::remove_file(files.path().join("ca.crt")).unwrap();
    let (out, err, code) = run_in_pod(&site, files.path(), &["get", "vmcp"]);
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.starts_with("error: ") && err.contains("service account"), "{err}");
}
