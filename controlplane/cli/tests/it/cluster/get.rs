//! `tidegate get` in a cluster.

use futures_util::{StreamExt as _, stream};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::Value;
use tidegate_bench_cluster::eventually;

use super::Site;
use crate::processes::{DEADLINE, told};

/// Our lines are those of kubectl, but for spaces at their ends and lines between tables. Both are asked again while
/// ages and other tests' objects change between them.
async fn check_like_kubectl(site: &Site, args: &[&str], kubectl: &[&str]) {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let mut last = Default::default();
    let what = format!("{args:?} prints what kubectl does");
    let same = eventually(&what, DEADLINE, async || {
        let expected = lines(&site.cluster.kubectl_ok(kubectl, "").await.unwrap());
        let (out, err, code) = told(&site.command(args).output().unwrap());
        assert_eq!((err.as_str(), code), ("", 0), "{args:?}");
        assert!(!expected.is_empty(), "{kubectl:?}");
        let got = lines(&out);
        let same = got == expected;
        last = (got, expected);
        same.then_some(())
    });
    if let Err(late) = same.await {
        panic!("{late}: {last:#?}");
    }
}

#[tokio::test]
async fn lists_are_those_of_kubectl() {
    let site = Site::with_team().await;
    let here = site.namespace.as_str();
    let backends = "mcpservers,mcpremoteproxies,mcpserverentries";
    for (kinds, kubectl) in [
        ("vmcp", "vmcp"),
        ("virtualservers", "virtualmcpservers"),
        ("mcpservers", "mcpserver"),
        ("mcpg,vmcp", "mcpgroups,vmcp"),
        ("entries", "mcpserverentries"),
        ("backends", backends),
        ("virtualmcpserver/demo", "virtualmcpserver/demo"),
    ] {
        check_like_kubectl(&site, &["get", kinds, "-n", here], &["get", kubectl, "-n", here]).await;
    }
    let wide = |kinds| ["get", kinds, "-n", here, "-o", "wide"];
    check_like_kubectl(&site, &wide("mcpservers"), &wide("mcpservers")).await;
    check_like_kubectl(&site, &["get", "vmcp", "-A"], &["get", "vmcp", "-A"]).await;
    let names = ["get", "backends", "-n", here, "-o", "name"];
    check_like_kubectl(&site, &names, &["get", backends, "-n", here, "-o", "name"]).await;
    let inner = ["get", "mcpservers", "-n", here, "-l", "tier=inner"];
    check_like_kubectl(&site, &inner, &inner).await;
}

#[tokio::test]
async fn programs_get_what_kubectl_gives_them() {
    let site = Site::with_team().await;
    let here = site.namespace.as_str();
    for args in [
        ["get", "vmcp", "demo", "-o", "json", "-n", here].as_slice(),
        &["get", "mcpservers,vmcp", "-o", "json", "-n", here],
        &["get", "mcpserver", "-l", "tier=outer", "-o", "json", "-n", here],
    ] {
        let (out, err, code) = told(&site.command(args).output().unwrap());
        assert_eq!((err.as_str(), code), ("", 0));
        let expected: Value = serde_json::from_str(&site.kubectl(args, "").await).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), expected, "{args:?}");
    }
    let (out, _, _) = site.run_here(&["get", "vmcp", "demo", "-o", "yaml"]);
    assert!(out.starts_with("apiVersion: toolhive.stacklok.dev/v1beta1\nkind: VirtualMCPServer\n"), "{out}");
    assert!(out.contains("    name: clock\n") && !out.contains("managedFields"), "{out}");
}

#[tokio::test]
async fn a_list_of_several_pages_is_complete() {
    let site = Site::new().await;
    let kind = GroupVersionKind::gvk("toolhive.stacklok.dev", "v1beta1", "MCPGroup");
    let client = site.cluster.client().unwrap();
    let resource = ApiResource::from_gvk(&kind);
    let groups = Api::<DynamicObject>::namespaced_with(client, &site.namespace, &resource);
    let names: Vec<String> = (0..1_001).map(|number| format!("group-{number:04}")).collect();
    let created = stream::iter(&names).map(async |name| {
        groups.create(&PostParams::default(), &DynamicObject::new(name, &resource)).await.unwrap();
    });
    created.buffer_unordered(16).collect::<()>().await;
    let (out, err, code) = site.run_here(&["get", "mcpgroups"]);
    assert_eq!((err.as_str(), code), ("", 0));
    let listed: Vec<&str> = out.lines().skip(1).map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(listed, names);
}

#[tokio::test]
async fn the_namespace_is_named_or_that_of_the_context() {
    let site = Site::with_team().await;
    let contexts = site.kubeconfig_with_context().await;
    let file = contexts.to_str().unwrap();
    let names = |args: &[&str]| {
        let (out, err, code) = site.run(&[&["get", "vmcp", "-o", "name"], args].concat());
        assert_eq!(code, 0, "{err}");
        (out, err)
    };
    let demo = "virtualmcpserver.toolhive.stacklok.dev/demo\n";
    let empty = "No resources found in default namespace.\n";
    assert_eq!(names(&[]), (String::new(), empty.to_owned()));
    assert_eq!(names(&["-n", &site.namespace]), (demo.to_owned(), String::new()));
    assert_eq!(names(&["--kubeconfig", file, "--context", "here"]), (demo.to_owned(), String::new()));
    assert_eq!(names(&["--kubeconfig", file]).1, empty);
    let (_, err, code) = site.run(&["get", "vmcp", "--kubeconfig", file, "--context", "nowhere"]);
    let expected = format!(
        "error: --kubeconfig {file}: there is no context \"nowhere\"\n  help: there are: here, test\n"
    );
    assert_eq!((err.as_str(), code), (expected.as_str(), 1));
}

#[tokio::test]
async fn what_is_there_is_printed_and_what_is_missing_said() {
    let site = Site::with_team().await;
    let missing = "error: mcpserver \"moon\" not found in namespace \"NS\"\n  \
                   help: `tidegate get mcpservers -A` lists those there are\n";
    let (out, err, code) = site.run_here(&["get", "mcpservers", "clock", "moon", "-o", "name"]);
    let clock = "mcpserver.toolhive.stacklok.dev/clock\n";
    assert_eq!((out.as_str(), err.as_str(), code), (clock, missing, 1));
    let (out, err, code) = site.run_here(&["get", "backends", "far", "-o", "name"]);
    assert_eq!((out.as_str(), err.as_str(), code), ("mcpserverentry.toolhive.stacklok.dev/far\n", "", 0));
    let elsewhere = format!("{}/clock", site.namespace);
    assert_eq!(site.run(&["get", "mcpservers", &elsewhere, "-o", "name"]).0, clock);
    let (out, err, code) = site.run(&["get", "backends", "moon", "-A"]);
    let expected =
        "error: backend \"moon\" not found\n  help: `tidegate get backends -A` lists those there are\n";
    assert_eq!((out.as_str(), err.as_str(), code), ("", expected, 1));
}

#[tokio::test]
async fn who_may_not_is_told_what() {
    let site = Site::with_team().await;
    let stranger = site.cluster.as_user("stranger", "strangers").unwrap();
    let run = |args: &[&str]| {
        let (out, err, code) = told(&site.command_with(&stranger, args).output().unwrap());
        assert_eq!((out.as_str(), code), ("", 1), "{err}");
        site.anonymous(&err)
    };
    let help = "\n  help: ask who runs the cluster for a role that allows this, or use another context (--context)\n";
    let expected = |verb: &str, object: &str| {
        format!(
            "error: {object} is forbidden: User \"stranger\" cannot {verb} resource \"virtualmcpservers\" in API group \
             \"toolhive.stacklok.dev\" in the namespace \"NS\"{help}"
        )
    };
    let list = expected("list", "virtualmcpservers.toolhive.stacklok.dev");
    assert_eq!(run(&["get", "vmcp", "-n", &site.namespace]), list);
    let get = expected("get", "virtualmcpservers.toolhive.stacklok.dev \"demo\"");
    assert_eq!(run(&["describe", "vmcp", "demo", "-n", &site.namespace]), get);
    assert_eq!(run(&["get", "backends", "-n", &site.namespace]).matches("error: mcp").count(), 3);
}

#[tokio::test]
async fn tools_and_nodes_are_not_in_a_cluster() {
    let site = Site::new().await;
    for word in ["nodes", "tools"] {
        let expected = format!(
            "error: {word} are known to a control plane, not to the cluster\n  help: name the control plane with \
             --control-plane (or TIDEGATE_CONTROL_PLANE)\n"
        );
        assert_eq!(site.run(&["get", word]), (String::new(), expected.clone(), 1));
        assert_eq!(site.run(&["describe", word, "x"]), (String::new(), expected, 1));
    }
}
