//! SIGTERM and SIGINT. Processes and temporary folders are guarded values of the one thread that measures: it has to come
//! to its end by itself. Whatever it waits for is a process that it started, so these are told to end.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::runtime::Builder;
use tokio::signal::unix::{self, SignalKind};

use crate::process::{signal, tree};

/// Between two rounds through the processes: some may be about to start others.
const AGAIN: Duration = Duration::from_millis(500);

/// What came; 0: nothing.
static CAME: AtomicI32 = AtomicI32::new(0);

/// The run was told to end.
#[derive(Debug, thiserror::Error)]
#[error("stopped by {}", .0.as_str())]
pub(crate) struct Stopped(Signal);

impl Stopped {
    /// The exit code that shells know it by.
    pub(crate) fn code(&self) -> u8 {
        u8::try_from(128 + self.0 as i32).unwrap_or(u8::MAX)
    }
}

/// From here on both signals are this module's. They are handled and not blocked: what is started would inherit that.
pub(crate) fn watch() -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mut term, mut int) = {
        let _entered = runtime.enter();
        (unix::signal(SignalKind::terminate())?, unix::signal(SignalKind::interrupt())?)
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        let came = runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => Signal::SIGTERM,
                _ = int.recv() => Signal::SIGINT,
            }
        });
        CAME.store(came as i32, Relaxed);
        end_what_was_started();
    })?;
    Ok(())
}

/// An error once a signal has come.
pub(crate) fn check() -> Result<(), Stopped> {
    match Signal::try_from(CAME.load(Relaxed)) {
        Ok(came) => Err(Stopped(came)),
        Err(_) => Ok(()),
    }
}

/// Until the process ends.
fn end_what_was_started() {
    loop {
        let own = std::process::id();
        tree(own).into_iter().filter(|pid| *pid != own).for_each(|pid| signal(pid, Signal::SIGTERM));
        thread::sleep(AGAIN);
    }
}
