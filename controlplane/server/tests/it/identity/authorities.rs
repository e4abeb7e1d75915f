//! The authorities: one for all replicas, rotated by the leader, never overwritten when they cannot be understood.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, PostParams};
use tidegate_bench_cluster::eventually;
use tidegate_controlplane_server::identity::authority::Authority;
use tidegate_controlplane_server::identity::kept;
use tidegate_controlplane_server::identity::lifetimes::Lifetimes;
use tidegate_controlplane_server::identity::rotation::Rotation;
use tidegate_controlplane_server::identity::{Identities, KeeperError, Options, Place, Unbound};

use super::stage::{Replica, Stage, lifetimes};
use crate::support::DEADLINE;

const NAME: &str = "tidegate-ca";

/// Puts an authority there that is as old as it says.
pub(super) async fn seed(stage: &Stage, lifetimes: &Lifetimes, age: u64) {
    let now = jiff::Timestamp::now().as_second().cast_unsigned() - age;
    let authority = Authority::create(lifetimes, now).expect("an authority");
    let mut secret = Secret::default();
    secret.metadata.name = Some(NAME.to_owned());
    kept::write(&Rotation::first(authority.into(), now), &mut secret);
    stage.api().create(&PostParams::default(), &secret).await.expect("it is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_share_one_authority_and_the_leader_publishes_it() {
    let stage = Stage::set().await;
    let usual = Lifetimes::default();
    let start = || Replica::start(&stage, usual, false);
    let replicas = [start(), start(), start(), start()];
    let replicas = futures_util::future::join_all(replicas).await;
    let secret = stage.secret(NAME).await.expect("there is a Secret");
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
    let certificate = |secret: &Secret| secret.data.as_ref().unwrap()["tls.crt"].0.clone();
    assert!(stage.api::<ConfigMap>().get_opt(NAME).await.unwrap().is_none(), "nobody leads");

    replicas[2].leading.send_replace(true);
    let published = stage.authorities().await;
    assert_eq!(published.as_bytes(), certificate(&secret));
    let version = |secret: Option<Secret>| secret.and_then(|s| s.metadata.resource_version);
    assert_eq!(version(stage.secret(NAME).await), secret.metadata.resource_version, "nothing was due");
    let map = stage.api::<ConfigMap>().get(NAME).await.unwrap();
    assert_eq!(map.data.unwrap().len(), 1, "and no key is published");
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_do_not_know_of_each_other_rotate_once() {
    let stage = Stage::set().await;
    let brief = lifetimes(90, 20, 4);
    seed(&stage, &brief, 61).await;
    let replicas = [Replica::start(&stage, brief, true), Replica::start(&stage, brief, true)];
    let replicas = futures_util::future::join_all(replicas).await;
    let promoted = async || {
        let secret = stage.secret(NAME).await?;
        let authorities = kept::read(&secret).expect("it can be understood");
        // nobody trusts more than the old one and one new one, at any time
        assert!(authorities.bundle().len() <= 2);
        (authorities.next.is_none() && authorities.retired.len() == 1).then_some(authorities)
    };
    let authorities = eventually("another one signs", DEADLINE, promoted).await.unwrap();
    // what is published is what is kept, also after two have published
    let same = async || {
        let published = stage.authorities().await;
        let pem = tidegate_controlplane_server::identity::certificate::bundle(&authorities.bundle());
        (published == pem).then_some(())
    };
    eventually("it is published", DEADLINE, same).await.unwrap();
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_understood_is_reported_and_left_alone() {
    let stage = Stage::set().await;
    let secrets: Api<Secret> = stage.api();
    let mut secret = Secret::default();
    secret.metadata.name = Some(NAME.to_owned());
    secret.data = Some([("tls.crt".to_owned(), ByteString(b"somebody's own".to_vec()))].into());
    let made = secrets.create(&PostParams::default(), &secret).await.unwrap();

    let place = Place { client: stage.client(), namespace: stage.namespace.clone() };
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let options = Options { place, lifetimes: Lifetimes::default(), unbound: Unbound::Refused, address };
    let error = Identities::open(options).await.err().expect("it is not understood");
    assert!(matches!(error, KeeperError::Kept { .. }));
    let expected =
        format!("the Secret {}/tidegate-ca has no tls.key: repair it, or delete it", stage.namespace);
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(stage.secret(NAME).await, Some(made));
}
