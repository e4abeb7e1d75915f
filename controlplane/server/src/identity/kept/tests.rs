use super::super::lifetimes::Lifetimes;
use super::*;

const NOW: u64 = 1_800_000_000;

fn authority() -> Arc<Authority> {
    Arc::new(Authority::create(&Lifetimes::default(), NOW).unwrap())
}

fn secret(authorities: &Authorities) -> Secret {
    let mut secret = Secret::default();
    write(authorities, &mut secret);
    secret
}

/// What of a rotation can be compared.
fn told(authorities: &Authorities) -> (Vec<CertificateDer<'static>>, u64, Option<Option<u64>>) {
    let announced = authorities.next.as_ref().map(|next| next.announced);
    (authorities.bundle(), authorities.signing_since, announced)
}

#[test]
fn what_is_written_is_read_in_every_state() {
    let mut authorities = Rotation::first(authority(), NOW);
    let check = |authorities: &Authorities| {
        let read = read(&secret(authorities)).unwrap();
        assert_eq!(told(&read), told(authorities));
    };
    check(&authorities);
    authorities.introduce(authority());
    check(&authorities);
    authorities.announce(NOW + 1);
    check(&authorities);
    authorities.promote(NOW + 2);
    check(&authorities);
    authorities.forget();
    check(&authorities);
}

#[test]
fn nothing_of_an_earlier_state_stays_in_the_secret() {
    let mut authorities = Rotation::first(authority(), NOW);
    authorities.introduce(authority());
    authorities.announce(NOW);
    let mut kept = secret(&authorities);
    kept.metadata.annotations.as_mut().unwrap().insert("someone".into(), "else's".into());
    authorities.promote(NOW + 5);
    write(&authorities, &mut kept);
    let keys: Vec<_> = kept.data.unwrap().into_keys().collect();
    assert_eq!(keys, ["ca.crt", "tls.crt", "tls.key"]);
    let annotations: Vec<_> = kept.metadata.annotations.unwrap().into_iter().collect();
    let since = ("tidegate.dev/signing-since".to_owned(), "2027-01-15T08:00:05Z".to_owned());
    assert_eq!(annotations, [("someone".to_owned(), "else's".to_owned()), since]);
}

#[test]
fn what_cannot_be_understood_is_named_and_not_quoted() {
    let good = || secret(&Rotation::first(authority(), NOW));
    let check = |change: &dyn Fn(&mut BTreeMap<String, ByteString>), expected: &str| {
        let mut secret = good();
        change(secret.data.as_mut().unwrap());
        assert_eq!(read(&secret).unwrap_err().to_string(), expected);
    };
    let text = |text: &str| ByteString(text.as_bytes().to_vec());
    let other = authority();
    check(&|d| drop(d.remove("tls.key")), "has no tls.key");
    check(&|d| drop(d.remove("ca.crt")), "has no ca.crt");
    check(&|d| d.clear(), "has no tls.crt");
    check(
        &|d| drop(d.insert("tls.key".into(), text("hush"))),
        "tls.crt and tls.key: the key is not PEM of a PKCS#8 key on P-256",
    );
    check(
        &|d| drop(d.insert("tls.key".into(), text(&other.key_pem()))),
        "tls.crt and tls.key: the key is not that of the certificate",
    );
    check(
        &|d| drop(d.insert("tls.crt".into(), text("hush"))),
        "tls.crt and tls.key: the certificate is not PEM of X.509",
    );
    check(&|d| drop(d.insert("next.crt".into(), text("hush"))), "has no next.key");
    check(&|d| drop(d.insert("ca.crt".into(), text("hush"))), "ca.crt is not PEM of 1 to 16 certificates");
    let mut secret = good();
    secret.metadata.annotations.as_mut().unwrap().insert(SIGNING_SINCE.into(), "yesterday".into());
    let expected = "annotation tidegate.dev/signing-since is not a time as in 2026-01-31T12:00:00Z";
    assert_eq!(read(&secret).unwrap_err().to_string(), expected);
}
