"""What the scripts in this folder share: binaries, processes, manifests, metrics, a small MCP client. Standard library only."""

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRATES = {
    "tidegate-controlplane": "tidegate-controlplane-server",
    "tidegate-dataplane": "tidegate-dataplane-server",
    "mock-mcp": "tidegate-bench-mock",
    "tidegate-load": "tidegate-bench-load",
}
# the debounce that the control plane is started with, in milliseconds
DEBOUNCE_MS = 20
API = "toolhive.stacklok.dev/v1beta1"


def arguments(description, **more):
    """The command line of a script: the options of all, and numbers that have defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--profile", default="release", help="build profile: release, dist or dev (default: release)")
    parser.add_argument("--no-build", action="store_true", help="use the binaries as they are")
    parser.add_argument("--keep", action="store_true", help="keep the logs and manifests, and say where")
    for name, (default, text) in more.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=type(default), default=default, help=f"{text} (default: {default})")
    return parser.parse_args()


def wait_for(what, condition, seconds=30.0, pause=0.005):
    """Waits until a condition holds and gives its value; ends the script when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise SystemExit(f"error: {what}: not within {seconds:g} s")


def percentile(values, share):
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))] if ordered else float("nan")


def write(path, text):
    """Writes a file as editors do: beside it, then renamed over it."""
    path = Path(path)
    beside = path.with_name("." + path.name + ".new")
    beside.write_text(text)
    beside.rename(path)


class Bench:
    """A temporary folder and the processes started in it; all end with the script."""

    def __init__(self, args):
        self.args = args
        self.target = ROOT / "target" / ("debug" if args.profile == "dev" else args.profile)
        self.processes = []
        self.taken = set()

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: terminated"))
        build(self.args, self.target)
        self.dir = Path(tempfile.mkdtemp(prefix="tidegate-bench-"))
        self.manifests = self.dir / "manifests"
        self.manifests.mkdir()
        self.push = f"unix:{self.dir}/push.sock"
        self.listen, self.admin = self.free_address(), self.free_address()
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            stop(process, signal.SIGTERM)
        if self.args.keep:
            print(f"logs and manifests: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def free_address(self):
        """An address on which nothing listens, never the same twice."""
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            if port not in self.taken:
                self.taken.add(port)
                return f"127.0.0.1:{port}"

    def binary(self, name):
        return str(self.target / name)

    def start(self, name, command):
        """Starts a process; its output goes to NAME.log."""
        log = open(self.dir / f"{name}.log", "ab")
        plain = {**os.environ, "NO_COLOR": "1"}
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=plain)
        process.log = self.dir / f"{name}.log"
        self.processes.append(process)
        return process

    def mock(self, name, *options):
        """Starts a mock and gives its address; `.process` of the bench's last process is its process."""
        process = self.start(name, [self.binary("mock-mcp"), "--name", name, *options])
        listening = re.compile(r"^listening on (\S+)$", re.M)
        found = wait_for(f"mock {name}", lambda: alive(process) and listening.search(process.log.read_text()))
        return found.group(1)

    def control_plane(self):
        command = [self.binary("tidegate-controlplane"), "--source", f"dir:{self.manifests}", "--push", self.push]
        command += ["--state-dir", f"{self.dir}/controlplane", "--debounce", f"{DEBOUNCE_MS}ms"]
        return self.start("controlplane", command)

    def data_plane_command(self):
        command = [self.binary("tidegate-dataplane"), "--control-plane", self.push, "--state-dir"]
        return [*command, f"{self.dir}/dataplane", "--listen", self.listen, "--admin", self.admin, "--threads", "1"]

    def data_plane(self, *before):
        """Starts the gateway with one thread; `before` is put before its command (valgrind)."""
        return self.start("dataplane", [*before, *self.data_plane_command()])

    def url(self, virtual_server):
        return f"http://{self.listen}/default/{virtual_server}/mcp"

    def load(self, *options):
        """Starts the load generator; `load_result` reads its report."""
        command = [self.binary("tidegate-load"), "--json", "--allow-failures", *map(str, options)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def metrics(self):
        """The samples of the gateway, each as name with labels -> value; empty while it does not answer."""
        try:
            # not urllib: it would ask a proxy where the environment names one
            connection = http.client.HTTPConnection(self.admin, timeout=5)
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
            connection.close()
        except (OSError, http.client.HTTPException):
            return {}
        samples = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def wait_tools(self, virtual_server, count, seconds=60.0):
        """Waits until a virtual server offers at least so many tools."""
        sample = f'tidegate_tools{{virtual_server="default/{virtual_server}"}}'
        offered = lambda: self.all_alive() and self.metrics().get(sample, 0) >= count
        return wait_for(f"{count} tools of {virtual_server}", offered, seconds)

    def all_alive(self):
        """True; ends the script when a process that was not stopped has ended."""
        return all(alive(process) for process in self.processes if not getattr(process, "stopped", False))


def build(args, target):
    if args.no_build:
        missing = [name for name in CRATES if not (target / name).exists()]
        if missing:
            raise SystemExit(f"error: {', '.join(missing)} not in {target}")
        return
    packages = [part for crate in CRATES.values() for part in ("-p", crate)]
    subprocess.run(["cargo", "build", "--quiet", "--profile", args.profile, *packages], cwd=ROOT, check=True)


def alive(process):
    if process.poll() is not None:
        raise SystemExit(f"error: {process.args[0]} ended with {process.returncode}:\n{process.log.read_text()[-2000:]}")
    return True


def stop(process, how):
    """Signals a process and waits for its end; SIGKILL after 15 s."""
    process.stopped = True
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def load_result(process):
    out, _ = process.communicate()
    try:
        return json.loads(out)
    except json.JSONDecodeError:
        raise SystemExit(f"error: the load generator ended with {process.returncode}") from None


def resident(pid):
    """Resident memory of a process now and at most, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return [int(re.search(rf"^{key}:\s+(\d+)", status, re.M).group(1)) / 1024 for key in ("VmRSS", "VmHWM")]


# Manifests. Each gives the text of one document.


def group(name):
    return f"apiVersion: {API}\nkind: MCPGroup\nmetadata: {{name: {name}}}\nspec: {{}}\n"


def server(name, group_name, address):
    return (
        f"apiVersion: {API}\nkind: MCPServer\nmetadata:\n  name: {name}\n"
        f'  annotations: {{tidegate.dev/endpoint: "{address}"}}\n'
        f"spec:\n  groupRef: {{name: {group_name}}}\n  image: mock\n  transport: streamable-http\n"
    )


def virtual_server(
    name, group_name, prefix="{workload}_", default="30s", per_workload=None, annotations=None, failure_handling=None
):
    """JSON is YAML: what has values of its own is written so."""
    override = f"\n        perWorkload: {json.dumps(per_workload)}" if per_workload else ""
    failures = f"      failureHandling: {json.dumps(failure_handling)}\n" if failure_handling else ""
    metadata = {"name": name, **({"annotations": annotations} if annotations else {})}
    return (
        f"apiVersion: {API}\nkind: VirtualMCPServer\nmetadata: {json.dumps(metadata)}\n"
        f"spec:\n  groupRef: {{name: {group_name}}}\n  incomingAuth: {{type: anonymous}}\n"
        f"  config:\n    aggregation:\n      conflictResolution: prefix\n"
        f'      conflictResolutionConfig: {{prefixFormat: "{prefix}"}}\n'
        f"    operational:\n      timeouts:\n        default: {default}{override}\n{failures}"
    )


class Client:
    """An MCP client on one keep-alive connection; not for load."""

    def __init__(self, url):
        host, _, path = url.removeprefix("http://").partition("/")
        self.path = "/" + path
        self.connection = http.client.HTTPConnection(host, timeout=30)
        self.headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        self.id = 0
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self.request("initialize", hello)
        self.headers["MCP-Protocol-Version"] = "2025-06-18"
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        # the request of the tight loops, so that they cost as little as possible
        self.list_body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})

    def post(self, message):
        self.connection.request("POST", self.path, message if isinstance(message, str) else json.dumps(message), self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if session := answer.getheader("Mcp-Session-Id"):
            self.headers["Mcp-Session-Id"] = session
        if answer.status >= 300:
            raise SystemExit(f"error: HTTP {answer.status}: {body[:300]!r}")
        return body

    def request(self, method, params=None):
        self.id += 1
        return self.post({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params or {}})

    def list_bytes(self):
        """The first page of the tools, as it came."""
        return self.post(self.list_body)


def table(rows):
    """Prints rows in aligned columns."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def median(values):
    return statistics.median(values)


def fails(reasons):
    """Ends the script: with 1 and the reasons when there are any."""
    for reason in reasons:
        print(f"FAILED: {reason}")
    return 1 if reasons else 0

