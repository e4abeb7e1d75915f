//! `tidegate validate --cluster`.

use std::path::Path;

use super::Site;
use crate::processes::{fixture, told};
use crate::validate::check_golden;

/// Of a directory of fixtures.
fn run(site: &Site, kubeconfig: &Path, directory: &str, args: &[&str]) -> (String, String, i32) {
    let mut command = site.command_with(kubeconfig, &["validate", "-f", ".", "-n", &site.namespace]);
    let (out, err, code) = told(&command.args(args).current_dir(fixture(directory)).output().unwrap());
    (site.anonymous(&out), site.anonymous(&err), code)
}

#[tokio::test]
async fn the_cluster_takes_what_is_good_and_keeps_nothing_of_it() {
    let site = Site::new().await;
    let (out, err, code) = run(&site, &site.cluster.kubeconfig(), "accepted", &["--cluster"]);
    assert_eq!((err.as_str(), code), ("", 0), "{out}");
    check_golden("accepted.txt", &out);
    let (out, err, _) = site.run_here(&["get", "toolhive"]);
    assert_eq!((out.as_str(), err.as_str()), ("", "No resources found in NS namespace.\n"));
}

#[tokio::test]
async fn what_the_cluster_refuses_is_said_with_the_place_of_the_field() {
    let site = Site::new().await;
    let (out, err, code) = run(&site, &site.cluster.kubeconfig(), "refused", &["--cluster"]);
    assert_eq!((err.as_str(), code), ("", 1), "{out}");
    check_golden("refused.txt", &out);
    let (out, _, code) = run(&site, &site.cluster.kubeconfig(), "refused", &["--cluster", "-o", "json"]);
    assert_eq!(code, 1);
    check_golden("refused.json", &out);
}

#[tokio::test]
async fn files_are_asked_about_too_and_a_context_is_enough() {
    let site = Site::new().await;
    let contexts = site.kubeconfig_with_context().await;
    let file = fixture("accepted/demo.yaml");
    let args = ["validate", "-f", file.to_str().unwrap(), "--context", "here"];
    let (out, err, code) = told(&site.command_with(&contexts, &args).output().unwrap());
    assert_eq!((err.as_str(), code), ("", 0), "{out}");
    assert!(out.contains(&format!(" {}/", site.namespace)), "the context's namespace: {out}");
    assert!(out.ends_with("; the cluster takes 4 of 4 objects\n"), "{out}");
    let (out, _, code) = told(
        &site.command_with(&contexts, &[&args[..], &["-n", "nowhere-at-all"]].concat()).output().unwrap(),
    );
    assert_eq!((out.matches("error[cluster-no-namespace]").count(), code), (4, 1), "{out}");
    let (_, err, code) = site.run_here(&["validate", "-f", file.to_str().unwrap()]);
    let expected = "error: -n is for a cluster\n  help: add --cluster, --context or --kubeconfig\n";
    assert_eq!((err.as_str(), code), (expected, 1));
}

#[tokio::test]
async fn who_may_not_apply_is_told_so_per_object() {
    let site = Site::new().await;
    let stranger = site.cluster.as_user("stranger", "strangers").unwrap();
    let (out, err, code) = run(&site, &stranger, "accepted", &["--cluster"]);
    assert_eq!((err.as_str(), code), ("", 1));
    assert_eq!(out.matches("error[cluster-forbidden]").count(), 4, "{out}");
    assert!(out.contains("User \"stranger\" cannot patch resource \"mcpgroups\""), "{out}");
    assert!(out.ends_with("; the cluster takes 0 of 4 objects\n"), "{out}");
}
