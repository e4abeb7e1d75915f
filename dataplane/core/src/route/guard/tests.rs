use tidegate_proto::table::VirtualServerId;

use super::super::Routes;
use super::*;

fn routes() -> Routes {
    let ids =
        [("default", "team"), ("dev", "team"), ("dev", "ops")].map(|(ns, n)| VirtualServerId::new(ns, n));
    Routes::new(ids.iter())
}

fn list(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|e| (*e).to_owned()).collect()
}

#[test]
fn a_loopback_listener_takes_local_hosts_only() {
    let check = |host: &str, allowed: bool| {
        assert_eq!(host_allowed(true, host.as_bytes(), &[], &routes()), allowed, "{host:?}");
        assert!(host_allowed(false, host.as_bytes(), &[], &routes()), "{host:?}");
    };
    for host in [
        "localhost",
        "LocalHost:4483",
        "localhost.",
        "localhost.:80",
        "127.0.0.1",
        "127.0.0.1:65535",
        "127.255.3.4:1",
        "127.0.0.1.",
        "[::1]",
        "[::1]:4483",
        "[0:0:0:0:0:0:0:1]",
        "[0000::0001]:80",
        "vmcp-ops",
        "vmcp-ops:4483",
        "VMCP-ops.dev",
        "vmcp-team.default.svc",
        "vmcp-team.default.svc.cluster.local:4483",
        "vmcp-team.default.svc.cluster.local.",
    ] {
        check(host, true);
    }
    for host in [
        "",
        ":4483",
        "evil.example.com",
        "evil.example.com:4483",
        "localhost.evil.example.com",
        "127.0.0.1.evil.example.com",
        "evil.localhost",
        "localhost..",
        ".localhost",
        "localhost:",
        "localhost:x",
        "localhost:+80",
        "localhost:65536",
        "localhost:80:80",
        "localhost, evil.example.com",
        "localhost evil.example.com",
        " localhost",
        "localhost\0",
        "localhost\t",
        "evil.example.com@localhost",
        "localhost@evil.example.com",
        "localhost/evil.example.com",
        "localhost#",
        "http://localhost",
        "0.0.0.0",
        "0",
        "127.1",
        "127.0.0.01",
        "2130706433",
        "0x7f.0.0.1",
        "10.0.0.1",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[::]",
        "[::2]",
        "[::1%25lo]",
        "[127.0.0.1]",
        "[localhost]",
        "[::1].evil.example.com",
        "vmcp-absent",
        "vmcp-team",
        "vmcp-team.absent",
        "vmcp-team.default.svc.evil.example.com",
        "vmcp-team.default.svc.cluster.local.evil.example.com",
        "vmcp-team.default.evil.example.com",
        "ｌocalhost",
        "xn--localhost",
    ] {
        check(host, false);
    }
}

#[test]
fn listed_hosts_are_taken_with_their_port_or_any() {
    let extra =
        list(&["gateway.example.com", "other.example.com:8443", "[fd00::1]", "10.0.0.7", "", "bad entry"]);
    let check = |host: &str, allowed: bool| {
        assert_eq!(host_allowed(true, host.as_bytes(), &extra, &routes()), allowed, "{host:?}");
    };
    check("gateway.example.com", true);
    check("Gateway.Example.com:9", true);
    check("gateway.example.com.", true);
    check("other.example.com:8443", true);
    check("[FD00:0::1]:80", true);
    check("10.0.0.7:1", true);
    check("other.example.com", false);
    check("other.example.com:8444", false);
    check("a.gateway.example.com", false);
    check("gateway.example.com.evil.example", false);
    check("", false);
    check("bad entry", false);
}

#[test]
fn an_origin_is_allowed_at_home() {
    let check = |origin: &str, host: &str, allowed: bool| {
        assert_eq!(origin_allowed(origin.as_bytes(), host.as_bytes(), &[]), allowed, "{origin} at {host}");
    };
    check("https://app.example.com", "app.example.com", true);
    check("https://app.example.com", "app.example.com:443", true);
    check("https://app.example.com:443", "app.example.com", true);
    check("http://app.example.com:80", "app.example.com", true);
    check("HTTP://App.Example.COM", "app.example.com:80", true);
    check("http://app.example.com:8080", "app.example.com:8080", true);
    check("http://app.example.com", "app.example.com.", true);
    check("http://[fd00::1]:80", "[FD00:0:0::1]", true);
    check("http://10.0.0.1", "10.0.0.1:80", true);
    check("http://app.example.com:443", "app.example.com", false);
    check("http://app.example.com", "app.example.com:443", false);
    check("https://app.example.com", "app.example.com:8443", false);
    check("https://evil.example.com", "app.example.com", false);
    check("https://app.example.com.evil.example", "app.example.com", false);
    check("https://app.example.com", "evil@app.example.com", false);
    check("https://app.example.com", "", false);
}

#[test]
fn loopback_origins_are_allowed_at_a_loopback_host_whatever_the_port() {
    let check = |origin: &str, host: &str, allowed: bool| {
        assert_eq!(origin_allowed(origin.as_bytes(), host.as_bytes(), &[]), allowed, "{origin} at {host}");
    };
    check("http://localhost:6274", "127.0.0.1:4483", true);
    check("https://127.9.9.9", "localhost:4483", true);
    check("http://[::1]:3000", "localhost", true);
    check("http://localhost:6274", "[::1]:4483", true);
    check("http://localhost:6274", "app.example.com", false);
    check("http://evil.example.com", "localhost:4483", false);
    check("http://localhost.evil.example.com", "localhost", false);
    check("http://127.0.0.1.evil.example.com", "127.0.0.1", false);
    check("http://evil.localhost", "localhost", false);
    check("http://0.0.0.0:4483", "localhost:4483", false);
    check("http://[::]:4483", "[::1]:4483", false);
}

#[test]
fn null_and_malformed_origins_are_refused() {
    for origin in [
        "null",
        "NULL",
        "",
        " ",
        "localhost",
        "//localhost",
        "http:",
        "http://",
        "http:///",
        "http://localhost/",
        "http://localhost/path",
        "http://localhost?x",
        "http://localhost#x",
        "http://user@localhost",
        "http://user:pass@localhost",
        "http://localhost:80@evil.example.com",
        "http://localhost:",
        "http://localhost:port",
        "http://localhost http://localhost",
        "http://localhost, http://localhost",
        "http://localhost\0",
        " http://localhost",
        "http://localhost ",
        "http://::1",
        "http://[::1",
        "http://[::1%25lo]",
        "http://localhost\\evil.example.com",
        "file://",
        "file://localhost",
        "ftp://localhost",
        "chrome-extension://localhost",
        "https+x://localhost",
    ] {
        let extra = list(&["null", "", " ", "http://localhost/", "http://user@localhost", "//localhost"]);
        assert!(!origin_allowed(origin.as_bytes(), b"localhost", &extra), "{origin:?}");
    }
}

#[test]
fn listed_origins_are_allowed_anywhere() {
    let extra = list(&["https://App.example.com", "http://dev.example.com:3000", "vscode-webview://abc"]);
    let check = |origin: &str, allowed: bool| {
        assert_eq!(origin_allowed(origin.as_bytes(), b"gateway.example.com", &extra), allowed, "{origin}");
    };
    check("https://app.example.com", true);
    check("https://app.example.com:443", true);
    check("http://dev.example.com:3000", true);
    check("vscode-webview://abc", true);
    check("http://app.example.com", false);
    check("http://app.example.com:443", false);
    check("https://app.example.com:8443", false);
    check("http://dev.example.com", false);
    check("https://evil-app.example.com", false);
    check("https://app.example.com.evil.example", false);
    check("vscode-webview://abcd", false);
}

#[test]
fn a_service_name_that_somebody_could_own_is_no_home_of_pages() {
    let check = |name: &str, allowed: bool| {
        let origin = format!("http://{name}");
        assert_eq!(origin_allowed(origin.as_bytes(), name.as_bytes(), &[]), allowed, "{name}");
    };
    check("vmcp-ops.dev:4483", false);
    check("vmcp-ops.dev", false);
    check("vmcp-ops.dev.svc:4483", true);
    check("vmcp-ops:4483", true);
}
