//! The tables, each with a row for each scenario and a column for each target.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::counts::Instructions;
use crate::idle::Idle;
use crate::results::{OfTarget, Outcome, Results, Sample};
use crate::stats::Spread;

/// In relation to which the ratios are.
const REFERENCE: &str = "nginx";
/// The share of a request that makes a part of the program worth a row.
const PART: f64 = 0.01;

/// All of them with their titles; empty where nothing was measured.
pub(super) fn all(results: &Results) -> Vec<(String, String)> {
    let latency =
        |of: fn(&Sample) -> f64| move |o: &Outcome, t: &OfTarget| o.added(&t.name, of).map(microseconds);
    let table = |title: &str, cell: &dyn Fn(&Outcome, &OfTarget) -> Option<String>| {
        (title.to_owned(), table(results, cell))
    };
    vec![
        ("Failures".into(), failures(results)),
        (format!("CPU per request in relation to {REFERENCE}"), cpu_ratios(results)),
        table("CPU per request, microseconds", &|_, t| t.spread(|s| s.cpu_us).map(microseconds)),
        table("Of it in the kernel, microseconds", &|_, t| t.spread(|s| s.kernel_us).map(microseconds)),
        table("Requests per second in a closed loop", &|_, t| {
            t.spread(|s| Some(s.load.per_second)).map(whole)
        }),
        table("p50 added over direct, microseconds", &latency(|s| s.load.latency_us.p50)),
        table("p99 added over direct, microseconds", &latency(|s| s.load.latency_us.p99)),
        table("p99.9 added over direct, microseconds", &latency(|s| s.load.latency_us.p999)),
        table("p50, microseconds", &|_, t| t.spread(|s| Some(s.load.latency_us.p50)).map(microseconds)),
        table("p99, microseconds", &|_, t| t.spread(|s| Some(s.load.latency_us.p99)).map(microseconds)),
        table("System calls per request", &|_, t| t.counts.system_calls.map(|n| format!("{n:.2}"))),
        table("User-space instructions per request", &|_, t| {
            t.counts.user_instructions.as_ref().map(|n| format!("{:.0}", n.each))
        }),
        ("User-space instructions per request of tidegate, by part".into(), parts(results)),
        table("Resident memory after each scenario, MiB", &|_, t| {
            t.spread(|s| s.rss_kib.map(|kib| kib as f64 / 1024.0)).map(|s| format!("{:.1}", s.median))
        }),
        table("Idle: KiB for each session (how many sessions and streams; MiB before)", &|_, t| idle(t)),
        table("Idle: memory after all were closed, in relation to before", &|_, t| {
            Spread::of(t.idle.iter().map(Idle::kept)).map(ratio)
        }),
        ("Against the number of virtual servers, ten backends each".into(), virtual_servers(results)),
        table("Bytes of an answer's body", &|_, t| {
            t.spread(|s| Some(s.load.bytes_per_request)).map(|s| format!("{:.0}", s.median))
        }),
        table("Changes of the manifests in a round", &|_, t| {
            t.spread(|s| s.edits.map(|n| n as f64)).map(|s| format!("{:.0}", s.median))
        }),
    ]
}

/// The first thing that anybody wants to know.
pub(super) fn cpu_ratios(results: &Results) -> String {
    table(results, &|o, t| o.ratio(&t.name, REFERENCE, |s| s.cpu_us).map(ratio))
}

/// A line for each target that failed in a scenario.
pub(super) fn failures(results: &Results) -> String {
    let mut text = String::new();
    for outcome in &results.outcomes {
        for (name, why) in &outcome.broken {
            // writing to a string does not fail
            let _ = writeln!(text, "- {name} could not do {}: {why}", outcome.scenario.name);
        }
        for target in outcome.targets.iter().filter(|target| target.silent()) {
            let _ =
                writeln!(text, "- {} answered nothing in a round of {}", target.name, outcome.scenario.name);
        }
        for target in outcome.targets.iter().filter(|target| target.failures() > 0) {
            let (scenario, name, n) = (&outcome.scenario.name, &target.name, target.failures());
            let example = target.example().unwrap_or("a session or stream that was not there to the end");
            let _ = writeln!(text, "- {name} failed {n} times in {scenario}, e.g. {example}");
        }
    }
    text
}

/// Who took no part in what.
pub(super) fn absent(results: &Results) -> String {
    let mut text = String::new();
    for outcome in &results.outcomes {
        for (name, why) in &outcome.left_out {
            let _ = writeln!(text, "- {name} takes no part in {}: it {why}.", outcome.scenario.name);
        }
    }
    text
}

/// Where the gateway's instructions go: a row for each part that is worth one in some scenario.
fn parts(results: &Results) -> String {
    let counted = |outcome: &'_ Outcome| -> Option<_> {
        let counts = &outcome.target("tidegate")?.counts;
        Some((outcome.scenario.name.clone(), counts.user_instructions.clone()?))
    };
    let columns: Vec<_> = results.outcomes.iter().filter_map(counted).collect();
    let mut rows: BTreeMap<&str, f64> = BTreeMap::new();
    for (_, counted) in &columns {
        for (part, each) in counted.parts.iter().filter(|(_, each)| **each >= PART * counted.each) {
            *rows.entry(part).or_default() += each;
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut text = head("part", &names);
    let line = |name: &str, of: &dyn Fn(&Instructions) -> f64| {
        let cells: Vec<_> = columns.iter().map(|(_, counted)| format!("{:.0}", of(counted))).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let of = |counted: &Instructions, part: &str| counted.parts.get(part).copied().unwrap_or(0.0);
    for (part, _) in &rows {
        text.push_str(&line(part, &|counted| of(counted, part)));
    }
    let told = |counted: &Instructions| rows.iter().map(|(part, _)| of(counted, part)).sum::<f64>();
    text.push_str(&line("the rest", &|counted| counted.each - told(counted)));
    text.push_str(&line("together", &|counted| counted.each));
    if columns.is_empty() { String::new() } else { text }
}

fn head(first: &str, columns: &[&str]) -> String {
    format!("| {first} | {} |\n|---{}|\n", columns.join(" | "), "|---:".repeat(columns.len()))
}

/// Only rows and columns that have a cell; empty when none has.
fn table(results: &Results, cell: &dyn Fn(&Outcome, &OfTarget) -> Option<String>) -> String {
    let mut columns: Vec<&str> = Vec::new();
    let mut filled = BTreeSet::new();
    for target in results.outcomes.iter().flat_map(|o| &o.targets) {
        if !columns.contains(&target.name.as_str()) {
            columns.push(&target.name);
        }
    }
    let mut rows = Vec::new();
    for outcome in &results.outcomes {
        let cells: Vec<_> = columns.iter().map(|name| cell(outcome, outcome.target(name)?)).collect();
        for (at, _) in cells.iter().enumerate().filter(|(_, cell)| cell.is_some()) {
            filled.insert(at);
        }
        if cells.iter().any(Option::is_some) {
            rows.push((outcome.scenario.name.as_str(), cells));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let named: Vec<_> = filled.iter().map(|at| columns[*at]).collect();
    let mut text = head("scenario", &named);
    for (name, cells) in rows {
        let shown: Vec<_> = filled.iter().map(|at| cells[*at].as_deref().unwrap_or("")).collect();
        let _ = writeln!(text, "| {name} | {} |", shown.join(" | "));
    }
    text
}

/// What a call costs the gateway and what it takes of memory, in relation to the first of these scenarios.
fn virtual_servers(results: &Results) -> String {
    let scaled: Vec<_> =
        results.outcomes.iter().filter(|o| o.scenario.virtual_servers_called.is_some()).collect();
    let Some(first) = scaled.first() else { return String::new() };
    let mut text =
        head("scenario", &["CPU per call, of the first", "nginx meanwhile", "MiB data plane", "MiB both"]);
    for outcome in &scaled {
        let Some(gateway) = outcome.target("tidegate") else { continue };
        let cpu = |name| outcome.against(first, name, |s| s.cpu_us).map(ratio).unwrap_or_default();
        let mib = |of: fn(&Sample) -> Option<u64>| {
            let spread = gateway.spread(|s| of(s).map(|kib| kib as f64 / 1024.0));
            spread.map(|s| format!("{:.1}", s.median)).unwrap_or_default()
        };
        let (serving, all) = (mib(|s| s.serving_kib), mib(|s| s.rss_kib));
        let cells = [&outcome.scenario.name, &cpu("tidegate"), &cpu("nginx"), &serving, &all];
        // writing to a string does not fail
        let _ = writeln!(text, "| {} |", cells.map(String::as_str).join(" | "));
    }
    text
}

fn idle(target: &OfTarget) -> Option<String> {
    let last = target.idle.last()?;
    let each = ratio(Spread::of(target.idle.iter().map(Idle::kib_each))?);
    let before = last.before_kib as f64 / 1024.0;
    Some(format!("{each} ({}, {}; {before:.1})", last.sessions, last.streams))
}

fn ratio(spread: Spread) -> String {
    format!("{:.2} ({:.2}..{:.2})", spread.median, spread.min, spread.max)
}

fn microseconds(spread: Spread) -> String {
    let digits = usize::from(spread.median.abs() < 100.0);
    format!("{:.digits$} ({:.digits$}..{:.digits$})", spread.median, spread.min, spread.max)
}

fn whole(spread: Spread) -> String {
    format!("{:.0} ({:.0}..{:.0})", spread.median, spread.min, spread.max)
}
