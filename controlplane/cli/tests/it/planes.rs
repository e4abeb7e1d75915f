//! `tidegate up` with the real planes: from manifests to a tool call.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;

use crate::processes::{Running, fixture, free_port, run, temporary, tidegate, told, wait_for};

/// The planes are binaries of other packages, which cargo builds for us only when all are tested together.
fn require_planes() {
    for plane in ["tidegate-controlplane", "tidegate-dataplane"] {
        let path = Path::new(env!("CARGO_BIN_EXE_tidegate")).with_file_name(plane);
        assert!(path.exists(), "{} is missing: run `cargo build --workspace` first", path.display());
    }
}

struct Site {
    root: tempfile::TempDir,
    listen: String,
    up: Running,
}

impl Site {
    fn start() -> Self {
        Self::start_with(|manifest| manifest)
    }

    fn start_with(change: impl Fn(String) -> String) -> Self {
        require_planes();
        let root = temporary();
        let manifests = root.path().join("manifests");
        std::fs::create_dir(&manifests).unwrap();
        std::fs::copy(fixture("stdio_server.py"), manifests.join("stdio_server.py")).unwrap();
        let manifest = std::fs::read_to_string(fixture("good/demo.yaml")).unwrap();
        let manifest = manifest.replace("19101", &free_port().to_string());
        std::fs::write(manifests.join("demo.yaml"), change(manifest)).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = tidegate();
        command.args(["up", "--listen", &listen, "--admin", &format!("127.0.0.1:{}", free_port())]);
        command.arg("-f").arg(&manifests).arg("--state-dir").arg(root.path().join("state"));
        command.arg("--status-dir").arg(root.path().join("status"));
        Self { up: Running::start(command), root, listen }
    }

    fn manifest(&self) -> PathBuf {
        self.root.path().join("manifests/demo.yaml")
    }

    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.manifest()).unwrap();
        assert!(text.contains(from));
        let new = self.root.path().join("new");
        std::fs::write(&new, text.replace(from, to)).unwrap();
        std::fs::rename(new, self.manifest()).unwrap();
    }

    /// Waits until the status of the virtual server says all of this.
    fn until_status(&self, what: &str, texts: &[&str]) {
        let file = self.root.path().join("status/default/VirtualMCPServer/demo.yaml");
        wait_for(what, || {
            let status = std::fs::read_to_string(&file).unwrap_or_default();
            texts.iter().all(|text| status.contains(text)).then_some(())
        });
    }

    fn get(&self, args: &[&str]) -> String {
        let address = format!("unix:{}", self.root.path().join("state/control.sock").display());
        let args = [args, &["--control-plane", &address]].concat();
        told(&run(self.root.path(), &args)).0
    }
}

#[tokio::test]
async fn a_directory_becomes_one_endpoint_and_follows_its_edits() {
    let mut site = Site::start();
    site.up.expect("virtual server default/demo: Ready, 1 backend, 6 tools");
    let url = format!("http://{}/default/demo/mcp", site.listen);
    site.up.expect(&url);
    let client = ().serve(StreamableHttpClientTransport::from_uri(url)).await.unwrap();
    let result = client.call_tool(CallToolRequestParams::new("odd_pid")).await.unwrap();
    assert_eq!(result.is_error, None, "{result:?}");

    let tools = site.get(&["get", "tools", "-o", "name"]);
    assert!(tools.contains("tool/odd_progress\n"), "{tools}");
    assert!(site.get(&["get", "nodes"]).contains("Connected   True"), "{}", site.get(&["get", "nodes"]));
    assert!(site.get(&["describe", "backend", "odd"]).contains("State:      ready"));

    site.edit("{workload}_", "{workload}.");
    wait_for("the new prefix", || {
        site.get(&["get", "tools", "-o", "name"]).contains("tool/odd.pid").then_some(())
    });
    let result = client.call_tool(CallToolRequestParams::new("odd.pid")).await.unwrap();
    assert_eq!(result.is_error, None, "{result:?}");

    site.edit("kind: MCPGroup", "kind: MCPGrouq");
    site.up.expect("manifests    | ");
    let result = client.call_tool(CallToolRequestParams::new("odd.pid")).await.unwrap();
    assert_eq!(result.is_error, None, "{result:?}");

    drop(client);
    site.up.signal(Signal::SIGTERM);
    assert_eq!(site.up.wait(), Some(0));
}

#[test]
fn the_status_file_follows_a_backend_that_goes_and_comes_back() {
    const COMMAND: &str = "    tidegate.dev/command: '[\"python3\", \"stdio_server.py\"]'\n";
    let operational = "  config:\n    operational:\n      failureHandling: {healthCheckInterval: 1s, healthCheckTimeout: 900ms, \
         circuitBreaker: {enabled: true, failureThreshold: 2, timeout: 1s}}\n";
    let mut site = Site::start_with(|manifest| manifest.replace("  config:\n", operational));
    let up = ["phase: Ready", "backendCount: 1", "status: ready", "circuitBreakerState: closed"];
    site.until_status("it is ready", &up);
    site.edit(COMMAND, "");
    let down = ["phase: Failed", "backendCount: 0", "status: unavailable", "circuitBreakerState: open"];
    site.until_status("it is down", &down);
    site.edit("    tidegate.dev/endpoint:", &format!("{COMMAND}    tidegate.dev/endpoint:"));
    site.until_status("it is up", &up);
    site.up.signal(Signal::SIGTERM);
    assert_eq!(site.up.wait(), Some(0));
}
