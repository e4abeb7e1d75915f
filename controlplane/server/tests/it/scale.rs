//! A thousand virtual servers over two thousand backends. Prints times and memory; asserts what is served.

use std::fs;
use std::time::Instant;

use crate::support::{FakeNode, Plane, PlaneBuilder, group, server, virtual_server};

const VIRTUAL_SERVERS: u16 = 1_000;

/// One file per virtual server, with its group and two backends.
fn text(number: u16, port: u16) -> String {
    let name = format!("g{number}");
    let documents = [
        group(&name),
        server(&format!("a{number}"), &name, port),
        server(&format!("b{number}"), &name, 20_000 + number),
        virtual_server(&format!("v{number}"), &name),
    ];
    documents.join("---\n")
}

fn memory(plane: &Plane) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", plane.pid())).unwrap_or_default();
    let line = |name: &str| status.lines().find(|l| l.starts_with(name)).unwrap_or_default().to_owned();
    format!("{} {}", line("VmHWM"), line("VmRSS")).replace('\t', " ")
}

#[tokio::test]
async fn a_thousand_virtual_servers_over_two_thousand_backends() {
    let mut builder = PlaneBuilder::new();
    for number in 0..VIRTUAL_SERVERS {
        builder = builder.manifest(&format!("{}/{number}.yaml", number % 20), &text(number, 10_000 + number));
    }
    let started = Instant::now();
    let plane = builder.start();
    let mut node = FakeNode::join(&plane).await;
    let all = usize::from(VIRTUAL_SERVERS) * 3;
    let held = node.until("everything has come", |held| held.table.entries.len() == all).await;
    println!("start to everything at a node: {:?}, {}", started.elapsed(), memory(&plane));
    assert_eq!(held.changes, 1);

    let mut times = Vec::new();
    for edit in 0..50_u16 {
        let before = node.held().changes;
        let started = Instant::now();
        plane.edit("7/7.yaml", &text(7, 30_000 + edit));
        node.until("the edit has come", |held| held.changes > before).await;
        times.push(started.elapsed());
    }
    times.sort();
    println!("edit to node, with 20 ms of debounce: median {:?}, worst {:?}", times[25], times[49]);
    println!("after the edits: {}", memory(&plane));
    let log = plane.log();
    println!("{}", log.lines().rfind(|line| line.contains("table published")).unwrap_or_default());
}
