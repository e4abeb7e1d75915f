//! `tidegate` without a cluster, or with one that is not as it should be.

use std::path::Path;

use tidegate_bench_cluster::Cluster;

use super::{Site, homeless};
use crate::processes::{fixture, free_port, temporary, told};

#[test]
fn without_a_kubeconfig_the_error_names_both_remedies() {
    let home = temporary();
    let run = |args: &[&str]| told(&homeless(home.path()).args(args).output().unwrap());
    let socket = format!("unix:{}/.local/state/tidegate/control.sock", home.path().display());
    let expected = format!(
        "error: no control plane answers at {socket}, and there is no kubeconfig\n  help: start one with `tidegate up -f \
         DIR`, name another with --control-plane (or TIDEGATE_CONTROL_PLANE), or a cluster with --kubeconfig (or \
         KUBECONFIG)\n"
    );
    assert_eq!(run(&["get", "vmcp"]), (String::new(), expected, 1));
    let expected = "error: there is no kubeconfig\n  help: name one with --kubeconfig (or KUBECONFIG)\n";
    assert_eq!(run(&["get", "vmcp", "--context", "x"]), (String::new(), expected.to_owned(), 1));
    let good = fixture("good");
    let args = ["validate", "-f", good.to_str().unwrap(), "--cluster"];
    assert_eq!(run(&args), (String::new(), expected.to_owned(), 1));
}

#[test]
fn a_kubeconfig_that_cannot_be_read_is_named() {
    let home = temporary();
    let missing = home.path().join("missing");
    let (_, err, code) =
        told(&homeless(home.path()).args(["get", "vmcp", "--kubeconfig"]).arg(&missing).output().unwrap());
    assert_eq!(code, 1);
    assert!(err.starts_with(&format!("error: --kubeconfig {}: failed to read", missing.display())), "{err}");
    let broken = home.path().join("broken");
    std::fs::write(&broken, "clusters: [").unwrap();
    let (_, err, code) =
        told(&homeless(home.path()).args(["get", "vmcp"]).env("KUBECONFIG", &broken).output().unwrap());
    assert_eq!(code, 1);
    assert!(err.starts_with("error: KUBECONFIG: failed to parse"), "{err}");
}

#[tokio::test]
async fn an_api_server_that_is_away_is_an_error_with_its_address() {
    let site = Site::new().await;
    let (port, gone) = (site.cluster.address().port(), free_port());
    let text = std::fs::read_to_string(site.cluster.kubeconfig()).unwrap();
    let kubeconfig = site.home.path().join("gone");
    std::fs::write(&kubeconfig, text.replace(&format!(":{port}"), &format!(":{gone}"))).unwrap();
    for args in [
        ["get", "vmcp"].as_slice(),
        &["describe", "vmcp", "demo"],
        &["get", "toolhive"],
        &["get", "vmcp", "-w"],
    ] {
        let (out, err, code) = told(&site.command_with(&kubeconfig, args).output().unwrap());
        assert_eq!((out.as_str(), code), ("", 1));
        assert!(
            err.starts_with(&format!("error: the cluster at https://127.0.0.1:{gone} cannot be reached")),
            "{err}"
        );
        assert!(err.contains("Connection refused") && err.ends_with("(--context, --kubeconfig)\n"), "{err}");
        assert_eq!(err.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{err}");
    }
}

#[tokio::test]
async fn credentials_that_are_not_accepted_are_an_error_with_a_remedy() {
    let site = Site::new().await;
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(site.cluster.kubeconfig()).unwrap()).unwrap();
    config["users"][0]["user"] = serde_json::json!({"token": "stale"});
    let kubeconfig = site.home.path().join("stale");
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let (out, err, code) = told(&site.command_with(&kubeconfig, &["get", "vmcp"]).output().unwrap());
    let expected = "error: the cluster at SERVER does not accept your credentials: Unauthorized\n  help: log in again, or \
                    use another context (--context)\n";
    assert_eq!((out.as_str(), site.anonymous(&err).as_str(), code), ("", expected, 1));
}

#[tokio::test]
async fn before_the_crds_are_installed_the_error_says_how() {
    let cluster = Cluster::start().await.unwrap();
    let home = temporary();
    let run = |args: &[&str]| {
        let mut command = homeless(home.path());
        let (out, err, code) =
            told(&command.args(args).env("KUBECONFIG", cluster.kubeconfig()).output().unwrap());
        assert_eq!((out.as_str(), code), ("", 1), "{err}");
        err.replace(&format!("https://{}", cluster.address()), "SERVER")
    };
    let expected = |kind: &str| {
        format!(
            "error: the cluster at SERVER has no {kind}.toolhive.stacklok.dev\n  help: install Tidegate's CRDs: kubectl \
             apply --server-side -f deploy/crds\n"
        )
    };
    assert_eq!(run(&["get", "vmcp"]), expected("virtualmcpservers"));
    assert_eq!(run(&["get", "vmcp", "-w"]), expected("virtualmcpservers"));
    assert_eq!(run(&["get", "backends"]), expected("mcpservers"));
    assert_eq!(run(&["describe", "mcpg", "tools"]), expected("mcpgroups"));
    // where some are, the others are just not there
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    cluster.install_crds(&crds.join("mcpservers.yaml")).await.unwrap();
    let args = ["get", "backends"];
    let output = homeless(home.path()).args(args).env("KUBECONFIG", cluster.kubeconfig()).output().unwrap();
    assert_eq!(told(&output), (String::new(), "No resources found in default namespace.\n".to_owned(), 0));
}
