//! From the manifest to the status, with the real control plane.

use super::backend::Backend;
use super::stage::{Stage, Status};
use serde_json::json;

const PROBED: &str =
    "{failureHandling: {healthCheckInterval: 300ms, healthCheckTimeout: 250ms, statusReportingInterval: 5s}}";

#[test]
fn b11_and_e1_a_backend_that_is_down_degrades_the_virtual_server_and_one_that_recovers_makes_it_ready() {
    let (a, mut b) = (Backend::start("a"), Backend::down("b"));
    let stage = Stage::over(&[&a, &b], "{}", PROBED);
    let backends = |s: &Status| ["a", "b"].map(|w| s.backend(w, "status").to_owned());
    let down = stage.says("b is unavailable", |s| backends(s) == ["ready", "unavailable"]);
    assert_eq!((down.field("phase"), down.field("backendCount")), ("Degraded", "1"));
    let message = down.backend("b", "message");
    assert!(message.starts_with("Connection failed (failures: "), "{message}");
    b.up();
    let up = stage.says("both are ready", |s| backends(s) == ["ready", "ready"]);
    assert_eq!((up.field("phase"), up.field("backendCount")), ("Ready", "2"));
    assert_eq!(stage.client().call_text("b_who", json!({})), "b");
}

#[test]
fn e12_the_last_probe_in_the_status_is_never_older_than_the_reporting_interval() {
    let a = Backend::start("a");
    let stage = Stage::over(&[&a], "{}", PROBED);
    let mut last = stage.phase("Ready").backend("a", "lastHealthCheck").to_owned();
    for _ in 0..2 {
        let next = stage.says("a later probe", |s| s.backend("a", "lastHealthCheck") != last);
        let next = next.backend("a", "lastHealthCheck").to_owned();
        let apart = (86_400 + seconds(&next) - seconds(&last)) % 86_400;
        // times are told in whole seconds, and probes come between two reports
        assert!((1..=6).contains(&apart), "{last} {next}");
        last = next;
    }
}

/// Seconds of the day of an RFC 3339 time.
fn seconds(time: &str) -> u32 {
    let (_, clock) = time.split_once('T').expect("a date and a time");
    clock[..8].split(':').fold(0, |sum, part| 60 * sum + part.parse::<u32>().expect("a number"))
}
