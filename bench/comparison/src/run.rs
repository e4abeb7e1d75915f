//! The run: stage by stage, scenario by scenario, round by round, target by target.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::resource::{Resource, setrlimit};

use crate::counts::{self, Counts};
use crate::load::{self, Extent};
use crate::machine::Machine;
use crate::noise::{self, Clocks, Noise};
use crate::plan::Plan;
use crate::process::resident;
use crate::results::{OfTarget, Outcome, Results, Sample};
use crate::scenario::{Backends, Beside, Scenario};
use crate::stage::Stage;
use crate::stop;
use crate::target::Target;
use crate::{edits, idle, metrics};

/// What makes the slow backend slow, and the calls of it that are always under way.
const SLOW: &str = r#"{"delay_ms":1000}"#;
const SLOW_SESSIONS: usize = 16;

/// What the whole run shares.
struct Run<'a> {
    plan: &'a Plan,
    machine: &'a Machine,
    bar: ProgressBar,
}

/// Measures everything.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Results> {
    let machine = Machine::describe();
    // what is started inherits it
    setrlimit(Resource::RLIMIT_NOFILE, machine.descriptors, machine.descriptors)?;
    let (began, started, load) = (Instant::now(), jiff::Zoned::now(), noise::load_average());
    let clocks = Clocks::now();
    let run = Run { plan, machine: &machine, bar: bar(plan) };
    let outcomes = run.all()?;
    run.bar.finish_and_clear();
    let direct = Results::direct_width(&outcomes);
    let noise = Noise::judge(clocks, Clocks::now(), load, machine.cores(), direct);
    let version = |name| (plan.binaries.version(name)).unwrap_or_else(|| "unknown".into());
    Ok(Results {
        set: plan.set,
        started: started.strftime("%Y-%m-%d %H:%M %Z").to_string(),
        seconds: began.elapsed().as_secs_f64(),
        rounds: plan.rounds,
        measured_ms: plan.measured.as_millis(),
        noise,
        versions: plan.targets.iter().map(|name| (name.as_str().to_owned(), version(*name))).collect(),
        missing: plan.missing.iter().map(|(name, why)| (name.as_str().to_owned(), why.clone())).collect(),
        outcomes,
        machine,
    })
}

fn bar(plan: &Plan) -> ProgressBar {
    let parts = plan.scenarios.len() * (plan.targets.len() + plan.given.len()) * plan.rounds;
    let bar = ProgressBar::new(parts as u64);
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:40} {percent:>3} % {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

impl Run<'_> {
    /// All scenarios, those over the same backends together; the outcomes in the order of the plan.
    fn all(&self) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for backends in self.plan.stages() {
            self.stage(backends, &mut outcomes)?;
        }
        let place =
            |outcome: &Outcome| self.plan.scenarios.iter().position(|s| s.name == outcome.scenario.name);
        outcomes.sort_by_key(place);
        Ok(outcomes)
    }

    fn stage(&self, backends: Backends, outcomes: &mut Vec<Outcome>) -> anyhow::Result<()> {
        let stage = Stage::set(self.plan, backends, self.machine.descriptors)?;
        let here: Vec<_> = self.plan.scenarios.iter().filter(|s| s.backends == backends).collect();
        let needed = |name| here.iter().any(|s| s.leaves_out(name).is_none() && !s.is_idle());
        let mut targets = Vec::new();
        for name in self.plan.targets.iter().copied().filter(|name| needed(*name)) {
            targets.push(stage.start(name, &[])?);
        }
        targets.extend(self.plan.given.iter().map(Target::given));
        for scenario in here.iter().filter(|s| !s.is_idle()) {
            stop::check()?;
            outcomes.push(self.scenario(&stage, scenario, &mut targets)?);
        }
        drop(targets);
        for scenario in here.iter().filter(|s| s.is_idle()) {
            outcomes.push(self.idle(&stage, scenario)?);
        }
        Ok(())
    }

    fn scenario(
        &self,
        stage: &Stage<'_>,
        scenario: &Scenario,
        targets: &mut [Target],
    ) -> anyhow::Result<Outcome> {
        let (mut left_out, mut broken) = (BTreeMap::new(), BTreeMap::new());
        let mut part = Vec::new();
        for target in targets {
            match target.left_out(scenario) {
                Some(why) => drop(left_out.insert(target.name.clone(), why.to_owned())),
                None => match stage.ready(target, scenario) {
                    Ok(()) => part.push(&*target),
                    Err(error) => drop(broken.insert(target.name.clone(), format!("{error:#}"))),
                },
            }
        }
        let mut rounds: Vec<Vec<Sample>> = part.iter().map(|_| Vec::new()).collect();
        for round in 0..self.plan.rounds {
            for step in 0..part.len() {
                stop::check()?;
                let at = (round + step) % part.len();
                self.bar.set_message(format!("{}: {}", scenario.name, part[at].name));
                rounds[at].push(self.sample(stage, scenario, part[at])?);
                self.bar.inc(1);
            }
        }
        let mut outcome = Outcome { left_out, broken, ..Outcome::new(scenario) };
        for (target, rounds) in part.into_iter().zip(rounds) {
            self.bar.set_message(format!("{}: counts of {}", scenario.name, target.name));
            let counts = match counts::of(self.plan, stage, scenario, target) {
                Ok(counts) => counts,
                Err(error) => {
                    stop::check()?;
                    outcome.broken.insert(target.name.clone(), format!("{error:#}"));
                    Counts::default()
                }
            };
            outcome.targets.push(OfTarget { name: target.name.clone(), rounds, idle: Vec::new(), counts });
        }
        Ok(outcome)
    }

    /// One target in one round.
    fn sample(&self, stage: &Stage<'_>, scenario: &Scenario, target: &Target) -> anyhow::Result<Sample> {
        let aim = target.aim(scenario, &stage.certificate);
        let command = load::command(&self.plan.binaries, scenario, &aim);
        let pids = target.pids();
        let extent = Extent::Time { warmup: self.plan.warmup, measured: self.plan.measured_of(target.known) };
        let slow = self.slow(stage, scenario, target)?;
        let (load, edits) = match &target.manifests {
            Some(folder) if scenario.beside == Beside::Edits => {
                let (stop, coming) = (AtomicBool::new(false), stage.single());
                std::thread::scope(|scope| {
                    let editing = scope.spawn(|| edits::edit(folder, coming, &stop));
                    let report = load::run(command, extent, &pids);
                    stop.store(true, Ordering::Relaxed);
                    anyhow::Ok((report?, Some(edits::join(editing)?)))
                })?
            }
            _ => (load::run(command, extent, &pids)?, None),
        };
        drop(slow);
        let known = !pids.is_empty();
        let cpu = |of: &BTreeMap<u32, f64>| (known && load.requests > 0).then(|| of.values().sum());
        let (cpu_us, kernel_us) = (cpu(&load.cpu_us_per_request), cpu(&load.kernel_us_per_request));
        let serving_kib = known.then(|| resident(&target.serving()));
        Ok(Sample { cpu_us, kernel_us, rss_kib: known.then(|| resident(&pids)), serving_kib, edits, load })
    }

    /// Makes a backend slow and calls it, where the scenario wants that and the target knows more than one.
    fn slow(&self, stage: &Stage<'_>, scenario: &Scenario, target: &Target) -> anyhow::Result<Option<Slow>> {
        if scenario.beside != Beside::SlowBackend {
            return Ok(None);
        }
        let Some(aim) = target.aim_slow(scenario, &stage.certificate) else { return Ok(None) };
        let calls = Scenario { sessions: SLOW_SESSIONS, ..scenario.clone() };
        let mut command = load::command(&self.plan.binaries, &calls, &aim);
        command.args(["--duration", "60m"]).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn()?;
        metrics::fetch(stage.slow(), "/_control", Some(SLOW))?;
        Ok(Some(Slow { child, backend: stage.slow().to_owned() }))
    }

    fn idle(&self, stage: &Stage<'_>, scenario: &Scenario) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::new(scenario);
        for name in self.plan.targets.iter().copied() {
            stop::check()?;
            if let Some(why) = scenario.leaves_out(name) {
                outcome.left_out.insert(name.as_str().to_owned(), why.to_owned());
                continue;
            }
            self.bar.set_message(format!("{}: {}", scenario.name, name.as_str()));
            let descriptors = self.machine.descriptors;
            let round = |_| idle::measure(self.plan, stage, scenario, name, descriptors);
            let idle = match (0..idle::rounds(self.plan)).map(round).collect() {
                Ok(idle) => idle,
                Err(error) => {
                    outcome.broken.insert(name.as_str().to_owned(), format!("{error:#}"));
                    continue;
                }
            };
            let (rounds, counts) = (Vec::new(), Counts::default());
            outcome.targets.push(OfTarget { name: name.as_str().into(), rounds, idle, counts });
        }
        Ok(outcome)
    }
}

/// A slow backend with its callers; both end with this.
struct Slow {
    child: Child,
    backend: String,
}

impl Drop for Slow {
    fn drop(&mut self) {
        // errors: it has ended meanwhile, and the next answer will tell
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = metrics::fetch(&self.backend, "/_control", Some(r#"{"delay_ms":0}"#));
    }
}
