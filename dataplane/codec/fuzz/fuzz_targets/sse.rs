//! Event streams give the same events in any pieces, and what is written of them reads as the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_dataplane_codec::sse::{SseError, SseParser, write_event};

type Owned = (Option<String>, Option<String>, Vec<u8>, Option<u64>);

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, limit: usize) -> (Vec<Owned>, Option<SseError>) {
    let (mut p, mut all) = (SseParser::new(limit, limit), vec![]);
    for mut piece in pieces {
        loop {
            match p.next_event(&mut piece) {
                Ok(None) => break,
                Ok(Some(e)) => {
                    all.push((e.id.map(Into::into), e.event.map(Into::into), e.data.to_vec(), e.retry));
                }
                Err(e) => return (all, Some(e)),
            }
        }
        assert!(piece.is_empty());
    }
    (all, None)
}

fuzz_target!(|b: &[u8]| {
    let Some((step, b)) = b.split_first() else { return };
    let (events, error) = read(std::iter::once(b), 64);
    assert_eq!(read(b.chunks(usize::from(*step).max(1)), 64), (events.clone(), error));
    let mut out = vec![];
    for (id, event, data, _) in &events {
        write_event(&mut out, event.as_deref(), id.as_deref(), data);
    }
    let (again, error) = read(std::iter::once(&out[..]), 1 << 20);
    assert_eq!(error, None);
    let without_retry = |e: &Owned| (e.0.clone(), e.1.clone(), e.2.clone());
    assert_eq!(
        again.iter().map(without_retry).collect::<Vec<_>>(),
        events.iter().map(without_retry).collect::<Vec<_>>()
    );
});
