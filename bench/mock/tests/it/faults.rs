//! Each fault as its client meets it.

use crate::SOON;
use crate::client::{Client, body, call, text};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;
use tidegate_bench_mock::{Control, Mock, Options};

fn mock(faults: Value) -> Mock {
    let mock = Mock::start(Options::default()).unwrap();
    script(&mock, faults);
    mock
}

fn script(mock: &Mock, faults: Value) {
    mock.control(&serde_json::from_value::<Control>(json!({"faults": faults})).unwrap());
}

/// A request on a connection of its own, and all that comes back until it ends, with the kind of its end.
fn raw(mock: &Mock, message: &Value) -> (String, Result<(), ErrorKind>) {
    let body = message.to_string();
    let mut stream = TcpStream::connect(mock.addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let fields =
        "host: mock\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json";
    write!(stream, "POST /mcp HTTP/1.1\r\n{fields}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut got = Vec::new();
    let end = stream.read_to_end(&mut got).map(|_| ()).map_err(|e| e.kind());
    (String::from_utf8(got).unwrap(), end)
}

#[tokio::test]
async fn a_status_comes_with_the_fields_that_belong_to_it_and_only_as_often_as_told() {
    let mock = mock(json!([
        {"on": ["ping"], "times": 1, "fault": {"status": {"code": 503, "retry_after": 7}}},
        {"on": ["ping"], "times": 1, "fault": {"status": {"code": 401}}},
    ]));
    let mut client = Client::open(&mock).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let answer = client.post(ping.clone()).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "7"));
    let answer = client.post(ping.clone()).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["www-authenticate"].to_str().unwrap()),
        (401, "Bearer")
    );
    assert_eq!(body(client.post(ping).await).await["result"], json!({}));
}

#[tokio::test]
async fn answers_that_are_not_what_was_asked() {
    let mock = mock(json!([
        {"on": ["tools/call"], "times": 1, "fault": "wrong_id"},
        {"on": ["tools/call"], "times": 1, "fault": "malformed"},
        {"on": ["tools/call"], "times": 1, "fault": {"oversized": 300_000}},
    ]));
    let mut client = Client::open(&mock).await;
    let wrong = body(client.call(1, "who", json!({})).await).await;
    assert_eq!(
        (&wrong["id"], &wrong["result"]["content"][0]["text"]),
        (&json!("not the one that was asked"), &json!("mock"))
    );
    let malformed = client.call(2, "who", json!({})).await;
    assert_eq!(malformed.headers()["content-type"], "application/json");
    assert!(serde_json::from_str::<Value>(&text(malformed).await).is_err());
    let large = body(client.call(3, "who", json!({})).await).await;
    assert_eq!(large["result"]["content"][0]["text"].as_str().unwrap().len(), 300_000);
    assert_eq!(body(client.call(4, "who", json!({})).await).await["id"], 4);
}

#[tokio::test]
async fn slow_answers_are_right_in_the_end() {
    let mock = mock(json!([
        {"on": ["tools/call"], "times": 1, "fault": {"slow_head": 1}},
        {"on": ["tools/call"], "times": 1, "fault": {"slow_body": 1}},
        {"on": ["tools/call"], "times": 1, "fault": {"delay": 20}},
    ]));
    let mut client = Client::open(&mock).await;
    for id in 1..=4 {
        let answer = body(client.call(id, "who", json!({})).await).await;
        assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(id), &json!("mock")));
    }
}

#[tokio::test]
async fn a_stream_that_stalls_has_sent_its_events_and_is_noticed_to_be_left() {
    let mock = mock(json!([{"on": ["tools/call"], "fault": {"stall": 2}}]));
    let mut client = Client::open(&mock).await;
    let mut stream = client.call(5, "who", json!({})).await.into_body();
    let mut got = String::new();
    while got.matches("\n\n").count() < 2 {
        let data = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        got.push_str(std::str::from_utf8(&data).unwrap());
    }
    assert!(got.contains(r#""progressToken":"p","progress":2"#), "{got}");
    assert_eq!(mock.stats().calls_running, 1);
    drop((stream, client));
    mock.eventually(SOON, |s| s.disconnects == 1 && s.calls_running == 0).await.unwrap();
}

#[test]
fn a_reset_is_a_reset_wherever_it_comes() {
    let mock = mock(json!([
        {"times": 1, "fault": {"reset": "request"}},
        {"times": 1, "fault": {"reset": "half"}},
        {"times": 1, "fault": {"reset": "event"}},
    ]));
    let check = |has: &str, lacks: &str| {
        let (got, end) = raw(&mock, &crate::client::initialize("2025-06-18"));
        assert!(got.contains(has) && !got.contains(lacks), "{got}");
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "{got}");
    };
    check("", "HTTP");
    check("application/json", "serverInfo");
    check("text/event-stream", "serverInfo");
}

#[tokio::test]
async fn gaps_between_requests_are_measured_by_method() {
    let mock = mock(json!([]));
    let mut client = Client::open(&mock).await;
    client.post(call(1, "who", json!({}))).await;
    mock.eventually(SOON, |s| s.longest_gap_ms.get("tools/call").is_some_and(|ms| *ms >= 30)).await.unwrap();
    client.post(call(2, "who", json!({}))).await;
    assert!(mock.stats().longest_gap_ms["tools/call"] >= 30);
    assert!(!mock.stats().longest_gap_ms.contains_key("ping"));
    let since = Instant::now();
    mock.control(&serde_json::from_str(r#"{"forget_gaps":true}"#).unwrap());
    let gap = mock.stats().longest_gap_ms["tools/call"];
    assert!(u128::from(gap) <= since.elapsed().as_millis(), "{gap} ms");
}
