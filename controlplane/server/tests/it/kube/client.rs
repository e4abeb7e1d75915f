//! An MCP client of the legacy era, as small as can be: one connection per request.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::DEADLINE;

/// An answer: status, session, JSON body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    pub(crate) body: Value,
}

/// One JSON-RPC request.
pub(crate) async fn post(
    to: SocketAddr,
    session: Option<&str>,
    method: &str,
    params: Value,
) -> anyhow::Result<Answer> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let session = session.map(|id| format!("mcp-session-id: {id}\r\n")).unwrap_or_default();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: {to}\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
         mcp-protocol-version: 2025-11-25\r\n{session}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        parse(&String::from_utf8(answer)?)
    };
    timeout(DEADLINE, exchange).await?
}

/// A new session.
pub(crate) async fn initialize(to: SocketAddr) -> anyhow::Result<String> {
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let answer = post(to, None, "initialize", params).await?;
    anyhow::ensure!(answer.status == 200, "initialize: {} {}", answer.status, answer.body);
    answer.session.ok_or_else(|| anyhow::anyhow!("no session"))
}

/// Names of the tools.
pub(crate) async fn tools(to: SocketAddr, session: &str) -> anyhow::Result<Vec<String>> {
    let answer = post(to, Some(session), "tools/list", json!({})).await?;
    let tools = answer.body.pointer("/result/tools").and_then(Value::as_array);
    let tools = tools.ok_or_else(|| anyhow::anyhow!("tools/list: {} {}", answer.status, answer.body))?;
    Ok(tools.iter().filter_map(|tool| Some(tool["name"].as_str()?.to_owned())).collect())
}

/// The result of a tool.
pub(crate) async fn call(
    to: SocketAddr,
    session: &str,
    tool: &str,
    arguments: Value,
) -> anyhow::Result<Value> {
    let params = json!({ "name": tool, "arguments": arguments });
    let answer = post(to, Some(session), "tools/call", params).await?;
    let result = answer.body.get("result").filter(|result| result["isError"] != true).cloned();
    result.ok_or_else(|| anyhow::anyhow!("tools/call: {} {}", answer.status, answer.body))
}

fn parse(answer: &str) -> anyhow::Result<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| anyhow::anyhow!("no head: {answer}"))?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let session = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("mcp-session-id").then(|| value.trim().to_owned())
    });
    let status = status.ok_or_else(|| anyhow::anyhow!("no status: {head}"))?;
    // an event stream of one event, or JSON
    let json = body.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(body);
    Ok(Answer { status, session, body: serde_json::from_str(json).unwrap_or_default() })
}
