//! The binary with rounds as short as can be. What it measures is not looked at, only what it writes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn compare(out: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-compare"));
    command.arg("--out").arg(out).args(["--targets", "direct,tidegate"]).args(args).output().unwrap()
}

/// The values of a JSON array, by a field that names them.
fn by<'a>(array: &'a Value, field: &str, name: &str) -> &'a Value {
    let found = array.as_array().unwrap().iter().find(|value| value[field] == name);
    found.unwrap_or_else(|| panic!("no {name} in {array}"))
}

#[test]
fn a_short_run_writes_a_report_its_figures_and_its_plots() {
    let folder = tempfile::tempdir().unwrap();
    let output = compare(folder.path(), &["--quick", "--rounds", "2", "--millis", "200"]);
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let results: Value = serde_json::from_str(&read("results.json")).unwrap();
    let report = read("report.md");
    for name in ["call-64-bytes", "call-16-kib", "sse-10-events", "list-20-tools-1-backends", "session"] {
        assert!(report.contains(&format!("| {name} |")), "{report}");
        let outcome = results["outcomes"].as_array().unwrap().iter().find(|o| o["scenario"]["name"] == name);
        let targets = &outcome.unwrap()["targets"];
        for target in ["direct", "tidegate"] {
            let rounds = by(targets, "name", target)["rounds"].as_array().unwrap();
            assert_eq!(rounds.len(), 2);
            for round in rounds {
                assert!(round["load"]["requests"].as_u64() > Some(0), "{round}");
                assert_eq!(round["cpu_us"].is_null(), target == "direct", "{round}");
            }
        }
    }
    assert!(!report.contains("## Failures"), "{report}");
    // a plot without a single target to compare with is not drawn
    assert!(!folder.path().join("cpu.svg").exists());
    for plot in ["throughput.svg", "latency-call-64-bytes.svg"] {
        assert!(read(plot).starts_with("<svg"), "{plot}");
        assert!(report.contains(plot));
    }
}

#[test]
fn idle_streams_slow_backends_and_edits_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let only = ["--only", "idle-", "--only", "slow", "--only", "edits"];
    let output =
        compare(folder.path(), &[&only[..], &["--rounds", "1", "--millis", "200", "--idle", "50"]].concat());
    assert!(output.status.success(), "{output:?}");
    let results = fs::read_to_string(folder.path().join("results.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    let tidegate = |name: &str| {
        let outcomes = results["outcomes"].as_array().unwrap();
        let outcome = outcomes.iter().find(|o| o["scenario"]["name"] == name).unwrap();
        by(&outcome["targets"], "name", "tidegate").clone()
    };
    for (name, streams) in [("idle-sessions", 0), ("idle-streams", 50)] {
        let idle = &tidegate(name)["idle"][0];
        assert!(idle["closed_kib"].as_u64() > Some(0), "{idle}");
        assert_eq!((&idle["sessions"], &idle["streams"]), (&50.into(), &streams.into()), "{idle}");
    }
    assert!(tidegate("edits-50-a-second")["rounds"][0]["edits"].as_u64() > Some(0));
    assert!(tidegate("slow-backend-among-20")["rounds"][0]["load"]["requests"].as_u64() > Some(0));
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    for bad in [&["--only", "nothing of this name"][..], &["--rounds", "0"], &["--target", "nginx=http://a/"]]
    {
        let output = compare(folder.path(), bad);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
}
