//! Lists and calls.

use crate::support::mcp::{Client, call, list};
use crate::support::tables::Vmcp;
use crate::support::until;
use crate::support::world::{World, mock, mock_with};
use serde_json::{Value, json};
use tidegate_bench_mock::Options;

#[test]
fn tools_are_listed_with_the_prefix_of_their_workload_in_a_fixed_order() {
    let github = mock_with(Options::named("github").with_tools(&["search", "create_issue"]));
    let jira = mock_with(Options::named("jira").with_tools(&["create_issue", "assign"]));
    let vmcp = Vmcp::named("demo").with("jira", jira.addr).with("github", github.addr);
    let world = World::of([&vmcp]);
    let check = |format: &str, expected: [&str; 4]| {
        world.publish([&vmcp.clone().prefix(format)]);
        let mut client = world.client();
        let names = client.tools();
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        assert_eq!(names, client.tools(), "the order is the same each time");
        assert_eq!(sorted(names), sorted(expected.iter().map(ToString::to_string).collect()), "{format}");
        for (tool, backend) in expected.iter().zip([&github, &github, &jira, &jira]) {
            let before = backend.stats().requests_of("tools/call");
            client.call(tool, json!({}));
            assert_eq!(backend.stats().requests_of("tools/call"), before + 1, "{tool}");
        }
    };
    check("{workload}_", ["github_search", "github_create_issue", "jira_create_issue", "jira_assign"]);
    check("{workload}.", ["github.search", "github.create_issue", "jira.create_issue", "jira.assign"]);
    check(
        "x-{workload}__",
        ["x-github__search", "x-github__create_issue", "x-jira__create_issue", "x-jira__assign"],
    );
    check("{workload}", ["githubsearch", "githubcreate_issue", "jiracreate_issue", "jiraassign"]);
}

#[test]
fn of_tools_with_one_name_one_is_served_and_the_others_are_reported() {
    let github = mock_with(Options::named("github").with_tools(&["search", "create_issue"]));
    let jira = mock_with(Options::named("jira").with_tools(&["create_issue", "assign"]));
    let world =
        World::of([&Vmcp::named("demo").with("jira", jira.addr).with("github", github.addr).prefix("")]);
    let mut client = world.client();
    assert_eq!(client.tools(), ["assign", "create_issue", "search"]);
    client.call("create_issue", json!({}));
    let calls = [github.stats().calls_of("create_issue"), jira.stats().calls_of("create_issue")];
    assert_eq!(calls.iter().sum::<u64>(), 1);
    until("the conflict is reported", || {
        let seen = world.plane.seen();
        let conflicts = &seen.virtual_servers["default/demo"].conflicts;
        conflicts.iter().any(|c| c.contains("create_issue") && c.contains("github") && c.contains("jira"))
    });
}

#[test]
fn a_definition_is_the_backends_but_for_its_name() {
    let a = mock_with(Options {
        tool_count: 3,
        tool_bytes: 900,
        page_size: 2,
        ..Options::named("a").with_tools(&["echo"])
    });
    let world = World::over(&a);
    let answer = world.client().post(&list(1)).json();
    let tools = answer["result"]["tools"].as_array().expect("a list");
    assert_eq!(tools.len(), 4, "all pages of the backend are read");
    assert_eq!(tools[0]["name"], "a_echo");
    assert_eq!(tools[0]["inputSchema"], json!({"type": "object"}));
    assert!(tools[1].to_string().len() >= 800);
    assert_eq!(answer["result"]["nextCursor"], Value::Null);
}

#[test]
fn a_call_reaches_the_native_name_and_its_answer_is_the_backends_bytes() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    for id in
        ["7", "\"x\"", "\"with \\\"quotes\\\" \\u00e9\"", "1.5e3", "-0", "123456789012345678901234567890"]
    {
        let body = format!(
            r#"{{ "jsonrpc" : "2.0" , "id": {id}, "params": {{ "arguments" : {{"n": 1.0 ,"name":"a_who"}}, "name":"a_echo" }}, "method": "tools/call" }}"#
        );
        let answer = client.post_text(&body);
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{{\"n\": 1.0 ,\"name\":\"a_who\"}}"}}],"isError":false}}}}"#
        );
        assert_eq!((answer.status, answer.text()), (200, expected));
        assert_eq!(answer.head.field("content-type"), Some("application/json"));
        let seen = a.stats().last_by_method["tools/call"].body.clone();
        assert_eq!(seen, body.replace(r#""a_echo""#, r#""echo""#), "only the name differs");
    }
}

#[test]
fn results_and_errors_of_backends_go_through_unchanged() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    let failed = client.call("a_fail", json!({}));
    assert_eq!(
        failed,
        json!({"content": [{"type": "text", "text": "failed as it was told to"}], "isError": true})
    );
    let error = client.post(&call(4, "a_rpc_error", json!({"code": -7}))).text();
    assert_eq!(error, r#"{"jsonrpc":"2.0","id":4,"error":{"code":-7,"message":"error as it was told to"}}"#);
    let split = client.post(&call(5, "a_split", json!({"a": 1})));
    assert_eq!(split.json()["result"]["content"][0]["text"], r#"{"a":1}"#);
    assert_eq!(client.call_text("a_who", json!({})), "a", "the connection goes on");
}

#[test]
fn an_unknown_tool_is_an_error_that_names_it() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    for name in ["nope", "echo", "a_", "a.echo", "b_echo", "A_ECHO", "a_echo ", ""] {
        let answer = client.post(&call(8, name, json!({})));
        let message = format!("tool \"{name}\" not found");
        let expected = json!({"jsonrpc": "2.0", "id": 8, "error": {"code": -32602, "message": message}});
        assert_eq!((answer.status, answer.json()), (200, expected));
    }
    for params in [json!({}), json!({"name": 3}), json!({"name": null}), json!({"name": {"a": 1}})] {
        let answer =
            client.post(&json!({"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": params}));
        assert_eq!(answer.json()["error"]["code"], -32602, "{params}");
    }
    assert_eq!(a.stats().requests_of("tools/call"), 0);
}

#[test]
fn a_name_in_any_spelling_reaches_its_tool() {
    let a = mock_with(Options { odd_names: true, ..Options::named("a") });
    let world = World::over(&a);
    let mut client = world.client();
    let mut check = |spelling: &str, tool: &str| {
        let before = a.stats().calls_of(tool);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{spelling}","arguments":{{"x":"\u0061"}}}}}}"#
        );
        let answer = client.post_text(&body);
        assert_eq!(answer.json()["result"]["isError"], false, "{spelling}: {}", answer.text());
        assert_eq!(a.stats().calls_of(tool), before + 1, "{spelling}");
        assert!(a.stats().last_by_method["tools/call"].body.ends_with(r#""arguments":{"x":"\u0061"}}}"#));
    };
    check("a_echo", "echo");
    check(r"a_\u0065cho", "echo");
    check(r"\u0061\u005f\u0065\u0063\u0068\u006F", "echo");
    check("a_ünïcode", "ünïcode");
    check(r"a_\u00fcn\u00EFcode", "ünïcode");
    check(r#"a_with \"quotes\""#, "with \"quotes\"");
    check(r"a_with\u0020\u0022quotes\u0022", "with \"quotes\"");
    check(r"a_back\\slash", "back\\slash");
    check(r"a_back\u005cslash", "back\\slash");
}

#[test]
fn an_escaped_method_is_the_same_method() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    let answer = client.post_text(
        r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools\/c\u0061ll","params":{"n\u0061me":"a_who","arguments":{}}}"#,
    );
    assert_eq!(answer.json()["result"]["content"][0]["text"], "a", "{}", answer.text());
    let twice = client.post_text(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a_who","n\u0061me":"a_echo"}}"#,
    );
    assert_eq!(twice.json()["error"]["code"], -32600, "two readings: {}", twice.text());
    assert_eq!(twice.status, 400);
}

#[test]
fn large_bodies_go_both_ways() {
    let a = mock("a");
    let world = World::over(&a);
    let mut client = world.client();
    for size in [1, 4 << 10, 16 << 10, 64 << 10, 1 << 20, 7 << 20] {
        let text = "é".repeat(size / 2);
        let answer = client.post(&call(1, "a_echo", json!({"text": text})));
        let echoed = answer.json()["result"]["content"][0]["text"].as_str().expect("a text").to_owned();
        assert_eq!(serde_json::from_str::<Value>(&echoed).expect("JSON"), json!({"text": text}), "{size}");
        let big = client.call_text("a_big", json!({"bytes": size}));
        assert!(big.len() == size && big.bytes().all(|b| b == b'x'), "{size}");
    }
}

#[test]
fn headers_of_the_client_go_on_only_when_they_may() {
    let a = mock("a");
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).passes(&["x-api-key"])]);
    let mut client = world.client();
    let body = call(1, "a_who", json!({})).to_string();
    let fields = format!(
        "authorization: Bearer secret\r\ncookie: c=1\r\nx-api-key: k\r\nx-other: o\r\nx-forwarded-for: 1.2.3.4\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nuser-agent: it/1\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    let request = client.head("POST", &fields) + &body;
    client.http.send(request);
    assert_eq!(client.http.response().status, 200);
    let seen = &a.stats().last_by_method["tools/call"];
    let host = a.addr.to_string();
    for (name, expected) in [
        ("authorization", None),
        ("cookie", None),
        ("x-other", None),
        ("x-forwarded-for", None),
        ("x-api-key", Some("k")),
        ("traceparent", Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
        ("user-agent", Some("it/1")),
        ("host", Some(&*host)),
    ] {
        assert_eq!(seen.header(name), expected, "{name}");
    }
}

#[test]
fn many_clients_at_once_get_their_own_answers() {
    let (a, b) = (mock("a"), mock("b"));
    let world = World::of([&Vmcp::named("demo").with("a", a.addr).with("b", b.addr)]);
    std::thread::scope(|scope| {
        for n in 0..16 {
            let world = &world;
            scope.spawn(move || {
                let mut client: Client = world.client();
                for i in 0..50 {
                    let tool = if (n + i) % 2 == 0 { "a_echo" } else { "b_echo" };
                    assert_eq!(
                        client.call_text(tool, json!({"i": i, "n": n})),
                        format!(r#"{{"i":{i},"n":{n}}}"#)
                    );
                }
            });
        }
    });
}
