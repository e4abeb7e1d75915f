use super::*;
use rcgen::{CertificateParams, KeyPair};

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// What is said of these contents; nothing when they can be served.
fn said(certificate: &str, key: &str) -> String {
    let files = TlsFiles { certificate: "chain.pem".into(), key: "key.pem".into() };
    let pem = Pem { certificate: certificate.into(), key: key.into() };
    pem.parse(&files).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn what_is_wrong_names_the_file_the_flag_and_the_remedy() {
    let ((certificate, key), (_, other)) = (pair(), pair());
    let check = |certificate: &str, key: &str, expected: &[&str]| {
        let said = said(certificate, key);
        assert!(expected.iter().all(|e| said.contains(e)), "{said}");
        assert!(!said.contains("PRIVATE KEY-----"), "{said}");
    };
    check("", &key, &["chain.pem", "--tls-certificate", "holds no certificate"]);
    check(&key, &key, &["chain.pem", "holds no certificate"]);
    check(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &key,
        &["chain.pem", "not PEM of"],
    );
    check(&certificate[..200], &key, &["chain.pem", "not PEM of"]);
    check(&certificate, "", &["key.pem", "--tls-key", "holds no private key", "passphrase"]);
    let locked = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    check(&certificate, &locked, &["key.pem", "holds no private key"]);
    check(&certificate, &other, &["key.pem", "chain.pem", "made together"]);
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    check(&certificate, nonsense, &["key.pem", "cannot be used", "Ed25519"]);
    assert_eq!(said(&certificate, &key), "");
}

#[test]
fn a_chain_expires_with_its_first_certificate() {
    let (issuer, _) = pair();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let chain = params.self_signed(&key).unwrap().pem() + &issuer;
    let files = TlsFiles { certificate: "chain.pem".into(), key: "key.pem".into() };
    let loaded =
        Pem { certificate: chain.into(), key: key.serialize_pem().into() }.parse(&files).ok().unwrap();
    assert_eq!(loaded.until, UNIX_EPOCH + Duration::from_secs(1_927_843_200));
    assert_eq!(loaded.config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(loaded.config.max_early_data_size, 0, "what is sent early can be said again by anybody");
    assert!(loaded.config.ticketer.enabled());
}

#[test]
fn what_moves_from_one_file_to_the_other_is_another_pair() {
    let digest =
        |certificate: &str, key: &str| Pem { certificate: certificate.into(), key: key.into() }.digest();
    assert_eq!(digest("ab", "c"), digest("ab", "c"));
    assert_ne!(digest("ab", "c"), digest("a", "bc"));
}
