//! `tidegate call`: a real MCP client against a virtual server, to see that it answers.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use rmcp::model::{CallToolRequestParams, CallToolResult, JsonObject};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{RoleClient, ServiceExt};

/// Between two attempts while waiting.
const AGAIN: Duration = Duration::from_millis(250);

/// Bound of one attempt to open a session.
const OPEN: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  tidegate call                                        list the tools of the only virtual server
  tidegate call timezones_list_zones '{\"filter\":\"Berlin\"}'
  tidegate call --url http://127.0.0.1:4483/team/demo/mcp --wait 30s docs_search '{\"query\":\"hot swap\"}'")]
pub(crate) struct CallArgs {
    /// The virtual server's MCP endpoint
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4483/mcp")]
    url: String,
    /// Wait until the server answers and has the tool, at most this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    wait: Duration,
    /// The tool to call; without one the tools are listed only
    tool: Option<String>,
    /// Its arguments, a JSON object
    #[arg(value_name = "ARGUMENTS", value_parser = arguments)]
    arguments: Option<JsonObject>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    number.parse().map(Duration::from_secs).map_err(|_| "must be a number of seconds, like 30s".into())
}

fn arguments(text: &str) -> Result<JsonObject, String> {
    serde_json::from_str(text).map_err(|e| format!("must be a JSON object: {e}"))
}

pub(crate) async fn run(args: CallArgs) -> anyhow::Result<()> {
    let until = Instant::now() + args.wait;
    let client = loop {
        match ready(&args).await {
            Ok(client) => break client,
            Err(e) if Instant::now() >= until => return Err(e),
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    };
    let outcome = match &args.tool {
        Some(tool) => call(&client, tool, args.arguments).await,
        None => Ok(()),
    };
    client.cancel().await.context("close the session")?;
    outcome
}

/// A session, once the tool that is to be called is there; prints the list.
async fn ready(args: &CallArgs) -> anyhow::Result<RunningService<RoleClient, ()>> {
    let transport = StreamableHttpClientTransport::from_uri(args.url.as_str());
    let open = tokio::time::timeout(OPEN, ().serve(transport)).await;
    let client =
        open.context("no answer in time")?.with_context(|| format!("open a session at {}", args.url))?;
    let tools = client.list_all_tools().await.context("list the tools")?;
    if let Some(wanted) = &args.tool
        && !tools.iter().any(|t| t.name == *wanted)
    {
        let names: Vec<_> = tools.iter().map(|t| t.name.as_ref()).collect();
        client.cancel().await.context("close the session")?;
        bail!("there is no tool {wanted}\n  help: there are: {}", names.join(", "));
    }
    println!("{} tools at {}", tools.len(), args.url);
    for tool in &tools {
        let text = tool.description.as_deref().unwrap_or_default();
        println!("  {:<32} {}", tool.name, text.lines().next().unwrap_or_default());
    }
    Ok(client)
}

async fn call(
    client: &RunningService<RoleClient, ()>,
    tool: &str,
    arguments: Option<JsonObject>,
) -> anyhow::Result<()> {
    let mut params = CallToolRequestParams::new(tool.to_owned());
    params.arguments = arguments;
    let result = client.call_tool(params).await.with_context(|| format!("call {tool}"))?;
    println!("\n{tool} answered:");
    print_result(&result)?;
    if result.is_error == Some(true) {
        bail!("the tool reports an error");
    }
    Ok(())
}

fn print_result(result: &CallToolResult) -> anyhow::Result<()> {
    for content in &result.content {
        match content.as_text() {
            Some(text) => println!("{}", text.text),
            None => println!("{}", serde_json::to_string(content)?),
        }
    }
    Ok(())
}
