//! Event streams in any pieces.

use proptest::prelude::*;
use tidegate_dataplane_codec::sse::{KEEP_ALIVE, SseError, SseParser, write_event};

/// An event, owned.
#[derive(Debug, Clone, PartialEq)]
struct Got {
    id: Option<String>,
    event: Option<String>,
    data: String,
    retry: Option<u64>,
}

fn data(data: &str) -> Got {
    Got { id: None, event: None, data: data.into(), retry: None }
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Got>, SseError> {
    let (mut p, mut all) = (SseParser::default(), vec![]);
    for mut piece in pieces {
        while let Some(e) = p.next_event(&mut piece)? {
            all.push(Got {
                id: e.id.map(Into::into),
                event: e.event.map(Into::into),
                data: String::from_utf8(e.data.to_vec()).unwrap(),
                retry: e.retry,
            });
        }
        assert!(piece.is_empty());
    }
    Ok(all)
}

/// The stream gives these events at once, cut in two anywhere, and byte by byte.
fn check(stream: &str, expected: &[Got]) {
    let b = stream.as_bytes();
    assert_eq!(read([b]).unwrap(), expected, "{stream:?}");
    for split in 0..=b.len() {
        let (x, y) = b.split_at(split);
        assert_eq!(read([x, y]).unwrap(), expected, "{stream:?} at {split}");
    }
    assert_eq!(read(b.chunks(1)).unwrap(), expected, "{stream:?} by bytes");
}

#[test]
fn events_are_read_in_any_pieces() {
    check("data: a\n\n", &[data("a")]);
    check("data: a\r\n\r\ndata: b\r\rdata: c\n\n", &[data("a"), data("b"), data("c")]);
    check("\u{feff}data: a\n\n\u{feff}data: b\n\ndata: c\n\n", &[data("a"), data("c")]);
    check("data:a\ndata:  b\ndata\ndata:\n\n", &[data("a\n b\n\n")]);
    check(": comment\n\ndata: a\n: comment\n\n", &[data("a")]);
    check("data: incomplete\n", &[]);
    check("data: incomplete\n\r", &[data("incomplete")]);
    check("\n\n\r\n", &[]);
    check("unknown: x\ndataa: x\n data: x\n\n", &[]);
    check("data: \u{e9}\u{1f30a}\n\n", &[data("\u{e9}\u{1f30a}")]);
    let full =
        Got { id: Some("7".into()), event: Some("message".into()), data: "{}".into(), retry: Some(30) };
    check("event: message\r\nid: 7\r\nretry: 30\r\ndata: {}\r\n\r\ndata: x\r\n\r\n", &[full, data("x")]);
    check("retry: +5\nretry: 1x\nretry:\ndata: a\n\n", &[data("a")]);
    check("id: a\0b\ndata: a\n\n", &[data("a")]);
    check("id\n\n", &[Got { id: Some(String::new()), ..data("") }]);
    check(
        "id: 1\nid: 2\nevent: x\nevent: y\n\n",
        &[Got { id: Some("2".into()), event: Some("y".into()), ..data("") }],
    );
}

#[test]
fn a_priming_event_without_data_is_given_out_for_its_id() {
    check("id: 1\ndata:\n\n", &[Got { id: Some("1".into()), ..data("") }]);
}

#[test]
fn lines_and_events_are_bounded() {
    let run = |stream: &str| SseParser::new(16, 10).next_event(&mut stream.as_bytes()).map(|e| e.is_some());
    assert_eq!(run("data:0123456789\n\n"), Ok(true));
    assert_eq!(run("data:0123456789a\n"), Err(SseError::EventTooLarge));
    assert_eq!(run("data: 01234\ndata: 5678\n\n"), Ok(true));
    assert_eq!(run("data: 01234\ndata: 56789\n"), Err(SseError::EventTooLarge));
    assert_eq!(run(&"data\n".repeat(12)), Err(SseError::EventTooLarge));
    assert_eq!(run(": 3456789abcdef0"), Ok(false));
    assert_eq!(run(": 3456789abcdef01"), Err(SseError::LineTooLong));
    assert_eq!(run(": 3456789abcdef01\n"), Err(SseError::LineTooLong));
    let mut p = SseParser::new(16, 10);
    let verdicts: Vec<_> = [&b": 345678"[..], b"9abcdef0", b"1"]
        .map(|mut piece| p.next_event(&mut piece).map(|e| e.is_some()))
        .into();
    assert_eq!(verdicts, [Ok(false), Ok(false), Err(SseError::LineTooLong)]);
}

#[test]
fn an_id_or_type_that_is_not_utf_8_is_refused() {
    assert_eq!(read([&b"id: \xff\n"[..]]), Err(SseError::NotUtf8));
    assert_eq!(read([&b"event: \xff\n"[..]]), Err(SseError::NotUtf8));
    let mut p = SseParser::default();
    assert_eq!(p.next_event(&mut &b"data: \xff\n\n"[..]).unwrap().unwrap().data, b"\xff");
}

#[test]
fn what_is_written_cannot_become_another_field() {
    let mut out = vec![];
    write_event(&mut out, Some("x\ndata: evil"), Some("1\rid: 2"), b"a\nb\r\nc\rid: 3");
    assert_eq!(out, b"data: a\ndata: b\ndata: c\ndata: id: 3\n\n");
    out.clear();
    write_event(&mut out, Some("x\0"), Some("1\0"), b"a");
    assert_eq!(out, b"event: x\0\ndata: a\n\n");
    out.clear();
    write_event(&mut out, Some("message"), Some("7"), b"");
    assert_eq!(out, b"event: message\nid: 7\ndata: \n\n");
}

#[test]
fn a_keep_alive_is_no_event() {
    assert_eq!(read([KEEP_ALIVE]).unwrap(), []);
}

proptest! {
    #[test]
    fn reading_undoes_writing(
        events in prop::collection::vec(
            (prop::option::of("[^\\r\\n\\x00]{0,9}"), prop::option::of("[^\\r\\n\\x00]{0,9}"), "(.|\\r|\\n){0,20}"), 0..5),
        step in 1..40usize,
    ) {
        let (mut bytes, mut expected) = (vec![], vec![]);
        for (event, id, data) in &events {
            write_event(&mut bytes, event.as_deref(), id.as_deref(), data.as_bytes());
            let data = data.replace("\r\n", "\n").replace('\r', "\n");
            expected.push(Got { id: id.clone(), event: event.clone(), data, retry: None });
        }
        prop_assert_eq!(read(bytes.chunks(step)).unwrap(), expected);
    }

    #[test]
    fn pieces_do_not_matter(
        stream in "((data|id|event|retry|x)?(: ?)?[ab1:]{0,3}(\\r|\\n|\\r\\n)){0,12}",
        step in 1..9usize,
    ) {
        prop_assert_eq!(read([stream.as_bytes()]), read(stream.as_bytes().chunks(step)));
    }
}
