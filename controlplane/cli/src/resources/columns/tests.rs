use tidegate_proto::wire::{
    BackendHealth, BackendState, BackendView, ExposedTool, NodeView, StateReply, VirtualServerView,
};

use super::*;
use crate::paint::Paint;
use crate::resources::items;

fn state_reply() -> StateReply {
    let tool = ExposedTool {
        name: "clock_now".into(),
        backend: "clock".into(),
        native_name: "now".into(),
        description: format!("The time.\nSecond line {}", "x".repeat(80)),
    };
    StateReply {
        virtual_servers: vec![
            VirtualServerView {
                namespace: "team".into(),
                name: "other".into(),
                phase: "Failed".into(),
                message: "MCPGroup \"g\" not found".into(),
                ..Default::default()
            },
            VirtualServerView {
                namespace: "default".into(),
                name: "demo".into(),
                phase: "Ready".into(),
                urls: vec!["http://a/default/demo/mcp".into(), "http://b:1/mcp".into()],
                backend_count: 1,
                workloads: vec!["clock".into()],
                group: "g".into(),
                tools: vec![tool],
                ..Default::default()
            },
        ],
        backends: vec![BackendView {
            id: "default/mcpserver/clock".into(),
            namespace: "default".into(),
            name: "clock".into(),
            kind: "MCPServer".into(),
            url: "http://127.0.0.1:9/mcp".into(),
            transport: "stdio".into(),
            group: "g".into(),
            state: Some(BackendState {
                health: BackendHealth::Unhealthy.into(),
                message: "connection refused".into(),
                protocol_version: "2025-11-25".into(),
                ..Default::default()
            }),
            published: true,
            ..Default::default()
        }],
        nodes: vec![NodeView {
            name: "laptop".into(),
            connected: true,
            version: "0123456789abcdef".into(),
            listen: "http://127.0.0.1:4483".into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn check(kind: Kind, wide: bool, namespace: bool, expected: &str) {
    let items = items(kind, &state_reply());
    let grid = listing(kind, &items, Breadth { wide, namespace });
    assert_eq!(grid.render(Paint::off(), None), expected.trim_start());
}

#[test]
fn virtual_servers_show_the_columns_of_kubectl_get_vmcp() {
    check(
        Kind::VirtualServers,
        false,
        true,
        "
NAMESPACE   NAME    PHASE    URL                         BACKENDS   TOOLS   READY
default     demo    Ready    http://a/default/demo/mcp   1/1        1       True
team        other   Failed                               0/0        0       False",
    );
}

#[test]
fn wide_virtual_servers_show_every_url_and_why() {
    check(
        Kind::VirtualServers,
        true,
        false,
        "
NAME    PHASE    URL                                        BACKENDS   TOOLS   READY   GROUP   MESSAGE
demo    Ready    http://a/default/demo/mcp,http://b:1/mcp   1/1        1       True    g
other   Failed                                              0/0        0       False           MCPGroup \"g\" not found",
    );
}

#[test]
fn backends_show_the_states_of_the_crd() {
    check(
        Kind::Backends,
        true,
        false,
        "
NAME    KIND        STATE         TRANSPORT   TOOLS   URL                      GROUP   PROTOCOL     MESSAGE
clock   MCPServer   unavailable   stdio       0       http://127.0.0.1:9/mcp   g       2025-11-25   connection refused",
    );
}

#[test]
fn tools_show_the_first_line_of_what_they_say() {
    check(
        Kind::Tools,
        false,
        false,
        "
NAME        VIRTUALSERVER   BACKEND   DESCRIPTION
clock_now   demo            clock     The time.",
    );
}

#[test]
fn nodes_have_no_namespace() {
    check(
        Kind::Nodes,
        false,
        true,
        "
NAME     STATUS      CURRENT   VERSION        LISTEN
laptop   Connected   False     0123456789ab   http://127.0.0.1:4483",
    );
}

#[test]
fn long_descriptions_are_cut_at_a_character() {
    assert_eq!(shortened(&"ä".repeat(60)), "ä".repeat(60));
    assert_eq!(shortened(&"ä".repeat(61)), format!("{}…", "ä".repeat(59)));
}
