//! One child process: started, watched, started again with backoff, stopped with its whole process group.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

use super::backoff::Backoff;
use super::leash::{LEAVE, Leash};
use crate::lines::{Line, read_line};

/// The longest line of a child's output that is shown.
const LONGEST_LINE: usize = 8 * 1024;
/// How long to read what a dead child (or a grandchild with its pipe) has still to say.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What to run. Two equal specs mean that a running child stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// What its lines are prefixed with.
    pub(crate) name: String,
    /// Absolute, or looked up in PATH by the system.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// Where it runs.
    pub(crate) dir: PathBuf,
    /// Added to our environment.
    pub(crate) env: Vec<(String, String)>,
}

/// What happens to a child.
#[derive(Debug)]
pub(crate) enum Event {
    /// It wrote a line on stdout or stderr.
    Line {
        /// The child's name.
        name: String,
        /// Without its end; not UTF-8 is replaced.
        text: String,
    },
    /// For people: started, ended, cannot be started.
    Note {
        /// The child's name.
        name: String,
        /// What happened.
        text: String,
        /// Whether something is wrong.
        bad: bool,
    },
}

/// What every child needs of `up`.
#[derive(Clone)]
pub(crate) struct Around {
    /// Kills what is left when `up` dies.
    pub(crate) leash: Arc<Leash>,
    /// Where events go; bounded, so a chatty child is slowed down.
    pub(crate) events: mpsc::Sender<Event>,
}

/// Keeps one child running until `stop` is true or its sender is gone, and returns when the child is gone.
pub(crate) async fn supervise(spec: Spec, around: Around, mut stop: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    loop {
        let begun = Instant::now();
        let how = match start(&spec) {
            Ok(child) => {
                around
                    .note(&spec.name, format!("started (pid {})", child.id().unwrap_or_default()), false)
                    .await;
                match run(child, &spec.name, &around, &mut stop).await {
                    Some(status) => format!("ended: {}", describe(status)),
                    None => return around.note(&spec.name, "stopped".into(), false).await,
                }
            }
            Err(error) => format!("`{}` cannot be started: {error}", spec.program.display()),
        };
        let wait = backoff.after(begun.elapsed());
        around.note(&spec.name, format!("{how}; next try in {} s", wait.as_secs_f32()), true).await;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = told(&mut stop) => return,
        }
    }
}

fn start(spec: &Spec) -> std::io::Result<Child> {
    Command::new(&spec.program)
        .args(&spec.args)
        .current_dir(&spec.dir)
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Until the child ends by itself (its status) or was stopped (none).
async fn run(
    mut child: Child,
    name: &str,
    around: &Around,
    stop: &mut watch::Receiver<bool>,
) -> Option<ExitStatus> {
    // Its own group leader, so its id is the group's; absent only when it was waited for already.
    let group = child.id().map(|id| Pid::from_raw(id.cast_signed()))?;
    around.leash.hold(group);
    let outputs = [
        child.stdout.take().map(|out| tokio::spawn(pump(out, name.to_owned(), around.events.clone()))),
        child.stderr.take().map(|out| tokio::spawn(pump(out, name.to_owned(), around.events.clone()))),
    ];
    let status = tokio::select! {
        // Waiting fails only for a child that was waited for already; then there is nothing to tell.
        status = child.wait() => Some(status.unwrap_or_default()),
        () = told(stop) => None,
    };
    if status.is_none() {
        end(&mut child, group).await;
    }
    // What the child started and left behind would keep its port.
    let _ = killpg(group, Signal::SIGKILL);
    around.leash.release(group);
    for mut output in outputs.into_iter().flatten() {
        if tokio::time::timeout(LAST_WORDS, &mut output).await.is_err() {
            output.abort();
        }
    }
    status
}

/// Until `stop` is true or its sender is gone.
async fn told(stop: &mut watch::Receiver<bool>) {
    // The value is a guard that must not live across an await.
    let _ = stop.wait_for(|stop| *stop).await.is_ok();
}

async fn end(child: &mut Child, group: Pid) {
    let _ = killpg(group, Signal::SIGTERM);
    if tokio::time::timeout(LEAVE, child.wait()).await.is_err() {
        let _ = killpg(group, Signal::SIGKILL);
        let _ = child.wait().await;
    }
}

async fn pump(output: impl AsyncRead + Unpin, name: String, events: mpsc::Sender<Event>) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(kind @ (Line::Whole | Line::Cut)) = read_line(&mut reader, &mut line, LONGEST_LINE).await {
        let mut text = String::from_utf8_lossy(&line).into_owned();
        if kind == Line::Cut {
            text.push('…');
        }
        if events.send(Event::Line { name: name.clone(), text }).await.is_err() {
            return;
        }
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal().and_then(|signal| Signal::try_from(signal).ok())) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by {signal}"),
        (None, None) => status.to_string(),
    }
}

impl Around {
    async fn note(&self, name: &str, text: String, bad: bool) {
        // The receiver is gone only when `up` itself is leaving.
        let _ = self.events.send(Event::Note { name: name.to_owned(), text, bad }).await;
    }
}
