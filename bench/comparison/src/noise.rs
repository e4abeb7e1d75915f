//! Whether the machine was quiet enough to trust what was measured.

use std::fs;

use serde::Serialize;

/// More of each than this is said to be too much: runnable processes per core at the start,
const LOAD: f64 = 0.5;
/// share of the time that the hypervisor took,
const STEAL: f64 = 0.01;
/// share of the time that other processes took,
const OTHERS: f64 = 0.05;
/// and the distance of the fastest and the slowest round of a scenario without any proxy.
const WIDTH: f64 = 0.25;

/// The clocks of the machine at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Clocks {
    total: u64,
    busy: u64,
    steal: u64,
    /// Of this process and of its children that ended.
    own: u64,
}

/// What was noticed.
#[derive(Debug, Serialize)]
pub(crate) struct Noise {
    pub(crate) load_per_core: f64,
    pub(crate) steal: f64,
    pub(crate) others: f64,
    /// Distance of fastest and slowest round without a proxy, of the worst scenario.
    pub(crate) direct_width: Option<f64>,
    /// Why the figures are to be doubted; empty: they are not.
    pub(crate) doubts: Vec<String>,
}

impl Clocks {
    pub(crate) fn now() -> Self {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let (total, busy, steal) = machine(&read("/proc/stat")).unwrap_or_default();
        Self { total, busy, steal, own: own(&read("/proc/self/stat")).unwrap_or_default() }
    }
}

/// Runnable processes in the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

impl Noise {
    /// Between two times; the load average is the one of the first.
    pub(crate) fn judge(
        from: Clocks,
        to: Clocks,
        load: f64,
        cores: usize,
        direct: Option<(String, f64)>,
    ) -> Self {
        let total = to.total.saturating_sub(from.total).max(1) as f64;
        let busy = to.busy.saturating_sub(from.busy);
        let foreign = busy.saturating_sub(to.own.saturating_sub(from.own)) as f64;
        let steal = to.steal.saturating_sub(from.steal) as f64 / total;
        let (load, others) = (load / cores as f64, foreign / total);
        let mut doubts = Vec::new();
        let mut doubt = |too_much: bool, text: String| {
            if too_much {
                doubts.push(text)
            }
        };
        doubt(load > LOAD, format!("{load:.1} runnable processes per core when it began"));
        doubt(steal > STEAL, format!("the hypervisor took {:.1} % of the time", steal * 100.0));
        doubt(others > OTHERS, format!("other processes took {:.0} % of the time", others * 100.0));
        if let Some((scenario, width)) = &direct {
            let text = format!("without any proxy the rounds of {scenario} differ by {:.0} %", width * 100.0);
            doubt(*width > WIDTH, text);
        }
        Self { load_per_core: load, steal, others, direct_width: direct.map(|(_, width)| width), doubts }
    }
}

/// Total, busy and stolen ticks of all cores.
fn machine(stat: &str) -> Option<(u64, u64, u64)> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = fields.split_ascii_whitespace().map_while(|f| f.parse().ok()).take(8).collect();
    let [user, nice, system, idle, wait, irq, soft, steal] = ticks.try_into().ok()?;
    let busy = user + nice + system + irq + soft;
    Some((busy + idle + wait + steal, busy, steal))
}

/// Ticks of a process and of its children that ended.
fn own(stat: &str) -> Option<u64> {
    let fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    fields.skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_where_proc_has_them() {
        assert_eq!(machine("cpu  10 1 5 80 3 1 2 4 0 0\ncpu0 1"), Some((106, 19, 4)));
        assert_eq!(machine("intr 5"), None);
        assert_eq!(own("7 (a b) S 1 2 3 4 5 6 7 8 9 10 1 2 30 40 20 0"), Some(73));
    }

    #[track_caller]
    fn check(to: Clocks, load: f64, direct: f64, doubts: &[&str]) {
        let from = Clocks { total: 0, busy: 0, steal: 0, own: 0 };
        let noise = Noise::judge(from, to, load, 2, Some(("a".into(), direct)));
        assert_eq!(noise.doubts.len(), doubts.len(), "{noise:?}");
        assert!(noise.doubts.iter().zip(doubts).all(|(said, part)| said.contains(part)), "{noise:?}");
    }

    #[test]
    fn a_busy_machine_is_doubted_for_each_reason() {
        let quiet = Clocks { total: 1000, busy: 600, steal: 0, own: 590 };
        check(quiet, 0.3, 0.1, &[]);
        check(quiet, 2.0, 0.1, &["1.0 runnable"]);
        check(Clocks { steal: 20, ..quiet }, 0.3, 0.1, &["hypervisor took 2.0 %"]);
        check(
            Clocks { own: 400, ..quiet },
            0.3,
            0.5,
            &["other processes took 20 %", "rounds of a differ by 50 %"],
        );
    }
}
