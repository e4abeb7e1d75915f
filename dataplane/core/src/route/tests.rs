use proptest::prelude::*;

use super::*;

fn ids(list: &str) -> Vec<VirtualServerId> {
    list.split_whitespace().map(|id| VirtualServerId::parse(id).expect("namespace/name")).collect()
}

/// `namespace/name endpoint`, or why not.
fn answer(list: &str, host: &str, path: &str) -> String {
    let ids = ids(list);
    match Routes::new(ids.iter()).select(host.as_bytes(), path.as_bytes()) {
        Ok((index, endpoint)) => format!("{} {endpoint:?}", ids[index]),
        Err(reason) => format!("{reason:?}"),
    }
}

const SEVERAL: &str = "default/team prod/team prod/ops default/tools";

#[test]
fn host_selects() {
    let check = |host: &str, expected: &str| assert_eq!(answer(SEVERAL, host, "/mcp"), expected, "{host}");
    check("vmcp-ops", "prod/ops Mcp");
    check("vmcp-ops:4483", "prod/ops Mcp");
    check("vmcp-ops.prod", "prod/ops Mcp");
    check("VMCP-Ops.PROD:80", "prod/ops Mcp");
    check("vmcp-ops.prod.svc", "prod/ops Mcp");
    check("vmcp-ops.prod.svc.cluster.local", "prod/ops Mcp");
    check("vmcp-ops.prod.svc.cluster.local.", "prod/ops Mcp");
    check("vmcp-ops.prod.svc.cluster.local.:4483", "prod/ops Mcp");
    check("vmcp-ops.prod.svc.example.com", "prod/ops Mcp");
    check("vmcp-team.default", "default/team Mcp");
    check("vmcp-team.prod", "prod/team Mcp");
    check("vmcp-team", "AmbiguousHost");
    check("vmcp-absent", "UnknownHost");
    check("vmcp-ops.default", "UnknownHost");
}

#[test]
fn hosts_of_another_form_leave_the_choice_to_the_path() {
    let check = |host: &str| {
        assert_eq!(answer(SEVERAL, host, "/mcp"), "UnknownPath", "{host}");
        assert_eq!(answer(SEVERAL, host, "/prod/ops/mcp"), "prod/ops Mcp", "{host}");
    };
    check("");
    check("gateway.example.com");
    check("localhost:4483");
    check("127.0.0.1");
    check("[::1]:4483");
    check("vmcp-");
    check("vmcp-.prod");
    check("vmcp-ops.prod.example.com");
    check("vmcp-ops.prod.svcs");
    check("vmcp-ops..prod");
    check("vmcp-ops.prod..");
    check("vmcp-ops.prod:x");
    check("vmcp-ops.prod:99999");
    check("vmcp-ops.prod:80:80");
    check("evil@vmcp-ops.prod");
    check("vmcp-ops@evil.example");
    check("vmcp-ops.prod/x");
    check("vmcp-ops.prod ");
    check("xvmcp-ops.prod");
    check(&format!("vmcp-{}", "a".repeat(10_000)));
}

#[test]
fn path_selects() {
    let check = |path: &str, expected: &str| {
        assert_eq!(answer(SEVERAL, "gateway.example.com", path), expected, "{path}");
    };
    check("/prod/ops/mcp", "prod/ops Mcp");
    check("/prod/ops", "prod/ops Mcp");
    check("/prod/ops/", "prod/ops Mcp");
    check("/prod/ops/mcp/", "prod/ops Mcp");
    check("/prod/ops/mcp?x=/default/team/mcp", "prod/ops Mcp");
    check("/prod/ops?", "prod/ops Mcp");
    check("/prod/ops/health", "prod/ops Health");
    check("/prod/ops/ping", "prod/ops Health");
    check("/prod/ops/readyz", "prod/ops Ready");
    check("/prod/ops/status", "prod/ops Status");
    check("/.well-known/oauth-protected-resource/prod/ops/mcp", "prod/ops WellKnown");
    check("/.well-known/oauth-protected-resource/prod/ops", "prod/ops WellKnown");
}

#[test]
fn paths_are_compared_as_sent() {
    let check =
        |path: &str| assert_eq!(answer(SEVERAL, "gateway.example.com", path), "UnknownPath", "{path:?}");
    check("");
    check("/");
    check("*");
    check("/mcp");
    check("prod/ops/mcp");
    check("//prod/ops/mcp");
    check("/prod//ops/mcp");
    check("/prod/ops//mcp");
    check("/prod/ops/mcp//");
    check("/prod/ops/./mcp");
    check("/default/team/../../prod/ops/mcp");
    check("/prod/op%73/mcp");
    check("/prod%2fops/mcp");
    check("/Prod/ops/mcp");
    check("/prod/ops/MCP");
    check("/prod/ops/mcp;x");
    check("/prod/ops/mcp/more");
    check("/prod/absent/mcp");
    check("/prod?/ops/mcp");
    check("http://gateway.example.com/prod/ops/mcp");
    check("/.well-known/oauth-protected-resource");
    check("/.well-known/");
    check("/.well-known//prod/ops/mcp");
    check("/.well-known/oauth-protected-resource//prod/ops/mcp");
    check("/.well-known/oauth-protected-resource/prod/ops/../../mcp");
}

#[test]
fn a_host_that_selects_is_not_contradicted_by_the_path() {
    let check = |path: &str, expected: &str| {
        assert_eq!(answer(SEVERAL, "vmcp-ops.prod", path), expected, "{path}");
    };
    check("/", "prod/ops Mcp");
    check("/mcp", "prod/ops Mcp");
    check("/health?verbose", "prod/ops Health");
    check("/.well-known/oauth-protected-resource", "prod/ops WellKnown");
    check("/prod/ops/mcp", "prod/ops Mcp");
    check("/prod/ops/status", "prod/ops Status");
    check("/default/team/mcp", "UnknownPath");
    check("/metrics", "UnknownPath");
}

#[test]
fn an_unknown_or_ambiguous_host_yields_to_the_path_alone() {
    let check = |list: &str, host: &str, path: &str, expected: &str| {
        assert_eq!(answer(list, host, path), expected, "{host} {path}");
    };
    check(SEVERAL, "vmcp-team", "/prod/team/mcp", "prod/team Mcp");
    check(SEVERAL, "vmcp-absent", "/prod/team/mcp", "prod/team Mcp");
    check("default/team", "vmcp-absent.default", "/mcp", "UnknownHost");
}

#[test]
fn the_only_one_needs_no_name() {
    let check = |list: &str, path: &str, expected: &str| {
        assert_eq!(answer(list, "127.0.0.1:4483", path), expected, "{path}");
    };
    check("default/team", "/mcp", "default/team Mcp");
    check("default/team", "/", "default/team Mcp");
    check("default/team", "/?x", "default/team Mcp");
    check("default/team", "/readyz", "default/team Ready");
    check("default/team", "/.well-known/oauth-protected-resource", "default/team WellKnown");
    check("default/team", "/.well-known/oauth-protected-resource/mcp", "default/team WellKnown");
    check("default/team", "//mcp", "UnknownPath");
    check("default/team", "/%6dcp", "UnknownPath");
    check("default/team", "/default/other/mcp", "UnknownPath");
    check("", "/mcp", "UnknownPath");
    check("a/b c/d", "/mcp", "UnknownPath");
}

#[test]
fn names_like_endpoints_are_names_where_they_stand_in_a_path() {
    let check = |path: &str, expected: &str| {
        assert_eq!(answer("mcp/health health/mcp", "x", path), expected, "{path}");
    };
    check("/mcp/health", "mcp/health Mcp");
    check("/health/mcp", "health/mcp Mcp");
    check("/mcp/health/health", "mcp/health Health");
    check("/health", "UnknownPath");
}

#[test]
fn a_port_of_its_own_needs_no_name_either() {
    let check = |path: &str, expected| assert_eq!(Routes::own_port(path.as_bytes()), expected, "{path}");
    check("/", Some(Endpoint::Mcp));
    check("/mcp", Some(Endpoint::Mcp));
    check("/mcp/", Some(Endpoint::Mcp));
    check("/mcp?session=1", Some(Endpoint::Mcp));
    check("/ping", Some(Endpoint::Health));
    check("/readyz", Some(Endpoint::Ready));
    check("/status", Some(Endpoint::Status));
    check("/api/backends/health", Some(Endpoint::BackendsHealth));
    check("/.well-known/anything", Some(Endpoint::WellKnown));
    check("/.well-known", None);
    check("/default/team/mcp", None);
    check("//", None);
    check("mcp", None);
    check("", None);
}

fn label() -> impl Strategy<Value = String> {
    // few letters, so that equal names in several namespaces are common
    "[a-c]([a-c0-1-]{0,2}[a-c])?"
}

proptest! {
    #[test]
    fn every_virtual_server_is_found_by_its_full_names(ids in prop::collection::btree_set((label(), label()), 1..40)) {
        let ids: Vec<_> = ids.iter().map(|(ns, name)| VirtualServerId::new(ns, name)).collect();
        let routes = Routes::new(ids.iter());
        for (i, id) in ids.iter().enumerate() {
            let VirtualServerId { namespace, name } = id;
            let select = |host: String, path: String| routes.select(host.as_bytes(), path.as_bytes());
            let expected = Ok((i, Endpoint::Mcp));
            prop_assert_eq!(select(format!("vmcp-{name}.{namespace}"), "/mcp".into()), expected);
            prop_assert_eq!(select(format!("vmcp-{name}.{namespace}.svc.cluster.local:4483").to_uppercase(), "/".into()), expected);
            prop_assert_eq!(select("x".into(), format!("/{namespace}/{name}/mcp")), expected);
            let alone = ids.iter().filter(|other| other.name == id.name).count() == 1;
            let short = if alone { expected } else { Err(NoRoute::AmbiguousHost) };
            prop_assert_eq!(select(format!("vmcp-{name}"), "/mcp".into()), short);
        }
    }

    #[test]
    fn any_bytes_select_without_a_panic(host in prop::collection::vec(any::<u8>(), 0..300), path in prop::collection::vec(any::<u8>(), 0..60)) {
        let ids = ids(SEVERAL);
        let routes = Routes::new(ids.iter());
        let prefixed = [b"vmcp-", &host[..]].concat();
        let _ = (routes.select(&host, &path), routes.select(&prefixed, &path), Routes::own_port(&path));
        let _ = (host_allowed(true, &prefixed, &[], &routes), origin_allowed(&host, &prefixed, &[]));
    }
}
