use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_proto::table::{
    Aggregation, BackendId, ConflictResolution, HealthPolicy, IncomingAuth, Member, PartialFailure, Timeouts,
    ToolAnnotations, ToolOverride, VirtualServer, VirtualServerId, Visibility, WorkloadTools,
};

use super::*;

mod contributions;
mod properties;
mod rules;

/// A virtual server over these workloads; tools of each keep the prefix `{workload}_`.
fn vs(workloads: &[&str]) -> VirtualServer {
    let member = |w: &&str| Member {
        backend: BackendId::resource("default", "MCPServer", w),
        workload: (*w).to_owned(),
        call_timeout: Duration::from_secs(30),
    };
    VirtualServer {
        id: VirtualServerId::new("default", "team"),
        server_name: "team".to_owned(),
        group: "group".to_owned(),
        listen: Vec::new(),
        members: workloads.iter().map(member).collect(),
        aggregation: Aggregation {
            conflict_resolution: prefix("{workload}_"),
            tools: Vec::new(),
            exclude_all_tools: false,
            default_visibility: Visibility::Allow,
        },
        health: HealthPolicy {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            unhealthy_threshold: 3,
            probe_remote: false,
        },
        breaker: None,
        partial_failure: PartialFailure::BestEffort,
        incoming_auth: IncomingAuth::Anonymous,
        passthrough_headers: Vec::new(),
        status_interval: Duration::from_secs(30),
        timeouts: Timeouts::default(),
        retry_idempotent: false,
        request_log: false,
    }
}

fn prefix(format: &str) -> ConflictResolution {
    ConflictResolution::Prefix { format: format.to_owned() }
}

fn priority(order: &[&str]) -> ConflictResolution {
    ConflictResolution::Priority { order: order.iter().map(|w| (*w).to_owned()).collect() }
}

fn settings(workload: &str) -> WorkloadTools {
    WorkloadTools {
        workload: workload.to_owned(),
        filter: Vec::new(),
        overrides: BTreeMap::new(),
        exclude_all: false,
    }
}

fn page(tools: &[&str]) -> Vec<u8> {
    format!(r#"{{"tools":[{}]}}"#, tools.join(",")).into_bytes()
}

/// One page with these tools, as JSON.
fn contribution(tools: &[&str]) -> Contribution {
    Contribution::parse(&[page(tools)]).expect("a page of tools")
}

/// Tools that have a name and nothing else.
fn named(names: &[&str]) -> Option<Arc<Contribution>> {
    let tools: Vec<_> = names.iter().map(|name| json!({ "name": name }).to_string()).collect();
    Some(Arc::new(contribution(&tools.iter().map(String::as_str).collect::<Vec<_>>())))
}

/// `exposed=workload:native` of every tool, in order.
fn shown(vs: &VirtualServer, catalog: &Catalog) -> Vec<String> {
    let route = |t: &ExposedTool| {
        format!("{}={}:{}", t.exposed, vs.members[usize::from(t.member)].workload, t.native)
    };
    catalog.tools().map(route).collect()
}

fn list(catalog: &Catalog) -> Vec<Value> {
    let result: Value = serde_json::from_slice(catalog.list().bytes()).expect("the list is JSON");
    result["tools"].as_array().expect("tools").clone()
}
