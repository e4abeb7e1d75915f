//! The session key ring in a Secret.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use tidegate_bench_cluster::eventually;
use tidegate_controlplane_server::keys::SharedKeys;

use super::stage::Stage;
use crate::support::DEADLINE;

const NAME: &str = "tidegate-session-keys";

#[tokio::test]
async fn replicas_share_one_ring_and_only_a_leader_rotates_it() {
    let stage = Stage::set().await;
    let keys = |rotation| SharedKeys::new(stage.client(), &stage.namespace, Duration::from_secs(rotation));
    let (a, b, c) = (keys(1), keys(1), keys(1));
    let (first, second, third) = tokio::join!(a.current(false), b.current(false), c.current(true));
    let ids = first.unwrap().ids();
    assert_eq!(second.unwrap().ids(), ids);
    let mut leaders = third.unwrap().ids();
    leaders.retain(|id| !ids.contains(id));
    assert_eq!(leaders, [""; 0], "one is made by whoever is first");

    let version = async || stage.secret(NAME).await.and_then(|s| s.metadata.resource_version);
    let before = version().await;
    // It is due for a second key by now, or soon, but nobody leads: then two do at once.
    let rotated = async || {
        let (a, b) = tokio::join!(a.current(true), b.current(true));
        let (a, b) = (a.unwrap().ids(), b.unwrap().ids());
        assert_eq!(a, b, "of two leaders one is heard");
        (a.len() > 1).then_some(a)
    };
    assert_eq!(keys(1).current(false).await.unwrap().ids(), ids);
    assert_eq!(version().await, before);
    let ring = eventually("there is a second key", DEADLINE, rotated).await.unwrap();
    assert_eq!(ring[0], ids[0], "which opens before it seals");
    assert_eq!(c.current(false).await.unwrap().ids(), ring);
}

#[tokio::test]
async fn a_ring_that_cannot_be_understood_is_reported_and_left_alone() {
    let stage = Stage::set().await;
    let secrets: Api<Secret> = stage.api();
    let mut secret = Secret::default();
    secret.metadata.name = Some(NAME.to_owned());
    secret.data = Some([("session-keys".to_owned(), ByteString(br#"{"hush":1}"#.to_vec()))].into());
    let made = secrets.create(&PostParams::default(), &secret).await.unwrap();
    let keys = SharedKeys::new(stage.client(), &stage.namespace, Duration::from_secs(3600));
    for leads in [false, true] {
        let error = keys.current(leads).await.unwrap_err().to_string();
        let expected = format!(
            "the Secret {}/tidegate-session-keys, session-keys: not a session key file: repair it, or delete it to get \
             new keys, with which open sessions are lost",
            stage.namespace
        );
        assert_eq!(error, expected);
    }
    assert_eq!(stage.secret(NAME).await, Some(made));
}
