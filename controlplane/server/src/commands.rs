//! The commands that manifests ask to be run beside the gateway, for `tidegate up`: the same directory, read and
//! compiled as the control plane does, without publishing anything.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_controlplane_compile::{Command, Compiler, hold_commands};

use crate::source::Observations;
use crate::source::dir::DirSource;

/// The commands of a directory, as they change.
#[derive(Debug)]
pub struct DirCommands {
    observations: Observations,
    compiler: Compiler,
    last: Option<Arc<Vec<Command>>>,
    _source: DirSource,
}

impl DirCommands {
    /// Starts to watch. `kept`: where the last good text of each manifest is kept over restarts; a directory of this
    /// watch alone.
    ///
    /// # Errors
    /// When the watching thread cannot be started or `kept` not be made.
    pub fn watch(root: PathBuf, debounce: Duration, kept: PathBuf) -> io::Result<Self> {
        let source = DirSource::start(root, debounce, kept)?;
        let observations = source.observations();
        Ok(Self { observations, compiler: Compiler::default(), last: None, _source: source })
    }

    /// The commands once the directory has been read, then again whenever they are others; those of a manifest that
    /// broke go on. `None` when the watch has ended. Can be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Option<Arc<Vec<Command>>> {
        loop {
            self.observations.changed().await.ok()?;
            let observation = Arc::clone(&*self.observations.borrow_and_update());
            let Some(view) = &observation.view else { continue };
            let before = self.last.as_deref().map(Vec::as_slice).unwrap_or_default();
            let commands = Arc::new(hold_commands(before, &self.compiler.compile(view)));
            if self.last.as_ref() != Some(&commands) {
                self.last = Some(Arc::clone(&commands));
                return Some(commands);
            }
        }
    }
}
