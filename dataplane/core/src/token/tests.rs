use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_proto::keys::{KeyRing, SessionKey};
use tidegate_proto::table::{Backend, BackendId, Egress, Limits, Locality, OutgoingAuth, Transport};

use super::*;
use crate::endpoint::EndpointId;
use crate::protocol::ProtocolVersion;

const NOW: u64 = 1_700_000_000;

fn ring(ids: &[&str]) -> KeyRing {
    let key = |id: &&str| {
        let hash = digest::digest(&digest::SHA256, format!("secret of {id}").as_bytes());
        SessionKey { id: (*id).to_owned(), secret: hash.as_ref().try_into().expect("32 bytes") }
    };
    KeyRing { keys: ids.iter().map(key).collect() }
}

fn sealer(ids: &[&str]) -> Sealer {
    Sealer::new(&ring(ids))
}

fn vs() -> VirtualServerId {
    VirtualServerId::new("default", "team")
}

fn session() -> McpSession {
    McpSession {
        id: *b"0123456789abcdef",
        version: ProtocolVersion::V2025_06_18,
        issued_unix: NOW - 60,
        expires_unix: NOW + 60,
        principal: b"https://issuer\0subject".as_slice().into(),
        client_info: br#"{"name":"client","version":"1"}"#.as_slice().into(),
        bindings: vec![Binding {
            backend: 0xfeed_beef,
            session: b"backend-session".as_slice().into(),
            version: ProtocolVersion::V2025_03_26,
            endpoint: EndpointId::from_wire(0xabcd),
        }],
    }
}

fn versions() -> impl Strategy<Value = ProtocolVersion> {
    prop::sample::select(&ProtocolVersion::ALL[..])
}

fn boxed(max: usize) -> impl Strategy<Value = Box<[u8]>> {
    vec(any::<u8>(), 0..=max).prop_map(Into::into)
}

prop_compose! {
    fn bindings(max: usize)(
        all in vec((any::<u64>(), boxed(64), versions(), any::<u32>()), 0..=max),
    ) -> Vec<Binding> {
        let binding = |(backend, session, version, endpoint)| {
            Binding { backend, session, version, endpoint: EndpointId::from_wire(endpoint) }
        };
        all.into_iter().map(binding).collect()
    }
}

prop_compose! {
    fn sessions(max_bindings: usize)(
        id in any::<[u8; 16]>(),
        version in versions(),
        issued_unix in any::<u64>(),
        expires_unix in NOW + 1..,
        principal in boxed(300),
        client_info in boxed(MAX_CLIENT_INFO),
        bindings in bindings(max_bindings),
    ) -> McpSession {
        McpSession { id, version, issued_unix, expires_unix, principal, client_info, bindings }
    }
}

proptest! {
    #[test]
    fn a_sealed_session_opens_unchanged(session in sessions(12), nonce in any::<[u8; 12]>()) {
        let sealer = sealer(&["a"]);
        let token = sealer.seal(&vs(), &session, nonce);
        prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        prop_assert_eq!(sealer.open(&vs(), token.as_bytes(), NOW), Ok(session));
    }

    #[test]
    fn a_fitted_session_stays_within_the_limit_and_keeps_its_first_bindings(session in sessions(200)) {
        let mut fitted = session.clone();
        let dropped = fitted.fit();
        prop_assert_eq!(&fitted.bindings[..], &session.bindings[..session.bindings.len() - dropped]);
        let sealer = sealer(&["a"]);
        let token = sealer.seal(&vs(), &fitted, [7; 12]);
        prop_assert!(token.len() <= MAX_TOKEN);
        if dropped > 0 {
            let mut one_more = fitted.clone();
            one_more.bindings.push(session.bindings[fitted.bindings.len()].clone());
            // the length of the count may have been a byte longer when the last binding was dropped
            prop_assert!(sealed_len(one_more.encoded_len()) + 1 > MAX_SEALED);
        }
        prop_assert_eq!(sealer.open(&vs(), token.as_bytes(), NOW), Ok(fitted));
    }

    #[test]
    fn bytes_from_strangers_never_open(token in vec(any::<u8>(), 0..5000)) {
        prop_assert!(sealer(&["a"]).open(&vs(), &token, NOW).is_err());
    }

    #[test]
    fn decoding_takes_any_bytes(bytes in vec(any::<u8>(), 0..300), format in OLDEST_FORMAT..=FORMAT) {
        if let Some(session) = McpSession::decode(&bytes, format) {
            let mut again = Vec::new();
            session.encode(&mut again);
            prop_assert_eq!(McpSession::decode(&again, FORMAT), Some(session));
        }
    }

    #[test]
    fn the_encoded_length_is_known_beforehand(session in sessions(150)) {
        let mut bytes = Vec::new();
        session.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), session.encoded_len());
    }
}

#[test]
fn any_flipped_bit_is_refused() {
    let sealer = sealer(&["a", "b"]);
    let token = sealer.seal(&vs(), &session(), [7; 12]);
    let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64");
    for bit in 0..bytes.len() * 8 {
        let mut forged = bytes.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = URL_SAFE_NO_PAD.encode(forged);
        assert!(sealer.open(&vs(), forged.as_bytes(), NOW).is_err(), "bit {bit}");
    }
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut forged = token.clone().into_bytes();
            forged[at] ^= 1 << bit;
            assert!(sealer.open(&vs(), &forged, NOW).is_err(), "character {at} bit {bit}");
        }
    }
}

#[test]
fn a_shortened_or_lengthened_token_is_refused() {
    let sealer = sealer(&["a"]);
    let token = sealer.seal(&vs(), &session(), [7; 12]);
    for end in 0..token.len() {
        assert!(sealer.open(&vs(), &token.as_bytes()[..end], NOW).is_err(), "{end}");
    }
    for tail in ["A", "AA", "AAAA", "=", " "] {
        assert!(sealer.open(&vs(), format!("{token}{tail}").as_bytes(), NOW).is_err(), "{tail:?}");
    }
}

#[test]
fn a_token_of_another_virtual_server_is_refused() {
    let sealer = sealer(&["a"]);
    let check = |issued_for: (&str, &str), used_at: (&str, &str)| {
        let [issued_for, used_at] = [issued_for, used_at].map(|(ns, name)| VirtualServerId::new(ns, name));
        let token = sealer.seal(&issued_for, &session(), [7; 12]);
        assert_eq!(sealer.open(&used_at, token.as_bytes(), NOW), Err(OpenError::Forged));
    };
    check(("default", "team"), ("default", "teams"));
    check(("default", "team"), ("other", "team"));
    check(("ab", "c"), ("a", "bc"));
}

#[test]
fn a_session_ends_at_its_second() {
    let sealer = sealer(&["a"]);
    let token = sealer.seal(&vs(), &session(), [7; 12]);
    let check =
        |now, expected| assert_eq!(sealer.open(&vs(), token.as_bytes(), now).err(), expected, "{now}");
    check(0, None);
    check(NOW + 59, None);
    check(NOW + 60, Some(OpenError::Expired));
    check(u64::MAX, Some(OpenError::Expired));
}

#[test]
fn after_a_rotation_old_tokens_open_and_the_new_key_seals() {
    let open = |sealer: &Sealer, token: &str| sealer.open(&vs(), token.as_bytes(), NOW);
    let (before, rotated, after) = (sealer(&["old"]), sealer(&["new", "old"]), sealer(&["new"]));
    let old = before.seal(&vs(), &session(), [1; 12]);
    let new = rotated.seal(&vs(), &session(), [2; 12]);
    assert_eq!(open(&rotated, &old), Ok(session()));
    assert_eq!(open(&rotated, &new), Ok(session()));
    assert_eq!(open(&after, &new), Ok(session()));
    assert_eq!(open(&after, &old), Err(OpenError::UnknownKey));
    assert_eq!(open(&before, &new), Err(OpenError::UnknownKey));
}

#[test]
fn keys_whose_ids_have_one_hash_are_both_tried() {
    let mut sealer = sealer(&["new", "old"]);
    sealer.keys[0].id = sealer.keys[1].id;
    sealer.keys.swap(0, 1);
    let token = sealer.seal(&vs(), &session(), [1; 12]);
    sealer.keys.swap(0, 1);
    assert_eq!(sealer.open(&vs(), token.as_bytes(), NOW), Ok(session()));
}

#[test]
fn the_same_key_id_with_another_secret_is_a_forgery() {
    let mut other = ring(&["a"]);
    other.keys[0].secret = [9; 32];
    let token = Sealer::new(&other).seal(&vs(), &session(), [7; 12]);
    assert_eq!(sealer(&["a"]).open(&vs(), token.as_bytes(), NOW), Err(OpenError::Forged));
}

#[test]
fn what_is_no_token_is_told_apart_from_a_later_format() {
    let sealer = sealer(&["a"]);
    let token = sealer.seal(&vs(), &session(), [7; 12]);
    let with_format = |format| {
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64");
        bytes[0] = format;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let check = |token: &str, expected| {
        assert_eq!(sealer.open(&vs(), token.as_bytes(), NOW), Err(expected), "{token:?}");
    };
    check(&with_format(FORMAT + 1), OpenError::NewerFormat);
    check(&with_format(0), OpenError::Malformed);
    check("", OpenError::Malformed);
    check("4ed1e0a6-5a5f-4e5b-9d7e-0a3a1c1d2e3f", OpenError::Malformed);
    check("00d1e0a6-5a5f-4e5b-9d7e-0a3a1c1d2e3f", OpenError::Malformed);
    check("fed1e0a6-5a5f-4e5b-9d7e-0a3a1c1d2e3f", OpenError::Malformed);
    check("not base64 at all", OpenError::Malformed);
    check(&"A".repeat(MAX_TOKEN + 1), OpenError::Malformed);
}

#[test]
fn a_token_of_the_release_before_opens_and_names_no_endpoint() {
    let token = concat!(
        "AcqXgRIHBwcHBwcHBwcHBwf4LwOUmclLEnpwN4mfMZYePXiNWVxuLvSaS-GAZnKn6waBNEczoWcSPD22Vkyl1tf-Mqf7fMoR",
        "GgcYpCfgjPeb9O7THtylrTlbpUhN6qPnX7HGjeChQ5GUIDgarY6mtDG3nl0H26WVgeKuR2dnFQ1U4faHJvQ-hLr8xjMb",
    );
    let mut expected = session();
    expected.bindings[0].endpoint = None;
    assert_eq!(sealer(&["a"]).open(&vs(), token.as_bytes(), NOW), Ok(expected));
}

#[test]
fn an_oversized_principal_costs_all_bindings_and_a_long_client_info_is_left_out() {
    let mut large = session();
    large.principal = vec![b'p'; MAX_TOKEN].into();
    assert_eq!(large.fit(), 1);
    let mut chatty = session();
    chatty.client_info = vec![b' '; MAX_CLIENT_INFO + 1].into();
    assert_eq!((chatty.fit(), chatty.client_info.len()), (0, 0));
}

#[test]
fn bindings_are_found_by_backend() {
    let session = session();
    assert_eq!(session.binding(0xfeed_beef), Some(&session.bindings[0]));
    assert_eq!(session.binding(1), None);
}

#[test]
fn nothing_secret_is_shown() {
    let shown = format!("{:?} {:?}", session(), sealer(&["a"]));
    for secret in ["backend-session", "subject", "client", "0123456789abcdef", "48, 49, 50", "secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn backend() -> Backend {
    Backend {
        id: BackendId::resource("default", "MCPServer", "github"),
        workload: "github".to_owned(),
        locality: Locality::Local,
        transport: Transport::StreamableHttp,
        tls: false,
        authority: "github.example:8080".to_owned(),
        path: "/mcp".to_owned(),
        endpoints: Vec::new(),
        outgoing_auth: OutgoingAuth::Unauthenticated,
        headers: Vec::new(),
        egress: Egress::Any,
        limits: Limits::default(),
    }
}

#[test]
fn the_hash_of_a_backend_does_not_change_over_releases() {
    assert_eq!(backend_hash(&backend()), EXPECTED_HASH);
}

/// The first 8 bytes of the SHA-256 of each part behind its length (8 bytes, big-endian).
const EXPECTED_HASH: u64 = 0x3bc9_4533_f3dd_58a4;

#[test]
fn a_backend_that_moved_has_another_hash_and_other_edits_keep_it() {
    let check = |same: bool, edit: fn(&mut Backend)| {
        let mut edited = backend();
        edit(&mut edited);
        assert_eq!(backend_hash(&edited) == backend_hash(&backend()), same);
    };
    check(false, |b| b.authority = "github.example:8081".to_owned());
    check(false, |b| b.path = "/v2/mcp".to_owned());
    check(false, |b| b.id = BackendId::resource("other", "MCPServer", "github"));
    check(true, |b| b.tls = true);
    check(true, |b| b.egress = Egress::Public);
    check(true, |b| b.workload = "gh".to_owned());
}
