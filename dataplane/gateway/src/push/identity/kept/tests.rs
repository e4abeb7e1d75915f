use std::os::unix::fs::PermissionsExt as _;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};

use super::*;

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Ca {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Ca { pem, issuer: Issuer::new(params, key) }
}

/// Good from now on, for so many seconds.
fn certificate(ca: &Ca, uri: &str, seconds: u64) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now;
    params.not_after = params.not_before + Duration::from_secs(seconds);
    let chain = params.signed_by(&key, &ca.issuer).unwrap().pem();
    (key.serialize_pem(), chain)
}

fn node(ca: &Ca, seconds: u64) -> NodeCertificate {
    let (key, chain) = certificate(ca, "spiffe://tidegate/node/n1", seconds);
    NodeCertificate::new(key, chain).unwrap()
}

#[test]
fn what_is_saved_is_loaded_and_is_for_the_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    assert!(load(dir.path()).unwrap().is_none());
    let saved = node(&authority(), 3600);
    save(dir.path(), &saved).unwrap();
    let loaded = load(dir.path()).unwrap().unwrap();
    assert_eq!((loaded.key(), loaded.chain()), (saved.key(), saved.chain()));
    assert!(loaded.names("n1") && !loaded.names("n2"));
    let mode = dir.path().join(FILE).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_of_no_use_is_named_and_not_quoted() {
    let (ca, dir) = (authority(), tempfile::tempdir().unwrap());
    let (key, chain) = certificate(&ca, "spiffe://tidegate/node/n1", 60);
    let (other_key, _) = certificate(&ca, "spiffe://tidegate/node/n1", 60);
    let (pod_key, pod) = certificate(&ca, "spiffe://tidegate/pod/n1", 60);
    for text in ["hush", &key, &chain, &format!("{other_key}{chain}"), &format!("{pod_key}{pod}")] {
        fs::write(dir.path().join(FILE), text).unwrap();
        let expected = format!("{} holds no key with its certificate", dir.path().join(FILE).display());
        assert_eq!(load(dir.path()).unwrap_err(), expected);
    }
}

#[test]
fn a_certificate_is_due_after_two_thirds_of_its_life() {
    let certificate = node(&authority(), 300);
    let after = |seconds| certificate.from + Duration::from_secs(seconds);
    let check = |now, is_due, due_in| {
        let actual = (certificate.is_due(now), certificate.due_in(now));
        assert_eq!(actual, (is_due, Duration::from_secs(due_in)));
    };
    check(after(0), false, 200);
    check(after(199), false, 30);
    check(after(200), true, 30);
    check(after(9_000), true, 30);
}

#[test]
fn authorities_trust_what_they_have_signed_and_no_more() {
    let (ca, other) = (authority(), authority());
    let certificate = node(&ca, 3600);
    let read = |pem: &[&Ca]| Authorities::read(pem.iter().map(|ca| ca.pem.as_str()).collect()).unwrap();
    assert!(read(&[&ca]).trust(&certificate) && read(&[&other, &ca]).trust(&certificate));
    assert!(!read(&[&other]).trust(&certificate));
    assert!(read(&[&ca, &other]).hold_all_of(&ca.pem));
    assert!(!read(&[&ca]).hold_all_of(&format!("{}{}", ca.pem, other.pem)));
    assert!(Authorities::read("nothing".into()).is_none());
}

#[test]
fn the_key_is_never_shown() {
    let certificate = node(&authority(), 60);
    let shown = format!("{certificate:?}");
    let lines = certificate.key().lines().filter(|line| !line.starts_with("-----"));
    assert!(lines.clone().count() > 0);
    for line in lines {
        assert!(!shown.contains(line), "{shown}");
    }
}
