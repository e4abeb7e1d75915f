//! The rules of ARCHITECTURE.md about who may depend on whom, checked against what cargo resolves.

use std::collections::BTreeSet;
use std::process::Command;

const DATA_PLANE: [&str; 4] = [
    "tidegate-dataplane-codec",
    "tidegate-dataplane-core",
    "tidegate-dataplane-gateway",
    "tidegate-dataplane-server",
];
const CONTROL_PLANE: [&str; 4] = [
    "tidegate-controlplane-api",
    "tidegate-controlplane-compile",
    "tidegate-controlplane-server",
    "tidegate-controlplane-cli",
];
const PURE: [&str; 5] = [
    "tidegate-proto",
    "tidegate-dataplane-codec",
    "tidegate-dataplane-core",
    "tidegate-controlplane-api",
    "tidegate-controlplane-compile",
];

/// All packages that `package` is built with, features resolved for it alone.
fn reached(package: &str) -> BTreeSet<String> {
    tree(package, &[])
}

fn direct(package: &str) -> BTreeSet<String> {
    let mut direct = tree(package, &["--depth", "1"]);
    direct.remove(package);
    direct
}

fn tree(package: &str, more: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{lib}|{p}",
            "-p",
            package,
        ])
        .args(more)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo tree runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("package names are text");
    text.lines().filter_map(|l| l.split('|').nth(1)?.split(' ').next().map(str::to_owned)).collect()
}

#[track_caller]
fn check_reaches_none(packages: &[&str], forbidden: impl Fn(&str) -> bool) {
    for package in packages {
        let found: Vec<_> = reached(package).into_iter().filter(|p| forbidden(p)).collect();
        assert!(found.is_empty(), "{package} reaches {found:?}");
    }
}

#[test]
fn the_planes_meet_in_proto_only() {
    check_reaches_none(&DATA_PLANE, |p| p.starts_with("tidegate-controlplane") || p.starts_with("kube"));
    check_reaches_none(&CONTROL_PLANE, |p| p.starts_with("tidegate-dataplane") || p.starts_with("pingora"));
}

#[test]
fn pure_crates_reach_no_runtime_and_no_transport() {
    let io = ["tokio", "tonic", "hyper", "mio", "reqwest", "rand", "notify", "kube"];
    check_reaches_none(&PURE, |p| io.contains(&p));
}

#[test]
fn only_the_gateway_names_pingora() {
    for package in DATA_PLANE.iter().chain(&CONTROL_PLANE).chain(&["tidegate-proto"]) {
        let names = direct(package).iter().any(|d| d.starts_with("pingora"));
        assert_eq!(names, *package == "tidegate-dataplane-gateway", "{package}");
    }
}

#[test]
fn libraries_have_errors_of_their_own() {
    let binaries = ["tidegate-dataplane-server", "tidegate-controlplane-server", "tidegate-controlplane-cli"];
    for package in DATA_PLANE.iter().chain(&CONTROL_PLANE).chain(&["tidegate-proto"]) {
        if !binaries.contains(package) {
            assert!(!direct(package).contains("anyhow"), "{package} uses anyhow");
        }
    }
}

#[test]
fn the_table_knows_no_serde() {
    assert!(!direct("tidegate-proto").contains("serde"), "the IR must not be Serialize");
}
