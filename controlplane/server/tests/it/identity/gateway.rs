//! A gateway's process: gets a certificate, a table over TLS, and keeps both through restarts and rotations.

use std::os::unix::fs::PermissionsExt as _;

use tidegate_bench_cluster::eventually;
use tidegate_controlplane_server::identity::kept;
use tidegate_controlplane_server::identity::lifetimes::Lifetimes;
use tidegate_proto::keys::{KeyRing, SessionKey};

use super::authorities::seed;
use super::stage::{GatewayProcess, Replica, Stage, lifetimes};
use crate::support::DEADLINE;

fn ring() -> KeyRing {
    KeyRing { keys: vec![SessionKey { id: "k1".into(), secret: [0xa7; 32] }] }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_gets_an_identity_and_a_table_and_comes_back_with_both() {
    let stage = Stage::set().await;
    let replica = Replica::start(&stage, Lifetimes::default(), true).await;
    replica.push.set_key_ring(ring());
    replica.publish(0);
    let token = stage.gateway_token("a").await;
    let node = stage.node("a");
    let mut gateway = GatewayProcess::start(&replica.url(), &node, &stage.authorities().await, &token);
    let connected = replica.node("the gateway is current", |node| node.current).await;
    assert_eq!(connected.name, node);
    assert_eq!(gateway.metric("tidegate_certificates_issued_total").await, Some(1));
    let identity = gateway.path("state/identity.pem");
    assert_eq!(identity.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // Without a token it can get no other certificate: it comes back with the one that it has.
    std::fs::remove_file(gateway.path("token")).unwrap();
    gateway.restart();
    let again = |n: &tidegate_controlplane_server::push::NodeState| {
        n.current && n.connected_since > connected.connected_since
    };
    replica.node("the gateway is back", again).await;
    assert_eq!(gateway.metric("tidegate_certificates_issued_total").await, Some(0));
    let page = gateway.metric("tidegate_certificate_expires_seconds").await.unwrap();
    let day = jiff::Timestamp::now().as_second().cast_unsigned() + 24 * 3600;
    assert!((day - 3600..=day).contains(&page), "{page}");

    // What is secret is in no log, at the level of debugging.
    let log = gateway.log();
    let key = std::fs::read_to_string(&identity).unwrap();
    let key: Vec<&str> = key.lines().take_while(|line| !line.contains("END")).skip(1).collect();
    assert!(!key.is_empty());
    let secrets = key.into_iter().chain([token.as_str(), token.rsplit('.').next().unwrap(), "a7a7a7a7"]);
    for secret in secrets {
        assert!(!log.contains(secret), "{log}");
    }
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_files_are_of_no_use_says_which_and_goes_on_when_they_are() {
    let stage = Stage::set().await;
    let replica = Replica::start(&stage, Lifetimes::default(), true).await;
    replica.publish(0);
    let (node, authorities) = (stage.node("a"), stage.authorities().await);
    let gateway = GatewayProcess::start(&replica.url(), &node, "", "");
    let (ca, token) = (gateway.path("ca.crt"), gateway.path("token"));
    let holds_none = format!("{} (--control-plane-ca) holds no certificate in PEM", ca.display());
    gateway.says(&holds_none).await;
    let stranger = Stage::set().await;
    let _other = Replica::start(&stranger, Lifetimes::default(), true).await;
    gateway.mount("ca.crt", &stranger.authorities().await);
    gateway.says(&format!("{} (--token-file) holds no token", token.display())).await;
    gateway.mount("token", "not.a.token");
    gateway.says(&format!("no connection for a certificate, trusting {}", ca.display())).await;
    gateway.mount("ca.crt", &authorities);
    let refused = format!("issues no certificate for the token in {} (--token-file)", token.display());
    gateway.says(&refused).await;
    gateway.mount("token", &stage.gateway_token("b").await);
    gateway.says(&format!("the token is that of node {}, and this is node {node}", stage.node("b"))).await;
    gateway.mount("token", &stage.gateway_token("a").await);
    replica.node("the gateway is current", |node| node.current).await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_a_live_stream_loses_nothing() {
    let stage = Stage::set().await;
    let brief = lifetimes(90, 20, 4);
    // its successor is due at once
    seed(&stage, &brief, 61).await;
    let replica = Replica::start(&stage, brief, true).await;
    let old = stage.authorities().await;
    replica.push.set_key_ring(ring());
    replica.publish(0);
    let token = stage.gateway_token("a").await;
    let gateway = GatewayProcess::start(&replica.url(), &stage.node("a"), &old, &token);
    replica.node("the gateway is current", |node| node.current).await;

    let mut edits = 0;
    let over = loop {
        let secret = stage.secret("tidegate-ca").await.expect("a Secret");
        let authorities = kept::read(&secret).expect("authorities");
        gateway.mount("ca.crt", &stage.authorities().await);
        edits += 1;
        replica.publish_to_node(edits).await;
        let ready = gateway.admin("/readyz").await.expect("the admin port answers");
        assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
        if authorities.next.is_none() && authorities.retired.is_empty() && authorities.signing_since > 0 {
            let bundle = stage.authorities().await;
            if bundle != old && bundle.matches("BEGIN").count() == 1 {
                break bundle;
            }
        }
    };
    assert!(!over.contains(old.trim()), "the old authority is forgotten");
    let issued = gateway.metric("tidegate_certificates_issued_total").await.expect("a counter");
    assert!(issued >= 2, "{issued}");
    assert_eq!(gateway.metric("tidegate_certificate_failures_total").await, Some(0));
    // each edit once, whatever stream it came on
    let swaps =
        async || (gateway.metric("tidegate_table_swaps_total").await? >= u64::from(edits)).then_some(());
    eventually("all edits are there", DEADLINE, swaps).await.unwrap();
    let swaps = gateway.metric("tidegate_table_swaps_total").await.expect("a counter");
    assert!(swaps <= u64::from(edits) + 2, "{swaps} swaps for {edits} edits");
    replica.stop().await;
}
