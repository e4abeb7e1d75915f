//! System calls and instructions per request: the difference of two runs of different length, so that the start cancels out.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use nix::sys::signal::Signal;
use serde::Serialize;

use crate::load::{self, Extent};
use crate::plan::Plan;
use crate::process::signal;
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::target::{Name, Target};

const SHORT: u64 = 2_000;
const LONG: u64 = 12_000;
/// Under valgrind everything is some fifty times slower.
const SHORT_CALLGRIND: u64 = 200;
const LONG_CALLGRIND: u64 = 1_200;

/// Per request; none: not asked for, or not possible.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) system_calls: Option<f64>,
    pub(crate) user_instructions: Option<f64>,
}

/// What the plan asks for.
pub(crate) fn of(
    plan: &Plan,
    stage: &Stage<'_>,
    scenario: &Scenario,
    target: &Target,
) -> anyhow::Result<Counts> {
    let pids = target.pids();
    let native = !matches!(target.known, None | Some(Name::Direct | Name::Fastmcp));
    let mut counts = Counts::default();
    if plan.syscalls && scenario.counted && native && !pids.is_empty() {
        counts.system_calls = Some(system_calls(plan, stage, scenario, target, &pids)?);
    }
    if let Some(name) = target.known.filter(|_| plan.instructions && scenario.counted && native) {
        counts.user_instructions = Some(instructions(plan, stage, scenario, name)?);
    }
    Ok(counts)
}

fn system_calls(
    plan: &Plan,
    stage: &Stage<'_>,
    scenario: &Scenario,
    target: &Target,
    pids: &[u32],
) -> anyhow::Result<f64> {
    let mut counted = Vec::new();
    for requests in [SHORT, LONG] {
        let out = stage.folder.path().join("strace");
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-o"]).arg(&out);
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        let mut tracer = command.stderr(Stdio::piped()).spawn().context("strace")?;
        // it says so when it is attached, once for each
        let mut said = BufReader::new(tracer.stderr.take().context("no output")?).lines();
        for _ in pids {
            said.next().context("strace ended")??;
        }
        let aim = target.aim(scenario, &stage.certificate);
        load::run(load::command(&plan.binaries, scenario, &aim), Extent::Requests(requests), &[])?;
        signal(tracer.id(), Signal::SIGINT);
        tracer.wait()?;
        counted.push(total_calls(&fs::read_to_string(&out)?) as f64);
    }
    Ok((counted[1] - counted[0]) / (LONG - SHORT) as f64)
}

/// The sum of the column `calls`, which stands before an optional column of errors; without the clock thread's.
fn total_calls(summary: &str) -> u64 {
    let calls = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let share = fields.first()?.parse::<f64>();
        let name = *fields.last()?;
        (share.is_ok() && fields.len() >= 5 && !["total", "clock_nanosleep"].contains(&name))
            .then(|| fields[3].parse::<u64>().ok())?
    };
    summary.lines().filter_map(calls).sum()
}

/// In user space: callgrind sees no kernel. The target is started anew, under it.
fn instructions(plan: &Plan, stage: &Stage<'_>, scenario: &Scenario, name: Name) -> anyhow::Result<f64> {
    let mut counted = Vec::new();
    for requests in [SHORT_CALLGRIND, LONG_CALLGRIND] {
        let folder = tempfile::tempdir_in(stage.folder.path())?;
        let out = format!("--callgrind-out-file={}/out.%p", folder.path().display());
        let before = ["valgrind", "--tool=callgrind", "--trace-children=yes", &out].map(OsString::from);
        let mut target = stage.start(name, &before)?;
        stage.ready(&mut target, scenario)?;
        let aim = target.aim(scenario, &stage.certificate);
        load::run(load::command(&plan.binaries, scenario, &aim), Extent::Requests(requests), &[])?;
        drop(target);
        counted.push(collected(folder.path())? as f64);
    }
    Ok((counted[1] - counted[0]) / (LONG_CALLGRIND - SHORT_CALLGRIND) as f64)
}

/// What the profiles of all processes say.
fn collected(folder: &Path) -> anyhow::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let text = fs::read_to_string(entry?.path())?;
        total += profiled(&text).unwrap_or(0);
    }
    Ok(total)
}

fn profiled(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix("totals:").or_else(|| l.strip_prefix("summary:")))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_with_and_without_a_column_of_errors() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall\n\
                       ------ ----------- ----------- --------- --------- ----------------\n \
                       62.00    0.100000           5      2000           sendto\n \
                       30.00    0.050000           5      1000        20 recvfrom\n  \
                       8.00    0.010000           5       100           clock_nanosleep\n\
                       ------ ----------- ----------- --------- --------- ----------------\n\
                       100.00    0.160000           5      3100        20 total\n";
        assert_eq!(total_calls(summary), 3000);
    }

    #[test]
    fn a_profile_tells_its_total() {
        assert_eq!(profiled("events: Ir\nfn=(1)\n5 6\ntotals: 1234\n"), Some(1234));
        assert_eq!(profiled("summary: 77 8\n"), Some(77));
        assert_eq!(profiled(""), None);
    }
}
