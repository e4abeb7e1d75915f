//! The official clients, as people use them: connect, list, call over several backends, progress, close.

use crate::sessions::seen;
use crate::support::ports;
use crate::support::process::{Program, output, test_deps, workspace_binary};
use crate::support::tables::Vmcp;
use crate::support::tls::Port;
use crate::support::until;
use crate::support::world::{World, mock, mock_with};
use rmcp::model::{CallToolRequestParams, CallToolResult, ProgressNotificationParam};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use tidegate_bench_mock::{Mock, Options};

/// Two mocks, the time-zone server and the reference server, behind one endpoint.
struct Stage {
    world: World,
    a: Mock,
    _programs: [Program; 2],
    _b: Mock,
}

impl Stage {
    fn set() -> Self {
        Self::set_with(&[])
    }

    /// With options of the gateway.
    fn set_with(extra: &[&str]) -> Self {
        let deps = test_deps();
        let zones = ports::free();
        let mut command = Command::new(workspace_binary("timezones-mcp"));
        let timezones = Program::listening(command.args(["--listen", &zones.to_string()]), zones);
        let everything = ports::free();
        let server = deps.join("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
        let mut command = Command::new("node");
        command.arg(server).arg("streamableHttp").env("PORT", everything.port().to_string());
        let reference = Program::listening(&mut command, everything);
        let a = mock("a");
        let b = mock_with(Options { sse_answers: true, get_stream: true, ..Options::named("b") });
        let vmcp = Vmcp::named("demo")
            .with("a", a.addr)
            .with("b", b.addr)
            .with("time", zones)
            .with("ref", everything);
        Self { world: World::with([&vmcp], extra), a, _programs: [timezones, reference], _b: b }
    }

    fn url(&self) -> String {
        format!("http://{}/default/demo/mcp", self.world.gateway.addr)
    }

    /// What every client is asked to do.
    fn calls() -> Value {
        json!([
            {"tool": "a_who", "arguments": {}},
            {"tool": "b_echo", "arguments": {"n": 1}},
            {"tool": "a_progress", "arguments": {"n": 3, "interval_ms": 5}, "progress": 3},
            {"tool": "a_fail", "arguments": {}},
            {"tool": "time_current_time", "arguments": {"time_zone": "Asia/Tokyo"}},
            {"tool": "ref_echo", "arguments": {"message": "hello"}},
            {"tool": "ref_trigger-long-running-operation", "arguments": {"duration": 0.2, "steps": 4},
             "progress": 4},
        ])
    }

    /// Holds the answers against what the backends are known to say; then the session must have been ended.
    #[track_caller]
    fn check(&self, said: &Value) {
        let names: Vec<&str> =
            said["tools"].as_array().expect("tools").iter().filter_map(Value::as_str).collect();
        for name in ["a_who", "b_big", "time_convert_time", "ref_echo", "ref_get-sum"] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        let expect = |i: usize, text: &str, is_error: bool, progress: Value| {
            let result = &said["results"][i];
            assert!(result["text"].as_str().is_some_and(|t| t.contains(text)), "{i}: {said}");
            assert_eq!(
                (&result["isError"], &result["progress"]),
                (&json!(is_error), &progress),
                "{i}: {said}"
            );
        };
        expect(0, "a", false, json!([]));
        expect(1, r#"{"n":1}"#, false, json!([]));
        expect(2, "3 events", false, json!([1, 2, 3]));
        expect(3, "failed as it was told to", true, json!([]));
        expect(4, "JST", false, json!([]));
        expect(5, "hello", false, json!([]));
        expect(6, "Long running operation completed", false, json!([1, 2, 3, 4]));
        seen(&self.a, "the end of the session", |s| s.sessions_deleted == 1);
    }

    /// Runs a client that is a script of ours.
    #[track_caller]
    fn run(&self, program: impl AsRef<Path>, args: &[&str]) -> Value {
        let said = output(program.as_ref(), &test_deps(), args);
        // progress as JSON numbers: 1 and 1.0 are the same
        let mut said: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
        for result in said["results"].as_array_mut().into_iter().flatten() {
            for step in result["progress"].as_array_mut().into_iter().flatten() {
                *step = json!(step.as_f64().unwrap_or(f64::NAN) as u64);
            }
        }
        said
    }
}

fn script(name: &str) -> String {
    format!("{}/tests/sdk/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn check_python(mode: &str) {
    let stage = Stage::set();
    let python = test_deps().join("python/bin/python");
    let said = stage.run(python, &[&script("client.py"), &stage.url(), mode, &Stage::calls().to_string()]);
    assert_eq!((&said["version"], &said["server"]), (&json!("2025-11-25"), &json!("demo")));
    stage.check(&said);
}

#[track_caller]
fn check_typescript(sdk: &str, mode: &str) {
    let stage = Stage::set();
    let said =
        stage.run("node", &[&script("client.mjs"), sdk, &stage.url(), mode, &Stage::calls().to_string()]);
    assert_eq!((&said["version"], &said["server"]), (&json!("2025-11-25"), &json!("demo")));
    stage.check(&said);
}

#[test]
fn the_python_sdk_works() {
    check_python("legacy");
}

#[test]
fn the_python_sdk_works_when_it_asks_for_the_modern_era_first() {
    check_python("auto");
}

#[test]
fn the_first_typescript_sdk_works() {
    check_typescript("v1", "legacy");
}

#[test]
fn the_second_typescript_sdk_works() {
    check_typescript("v2", "legacy");
}

#[test]
fn the_second_typescript_sdk_works_when_it_asks_for_the_modern_era_first() {
    check_typescript("v2", "auto");
}

#[test]
fn sdks_that_trust_the_certificate_work_over_tls() {
    let port = Port::new();
    let python = test_deps().join("python/bin/python").display().to_string();
    let certificate = port.certificate_file();
    for (trust, program, script, of) in [
        ("SSL_CERT_FILE", python.as_str(), script("client.py"), vec![]),
        ("NODE_EXTRA_CA_CERTS", "node", script("client.mjs"), vec!["v2"]),
    ] {
        let stage = Stage::set_with(&port.flags(&[]));
        let trust = format!("{trust}={}", certificate.display());
        let url = format!("https://{}/default/demo/mcp", port.addr);
        let calls = Stage::calls().to_string();
        let args = [vec![trust.as_str(), program, &script], of, vec![&url, "legacy", &calls]].concat();
        stage.check(&stage.run("env", &args));
    }
}

/// Notes the progress of the calls.
#[derive(Clone, Default)]
struct Watcher {
    progress: Arc<Mutex<Vec<u64>>>,
}

impl ClientHandler for Watcher {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.progress.lock().expect("no panic holds it").push(params.progress as u64);
    }
}

async fn call(
    client: &RunningService<RoleClient, Watcher>,
    tool: String,
    arguments: &Value,
) -> CallToolResult {
    let arguments = arguments.as_object().expect("an object").clone();
    client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.expect("an answer")
}

#[test]
fn the_rust_sdk_works() {
    let stage = Stage::set();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let said = runtime.block_on(async {
        let watcher = Watcher::default();
        let transport = StreamableHttpClientTransport::from_uri(stage.url());
        let client = watcher.clone().serve(transport).await.expect("a session");
        let info = client.peer_info().expect("initialized");
        assert_eq!(info.server_info.as_ref().map(|i| &*i.name), Some("demo"));
        let tools = client.list_all_tools().await.expect("a list");
        let mut results = Vec::new();
        for step in Stage::calls().as_array().expect("an array") {
            watcher.progress.lock().expect("no panic holds it").clear();
            let tool = step["tool"].as_str().expect("a name").to_owned();
            let result = call(&client, tool, &step["arguments"]).await;
            let text: String =
                result.content.iter().filter_map(|c| Some(c.as_text()?.text.clone())).collect();
            // the SDK gives notifications to tasks of their own: the last may come behind the result
            let awaited = step["progress"].as_u64().unwrap_or(0);
            let heard = || watcher.progress.lock().expect("no panic holds it").clone();
            until("all progress", || heard().len() as u64 >= awaited);
            let progress = heard();
            results
                .push(json!({"text": text, "isError": result.is_error == Some(true), "progress": progress}));
        }
        client.cancel().await.expect("an end");
        json!({"tools": tools.iter().map(|t| &t.name).collect::<Vec<_>>(), "results": results})
    });
    stage.check(&said);
}
