//! What is secret is in no log of the control plane and in no `Debug`, at any level.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use tidegate_controlplane_server::identity::kept;
use tidegate_controlplane_server::identity::lifetimes::Lifetimes;
use tidegate_controlplane_server::keys::SharedKeys;

use super::log::Log;
use super::stage::{GatewayProcess, Replica, Stage};

/// The lines of a key in PEM.
fn lines(secret: &Secret, key: &str) -> Vec<String> {
    let text = String::from_utf8(secret.data.as_ref().expect("data")[key].0.clone()).expect("PEM");
    text.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect()
}

// One thread: what its tasks say is caught, and nothing of other tests.
#[tokio::test]
async fn no_secret_is_in_a_log() {
    let (log, _guard) = Log::of_this_thread();
    let stage = Stage::set().await;
    let replica = Replica::start(&stage, Lifetimes::default(), true).await;
    let keys = SharedKeys::new(stage.client(), &stage.namespace, Duration::from_secs(3600));
    let ring = keys.current(true).await.unwrap();
    let shown = format!("{ring:?}");
    replica.push.set_key_ring(ring.clone());
    replica.publish(0);
    let token = stage.gateway_token("a").await;
    let node = stage.node("a");
    let _gateway = GatewayProcess::start(&replica.url(), &node, &stage.authorities().await, &token);
    replica.node("the gateway is current", |node| node.current).await;
    replica.stop().await;

    let text = log.text();
    assert!(text.contains("certificate issued") && text.contains("TRACE"), "the log is caught");
    let secret = stage.secret("tidegate-ca").await.unwrap();
    let authorities = format!("{:?}", kept::read(&secret).unwrap());
    let key: String = ring.keys[0].secret.iter().map(|b| format!("{b:02x}")).collect();
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let secrets = lines(&secret, "tls.key").into_iter().chain([key, signature]);
    for hidden in secrets {
        for (place, text) in [("log", &text), ("ring", &shown), ("authorities", &authorities)] {
            if let Some(at) = text.find(&hidden) {
                panic!("{place}: {}", &text[at.saturating_sub(400)..at]);
            }
        }
    }
}
