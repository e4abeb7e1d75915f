//! A client that is as thin as can be.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tidegate_bench_mock::Mock;
use tokio::net::TcpStream;

pub(crate) struct Client {
    connection: SendRequest<Full<Bytes>>,
    pub(crate) session: Option<String>,
}

impl Client {
    pub(crate) async fn connect(mock: &Mock) -> Self {
        let stream = TcpStream::connect(mock.addr).await.unwrap();
        let (connection, driver) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        Self { connection, session: None }
    }

    pub(crate) async fn open(mock: &Mock) -> Self {
        let mut client = Self::connect(mock).await;
        let answer = client.post(initialize("2025-06-18")).await;
        client.session = answer.headers().get("mcp-session-id").map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(body(answer).await["result"]["protocolVersion"], "2025-06-18");
        client
    }

    pub(crate) async fn send(&mut self, method: &str, message: &str) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "mock")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        self.connection.ready().await?;
        self.connection.send_request(request.body(Full::new(message.to_owned().into())).unwrap()).await
    }

    pub(crate) async fn post(&mut self, message: Value) -> Response<Incoming> {
        self.send("POST", &message.to_string()).await.unwrap()
    }

    pub(crate) async fn call(&mut self, id: u64, tool: &str, arguments: Value) -> Response<Incoming> {
        self.post(call(id, tool, arguments)).await
    }
}

pub(crate) fn initialize(version: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}})
}

pub(crate) fn call(id: u64, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}}})
}

pub(crate) async fn text(answer: Response<Incoming>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

pub(crate) async fn body(answer: Response<Incoming>) -> Value {
    serde_json::from_str(&text(answer).await).unwrap()
}
