//! Cases on disk, their rendering, and comparison with what is expected.

#[path = "facts.rs"]
mod facts;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Store};
use tidegate_controlplane_compile::{Cluster, ClusterView, Compiled, dump_status, dump_table};

/// What a cluster holds beside the manifests.
const FACTS: &str = "cluster.json";
/// What is to be in the cluster.
const OBJECTS: &str = "objects.yaml";

/// A directory with manifests.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// `cluster.json`.
    pub(crate) cluster: Option<Arc<Cluster>>,
}

/// The cases below `testdata/<folder>`, in order; `broken` is a folder of its own.
pub(crate) fn cases(folder: &str) -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let mut cases: Vec<Case> = fs::read_dir(&root)
        .expect("testdata exists")
        .map(|entry| entry.expect("testdata is legible").path())
        .filter(|dir| dir.is_dir() && dir.file_name().is_some_and(|name| name != "broken"))
        .map(|dir| Case {
            name: dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            files: manifests(&dir),
            cluster: fs::read(dir.join(FACTS)).ok().map(|bytes| Arc::new(facts::read(&bytes))),
            dir,
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn manifests(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).expect("a case is a directory").map(|entry| entry.expect("legible").path());
    let manifests = files.filter(|file| {
        let of = |name| file.file_name().is_some_and(|it| it == name);
        file.extension().is_some_and(|end| end == "yaml" || end == "json") && !of(FACTS) && !of(OBJECTS)
    });
    manifests
        .map(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read(&file).expect("a manifest is legible"))
        })
        .collect()
}

/// Files of broken cases that would be ugly in a repository.
pub(crate) fn overlay(case: &str) -> Vec<(String, Vec<u8>)> {
    let content = match case.split_once('-').map(|(_, name)| name) {
        Some("huge-file") => vec![b'#'; (4 << 20) + 1],
        Some("binary-file") => b"\x7fELF\x02\x01\x01\0\0\0".to_vec(),
        Some("utf-16-file") => "\u{feff}kind: MCPGroup".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Some("latin-1-file") => b"# caf\xe9\nkind: MCPGroup\n".to_vec(),
        Some("empty-file") => Vec::new(),
        _ => return Vec::new(),
    };
    vec![("servers.yaml".to_owned(), content)]
}

pub(crate) fn store_of(files: &BTreeMap<String, Vec<u8>>) -> Store {
    let mut store = Store::new();
    for (file, bytes) in files {
        store.update(file, Some(bytes));
    }
    store
}

/// The goldens of a case.
pub(crate) fn render(store: &Store, compiled: &Compiled) -> BTreeMap<&'static str, String> {
    let mut table = dump_table(&compiled.table);
    for (key, withheld) in &compiled.withheld {
        let _ = writeln!(table, "withheld {key}: {:?}: {}", withheld.hold, withheld.reason);
    }
    for command in compiled.commands.iter() {
        let (argv, env, face) = (&command.argv, &command.env, command.transport);
        let _ = writeln!(
            table,
            "command {}: {argv:?} env {env:?} {face:?} at {}",
            command.object, command.endpoint
        );
    }
    let mut diagnostics = String::new();
    for diagnostic in store.diagnostics().chain(compiled.diagnostics.iter()) {
        let _ = writeln!(diagnostics, "{diagnostic}");
    }
    let mut goldens = BTreeMap::from([
        ("table.txt", table),
        ("status.txt", dump_status(&compiled.status)),
        ("diagnostics.txt", diagnostics),
    ]);
    if !compiled.children.is_empty() || !compiled.left_alone.is_empty() || !compiled.finalizers.is_empty() {
        goldens.insert(OBJECTS, objects(compiled));
    }
    goldens
}

/// The children as manifests, after what is not touched.
fn objects(compiled: &Compiled) -> String {
    let mut objects = String::new();
    for (owner, kind) in &compiled.left_alone {
        let _ = writeln!(objects, "# {}s of {owner} are left alone", kind.as_str());
    }
    for (object, finalizer) in &compiled.finalizers {
        let word = if finalizer.hold { "held" } else { "not held" };
        let _ = writeln!(objects, "# {object} is {word} by {}", finalizer.name);
    }
    for (key, child) in &compiled.children {
        let body = serde_saphyr::to_string(&child.body(key)).expect("a body is YAML");
        let _ = writeln!(objects, "---\n{}", body.trim_end());
    }
    objects
}

/// A case's view, of its documents in this order.
pub(crate) fn view_of(
    case: &Case,
    store: &Store,
    documents: impl IntoIterator<Item = Arc<Document>>,
) -> ClusterView {
    let view = ClusterView::new(documents, store.unreadable().cloned());
    match &case.cluster {
        Some(cluster) => view.in_cluster(Arc::clone(cluster)),
        None => view,
    }
}

/// Collects differences over all cases, so that one run shows them all.
#[derive(Default)]
pub(crate) struct Expected {
    differences: Vec<String>,
}

impl Expected {
    pub(crate) fn check(&mut self, file: &Path, content: &str) {
        let golden = fs::read_to_string(file).unwrap_or_default();
        if golden == content {
            return;
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(file, content).expect("a golden can be written");
        } else {
            self.differences.push(format!("{}\n--- golden\n{golden}--- now\n{content}", file.display()));
        }
    }

    pub(crate) fn finish(self) {
        assert!(self.differences.is_empty(), "UPDATE=1 rewrites\n{}", self.differences.join("\n"));
    }
}

/// One virtual server over two backends.
pub(crate) fn tenant(n: usize) -> String {
    format!(
        "# part
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {{name: g{n}, namespace: team-{}}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata:
  name: a{n}
  namespace: team-{0}
  annotations: {{tidegate.dev/endpoint: '127.0.0.1:{}'}}
spec: {{image: a, transport: streamable-http, groupRef: {{name: g{n}}}}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {{name: b{n}, namespace: team-{0}}}
spec: {{remoteUrl: 'https://b{n}.example.com/mcp', transport: streamable-http, groupRef: {{name: g{n}}}}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {{name: v{n}, namespace: team-{0}}}
spec:
  groupRef: {{name: g{n}}}
  incomingAuth: {{type: anonymous}}
  config:
    aggregation: {{conflictResolution: prefix, conflictResolutionConfig: {{prefixFormat: '{{workload}}.'}}}}
    operational:
      timeouts: {{default: 15s, perWorkload: {{a{n}: 1m}}}}
      failureHandling: {{circuitBreaker: {{enabled: true}}}}
",
        n % 50,
        1024 + n
    )
}
