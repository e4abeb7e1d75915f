//! The machine, described.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::resource::{Resource, getrlimit};
use serde::Serialize;

/// What the figures depend on.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    memory_gib: u64,
    kernel: String,
    /// Weaknesses that the kernel mitigates, and how.
    mitigations: BTreeMap<String, String>,
    pub(crate) descriptors: u64,
}

impl Machine {
    pub(crate) fn describe() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let memory: u64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: field("/proc/cpuinfo", "model name"),
            memory_gib: memory >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().into(),
            mitigations: mitigations(),
            descriptors: getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(_, hard)| hard),
        }
    }

    pub(crate) fn cores(&self) -> usize {
        self.cores
    }

    /// A line for each property.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mitigated: Vec<_> =
            self.mitigations.iter().map(|(name, how)| format!("{name} ({how})")).collect();
        let mitigated = if mitigated.is_empty() { "none".to_owned() } else { mitigated.join("; ") };
        vec![
            format!("{} cores, {}, {} GiB of memory", self.cores, self.cpu, self.memory_gib),
            format!("Linux {}; mitigations: {mitigated}", self.kernel),
            format!("{} file descriptors for each process", self.descriptors),
        ]
    }
}

fn mitigations() -> BTreeMap<String, String> {
    let entries = fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten();
    let read = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).ok()?;
        let how = text.trim().strip_prefix("Mitigation: ")?.to_owned();
        Some((entry.file_name().to_string_lossy().into_owned(), how))
    };
    entries.filter_map(read).collect()
}
