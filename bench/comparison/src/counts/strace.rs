//! System calls, by strace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::Context;
use nix::sys::signal::Signal;

use crate::counts::load;
use crate::plan::Plan;
use crate::process::signal;
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::target::Target;

const SHORT: u64 = 1_000;
const LONG: u64 = 6_000;

/// Of all processes of a target that runs.
pub(super) fn system_calls(
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
        load(plan, stage, scenario, target, requests)?;
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
}
