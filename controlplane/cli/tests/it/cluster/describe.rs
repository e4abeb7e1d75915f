//! `tidegate describe` in a cluster.

use super::Site;

/// A length of time before `ago`, of which tests cannot know how long it is.
fn without_ages(text: &str) -> String {
    let words = |line: &str| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        for index in 1..words.len() {
            if words[index].starts_with("ago") {
                words[index - 1] = "AGE";
            }
        }
        words.join(" ")
    };
    text.lines().map(|line| words(line) + "\n").collect()
}

/// About the object, at a second of a day.
async fn event(site: &Site, kind: &str, object: &str, second: u8, note: &str) {
    let uid = site.kubectl(&["get", kind, object, "-o", "jsonpath={.metadata.uid}"], "").await;
    let event = serde_json::json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"generateName": "test-"},
        "type": "Warning", "reason": "BadDuration", "action": "Compile", "note": note,
        "eventTime": format!("2026-05-28T20:26:{second:02}.000000Z"),
        "reportingController": "tidegate-controlplane", "reportingInstance": "test",
        "regarding": {"apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": kind, "name": object,
            "namespace": site.namespace, "uid": uid},
    });
    site.kubectl(&["create", "-f", "-"], &event.to_string()).await;
}

#[tokio::test]
async fn a_virtual_server_is_described_with_its_backends_and_events() {
    let site = Site::with_team().await;
    event(&site, "VirtualMCPServer", "demo", 41, "the second").await;
    event(&site, "VirtualMCPServer", "demo", 40, "the first").await;
    event(&site, "MCPServer", "clock", 42, "of another").await;
    let (out, err, code) = site.run_here(&["describe", "vmcp", "demo"]);
    assert_eq!((err.as_str(), code), ("", 0));
    let expected = "\
Name: demo
Namespace: NS
Group: tools
Phase: Degraded
Message: 1 of 2 backends answers
Service: http://vmcp-demo.x.svc:4483
Ready: 1 of 2 backends
Created: AGE ago
Observed: yes, generation 1
Labels: app=demo
Annotations: tidegate.dev/listen=127.0.0.1:7000
Backends (2):
NAME STATUS BREAKER FAILURES CHECKED URL MESSAGE
clock ready - 0 AGE ago http://mcp-clock-proxy.x.svc:8080 Healthy
far unavailable open 4 never https://far.example.com/mcp connection failed
Conditions (1):
TYPE STATUS REASON SINCE MESSAGE
Ready True SomeBackendsRoutable 2026-05-28T20:26:40Z 1 of 2
Events (2):
TYPE REASON AGE FROM MESSAGE
Warning BadDuration AGE ago tidegate-controlplane the first
Warning BadDuration AGE ago tidegate-controlplane the second
";
    assert_eq!(without_ages(&out), expected);
}

#[tokio::test]
async fn a_backend_is_described_with_how_virtual_servers_see_it() {
    let site = Site::with_team().await;
    let (out, err, code) = site.run_here(&["describe", "backend", "far"]);
    assert_eq!((err.as_str(), code), ("", 0));
    let expected = "\
Name: far
Namespace: NS
Kind: MCPServerEntry
Group: tools
Transport: streamable-http
Remote URL: https://far.example.com/mcp
Phase: Valid
Created: AGE ago
Observed: no: no control plane has written the status yet
Labels: tier=outer
Virtual servers (1):
NAME STATUS BREAKER FAILURES CHECKED URL MESSAGE
demo unavailable open 4 never https://far.example.com/mcp connection failed
Conditions (0):
Events (0):
";
    assert_eq!(without_ages(&out), expected);
}

#[tokio::test]
async fn a_group_is_described_with_its_members_and_several_objects_in_a_row() {
    let site = Site::with_team().await;
    let (out, err, code) = site.run_here(&["describe", "mcpg/tools"]);
    assert_eq!((err.as_str(), code), ("", 0));
    let expected = "\
Name: tools
Namespace: NS
Kind: MCPGroup
Description: Servers of the team
Phase: Ready
Servers: clock
Created: AGE ago
Observed: yes, generation 1
Conditions (0):
Events (0):
";
    assert_eq!(without_ages(&out), expected);
    let (out, err, code) = site.run_here(&["describe", "be", "clock", "far", "moon"]);
    assert_eq!((out.matches("Virtual servers (1):").count(), code), (2, 1), "{out}");
    assert!(err.starts_with("error: backend \"moon\" not found in namespace \"NS\"\n"), "{err}");
}

#[tokio::test]
async fn what_may_not_be_read_is_said_in_its_place() {
    let site = Site::with_team().await;
    let role = ["create", "role", "backends", "--verb=get", "--resource=mcpservers.toolhive.stacklok.dev"];
    site.kubectl(&role, "").await;
    site.kubectl(&["create", "rolebinding", "backends", "--role=backends", "--user=reader"], "").await;
    let reader = site.cluster.as_user("reader", "readers").unwrap();
    let args = ["describe", "mcpserver", "clock", "-n", &site.namespace];
    let (out, err, code) = crate::processes::told(&site.command_with(&reader, &args).output().unwrap());
    assert_eq!((err.as_str(), code), ("", 0));
    for section in ["Virtual servers", "Events"] {
        let start = format!("{section}:  ");
        let line =
            out.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{section}: {out}"));
        assert!(line.contains("User \"reader\" cannot list resource"), "{line}");
    }
}
