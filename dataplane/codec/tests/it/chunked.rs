//! Chunk framing in any pieces.

use proptest::prelude::*;
use tidegate_dataplane_codec::chunked::{BodyFollower, Chunked};
use tidegate_dataplane_codec::http::{HttpError, ResponseFraming};

const BODY: &[u8] = b"5\r\nhello\r\nA;x=\"y\";z\r\n0123456789\r\n0000\r\nT: v\r\nU:\r\n\r\nNEXT";

#[test]
fn a_body_ends_at_the_same_byte_however_it_arrives() {
    for step in 1..BODY.len() {
        let (mut f, mut at) = (ResponseFraming::Chunked.follower(), 0);
        loop {
            let (n, done) = f.feed(&BODY[at..(at + step).min(BODY.len())]).unwrap();
            at += n;
            if done {
                break;
            }
        }
        assert_eq!(&BODY[at..], b"NEXT");
        assert_eq!(f.feed(b"more").unwrap(), (0, true));
    }
}

#[test]
fn data_is_taken_out_however_it_arrives() {
    for split in 0..BODY.len() {
        let (mut c, mut out) = (Chunked::default(), vec![]);
        let (a, b) = BODY.split_at(split);
        let (n, done) = c.decode(a, &mut out, 15).unwrap();
        if !done {
            assert_eq!((n, c.decode(b, &mut out, 15).unwrap().1), (a.len(), true));
        }
        assert_eq!(out, b"hello0123456789");
    }
}

#[test]
fn data_beyond_the_limit_is_refused() {
    let (mut c, mut out) = (Chunked::default(), b"before".to_vec());
    assert_eq!(c.decode(b"5\r\nhello\r\n1\r\n", &mut out, 11), Ok((13, false)));
    assert_eq!(c.decode(b"x", &mut out, 11), Err(HttpError::BodyTooLarge));
    assert_eq!(out, b"beforehello");
}

#[test]
fn other_bodies_are_followed_to_their_end() {
    let mut f = BodyFollower::Left(5);
    assert_eq!(f.feed(b"hel"), Ok((3, false)));
    assert_eq!(f.feed(b"loNEXT"), Ok((2, true)));
    assert_eq!(f.feed(b"x"), Ok((0, true)));
    assert_eq!(ResponseFraming::Empty.follower().feed(b"x"), Ok((0, true)));
    assert_eq!(ResponseFraming::Length(1).follower().feed(b"xy"), Ok((1, true)));
    assert_eq!(ResponseFraming::UntilClose.follower().feed(b"xy"), Ok((2, false)));
}

proptest! {
    /// What any chunking of any data decodes to is the data, and cutting the bytes anywhere changes nothing.
    #[test]
    fn decoding_undoes_encoding(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        extension in "(;[a-z]{1,8}(=[a-z0-9]{1,8})?){0,3}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = vec![];
        for c in &chunks {
            bytes.extend(format!("{:x}{extension}\r\n", c.len()).bytes());
            bytes.extend(c);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort();
        let (mut decoder, mut follower, mut out, mut done) = (Chunked::default(), Chunked::default(), vec![], false);
        for w in cuts.windows(2) {
            let piece = &bytes[w[0]..w[1]];
            let (n, end) = decoder.decode(piece, &mut out, usize::MAX).unwrap();
            prop_assert_eq!((n, end), follower.feed(piece).unwrap());
            prop_assert_eq!(n, piece.len());
            prop_assert!(!done || piece.is_empty());
            done = end;
        }
        prop_assert!(done);
        prop_assert_eq!(out, chunks.concat());
    }

    /// Bytes at random give the same verdict at once and one by one.
    #[test]
    fn the_verdict_does_not_depend_on_the_pieces(bytes in "[0-9a-f]{0,2}[\\r\\n;0a: ]{0,24}") {
        let whole = Chunked::default().feed(bytes.as_bytes());
        let (mut c, mut used, mut pieces) = (Chunked::default(), 0, Ok((0, false)));
        for b in bytes.as_bytes() {
            pieces = c.feed(&[*b]).map(|(n, done)| { used += n; (used, done) });
            if pieces.is_err() { break; }
        }
        prop_assert_eq!(whole, pieces);
    }
}
