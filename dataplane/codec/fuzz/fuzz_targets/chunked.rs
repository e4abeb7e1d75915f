//! Chunk framing gives the same verdict in any pieces, and what is decoded encodes to the same data again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_dataplane_codec::chunked::Chunked;

const LIMIT: usize = 1 << 16;

fuzz_target!(|b: &[u8]| {
    let Some((step, b)) = b.split_first() else { return };
    let step = usize::from(*step).max(1);
    let whole = Chunked::default().feed(b);
    let (mut followed, mut decoded) = (Chunked::default(), Chunked::default());
    let (mut used, mut out, mut verdict) = (0, vec![], Ok((0, false)));
    for piece in b.chunks(step) {
        verdict = followed.feed(piece);
        assert_eq!(verdict, decoded.decode(piece, &mut out, LIMIT));
        let Ok((n, done)) = verdict else { break };
        used += n;
        if done {
            break;
        }
        assert_eq!(n, piece.len());
    }
    match (whole, verdict) {
        (Ok((n, done)), Ok((_, end))) => assert_eq!((n, done), (used, end)),
        (whole, pieces) => assert_eq!(whole.err(), pieces.err()),
    }
    if let Ok((_, true)) = whole {
        let mut again = vec![];
        let encoded = if out.is_empty() {
            b"0\r\n\r\n".to_vec()
        } else {
            [format!("{:x}\r\n", out.len()).as_bytes(), &out, b"\r\n0\r\n\r\n"].concat()
        };
        assert_eq!(Chunked::default().decode(&encoded, &mut again, LIMIT), Ok((encoded.len(), true)));
        assert_eq!(again, out);
    }
});
