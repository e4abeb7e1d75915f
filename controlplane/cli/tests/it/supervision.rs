//! `tidegate up` as a supervisor. The planes are stand-ins here; `planes.rs` has the real ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::processes::{Running, fixture, free_port, is_alive, temporary, told, wait_for};

/// A directory of manifests and a `tidegate` with stand-in planes beside it.
struct Site {
    root: tempfile::TempDir,
    listen: String,
}

impl Site {
    fn new() -> Self {
        let root = temporary();
        for dir in ["bin", "manifests", "pids"] {
            std::fs::create_dir(root.path().join(dir)).unwrap();
        }
        // Looked up beside the executable, and a symbolic link would lead back to the real planes.
        let bin = root.path().join("bin");
        let tidegate = Path::new(env!("CARGO_BIN_EXE_tidegate"));
        if std::fs::hard_link(tidegate, bin.join("tidegate")).is_err() {
            std::fs::copy(tidegate, bin.join("tidegate")).unwrap();
        }
        for plane in ["tidegate-controlplane", "tidegate-dataplane"] {
            std::fs::copy(fixture("plane.sh"), bin.join(plane)).unwrap();
        }
        let group =
            "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPGroup\nmetadata:\n  name: tools\nspec: {}\n";
        std::fs::write(root.path().join("manifests/group.yaml"), group).unwrap();
        Self { root, listen: format!("127.0.0.1:{}", free_port()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn command(&self) -> Command {
        self.command_on("manifests", "state")
    }

    fn command_on(&self, manifests: &str, state: &str) -> Command {
        let mut command = Command::new(self.path("bin/tidegate"));
        command.args(["up", "--listen", &self.listen, "--admin"]).arg(format!("127.0.0.1:{}", free_port()));
        command.arg("-f").arg(self.path(manifests)).arg("--state-dir").arg(self.path(state));
        command.env("TEST_DIR", self.path("pids")).env_remove("TIDEGATE_LOG");
        command
    }

    /// Starts, and waits for both planes.
    fn up(&self) -> Running {
        let running = Running::start(self.command());
        for plane in ["tidegate-controlplane", "tidegate-dataplane"] {
            wait_for("both processes of a plane", || (self.pids(plane).len() >= 2).then_some(()));
        }
        running
    }

    /// Writes a manifest whose command notes its process id and waits.
    fn server(&self, name: &str, word: &str) {
        let script =
            format!("echo {word} $PORT $TIDEGATE_ENDPOINT; echo $$ >>$TEST_DIR/{name}.pids; exec sleep 1000");
        let command = serde_json::json!(["sh", "-c", script]).to_string();
        let port = 20_000 + name.len();
        let manifest = format!(
            "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPServer\nmetadata:\n  name: {name}\n  annotations:\n    \
             tidegate.dev/endpoint: http://127.0.0.1:{port}/mcp\n    tidegate.dev/command: {}\nspec:\n  image: none\n  \
             transport: streamable-http\n  groupRef:\n    name: tools\n",
            serde_json::Value::from(command)
        );
        let file = self.path("manifests").join(format!("{name}.yaml"));
        std::fs::write(self.path("new"), manifest).unwrap();
        std::fs::rename(self.path("new"), file).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.path("manifests").join(format!("{name}.yaml"))).unwrap();
    }

    /// The processes a stand-in or a command has had so far.
    fn pids(&self, name: &str) -> Vec<i32> {
        let text =
            std::fs::read_to_string(self.path("pids").join(format!("{name}.pids"))).unwrap_or_default();
        // A line without an end is still being written.
        let whole = text.rsplit_once('\n').map(|(whole, _)| whole).unwrap_or_default();
        whole.lines().map(|line| line.parse().unwrap()).collect()
    }

    fn pid(&self, name: &str, nth: usize) -> i32 {
        wait_for(&format!("process {nth} of {name}"), || self.pids(name).get(nth).copied())
    }

    fn all_pids(&self) -> Vec<i32> {
        let entries = std::fs::read_dir(self.path("pids")).unwrap();
        let names = entries.map(|entry| entry.unwrap().path());
        let names = names.filter(|path| path.extension().is_some_and(|extension| extension == "pids"));
        names.flat_map(|path| self.pids(path.file_stem().unwrap().to_str().unwrap())).collect()
    }
}

fn await_end(pid: i32) {
    wait_for(&format!("the end of {pid}"), || (!is_alive(pid)).then_some(()));
}

#[test]
fn the_planes_are_started_on_one_socket() {
    let site = Site::new();
    let mut up = site.up();
    up.expect(&format!("at http://{}/NAMESPACE/NAME/mcp", site.listen));
    let args =
        |plane: &str| std::fs::read_to_string(site.path("pids").join(format!("{plane}.args"))).unwrap();
    let state = site.path("state");
    let state = state.display();
    let control = args("tidegate-controlplane");
    let manifests = site.path("manifests").canonicalize().unwrap();
    let expected = format!(
        "--source dir:{} --push unix:{state}/control.sock --state-dir {state}/controlplane\n",
        manifests.display()
    );
    assert_eq!(control, expected);
    let data = args("tidegate-dataplane");
    let expected = format!(
        "--control-plane unix:{state}/control.sock --state-dir {state}/node --listen {} ",
        site.listen
    );
    assert!(data.starts_with(&expected), "{data}");
}

#[test]
fn a_command_that_dies_is_started_again() {
    let site = Site::new();
    site.server("clock", "hello");
    let mut up = site.up();
    up.expect("clock        | hello 20005 http://127.0.0.1:20005/mcp");
    let first = site.pid("clock", 0);
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    up.expect("ended: killed by SIGKILL; next try in 0.5 s");
    assert!(is_alive(site.pid("clock", 1)));
}

#[test]
fn commands_follow_their_manifests() {
    let site = Site::new();
    site.server("kept", "one");
    site.server("edited", "one");
    site.server("removed", "one");
    let mut up = site.up();
    let (kept, edited, removed) = (site.pid("kept", 0), site.pid("edited", 0), site.pid("removed", 0));
    site.remove("removed");
    await_end(removed);
    site.server("edited", "two");
    await_end(edited);
    up.expect("edited       | two");
    site.server("added", "one");
    assert!(is_alive(site.pid("added", 0)));
    assert_eq!(site.pids("kept"), [kept]);
    assert!(is_alive(kept));
}

#[test]
fn a_broken_manifest_leaves_its_command_running() {
    let site = Site::new();
    site.server("clock", "one");
    let _up = site.up();
    let clock = site.pid("clock", 0);
    std::fs::write(site.path("manifests/clock.yaml"), "kind: [").unwrap();
    // A later change that is taken shows that the broken one has been looked at.
    site.server("added", "one");
    site.pid("added", 0);
    assert!(is_alive(clock));
}

#[test]
fn sigterm_leaves_no_process() {
    let site = Site::new();
    site.server("clock", "one");
    let mut up = site.up();
    site.pid("clock", 0);
    up.signal(Signal::SIGTERM);
    assert_eq!(up.wait(), Some(0));
    let left: Vec<_> = site.all_pids().into_iter().filter(|pid| is_alive(*pid)).collect();
    assert!(left.is_empty(), "{left:?} are left:\n{}", up.output());
}

#[test]
fn kill_9_leaves_no_process_either() {
    let site = Site::new();
    site.server("clock", "one");
    let mut up = site.up();
    site.pid("clock", 0);
    up.signal(Signal::SIGKILL);
    assert_eq!(up.wait(), None);
    site.all_pids().into_iter().for_each(await_end);
}

#[test]
fn what_cannot_work_is_said_before_anything_starts() {
    let site = Site::new();
    let check = |command: &mut Command, expected: &str| {
        let (out, err, code) = told(&command.output().unwrap());
        assert_eq!((out.as_str(), code), ("", 1), "{err}");
        assert!(err.starts_with(&format!("error: {expected}")) && err.contains("\n  help: "), "{err}");
    };
    let taken = std::net::TcpListener::bind(&site.listen).unwrap();
    check(&mut site.command(), &format!("--listen {}: cannot listen there", site.listen));
    drop(taken);
    check(&mut site.command_on("missing", "state"), "-f ");
    check(&mut site.command_on("manifests", &"x".repeat(100)), "--state-dir: the socket's path");
    check(site.command().args(["--log", "tidegate=loud"]), "--log tidegate=loud: not a filter");
    let up = site.up();
    check(&mut site.command(), "--state-dir");
    drop(up);
    std::fs::remove_file(site.path("bin/tidegate-dataplane")).unwrap();
    let mut command = site.command();
    command.env("PATH", "/usr/bin:/bin");
    wait_for("the state directory to be free", || {
        site.all_pids().iter().all(|pid| !is_alive(*pid)).then_some(())
    });
    check(&mut command, "`tidegate-dataplane` was found neither in");
}
