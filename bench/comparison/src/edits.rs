//! Changes of the manifests while the load runs.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::manifests::{self, FIRST};

/// Between two changes.
const EVERY: Duration = Duration::from_millis(20);

/// Edits until it is told to stop; how many.
pub(crate) fn edit(folder: &Path, backend: &str, stop: &AtomicBool) -> std::io::Result<u64> {
    let coming = folder.join("coming.yaml");
    let start = Instant::now();
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        if made % 2 == 0 {
            let changed = manifests::virtual_server(FIRST, 30 + u64::from(made % 7));
            manifests::replace(folder, &format!("{FIRST}-vmcp.yaml"), &changed)?;
        } else if coming.exists() {
            std::fs::remove_file(&coming)?;
        } else {
            manifests::replace(folder, "coming.yaml", &manifests::server(FIRST, "coming", backend))?;
        }
        made += 1;
        thread::sleep((start + EVERY * made).saturating_duration_since(Instant::now()));
    }
    Ok(made.into())
}

/// Waits for the end of the edits.
pub(crate) fn join(edits: thread::ScopedJoinHandle<'_, std::io::Result<u64>>) -> anyhow::Result<u64> {
    Ok(edits.join().map_err(|_| anyhow::anyhow!("the edits panicked"))??)
}
