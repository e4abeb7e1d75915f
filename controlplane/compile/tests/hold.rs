//! What goes on being served when something is withheld, and what does not.

use tidegate_controlplane_api::Store;
use tidegate_controlplane_compile::{ClusterView, compile, hold, hold_commands};
use tidegate_proto::table::Table;

const GROUP: &str = "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPGroup\nmetadata: {name: g}\n";

fn server(name: &str, annotations: &str, extra: &str) -> String {
    format!(
        "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPServer\nmetadata:\n  name: {name}\n  annotations: \
         {{{annotations}}}\nspec:\n  image: i\n  transport: streamable-http\n  groupRef: {{name: g}}\n  {extra}\n"
    )
}

fn good(name: &str) -> String {
    server(name, "tidegate.dev/endpoint: '127.0.0.1:9001', tidegate.dev/command: '[\"run\"]'", "")
}

fn virtual_server(name: &str, annotations: &str, extra: &str) -> String {
    format!(
        "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: VirtualMCPServer\nmetadata:\n  name: {name}\n  \
         annotations: {{{annotations}}}\nspec:\n  groupRef: {{name: g}}\n  incomingAuth: {{type: anonymous}}\n  \
         {extra}\n"
    )
}

/// `virtual server(member timeout…)@listen` for each virtual server, then the backends.
fn summary(table: &Table) -> String {
    let servers = table.virtual_servers().map(|server| {
        let members = server.members.iter().map(|m| format!("{} {}s", m.workload, m.call_timeout.as_secs()));
        let listen: String = server.listen.iter().map(|address| format!("@{}", address.port())).collect();
        format!("{}({}){listen}", server.id.name, members.collect::<Vec<_>>().join(", "))
    });
    let backends = table.backends().map(|backend| format!("{}:{}", backend.id, backend.endpoints[0].port));
    servers.chain(backends).collect::<Vec<_>>().join(" ")
}

/// Serves `before`, applies `edits` (file, content or removal), and compares what is then served.
fn check(before: &[(&str, &str)], edits: &[(&str, Option<&str>)], expected: &str) {
    let mut store = Store::new();
    for (file, text) in before {
        store.update(file, Some(text.as_bytes()));
    }
    let previous = compile(&ClusterView::of(&store));
    assert!(!previous.has_errors(), "{:?}", previous.diagnostics);
    for (file, text) in edits {
        store.update(file, text.map(str::as_bytes));
    }
    let compiled = compile(&ClusterView::of(&store));
    assert_eq!(summary(&hold(&previous.table, &compiled)), expected);
}

#[test]
fn what_would_weaken_security_is_removed() {
    let (a, b, v) = (good("a"), good("b"), virtual_server("v", "", ""));
    let base = [("g", GROUP), ("a", &a), ("b", &b), ("v", &v)];
    let oidc = v.replace("type: anonymous", "type: oidc, oidcConfigRef: {name: i, audience: x}");
    check(&base, &[("v", Some(&oidc))], "default/mcpserver/a:9001 default/mcpserver/b:9001");
    let secret = good("a").replace("image: i", "image: i\n  externalAuthConfigRef: {name: x}");
    check(&base, &[("a", Some(&secret))], "v(b 30s) default/mcpserver/b:9001");
    let broken = v.replace("groupRef: {name: g}", "groupRef: {name: other}");
    check(&base, &[("a", Some(&secret)), ("v", Some(&broken))], "v(b 30s) default/mcpserver/b:9001");
    let barred = virtual_server(
        "v",
        "",
        "outgoingAuth: {backends: {a: {type: externalAuthConfigRef, externalAuthConfigRef: {name: x}}}}",
    );
    let all = "default/mcpserver/a:9001 default/mcpserver/b:9001";
    check(&base, &[("v", Some(&barred))], &format!("v(b 30s) {all}"));
    let bad_a = server("a", "tidegate.dev/endpoint: nowhere", "");
    check(&base, &[("v", Some(&barred)), ("a", Some(&bad_a))], &format!("v(b 30s) {all}"));
}

#[test]
fn what_is_deleted_goes_even_from_a_virtual_server_that_is_kept() {
    let (a, b, v) = (good("a"), good("b"), virtual_server("v", "", ""));
    let base = [("g", GROUP), ("a", &a), ("b", &b), ("v", &v)];
    check(&base, &[("v", None)], "default/mcpserver/a:9001 default/mcpserver/b:9001");
    let broken = virtual_server("v", "", "passthroughHeaders: [Host]");
    check(&base, &[("a", None), ("v", Some(&broken))], "v(b 30s) default/mcpserver/b:9001");
    check(&base, &[("a", None)], "v(b 30s) default/mcpserver/b:9001");
}

#[test]
fn a_deleted_group_leaves_what_refers_to_it_as_it_was() {
    let (a, v) = (good("a"), virtual_server("v", "", ""));
    check(&[("g", GROUP), ("a", &a), ("v", &v)], &[("g", None)], "v(a 30s) default/mcpserver/a:9001");
}

#[test]
fn an_edited_virtual_server_uses_the_previous_value_of_a_broken_backend() {
    let (a, b, v) = (good("a"), good("b"), virtual_server("v", "", ""));
    let base = [("g", GROUP), ("a", &a), ("b", &b), ("v", &v)];
    let edited = virtual_server("v", "", "config: {operational: {timeouts: {perWorkload: {a: 7s}}}}");
    let broken = server("a", "tidegate.dev/endpoint: nowhere", "");
    let all = "default/mcpserver/a:9001 default/mcpserver/b:9001";
    check(&base, &[("v", Some(&edited)), ("a", Some(&broken))], &format!("v(a 7s, b 30s) {all}"));
    let moved = good("b").replace("9001", "9002");
    let all = "default/mcpserver/a:9001 default/mcpserver/b:9002";
    check(&base, &[("b", Some(&moved)), ("a", Some(&broken))], &format!("v(a 30s, b 30s) {all}"));
}

#[test]
fn a_port_goes_to_who_is_valid_when_its_previous_holder_is_kept() {
    let listen = "tidegate.dev/listen: '127.0.0.1:4500'";
    let (w, v) = (virtual_server("w", listen, ""), virtual_server("v", "", ""));
    let claims = virtual_server("v", listen, "");
    check(&[("g", GROUP), ("v", &v), ("w", &w)], &[("v", Some(&claims))], "v()@4500 w()");
}

#[test]
fn inline_backends_are_kept_with_their_virtual_server() {
    let listed = |extra: &str| {
        let backend = "{name: a, url: 'http://a:80/', transport: streamable-http}";
        virtual_server("v", "", &format!("{extra}\n  config: {{backends: [{backend}]}}"))
    };
    let (v, broken) = (listed(""), listed("passthroughHeaders: [Host]"));
    check(&[("g", GROUP), ("v", &v)], &[("v", Some(&broken))], "v(a 30s) default/inline/v/a:80");
}

#[test]
fn an_object_that_was_never_legible_keeps_what_a_previous_table_has() {
    let (a, v) = (good("a"), virtual_server("v", "", ""));
    let store_of = |a: &str| {
        let mut store = Store::new();
        for (file, text) in [("g", GROUP), ("a", a), ("v", &v)] {
            store.update(file, Some(text.as_bytes()));
        }
        store
    };
    let previous = compile(&ClusterView::of(&store_of(&a)));
    let after_restart = compile(&ClusterView::of(&store_of(&a.replace("image", "imag"))));
    assert_eq!(hold(&previous.table, &after_restart), previous.table);
    assert_eq!(hold_commands(&previous.commands, &after_restart), *previous.commands);
    assert_eq!(previous.commands.len(), 1);
}

#[test]
fn commands_stop_with_their_backend() {
    let mut store = Store::new();
    store.update("g", Some(GROUP.as_bytes()));
    store.update("a", Some(good("a").as_bytes()));
    let previous = compile(&ClusterView::of(&store));
    store.update("a", None);
    let compiled = compile(&ClusterView::of(&store));
    assert!(hold_commands(&previous.commands, &compiled).is_empty());
}
