//! `tidegate get -w` in a cluster.

use serde_json::json;

use super::Site;
use crate::processes::Running;

#[tokio::test]
async fn what_happens_is_printed_below_what_was_there() {
    let site = Site::with_team().await;
    let here = site.namespace.as_str();
    let mut watch = Running::start(site.command(&["get", "vmcp", "-n", here, "-w"]));
    watch.expect("demo   Degraded   http://vmcp-demo.x.svc:4483   1");
    let second = super::TEAM.rsplit("---\n").next().unwrap().replace("name: demo", "name: second");
    site.kubectl(&["apply", "-f", "-"], &second).await;
    watch.expect("\nsecond");
    site.patch_status("vmcp/second", &json!({"phase": "Ready", "backendCount": 2})).await;
    watch.expect("second   Ready");
    site.kubectl(&["delete", "vmcp", "demo"], "").await;
    watch.expect("virtualmcpserver demo was removed\n");
    assert_eq!(watch.output().matches("NAME").count(), 1, "{}", watch.output());
}

#[tokio::test]
async fn one_object_is_followed_by_name_and_as_documents() {
    let site = Site::with_team().await;
    let here = site.namespace.as_str();
    let mut watch = Running::start(site.command(&["get", "mcpserver/clock", "-n", here, "-w", "-o", "yaml"]));
    watch.expect("    phase: Ready\n".trim_start());
    site.kubectl(&["annotate", "mcpserverentry", "far", "not=seen"], "").await;
    site.kubectl(&["annotate", "mcpserver", "clock", "seen=yes"], "").await;
    watch.expect("seen: \"yes\"");
    assert_eq!(watch.output().matches("\n  name: clock\n").count(), 2, "{}", watch.output());
}

#[tokio::test]
async fn several_kinds_are_not_followed_at_once() {
    let site = Site::new().await;
    let expected = "error: -w follows one kind of a cluster at a time\n  \
                    help: choose one of mcpservers, mcpremoteproxies, mcpserverentries\n";
    assert_eq!(site.run(&["get", "backends", "-w"]), (String::new(), expected.to_owned(), 1));
}
