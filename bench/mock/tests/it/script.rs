//! What it does when all is well, and its first tricks.

use crate::SOON;
use crate::client::{Client, body, call, text};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tidegate_bench_mock::{Control, Mock, Options};

#[tokio::test]
async fn echo_answers_with_the_bytes_of_its_arguments() {
    let mock = Mock::start(Options::named("github")).unwrap();
    let mut client = Client::open(&mock).await;
    let message = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"echo","arguments":{ "x":1.0 }}}"#;
    let answer = text(client.send("POST", message).await.unwrap()).await;
    let expected = r#"{"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"{ \"x\":1.0 }"}],"isError":false}}"#;
    assert_eq!(answer, expected);
    let who = body(client.call(2, "who", json!({})).await).await;
    assert_eq!(who["result"]["content"][0]["text"], "github");
}

#[tokio::test]
async fn a_session_is_demanded_known_and_ended() {
    let mock = Mock::start(Options::default()).unwrap();
    let mut client = Client::connect(&mock).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(client.post(ping.clone()).await.status(), 400);
    client.session = Some("unknown".into());
    assert_eq!(client.post(ping.clone()).await.status(), 404);
    let mut client = Client::open(&mock).await;
    assert_eq!(client.post(ping.clone()).await.status(), 200);
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(client.post(initialized).await.status(), 202);
    let get = client.send("GET", "").await.unwrap();
    assert_eq!((get.status().as_u16(), get.headers()["allow"].to_str().unwrap()), (405, "POST, DELETE"));
    assert_eq!(client.send("DELETE", "").await.unwrap().status(), 200);
    assert_eq!(client.post(ping).await.status(), 404);
    let stats = mock.stats();
    assert_eq!((stats.sessions_opened, stats.sessions_deleted, stats.sessions_open), (1, 1, 0));
    assert_eq!(stats.requests_of("ping"), 4);
    assert!(stats.last_by_method["initialize"].body.contains("clientInfo"));
    assert_eq!(stats.last.unwrap().header("Mcp-Session-Id"), client.session.as_deref());
}

#[tokio::test]
async fn a_stateless_mock_wants_no_session() {
    let mock = Mock::start(Options { stateless: true, ..Options::default() }).unwrap();
    let mut client = Client::open(&mock).await;
    assert_eq!(client.session, None);
    assert_eq!(client.call(1, "echo", json!({})).await.status(), 200);
}

#[tokio::test]
async fn progress_comes_on_the_answer_of_the_call() {
    let mock = Mock::start(Options::default()).unwrap();
    let mut client = Client::open(&mock).await;
    let answer = client.call(5, "progress", json!({"n": 2})).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let events = text(answer).await;
    let data: Vec<Value> = events
        .split("\n\n")
        .filter_map(|e| e.strip_prefix("event: message\ndata: "))
        .map(|d| serde_json::from_str(d).unwrap())
        .collect();
    assert_eq!(data[0]["params"], json!({"progressToken": "p", "progress": 1, "total": 2}));
    assert_eq!((data.len(), &data[2]["id"]), (3, &json!(5)));
}

#[tokio::test]
async fn slow_calls_notice_cancellation_and_the_loss_of_their_client() {
    let mock = Mock::start(Options::default()).unwrap();
    let mut caller = Client::open(&mock).await;
    let mut other = Client::connect(&mock).await;
    other.session = caller.session.clone();
    let call = tokio::spawn(async move { caller.call(9, "slow", json!({"ms": 60_000})).await });
    mock.eventually(SOON, |s| s.calls_running == 1).await.unwrap();
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}});
    assert_eq!(other.post(cancel).await.status(), 202);
    assert_eq!(text(call.await.unwrap()).await, "");
    let stats = mock.stats();
    assert_eq!((stats.cancelled, stats.disconnects), (1, 0));

    for (gone, tool) in [(1, "slow"), (2, "stream_forever")] {
        let mut client = Client::open(&mock).await;
        let call = tokio::spawn(async move {
            let answer = client.call(1, tool, json!({"ms": 60_000})).await;
            text(answer).await
        });
        mock.eventually(SOON, |s| s.calls_running == 1).await.unwrap();
        call.abort();
        mock.eventually(SOON, |s| s.disconnects == gone && s.calls_running == 0).await.unwrap();
    }
}

#[tokio::test]
async fn tools_that_break_http_break_it_as_described() {
    let mock = Mock::start(Options::default()).unwrap();
    let mut client = Client::open(&mock).await;
    assert_eq!(client.call(1, "status", json!({"status": 418})).await.status(), 418);
    let split = client.call(2, "split", json!({"a": 1})).await;
    assert!(split.headers().contains_key("content-length"));
    assert_eq!(body(split).await["result"]["content"][0]["text"], r#"{"a":1}"#);
    assert_eq!(body(client.call(3, "rpc_error", json!({"code": -7})).await).await["error"]["code"], -7);
    assert_eq!(body(client.call(4, "fail", json!({})).await).await["result"]["isError"], true);
    let cut = client.call(5, "close", json!({})).await;
    assert!(cut.into_body().collect().await.is_err());
    let mut client = Client::open(&mock).await;
    assert!(client.send("POST", &call(6, "close", json!({"before": true})).to_string()).await.is_err());
}

#[tokio::test]
async fn the_script_changes_what_clients_meet() {
    let mock = Mock::start(Options { get_stream: true, ..Options::default() }).unwrap();
    let mut client = Client::open(&mock).await;
    let mut listener = Client::connect(&mock).await;
    listener.session = client.session.clone();
    let mut stream = listener.send("GET", "").await.unwrap().into_body();
    let list = || json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    mock.control(&Control { tools: Some(vec!["new".into()]), list_changed: true, ..Control::default() });
    let event = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&event).contains("notifications/tools/list_changed"));
    assert_eq!(body(client.post(list()).await).await["result"]["tools"][0]["name"], "new");

    let script = |json: &str| mock.control(&serde_json::from_str(json).unwrap());
    script(r#"{"fail_status":503}"#);
    assert_eq!(client.post(list()).await.status(), 503);
    script(r#"{"fail_status":0,"hang":["tools/list"]}"#);
    assert_eq!(client.call(2, "new", json!({})).await.status(), 200);
    let held = tokio::spawn(async move { client.post(list()).await.status() });
    mock.eventually(SOON, |s| s.requests_of("tools/list") == 3).await.unwrap();
    assert!(!held.is_finished());
    script(r#"{"hang":false}"#);
    assert_eq!(held.await.unwrap(), 200);

    script(r#"{"drop_sessions":true}"#);
    assert!(stream.frame().await.is_none(), "the stream of a session that is gone ends");
    assert_eq!(listener.send("POST", &list().to_string()).await.unwrap().status(), 404);
    script(r#"{"close_connections":true}"#);
    mock.eventually(SOON, |s| s.connections_open == 0).await.unwrap();
}

#[tokio::test]
async fn several_share_threads_and_nothing_else() {
    let mocks = Mock::start_many(&Options::named("m"), 3).unwrap();
    for (n, mock) in mocks.iter().enumerate() {
        let mut client = Client::open(mock).await;
        let who = body(client.call(1, "who", json!({})).await).await;
        assert_eq!(who["result"]["content"][0]["text"], format!("m-{n}"));
    }
    assert!(mocks.iter().all(|m| m.stats().calls_of("who") == 1));
}
