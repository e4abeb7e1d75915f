use super::*;

#[test]
fn pages_join_and_names_are_sorted() {
    let pages = [page(&[r#"{"name":"c"}"#, r#"{"name":"a"}"#]), page(&[]), page(&[r#"{"name":"b"}"#])];
    let all = Contribution::parse(&pages).expect("pages");
    assert_eq!(all.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!((all.len(), all.warnings().len()), (3, 0));
    let none = Contribution::parse(&[]).expect("no pages");
    assert!(none.is_empty());
}

#[test]
fn the_digest_follows_the_tools_and_not_their_order() {
    let digest = |tools: &[&str]| contribution(tools).digest();
    let (a, b) = (r#"{"name":"a","x":1}"#, r#"{"name":"b"}"#);
    assert_eq!(digest(&[a, b]), digest(&[b, a]));
    assert_ne!(digest(&[a]), digest(&[a, b]));
    assert_ne!(digest(&[a]), digest(&[r#"{"name":"a","x":2}"#]));
}

#[test]
fn a_bad_tool_is_left_out_with_a_warning_and_the_others_stay() {
    let check = |bad: &str, warning: &str| {
        let got = contribution(&[r#"{"name":"a"}"#, bad, r#"{"name":"z"}"#]);
        assert_eq!(got.names().collect::<Vec<_>>(), ["a", "z"], "{bad:.80}");
        assert_eq!(got.warnings(), [warning], "{bad:.80}");
    };
    check("1", "tool 2 is not an object");
    check("null", "tool 2 is not an object");
    check(r#"["name"]"#, "tool 2 is not an object");
    check("{}", "tool 2 has no name");
    check(r#"{"title":"x"}"#, "tool 2 has no name");
    check(r#"{"Name":"x"}"#, "tool 2 has no name");
    check(r#"{"name":null}"#, "tool 2 has a name that is not a string");
    check(r#"{"name":{"name":"x"}}"#, "tool 2 has a name that is not a string");
    check(r#"{"name":""}"#, "tool 2 has an empty or too long name");
    check(r#"{"name":"b","name":"c"}"#, "tool 2 has a field twice");
    check(r#"{"name":"b","n\u0061me":"c"}"#, "tool 2 has a field twice");
    check(r#"{"name":"a","x":1}"#, r#"tool 2 repeats the name "a""#);
    check(r#"{"name":"\u0061"}"#, r#"tool 2 repeats the name "a""#);
    check(r#"{"name":"\ud800"}"#, "tool 2 has half of a surrogate pair");
    check(
        &format!(r#"{{"name":"{}"}}"#, "x".repeat(MAX_NAME_BYTES + 1)),
        "tool 2 has an empty or too long name",
    );
    check(&format!(r#"{{"name":"b","d":"{}"}}"#, "x".repeat(MAX_TOOL_BYTES)), "tool 2 is too large");
    check(
        &format!(r#"{{"name":"b","d":{}{}}}"#, "[".repeat(100), "]".repeat(100)),
        "tool 2 is nested too deeply",
    );
}

#[test]
fn what_is_no_result_is_an_error_that_does_not_repeat_it() {
    let check = |text: &str| {
        let pages = [page(&[]), text.as_bytes().to_vec()];
        let error = Contribution::parse(&pages).expect_err(text).to_string();
        assert!(error.starts_with("page 2: ") && !error.contains("secret"), "{error}");
    };
    check("");
    check("secret");
    check("[]");
    check("{}");
    check(r#"{"tools":null}"#);
    check(r#"{"tools":"secret"}"#);
    check(r#"{"tools":{"secret":1}}"#);
    check(r#"{"tools":[],"tools":[]}"#);
    check(r#"{"tools":[{"name":"a"}"#);
    check(r#"{"tools":[{"name":a}]}"#);
    check(r#"{"tools":[]} secret"#);
    assert!(Contribution::parse(&[b"{\"tools\":[\"\xff\"]}".to_vec()]).is_err());
}

#[test]
fn other_fields_of_a_result_do_not_matter() {
    let page = br#" {"_meta":{"tools":1},"nextCursor":"x","tools":[{"name":"a"}]} "#.to_vec();
    assert_eq!(Contribution::parse(&[page]).expect("a result").len(), 1);
}

#[test]
fn the_number_of_tools_and_of_warnings_is_bounded() {
    let tools: Vec<_> = (0..MAX_TOOLS).map(|i| format!(r#"{{"name":"t{i}"}}"#)).collect();
    let all: Vec<_> = tools.iter().map(String::as_str).collect();
    let pages = [page(&all), page(&[r#"{"name":"one more"}"#])];
    let full = Contribution::parse(&pages).expect("pages");
    assert_eq!(full.len(), MAX_TOOLS);
    assert_eq!(full.warnings(), ["tool 10001 is beyond the limit of tools or bytes"]);

    let many = vec!["0"; MAX_TOOLS + 7];
    let empty = contribution(&many);
    assert!(empty.is_empty());
    assert_eq!(empty.warnings().len(), 101);
    assert_eq!(empty.warnings()[100], format!("and {} more", MAX_TOOLS + 1 - 100));
}

#[test]
fn the_bytes_of_one_backend_are_bounded() {
    let large = "x".repeat(MAX_TOOL_BYTES / 2);
    let tools: Vec<_> = (0..140).map(|i| format!(r#"{{"name":"{i}","d":"{large}"}}"#)).collect();
    let got = contribution(&tools.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(got.len() + got.warnings().len(), 140);
    let bytes: usize = got.tools.iter().map(|t| t.json.len()).sum();
    assert!(bytes <= MAX_CONTRIBUTION_BYTES && bytes + MAX_TOOL_BYTES > MAX_CONTRIBUTION_BYTES, "{bytes}");
}
