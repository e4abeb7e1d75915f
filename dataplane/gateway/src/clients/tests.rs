use super::*;

const NONE: ClientLimits = ClientLimits {
    connections: 0,
    connections_per_address: 0,
    streams_per_address: 0,
    sessions_per_address: 0,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Takes connections from these addresses, one after the other, and keeps what it gets.
fn taken(limits: ClientLimits, what: What, from: &[&str]) -> Vec<Result<(), Refusal>> {
    let clients = Clients::new(limits);
    let got: Vec<_> = from.iter().map(|f| clients.take(ip(f), what)).collect();
    got.iter().map(|g| g.as_ref().map(drop).map_err(|e| *e)).collect()
}

#[test]
fn each_bound_holds_for_what_it_bounds() {
    let (a, b) = ("192.0.2.1", "192.0.2.2");
    let (ok, full) = (Ok(()), Err(Refusal::Connections));
    let (conns, streams, sessions) = (
        Err(Refusal::ConnectionsPerAddress),
        Err(Refusal::StreamsPerAddress),
        Err(Refusal::SessionsPerAddress),
    );
    let per_address = ClientLimits {
        connections: 3,
        connections_per_address: 2,
        streams_per_address: 1,
        sessions_per_address: 2,
    };
    for (limits, what, from, expected) in [
        (NONE, What::Connection, vec![a; 4], vec![ok; 4]),
        (per_address, What::Connection, vec![a, a, a, b, b], vec![ok, ok, conns, ok, full]),
        (per_address, What::Stream, vec![a, a, b], vec![ok, streams, ok]),
        (per_address, What::Session, vec![a, b, a, a], vec![ok, ok, ok, sessions]),
    ] {
        assert_eq!(taken(limits, what, &from), expected, "{what:?} from {from:?}");
    }
}

#[test]
fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_what_it_maps() {
    let one = ClientLimits { connections_per_address: 1, ..NONE };
    for (first, second, same) in [
        ("2001:db8::1", "2001:db8::2", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
    ] {
        let got = taken(one, What::Connection, &[first, second]);
        assert_eq!(got[1].is_err(), same, "{first} and {second}");
    }
}

#[test]
fn what_is_dropped_is_given_back_and_an_address_without_anything_is_forgotten() {
    let one = ClientLimits { connections: 1, sessions_per_address: 1, ..NONE };
    let clients = Clients::new(one);
    let from = ip("192.0.2.1");
    for _ in 0..3 {
        let connection = clients.take(from, What::Connection).ok();
        let session = clients.take(from, What::Session).ok();
        assert!(connection.is_some() && session.is_some());
        assert_eq!(clients.connections(), 1);
        assert!(clients.take(from, What::Connection).is_err());
        drop(connection);
        assert!(clients.take(from, What::Session).is_err(), "the session is still held");
    }
    assert!(lock(&clients.held).is_empty());
    let refused: Vec<u64> = clients.refused().map(|(_, n)| n).collect();
    assert_eq!(refused, [3, 0, 0, 3]);
}

#[test]
fn the_defaults_follow_the_descriptors() {
    for (descriptors, connections) in
        [(0, 16), (64, 16), (1_024, 256), (4_096, 1_792), (1 << 20, 65_536), (u64::MAX, 65_536)]
    {
        let limits = ClientLimits::for_descriptors(descriptors);
        assert_eq!(
            (limits.connections, limits.connections_per_address),
            (connections, connections / 2),
            "{descriptors}"
        );
    }
}
