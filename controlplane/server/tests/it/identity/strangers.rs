//! Who is not let in, and what they are told.

use rcgen::{CertificateParams, DnType, KeyPair};
use tidegate_bench_cluster::eventually;
use tidegate_controlplane_server::identity::authority::{Authority, Request as CertificateRequest};
use tidegate_controlplane_server::identity::kept;
use tidegate_controlplane_server::identity::lifetimes::Lifetimes;
use tidegate_proto::identity::AUDIENCE;
use tidegate_proto::wire::identity_client::IdentityClient;
use tidegate_proto::wire::inspect_client::InspectClient;
use tidegate_proto::wire::push_client::PushClient;
use tidegate_proto::wire::{self, FromNode, IssueRequest, IssueResponse, StateRequest, from_node};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

use super::log::Log;
use super::stage::{ACCOUNT, Replica, Stage};
use crate::support::DEADLINE;

/// A key and a request for `name`.
fn request(name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (key.serialize_pem(), params.serialize_request(&key).and_then(|csr| csr.pem()).expect("a request"))
}

async fn channel(
    replica: &Replica,
    stage: &Stage,
    identity: Option<(String, String)>,
) -> Result<Channel, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(stage.authorities().await));
    if let Some((key, chain)) = identity {
        tls = tls.identity(Identity::from_pem(chain, key));
    }
    Endpoint::from_shared(replica.url())?.tls_config(tls)?.connect().await
}

async fn issue(channel: Channel, token: Option<&str>, csr: &str) -> Result<IssueResponse, Status> {
    let mut request = Request::new(IssueRequest { csr: csr.to_owned() });
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    IdentityClient::new(channel).issue(request).await.map(tonic::Response::into_inner)
}

/// Opens a push stream as `node`, and waits for the first message or the reason why there is none.
async fn push(channel: Channel, node: &str) -> Result<(), Status> {
    let hello = wire::Hello { protocol: 1, node: node.to_owned(), ..wire::Hello::default() };
    let first = FromNode { body: Some(from_node::Body::Hello(hello)) };
    let mut client = PushClient::new(channel);
    let opened = tokio::time::timeout(DEADLINE, client.connect(tokio_stream::once(first)));
    let mut stream = opened.await.expect("an answer")?.into_inner();
    let message = tokio::time::timeout(DEADLINE, stream.message()).await.expect("an answer")?;
    message.map(drop).ok_or_else(|| Status::unknown("ended without a reason"))
}

fn told(result: Result<impl Sized, Status>) -> (Code, String) {
    let status = result.err().expect("it is refused");
    (status.code(), status.message().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_a_gateways_gets_no_certificate() {
    let stage = Stage::set().await;
    let replica = Replica::start(&stage, Lifetimes::default(), true).await;
    let gateways = format!("system:serviceaccount:{}:{ACCOUNT}", stage.namespace);
    let (_, csr) = request("a");
    let check = async |token: Option<&str>, csr: &str, code: Code, words: &str| {
        let channel = channel(&replica, &stage, None).await.expect("a visitor may connect");
        let (actual, said) = told(issue(channel, token, csr).await);
        assert_eq!(actual, code, "{said}");
        assert!(said.contains(words), "{said}");
        assert!(token.is_none_or(|token| !said.contains(token)), "{said}");
    };
    let refused = "the token is not valid for the audience \"tidegate-controlplane\": ";
    check(None, &csr, Code::Unauthenticated, "\"authorization: Bearer TOKEN\"").await;
    check(Some("not.a.token"), &csr, Code::Unauthenticated, refused).await;
    let api = stage.token(ACCOUNT, "https://kubernetes.default.svc", None).await;
    check(Some(&api), &csr, Code::Unauthenticated, refused).await;
    let other = stage.token("other", AUDIENCE, None).await;
    let words = format!(
        "the token is that of system:serviceaccount:{}:other, and gateways run as {gateways}",
        stage.namespace
    );
    check(Some(&other), &csr, Code::PermissionDenied, &words).await;
    let unbound = stage.token(ACCOUNT, AUDIENCE, None).await;
    check(Some(&unbound), &csr, Code::PermissionDenied, "the token is bound to no pod on a node").await;
    let good = stage.gateway_token("a").await;
    check(Some(&good), "junk", Code::InvalidArgument, "not a PKCS#10 signing request in PEM").await;
    let long = "x".repeat(16 * 1024);
    check(Some(&good), &long, Code::OutOfRange, "").await;

    // The name in the request is not believed.
    let channel = channel(&replica, &stage, None).await.unwrap();
    let issued = issue(channel.clone(), Some(&good), &request("somebody-else").1).await.unwrap();
    assert_eq!(issued.node, stage.node("a"));
    assert_eq!(issued.trust, stage.authorities().await);
    // Nine have come so far that counted, of a burst of ten.
    let mut ends = Vec::new();
    for _ in 0..8 {
        ends.push(issue(channel.clone(), None, &csr).await.expect_err("without a token").code());
    }
    assert!(ends.contains(&Code::ResourceExhausted), "{ends:?}");
    replica.stop().await;
}

// One thread: what is refused within TLS is told in the log.
#[tokio::test]
async fn without_a_good_certificate_of_the_node_there_is_no_stream() {
    let (log, _guard) = Log::of_this_thread();
    let stage = Stage::set().await;
    let replica = Replica::start(&stage, Lifetimes::default(), true).await;
    replica.publish(0);
    stage.authorities().await;

    let plain = Endpoint::from_shared(format!("http://{}", replica.address)).unwrap();
    let refused = match plain.connect().await {
        Ok(channel) => push(channel, "a").await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "plain text is not served");
    let told_of = async |words: &str| {
        let refused = |line: &str| line.contains("connection refused") && line.contains(words);
        let told = async || log.text().lines().any(refused).then_some(());
        eventually(words, DEADLINE, told).await.unwrap();
    };
    told_of("received corrupt message").await;

    let visitor = channel(&replica, &stage, None).await.unwrap();
    let words = "this needs a client certificate, which tidegate.v1.Identity issues to gateways".to_owned();
    assert_eq!(told(push(visitor.clone(), "a").await), (Code::Unauthenticated, words.clone()));
    let inspected = InspectClient::new(visitor).state(StateRequest::default()).await;
    assert_eq!(told(inspected), (Code::Unauthenticated, words));

    let secret = stage.secret("tidegate-ca").await.unwrap();
    let ours = kept::read(&secret).unwrap().signing;
    let now = jiff::Timestamp::now().as_second().cast_unsigned();
    let usual = Lifetimes::default();
    let certificate = |authority: &Authority, node: &str, at: u64| {
        let (key, csr) = request("ignored");
        let csr = CertificateRequest::read(&csr).unwrap();
        (key, authority.node(&csr, &node.parse().unwrap(), &usual, at).unwrap())
    };
    let try_as = async |identity: (String, String)| match channel(&replica, &stage, Some(identity)).await {
        Ok(channel) => push(channel, "a").await,
        Err(error) => Err(Status::from_error(error.into())),
    };
    assert!(try_as(certificate(&ours, "a", now)).await.is_ok());
    assert_eq!(
        told(try_as(certificate(&ours, "b", now)).await),
        (Code::PermissionDenied, "the certificate names node b, the hello node a".to_owned())
    );
    // These are refused within TLS.
    assert!(try_as(certificate(&ours, "a", now - 3 * 24 * 3600)).await.is_err());
    told_of("certificate expired").await;
    // Of another second than ours: the names of authorities have it.
    let foreign = Authority::create(&usual, now - 100).unwrap();
    assert!(try_as(certificate(&foreign, "a", now)).await.is_err());
    told_of("UnknownIssuer").await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_certificate_expires() {
    let stage = Stage::set().await;
    let brief = super::stage::lifetimes(60, 4, 2);
    let replica = Replica::start(&stage, brief, true).await;
    replica.publish(0);
    let token = stage.gateway_token("a").await;
    let (key, csr) = request("ignored");
    let visitor = channel(&replica, &stage, None).await.unwrap();
    let issued = issue(visitor, Some(&token), &csr).await.unwrap();
    let channel = channel(&replica, &stage, Some((key, issued.chain))).await.unwrap();
    let hello = wire::Hello { protocol: 1, node: issued.node, ..wire::Hello::default() };
    let hello = FromNode { body: Some(from_node::Body::Hello(hello)) };
    // stays open, and says nothing more
    let outgoing = futures_util::StreamExt::chain(tokio_stream::once(hello), tokio_stream::pending());
    let mut stream = PushClient::new(channel).connect(outgoing).await.unwrap().into_inner();
    let end = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                end => return end,
            }
        }
    };
    let end = tokio::time::timeout(DEADLINE, end).await.expect("it ends");
    assert_eq!(told(end), (Code::Unauthenticated, "the certificate has expired".to_owned()));
    replica.stop().await;
}
