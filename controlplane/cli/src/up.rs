//! `tidegate up`: both planes and the MCP servers of a directory, as supervised children of one process.

mod backoff;
mod child;
mod commands;
mod fleet;
mod follow;
pub(crate) mod leash;
mod locate;
mod own_log;
mod planes;
mod problems;
mod screen;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::inspect::Address;
use crate::paint::Paint;
use crate::signals::Signals;
use crate::state_dir;
use child::{Around, Event};
use commands::Commands;
use fleet::Fleet;
use leash::Leash;
use planes::Plan;
use problems::Problems;
use screen::{Mode, Screen};
use status::Summary;

/// Lines of children waiting to be shown.
const EVENTS: usize = 1024;
/// Lines shown in one go, before the table is drawn again.
const BURST: usize = 256;
/// The table is drawn at most so often.
const FRAME: Duration = Duration::from_millis(50);

/// Warnings; what the control plane says of manifests is shown better from its state.
const LOG: &str = "warn,tidegate_controlplane_server::pipeline::journal=off";

/// Arguments of `up`.
#[derive(clap::Args, Debug)]
pub(crate) struct UpArgs {
    /// The directory of manifests, read recursively (*.yaml, *.yml, *.json) and watched
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    dir: PathBuf,
    /// Where clients connect
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4483")]
    listen: SocketAddr,
    /// Where metrics and health are served
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4485")]
    admin: SocketAddr,
    #[arg(long, value_name = "DIR", help = state_dir::HELP)]
    state_dir: Option<PathBuf>,
    /// Write the status of every object to DIR/NAMESPACE/KIND/NAME.yaml, at each change
    #[arg(long, value_name = "DIR")]
    status_dir: Option<PathBuf>,
    /// What the planes and bridges log, as in "info,tidegate=debug" [default: warnings]
    #[arg(long, value_name = "FILTER", env = "TIDEGATE_LOG", default_value = LOG, hide_default_value = true)]
    log: String,
}

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(args: UpArgs) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let plan = Plan::new(args)?;
    let leash = Arc::new(Leash::start()?);
    let (events_out, events) = mpsc::channel(EVENTS);
    own_log::install(plan.filter()?, events_out.clone());
    let around = Around { leash: Arc::clone(&leash), events: events_out };
    let mut screen = Screen::new(std::io::stdout(), Paint::for_stream(&std::io::stdout()), Mode::of_stdout());
    screen.say(&plan.greeting());

    let mut control = Fleet::new(around.clone());
    control.reconcile(plan.control_plane());
    let mut data = Fleet::new(around.clone());
    data.reconcile(plan.data_plane());
    let commands = Commands::start(&plan, Fleet::new(around))?;
    let (states_out, states) = watch::channel(None);
    let following = tokio::spawn(follow::follow(Address::Unix(plan.socket.clone()), states_out));

    let mut up = Up { screen, events, states, commands, problems: Problems::default() };
    tokio::select! {
        () = up.show_until_end() => {}
        () = signals.next() => {}
    }
    following.abort();
    up.screen.settle();
    up.screen.say("stopping");
    let Up { mut screen, mut events, commands, .. } = up;
    // Clients first: what they call has still somebody to call while connections drain.
    let stop = async {
        data.stop().await;
        tokio::join!(commands.stop(), control.stop());
    };
    tokio::select! {
        () = stop => {}
        () = log_all(&mut events, &mut screen) => {}
        // Asked twice: the leash ends the rest at once.
        () = signals.next() => {}
    }
    while let Ok(event) = events.try_recv() {
        log(&mut screen, event);
    }
    screen.draw();
    tokio::task::spawn_blocking(move || leash.end()).await?;
    drop(plan);
    Ok(())
}

struct Up {
    screen: Screen<std::io::Stdout>,
    events: mpsc::Receiver<Event>,
    states: watch::Receiver<Option<tidegate_proto::wire::StateReply>>,
    commands: Commands,
    problems: Problems,
}

impl Up {
    async fn show_until_end(&mut self) {
        let mut frame = tokio::time::interval(FRAME);
        frame.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stale = true;
        loop {
            tokio::select! {
                Some(event) = self.events.recv() => {
                    log(&mut self.screen, event);
                    for _ in 0..BURST {
                        let Ok(event) = self.events.try_recv() else { break };
                        log(&mut self.screen, event);
                    }
                    stale = true;
                }
                Ok(()) = self.states.changed() => {
                    if let Some(state) = &*self.states.borrow_and_update() {
                        for said in self.problems.step(state) {
                            self.screen.log("manifests", &said.text, said.bad);
                        }
                        self.screen.update(Summary::of(state));
                        stale = true;
                    }
                }
                lines = self.commands.next() => {
                    lines.iter().for_each(|line| self.screen.log("manifests", line, true));
                    stale = true;
                }
                _ = frame.tick(), if stale => {
                    self.screen.draw();
                    stale = false;
                }
            }
        }
    }
}

async fn log_all(events: &mut mpsc::Receiver<Event>, screen: &mut Screen<std::io::Stdout>) {
    while let Some(event) = events.recv().await {
        log(screen, event);
        screen.draw();
    }
    // All senders are gone; the caller waits for the children, not for us.
    std::future::pending::<()>().await;
}

fn log(screen: &mut Screen<std::io::Stdout>, event: Event) {
    match event {
        Event::Line { name, text } => screen.log(&name, &text, false),
        Event::Note { name, text, bad } => screen.log(&name, &text, bad),
    }
}
