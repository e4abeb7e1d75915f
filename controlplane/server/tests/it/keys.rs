//! The session key ring.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{ECHO, FakeNode, Plane};

#[tokio::test]
async fn every_node_gets_the_same_ring_also_after_a_restart() {
    let mut plane = Plane::with(ECHO);
    let mut first = FakeNode::join(&plane).await;
    let ring = first.until("keys have come", |held| !held.keys.is_empty()).await.keys;
    assert_eq!(ring.len(), 1);
    assert_eq!(ring[0].secret.len(), 32);
    let file = plane.state().join("session-keys");
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);

    plane.kill();
    drop(first);
    plane.restart();
    let mut second = FakeNode::join(&plane).await;
    let again = second.until("keys have come", |held| !held.keys.is_empty()).await.keys;
    assert!(again == ring, "the ring is another one");
    let secret: String = ring[0].secret.iter().map(|b| format!("{b:02x}")).collect();
    assert!(!plane.log().contains(&secret));
}
