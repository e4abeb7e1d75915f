//! One test per rule of spec 4.2 to 4.4.

use super::*;

/// `github` has create_issue and search, `jira` has create_issue and assign.
fn two() -> Vec<Option<Arc<Contribution>>> {
    vec![named(&["create_issue", "search"]), named(&["create_issue", "assign"])]
}

fn check(edit: impl Fn(&mut Aggregation), expected: &[&str]) -> Vec<String> {
    let mut vs = vs(&["github", "jira"]);
    edit(&mut vs.aggregation);
    let catalog = merge(&vs, &two());
    assert_eq!(shown(&vs, &catalog), expected);
    catalog.conflicts().to_vec()
}

fn rename(workload: &str, names: &[(&str, &str)]) -> WorkloadTools {
    let change = |to: &str| ToolOverride { name: Some(to.to_owned()), ..ToolOverride::default() };
    let overrides = names.iter().map(|(from, to)| ((*from).to_owned(), change(to))).collect();
    WorkloadTools { overrides, ..settings(workload) }
}

#[test]
fn tools_of_hidden_members_leave_the_list_and_rename_nothing() {
    let vs = vs(&["github", "jira"]);
    let catalog = merge(&vs, &two());
    assert_eq!(catalog.list_without(|_| false, &[]), *catalog.list());
    let without = catalog.list_without(|member| member == 1, &["jira"]);
    let list: serde_json::Value = serde_json::from_slice(without.bytes()).unwrap();
    let names: Vec<_> =
        list["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| name.starts_with("github_")), "{names:?}");
    assert_eq!(list["_meta"], serde_json::json!({"dev.tidegate/missingBackends": ["jira"]}));
    assert_ne!(without.digest(), catalog.list().digest());
    assert!(catalog.tools().any(|t| t.exposed.starts_with("jira_")), "still routed");
}

#[test]
fn a_tool_marked_read_only_or_idempotent_is_repeatable() {
    let check = |annotations: &str, expected: bool| {
        let tool = format!(r#"{{"name":"t","inputSchema":{{}}{annotations}}}"#);
        let catalog = merge(&vs(&["w"]), &[Some(Arc::new(contribution(&[&tool])))]);
        assert_eq!(catalog.tools().next().unwrap().repeatable, expected, "{annotations}");
    };
    check("", false);
    check(r#","annotations":{"readOnlyHint":true}"#, true);
    check(r#","annotations":{"readOnlyHint":false,"idempotentHint": true }"#, true);
    check(r#","annotations":{"readOnlyHint":"true"}"#, false);
    check(r#","annotations":null"#, false);
}

#[test]
fn prefix_takes_any_format() {
    let check = |format: &str, exposed: &str| {
        let mut vs = vs(&["github"]);
        vs.aggregation.conflict_resolution = prefix(format);
        let catalog = merge(&vs, &[named(&["create_issue"])]);
        assert_eq!(shown(&vs, &catalog), [format!("{exposed}=github:create_issue")]);
        assert_eq!(list(&catalog)[0]["name"], exposed);
    };
    check("{workload}_", "github_create_issue");
    check("{workload}", "githubcreate_issue");
    check("{workload}.", "github.create_issue");
    check("", "create_issue");
    check("x-", "x-create_issue");
    check("{workload}/{workload}:", "github/github:create_issue");
    check("{Workload}\"\\", "{Workload}\"\\create_issue");
}

#[test]
fn prefix_renames_every_tool() {
    let conflicts = check(
        |_| {},
        &[
            "github_create_issue=github:create_issue",
            "github_search=github:search",
            "jira_assign=jira:assign",
            "jira_create_issue=jira:create_issue",
        ],
    );
    assert!(conflicts.is_empty());
}

#[test]
fn names_equal_after_prefixing_go_to_the_earlier_member_and_are_reported() {
    let vs = vs(&["a", "a_b"]);
    let catalog = merge(&vs, &[named(&["b_c"]), named(&["c"])]);
    assert_eq!(shown(&vs, &catalog), ["a_b_c=a:b_c"]);
    assert_eq!(catalog.conflicts(), [r#"tool "a_b_c" of a_b is left out: a already has this name"#]);
}

#[test]
fn priority_gives_a_contested_name_to_the_first_listed() {
    let conflicts = check(
        |a| a.conflict_resolution = priority(&["jira", "github"]),
        &["assign=jira:assign", "create_issue=jira:create_issue", "search=github:search"],
    );
    assert_eq!(conflicts, [r#"tool "create_issue" is that of jira by priority; left out: github"#]);
}

#[test]
fn priority_prefers_a_listed_backend_to_an_unlisted_one() {
    check(
        |a| a.conflict_resolution = priority(&["other", "jira"]),
        &["assign=jira:assign", "create_issue=jira:create_issue", "search=github:search"],
    );
}

#[test]
fn priority_prefixes_a_contested_name_that_no_listed_backend_has() {
    let conflicts = check(
        |a| a.conflict_resolution = priority(&["other"]),
        &[
            "assign=jira:assign",
            "github_create_issue=github:create_issue",
            "jira_create_issue=jira:create_issue",
            "search=github:search",
        ],
    );
    assert!(conflicts.is_empty());
}

#[test]
fn manual_leaves_out_contested_names_and_keeps_the_others_bare() {
    let conflicts = check(
        |a| a.conflict_resolution = ConflictResolution::Manual,
        &["assign=jira:assign", "search=github:search"],
    );
    let expected = r#"unresolved tool name conflicts detected: "create_issue" is offered by github, jira. Use 'overrides' in aggregation config"#;
    assert_eq!(conflicts, [expected]);
}

#[test]
fn manual_is_content_when_all_but_one_are_renamed() {
    let conflicts = check(
        |a| {
            a.conflict_resolution = ConflictResolution::Manual;
            a.tools = vec![rename("jira", &[("create_issue", "new_ticket")])];
        },
        &[
            "assign=jira:assign",
            "create_issue=github:create_issue",
            "new_ticket=jira:create_issue",
            "search=github:search",
        ],
    );
    assert!(conflicts.is_empty());
}

#[test]
fn manual_tells_a_collision_that_overrides_made_or_left() {
    let conflicts = check(
        |a| {
            a.conflict_resolution = ConflictResolution::Manual;
            a.tools = vec![rename("jira", &[("assign", "search")])];
        },
        &[],
    );
    assert_eq!(
        conflicts,
        [
            r#"unresolved tool name conflicts detected: "create_issue" is offered by github, jira. Use 'overrides' in aggregation config"#,
            r#"collision after override: tool "search" from backend github conflicts with tool from backend jira"#,
        ]
    );
}

#[test]
fn an_override_renames_before_the_prefix_and_once() {
    let conflicts = check(
        // a rename onto the key of another override is not renamed again
        |a| a.tools = vec![rename("github", &[("create_issue", "search"), ("search", "find")])],
        &[
            "github_find=github:search",
            "github_search=github:create_issue",
            "jira_assign=jira:assign",
            "jira_create_issue=jira:create_issue",
        ],
    );
    assert!(conflicts.is_empty());
}

#[test]
fn overrides_that_make_two_tools_one_are_dropped_for_that_backend() {
    let conflicts = check(
        |a| {
            a.tools =
                vec![rename("github", &[("create_issue", "search")]), rename("jira", &[("assign", "take")])]
        },
        &[
            "github_create_issue=github:create_issue",
            "github_search=github:search",
            "jira_create_issue=jira:create_issue",
            "jira_take=jira:assign",
        ],
    );
    assert_eq!(conflicts, [r#"overrides of github are not applied: two of its tools would be "search""#]);
}

#[test]
fn a_filter_takes_native_and_overridden_names() {
    let filtered = |names: &'static [&str]| {
        move |a: &mut Aggregation| {
            let filter = names.iter().map(|n| (*n).to_owned()).collect();
            a.tools =
                vec![WorkloadTools { filter, ..rename("github", &[("search", "find")]) }, settings("jira")];
            a.tools[1].exclude_all = true;
        }
    };
    check(filtered(&["find"]), &["github_find=github:search"]);
    check(filtered(&["search"]), &["github_find=github:search"]);
    check(filtered(&["create_issue"]), &["github_create_issue=github:create_issue"]);
    check(filtered(&["github_find"]), &[]);
    check(filtered(&[]), &["github_create_issue=github:create_issue", "github_find=github:search"]);
}

#[test]
fn tools_are_hidden_by_workload_and_altogether() {
    check(|a| a.exclude_all_tools = true, &[]);
    let github = ["github_create_issue=github:create_issue", "github_search=github:search"];
    check(|a| a.tools = vec![WorkloadTools { exclude_all: true, ..settings("jira") }], &github);
    check(|a| a.default_visibility = Visibility::Deny, &[]);
    check(
        |a| {
            a.default_visibility = Visibility::Deny;
            a.tools = vec![settings("github")];
        },
        &github,
    );
}

#[test]
fn a_hidden_tool_still_takes_part_in_conflicts_and_is_not_callable() {
    let mut vs = vs(&["github", "jira"]);
    vs.aggregation.conflict_resolution = priority(&["github"]);
    vs.aggregation.tools = vec![WorkloadTools { exclude_all: true, ..settings("github") }];
    let catalog = merge(&vs, &two());
    assert_eq!(shown(&vs, &catalog), ["assign=jira:assign"]);
    assert!(catalog.tool(b"create_issue").is_none() && catalog.tool(b"search").is_none());
}

#[test]
fn a_member_that_has_contributed_nothing_is_left_out() {
    let vs = vs(&["github", "jira"]);
    assert_eq!(shown(&vs, &merge(&vs, &[None, named(&["assign"])])), ["jira_assign=jira:assign"]);
    assert_eq!(merge(&vs, &[None, None]).list().bytes(), br#"{"tools":[]}"#);
    assert_eq!(merge(&vs, &[]).list().digest(), Catalog::default().list().digest());
}

#[test]
fn only_the_name_of_the_tool_itself_changes() {
    let tool = " { \"title\" : \"ä\\u00e4\", \"n\\u0061me\":  \"s\\u0061y\" ,\n\t\"inputSchema\":{\"name\":\"say\", \"x\": 1.50e+2},\"name \":0}";
    let catalog = merge(&vs(&["w"]), &[Some(Arc::new(contribution(&[tool])))]);
    let expected = tool.trim().replace(r#""s\u0061y""#, r#""w_say""#);
    assert_eq!(catalog.list().bytes(), format!(r#"{{"tools":[{expected}]}}"#).as_bytes());
}

#[test]
fn a_name_that_stays_keeps_its_bytes() {
    let mut vs = vs(&["w"]);
    vs.aggregation.conflict_resolution = prefix("");
    let tool = r#"{"name":"s\u0061y\/x"}"#;
    let catalog = merge(&vs, &[Some(Arc::new(contribution(&[tool])))]);
    assert_eq!(catalog.list().bytes(), format!(r#"{{"tools":[{tool}]}}"#).as_bytes());
}

#[test]
fn native_names_are_ready_to_splice() {
    let name = "a\"b\\c\n\u{1}é";
    let vs = vs(&["w"]);
    let catalog = merge(&vs, &[named(&[name])]);
    let tool = catalog.tool(format!("w_{name}").as_bytes()).expect("exposed");
    assert_eq!(&*tool.native, name);
    assert_eq!(tool.native_json, r#"a\"b\\c\n\u0001é"#.as_bytes().into());
    assert_eq!(list(&catalog)[0]["name"], format!("w_{name}"));
}

fn overridden(tool: Value, change: ToolOverride) -> (Value, ExposedTool) {
    let mut vs = vs(&["w"]);
    let overrides = BTreeMap::from([("t".to_owned(), change)]);
    vs.aggregation.tools = vec![WorkloadTools { overrides, ..settings("w") }];
    let catalog = merge(&vs, &[Some(Arc::new(contribution(&[&tool.to_string()])))]);
    (list(&catalog)[0].clone(), catalog.tools().next().expect("one tool").clone())
}

#[test]
fn an_override_replaces_or_adds_the_description() {
    let change = ToolOverride { description: Some("new \"text\"".to_owned()), ..ToolOverride::default() };
    for tool in [json!({"name": "t", "description": "old", "x": [1]}), json!({"name": "t", "x": [1]})] {
        let (shown, tool) = overridden(tool, change.clone());
        assert_eq!(shown, json!({"name": "w_t", "description": "new \"text\"", "x": [1]}));
        assert_eq!(&*tool.description, "new \"text\"");
    }
}

#[test]
fn an_override_of_annotations_changes_the_given_hints_only() {
    let hints = ToolAnnotations {
        title: Some("T".to_owned()),
        read_only_hint: Some(true),
        open_world_hint: Some(false),
        ..ToolAnnotations::default()
    };
    let change = ToolOverride { annotations: Some(hints), ..ToolOverride::default() };
    let check = |annotations: Value, expected: Value| {
        let mut tool = json!({"name": "t"});
        tool["annotations"] = annotations;
        assert_eq!(overridden(tool, change.clone()).0["annotations"], expected);
    };
    let alone = json!({"title": "T", "readOnlyHint": true, "openWorldHint": false});
    check(json!({}), alone.clone());
    check(Value::Null, alone.clone());
    check(
        json!({"readOnlyHint": false, "destructiveHint": true, "own": {"title": 1}}),
        json!({"title": "T", "readOnlyHint": true, "openWorldHint": false, "destructiveHint": true, "own": {"title": 1}}),
    );
    assert_eq!(overridden(json!({"name": "t"}), change.clone()).0["annotations"], alone);
}

#[test]
fn empty_texts_in_an_override_change_nothing() {
    let empty = || Some(String::new());
    let annotations = Some(ToolAnnotations { title: empty(), ..ToolAnnotations::default() });
    let change = ToolOverride { name: empty(), description: empty(), annotations };
    let (shown, tool) = overridden(json!({"name": "t", "description": "old"}), change);
    assert_eq!(shown, json!({"name": "w_t", "description": "old"}));
    assert_eq!(&*tool.description, "old");
}

#[test]
fn descriptions_in_reports_are_cut() {
    let tool = json!({"name": "t", "description": "ä".repeat(300)});
    let catalog = merge(&vs(&["w"]), &[Some(Arc::new(contribution(&[&tool.to_string()])))]);
    assert_eq!(catalog.tools().next().expect("one tool").description.chars().count(), 201);
}

#[test]
fn the_digest_follows_what_clients_see() {
    let vs = vs(&["github", "jira"]);
    let all = merge(&vs, &two());
    assert_eq!(all.list().digest(), merge(&vs, &two()).list().digest());
    assert_ne!(all.list().digest(), merge(&vs, &[named(&["create_issue"]), None]).list().digest());
}

#[test]
fn reports_of_conflicts_are_bounded() {
    let names: Vec<_> = (0..300).map(|i| format!("t{i}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut vs = vs(&["a", "b"]);
    vs.aggregation.conflict_resolution = ConflictResolution::Manual;
    let catalog = merge(&vs, &[named(&names), named(&names)]);
    assert_eq!(catalog.conflicts().len(), 101);
    assert_eq!(catalog.conflicts()[100], "and 200 more");
}
