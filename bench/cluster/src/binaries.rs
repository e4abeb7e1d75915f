//! Where the programs are: the directory that KUBEBUILDER_ASSETS names, else what `scripts/setup-tests` built.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

/// The pins that `scripts/setup-tests` builds from, and the name of the copy that it leaves beside the binaries.
const PINS: [(&str, &str); 2] = [
    ("go.mod", include_str!("../../../scripts/test-deps/cluster/go.mod")),
    ("go.sum", include_str!("../../../scripts/test-deps/cluster/go.sum")),
];

/// The programs that make a cluster.
pub(crate) struct Binaries {
    pub(crate) etcd: PathBuf,
    pub(crate) apiserver: PathBuf,
    pub(crate) controllers: PathBuf,
    pub(crate) kubectl: PathBuf,
}

impl Binaries {
    /// Finds them, or says what to run.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let built = built_dir()?;
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from).filter(|dir| complete(dir));
        if assets.is_none() || !assets.as_deref().is_some_and(|dir| has(dir, CONTROLLERS)) {
            check_pins(&built)?;
        }
        let assets = assets.as_deref().unwrap_or(&built);
        Ok(Self {
            etcd: assets.join("etcd"),
            apiserver: assets.join("kube-apiserver"),
            kubectl: assets.join("kubectl"),
            controllers: if has(assets, CONTROLLERS) { assets } else { &built }.join(CONTROLLERS),
        })
    }
}

const CONTROLLERS: &str = "kube-controller-manager";

fn has(dir: &Path, name: &str) -> bool {
    dir.join(name).is_file()
}

fn complete(dir: &Path) -> bool {
    ["etcd", "kube-apiserver", "kubectl"].iter().all(|name| has(dir, name))
}

fn built_dir() -> anyhow::Result<PathBuf> {
    let deps = match std::env::var_os("TIDEGATE_TEST_DEPS") {
        Some(dir) => PathBuf::from(dir),
        None => cache().context("neither TIDEGATE_TEST_DEPS nor HOME is set")?.join("tidegate/test-deps"),
    };
    Ok(deps.join("cluster/bin"))
}

fn cache() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))
}

fn check_pins(dir: &Path) -> anyhow::Result<()> {
    for (name, pinned) in PINS {
        if std::fs::read_to_string(dir.join(name)).unwrap_or_default() != pinned {
            bail!(
                "the test cluster's servers are not in {} as pinned: run scripts/setup-tests",
                dir.display()
            );
        }
    }
    Ok(())
}
