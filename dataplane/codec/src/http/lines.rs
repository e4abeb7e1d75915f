//! Cutting a head into its lines, and its lines into names and values. Every line ends in CR LF; a name is a token and
//! stands right before its colon; a value is text; nothing is folded. What is not so is refused, never repaired.

use super::{HttpError, MAX_HEAD, MAX_HEADERS, class, field};

/// Where the fields of one head are: filled in by [`super::request`] or [`super::response`].
#[derive(Debug, Clone)]
pub struct Headers([Span; MAX_HEADERS]);

impl Headers {
    #[inline]
    pub(super) fn new() -> Self {
        Self([Span::default(); MAX_HEADERS])
    }
}

/// Where one field is. Two bytes each are enough: [`MAX_HEAD`] bounds what is read.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    name: u16,
    name_end: u16,
    value: u16,
    value_end: u16,
}

const _: () = assert!(MAX_HEAD <= u16::MAX as usize);

/// One field as it was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'b> {
    pub(crate) name: &'b [u8],
    pub(crate) value: &'b [u8],
}

/// The fields of one head, in their order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'h, 'b> {
    head: &'b [u8],
    spans: &'h [Span],
}

impl<'h, 'b> Fields<'h, 'b> {
    /// Appends those that have their bit in `which`, each as a line of its own. One that is written as nearly all are goes
    /// in one piece.
    #[inline]
    pub(super) fn write(&self, mut which: u64, out: &mut Vec<u8>) {
        while which != 0 {
            if let Some(span) = self.spans.get(which.trailing_zeros() as usize) {
                match span.plain_line(self.head) {
                    Some(line) => out.extend_from_slice(line),
                    None => field::write(out, &span.header(self.head)),
                }
            }
            which &= which - 1;
        }
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Header<'b>> + use<'h, 'b> {
        let head = self.head;
        self.spans.iter().map(move |s| s.header(head))
    }

    /// The value of the first field of that name, whatever the case.
    pub(crate) fn find(&self, name: &str) -> Option<&'b [u8]> {
        self.iter().find(|f| f.name.eq_ignore_ascii_case(name.as_bytes())).map(|f| f.value)
    }
}

impl Span {
    /// The whole line, if there is one space behind the colon and none at its end.
    #[inline]
    fn plain_line<'b>(&self, head: &'b [u8]) -> Option<&'b [u8]> {
        let one_space = self.value == self.name_end + 2 && head[usize::from(self.name_end) + 1] == b' ';
        let line = &head[usize::from(self.name)..usize::from(self.value_end) + 2];
        (one_space && line.ends_with(b"\r\n")).then_some(line)
    }

    #[inline]
    fn header<'b>(&self, head: &'b [u8]) -> Header<'b> {
        Header {
            name: &head[usize::from(self.name)..usize::from(self.name_end)],
            value: &head[usize::from(self.value)..usize::from(self.value_end)],
        }
    }
}

/// What can be read of a head, and no more: its bytes up to the limit.
#[inline]
pub(super) fn readable(buf: &[u8]) -> &[u8] {
    &buf[..buf.len().min(MAX_HEAD)]
}

/// Nothing is wrong so far, but the head does not end in `buf`.
#[cold]
pub(super) fn incomplete<T>(buf: &[u8]) -> Result<Option<T>, HttpError> {
    if buf.len() < MAX_HEAD { Ok(None) } else { Err(HttpError::HeadTooLarge) }
}

/// Reads the fields that begin at `at` and end the head; and how long the head is. None: it does not end yet.
#[inline]
pub(super) fn fields<'h, 'b>(
    head: &'b [u8],
    mut at: usize,
    room: &'h mut Headers,
) -> Result<Option<(Fields<'h, 'b>, usize)>, HttpError> {
    let mut n = 0;
    loop {
        if head.get(at) == Some(&b'\r') {
            let Some(end) = line_end(head, at, "line end")? else { return Ok(None) };
            return Ok(Some((Fields { head, spans: &room.0[..n] }, end)));
        }
        let Some((span, next)) = field(head, at)? else { return Ok(None) };
        *room.0.get_mut(n).ok_or(HttpError::TooManyHeaders)? = span;
        (n, at) = (n + 1, next);
    }
}

/// One field, and where the next line begins.
#[inline]
fn field(head: &[u8], at: usize) -> Result<Option<(Span, usize)>, HttpError> {
    let Some(name_end) = token_end(head, at) else { return Ok(None) };
    if name_end == at || head[name_end] != b':' {
        return Err(HttpError::BadRequest("field name"));
    }
    let mut value = name_end + 1;
    while let Some(b' ' | b'\t') = head.get(value) {
        value += 1;
    }
    let Some(end) = text_end(head, value) else { return Ok(None) };
    let Some(next) = line_end(head, end, "field value")? else { return Ok(None) };
    let mut value_end = end;
    while value_end > value && matches!(head[value_end - 1], b' ' | b'\t') {
        value_end -= 1;
    }
    // none is above MAX_HEAD, so none is cut
    let [name, name_end, value, value_end] = [at, name_end, value, value_end].map(|i| i as u16);
    Ok(Some((Span { name, name_end, value, value_end }, next)))
}

/// Behind the CR LF that is at `at`; `otherwise` names what is wrong when it is something else than half a line end.
#[inline]
pub(super) fn line_end(head: &[u8], at: usize, otherwise: &'static str) -> Result<Option<usize>, HttpError> {
    match &head[at..] {
        [b'\r', b'\n', ..] => Ok(Some(at + 2)),
        [] | [b'\r'] => Ok(None),
        [b'\n', ..] => Err(HttpError::BadRequest("line end")),
        _ => Err(HttpError::BadRequest(otherwise)),
    }
}

/// Behind `HTTP/1.1` at `at`; any other version is refused.
#[inline]
pub(super) fn version_end(head: &[u8], at: usize) -> Result<Option<usize>, HttpError> {
    const VERSION: &[u8; 8] = b"HTTP/1.1";
    let rest = &head[at..];
    match rest.first_chunk() {
        Some(VERSION) => Ok(Some(at + VERSION.len())),
        None if VERSION.starts_with(rest) => Ok(None),
        _ => Err(HttpError::VersionNotSupported),
    }
}

/// The first byte from `at` on that belongs to no token.
#[inline]
pub(super) fn token_end(head: &[u8], at: usize) -> Option<usize> {
    head.get(at..)?.iter().position(|c| !class::is(*c, class::TOKEN)).map(|n| at + n)
}

/// The first byte from `at` on that is no text: a control character other than TAB. Most values are short, so they are
/// searched by words, and what is left of a long one by what is fast only there.
#[inline]
pub(super) fn text_end(head: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..5 {
        let Some(word) = head.get(at..)?.first_chunk() else { break };
        let hits = controls(u64::from_le_bytes(*word));
        if hits != 0 {
            let hit = at + hits.trailing_zeros() as usize / 8;
            return if head[hit] == b'\t' { text_end_far(head, hit) } else { Some(hit) };
        }
        at += 8;
    }
    text_end_far(head, at)
}

#[inline(never)]
fn text_end_far(head: &[u8], mut at: usize) -> Option<usize> {
    let control = |c: u8| (c < b' ') | (c == 0x7f);
    while let Some(chunk) = head.get(at..)?.first_chunk::<32>() {
        // no early exit, so that it is vectorised
        if chunk.iter().fold(false, |hit, c| hit | control(*c)) {
            break;
        }
        at += chunk.len();
    }
    head.get(at..)?.iter().position(|c| !class::is(*c, class::TEXT)).map(|n| at + n)
}

/// The high bit of each byte that is a control character. Bits above the lowest may be wrong: a borrow passes from a byte
/// that hit.
#[inline]
fn controls(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let below = |w: u64, n: u64| w.wrapping_sub(ONES * n) & !w;
    (below(word, 0x20) | below(word ^ (ONES * 0x7f), 1)) & (ONES << 7)
}
