//! The example servers as processes, driven by the official client over both transports.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rmcp::model::{CallToolRequestParams, CallToolResult, ClientConfig};
use rmcp::service::RunningService;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};

type Client = RunningService<RoleClient, ClientConfig>;

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // an error is a process that ended by itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server on a free port and connects to it.
async fn over_http(program: &str, args: &[&str]) -> (Server, Client) {
    let mut command = Command::new(program);
    command.args(args).args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    let client = ClientConfig::default().serve(StreamableHttpClientTransport::from_uri(url)).await.unwrap();
    (server, client)
}

async fn over_stdio(program: &str, args: &[&str]) -> Client {
    let mut command = tokio::process::Command::new(program);
    command.args(args).arg("--stdio");
    ClientConfig::default().serve(TokioChildProcess::new(command).unwrap()).await.unwrap()
}

async fn call(client: &Client, tool: &'static str, arguments: Value) -> CallToolResult {
    let arguments = arguments.as_object().unwrap().clone();
    client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap()
}

fn text(result: &CallToolResult) -> String {
    result.content[0].as_text().unwrap().text.clone()
}

async fn check_timezones(client: &Client) {
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|t| t.name.as_ref()).collect();
    assert_eq!(names, ["convert_time", "current_time", "list_zones"]);
    assert!(tools.iter().all(|t| t.annotations.as_ref().unwrap().read_only_hint == Some(true)));
    let now = call(client, "current_time", json!({"time_zone": "Asia/Tokyo"})).await;
    assert_eq!(now.structured_content.unwrap()["abbreviation"], "JST");
    let unknown = call(client, "current_time", json!({"time_zone": "Tokyo"})).await;
    assert_eq!(unknown.is_error, Some(true));
    assert!(text(&unknown).contains("Asia/Tokyo"), "{unknown:?}");
}

#[tokio::test]
async fn timezones_answer_over_http_and_over_stdio() {
    let program = env!("CARGO_BIN_EXE_timezones-mcp");
    let (_server, client) = over_http(program, &[]).await;
    check_timezones(&client).await;
    check_timezones(&over_stdio(program, &[]).await).await;
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn documents_are_found_read_and_seen_to_change() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("docs");
    write(
        &root,
        "guide/swap.md",
        "# Guide\nintro\n## Hot swap\nA table is replaced by one swap.\n## Other\nnothing\n",
    );
    write(&root, "notes.md", "The word swap is here too.\n");
    write(dir.path(), "secret.md", "# Secret\nswap swap swap\n");
    std::os::unix::fs::symlink(dir.path().join("secret.md"), root.join("link.md")).unwrap();
    let args = ["--root", root.to_str().unwrap()];
    let (_server, client) = over_http(env!("CARGO_BIN_EXE_docs-search-mcp"), &args).await;

    let found = call(&client, "search", json!({"query": "hot swap", "limit": 5})).await;
    let found = found.structured_content.unwrap();
    assert_eq!(found["total"], 2);
    let best = json!({"file": "guide/swap.md", "heading": "Hot swap", "line": 4, "snippet": "A table is replaced by one swap."});
    assert_eq!(found["hits"][0], best);
    let section =
        call(&client, "read_section", json!({"file": "guide/swap.md", "heading": "Hot swap"})).await;
    assert_eq!(
        section.structured_content.unwrap()["text"],
        "## Hot swap\nA table is replaced by one swap.\n"
    );

    for outside in ["../secret.md", "link.md", "/etc/passwd", "guide/../../secret.md"] {
        let refused = call(&client, "read_section", json!({"file": outside})).await;
        assert_eq!(refused.is_error, Some(true), "{outside}");
    }
    let outline = call(&client, "read_section", json!({"file": "guide/swap.md"})).await;
    assert_eq!(outline.structured_content.unwrap()["headings"], json!(["Guide", "Hot swap", "Other"]));
    let wrong = call(&client, "read_section", json!({"file": "guide/swap.md", "heading": "Cold"})).await;
    assert!(text(&wrong).contains("Hot swap"), "{wrong:?}");

    write(&root, "new.md", "# Fresh\nlobster\n");
    let found = call(&client, "search", json!({"query": "lobster"})).await.structured_content.unwrap();
    assert_eq!(found["hits"][0]["file"], "new.md");
}
