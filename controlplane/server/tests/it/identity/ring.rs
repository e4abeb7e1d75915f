//! The session key ring in a Secret.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use tidegate_controlplane_server::keys::SharedKeys;

use super::stage::Stage;

const NAME: &str = "tidegate-session-keys";
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn replicas_share_one_ring_and_only_a_leader_rotates_it() {
    let stage = Stage::set().await;
    let keys = || SharedKeys::new(stage.client(), &stage.namespace, HOUR);
    let (a, b, c) = (keys(), keys(), keys());
    let (first, second, third) = tokio::join!(a.current(false), b.current(false), c.current(true));
    let ids = first.unwrap().ids();
    assert_eq!(ids.len(), 1, "it is made by whoever is first");
    assert_eq!((second.unwrap().ids(), third.unwrap().ids()), (ids.clone(), ids.clone()));

    // The key grows old.
    let secrets: Api<Secret> = stage.api();
    let mut secret = secrets.get(NAME).await.unwrap();
    let bytes = &mut secret.data.as_mut().unwrap().get_mut("session-keys").unwrap().0;
    let mut kept: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let created = kept["keys"][0]["created_unix"].as_u64().unwrap();
    kept["keys"][0]["created_unix"] = (created - 2 * HOUR.as_secs()).into();
    *bytes = serde_json::to_vec(&kept).unwrap();
    let aged = secrets.replace(NAME, &PostParams::default(), &secret).await.unwrap();

    assert_eq!(a.current(false).await.unwrap().ids(), ids);
    assert_eq!(stage.secret(NAME).await, Some(aged), "nobody leads");
    let (one, other) = tokio::join!(a.current(true), b.current(true));
    let ring = one.unwrap().ids();
    assert_eq!(other.unwrap().ids(), ring, "of two leaders one is heard");
    assert_eq!((ring.len(), &ring[0]), (2, &ids[0]), "the new key opens before it seals");
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
    let keys = SharedKeys::new(stage.client(), &stage.namespace, HOUR);
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
