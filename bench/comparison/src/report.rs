//! The report: Markdown for people, JSON for programs, plots beside them.

mod tables;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::plots;
use crate::results::Results;

const NOTES: &str = "\
## How to read this

- Each figure is the median of the rounds, with the least and the greatest in brackets. Targets are loaded in turn within a
  round, and ratios are taken within a round. Compare ratios of one run, never absolute times of two machines.
- CPU is user and system time of all processes of a target, per request; of a scenario `session`, per whole session
  (initialize, initialized, a list, a call, DELETE). For tidegate that is the data plane and the control plane. `direct` is the backend
  without anything before it.
- nginx, haproxy and pingora are blind: they pass bytes on to one backend and know nothing of MCP. Where a scenario has several
  backends, they have one with all the tools, so that the same bytes flow (tidegate puts the name of a backend before each tool's).
- nginx buffers requests and answers, in memory: by default a body of 16 KiB goes through a file, and to the backend in two
  segments, of which the second waits 40 ms. So it holds events of a stream back; for idle streams buffering is off.
- System calls and instructions are the difference of two runs of different length, of the same requests; system calls of all
  processes of a target, instructions in user space of what serves the requests. `callgrind/` has the profiles of the longer
  runs, for `callgrind_annotate`. A part is a crate (of tidegate's own, with the module), or the
  object file of what is not Rust; what was inlined counts where it went.
- Clients, targets and backends share the cores of one machine, so throughput at saturation is a share of it, and latency has
  waiting for a core in it. tidegate, nginx, haproxy and pingora have one thread each.
";

/// Writes everything into a folder and gives the folder.
pub(crate) fn write(results: &Results, folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let drawn = plots::draw(results, folder)?;
    profiles(results, folder)?;
    std::fs::write(folder.join("results.json"), serde_json::to_string_pretty(results)?)?;
    std::fs::write(folder.join("report.md"), markdown(results, &drawn))?;
    Ok(folder.to_path_buf())
}

/// What callgrind wrote, for `callgrind_annotate`.
fn profiles(results: &Results, folder: &Path) -> anyhow::Result<()> {
    let folder = folder.join("callgrind");
    for outcome in &results.outcomes {
        for target in &outcome.targets {
            let Some(counted) = &target.counts.user_instructions else { continue };
            std::fs::create_dir_all(&folder)?;
            let file = format!("{}.{}.out", outcome.scenario.name, target.name);
            std::fs::write(folder.join(file), &counted.profile)?;
        }
    }
    Ok(())
}

/// The ratios alone, for a terminal.
pub(crate) fn summary(results: &Results) -> String {
    let mut text = String::from("CPU per request in relation to nginx:\n\n");
    text.push_str(&tables::cpu_ratios(results));
    text.push('\n');
    text.push_str(&verdict(results));
    text.push_str(&tables::failures(results));
    text
}

fn markdown(results: &Results, drawn: &[String]) -> String {
    let mut text = format!(
        "# Tidegate beside other proxies\n\n{}, {} rounds of {} ms for each target, {:.0} s in all.\n\n",
        results.started, results.rounds, results.measured_ms, results.seconds
    );
    text.push_str(&verdict(results));
    text.push_str("\n## The machine and the targets\n\n");
    for line in results.machine.lines() {
        // writing to a string does not fail
        let _ = writeln!(text, "- {line}");
    }
    for (name, version) in &results.versions {
        let _ = writeln!(text, "- {name}: {version}");
    }
    for (name, why) in &results.missing {
        let _ = writeln!(text, "- {name} took no part: {why}");
    }
    for (title, table) in tables::all(results) {
        if !table.is_empty() {
            let _ = write!(text, "\n## {title}\n\n{table}");
        }
    }
    for file in drawn {
        let _ = write!(text, "\n![{file}]({file})\n");
    }
    let _ = write!(text, "\n{NOTES}");
    text.push_str(&tables::absent(results));
    text
}

/// Whether the machine was quiet, in words.
fn verdict(results: &Results) -> String {
    let noise = &results.noise;
    if noise.doubts.is_empty() {
        return "The machine was quiet.\n".into();
    }
    format!("**The machine was too noisy to trust these figures:** {}.\n", noise.doubts.join("; "))
}
