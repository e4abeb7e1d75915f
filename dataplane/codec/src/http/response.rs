//! Response heads, and the head that a client gets instead.

use super::field::{self, Field, once};
use super::lines::{self, Fields, Header};
use super::media::ContentType;
use super::nominated::Connection;
use super::{Headers, HttpError, grammar};
use crate::chunked::{BodyFollower, Chunked};

/// How the body of a response is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFraming {
    /// The status forbids a body: 1xx, 204 and 304.
    Empty,
    /// That many bytes follow the head.
    Length(u64),
    /// Chunks follow the head.
    Chunked,
    /// Everything until the backend closes.
    UntilClose,
}

impl ResponseFraming {
    /// What follows the body to its end.
    pub fn follower(self) -> BodyFollower {
        match self {
            Self::Empty => BodyFollower::Left(0),
            Self::Length(n) => BodyFollower::Left(n),
            Self::Chunked => BodyFollower::Chunked(Chunked::default()),
            Self::UntilClose => BodyFollower::UntilClose,
        }
    }
}

/// A response head that broke no rule, to a request that was not `HEAD`.
#[derive(Debug)]
pub struct ResponseHead<'h, 'b> {
    /// 100 to 599, never 101.
    pub status: u16,
    /// 1xx: the caller drops these `head_len` bytes and reads the next head.
    pub interim: bool,
    /// Bytes up to and including the empty line.
    pub head_len: usize,
    /// How the body is delimited.
    pub framing: ResponseFraming,
    /// The connection ends with this response: it said so, or the body ends with it.
    pub close: bool,
    /// `Mcp-Session-Id`: the backend's, not for the client; visible ASCII.
    pub session: Option<&'b [u8]>,
    /// What kind of body `Content-Type` announces.
    pub content_type: ContentType,
    /// A `Content-Encoding` other than `identity`: the body can be passed on but not read.
    pub encoded: bool,
    /// `Retry-After`.
    pub retry_after: Option<&'b [u8]>,
    /// the status line; empty when its reason is none, or not ASCII
    line: &'b [u8],
    fields: Fields<'h, 'b>,
    /// which of them may go on to the client, one bit each
    pass: u64,
}

/// Reads a response head at the start of `buf`. `None` when it is not complete; never with [`MAX_HEAD`](super::MAX_HEAD)
/// bytes or more in the buffer.
#[inline]
pub fn response<'h, 'b>(
    buf: &'b [u8],
    h: &'h mut Headers,
) -> Result<Option<ResponseHead<'h, 'b>>, HttpError> {
    let head = lines::readable(buf);
    let Some((status, line, at)) = status_line(head)? else { return lines::incomplete(buf) };
    match status {
        101 => return Err(HttpError::NotImplemented("upgrade")),
        100..=599 => {}
        _ => return Err(HttpError::BadRequest("status")),
    }
    let Some((fields, head_len)) = lines::fields(head, at, h)? else { return lines::incomplete(buf) };
    let mut head = ResponseHead {
        status,
        interim: status < 200,
        head_len,
        framing: ResponseFraming::Empty,
        close: false,
        session: None,
        content_type: ContentType::Absent,
        encoded: false,
        retry_after: None,
        line,
        fields,
        pass: 0,
    };
    head.read_fields()?;
    Ok(Some(head))
}

/// The status, the line if it may go on as it is, and where the fields begin.
type StatusLine<'b> = (u16, &'b [u8], usize);

/// Reads the status line. None: it does not end yet.
#[inline]
fn status_line(head: &[u8]) -> Result<Option<StatusLine<'_>>, HttpError> {
    const BAD: HttpError = HttpError::BadRequest("status line");
    if head.first().is_some_and(|c| *c != b'H') {
        return Err(BAD);
    }
    let Some(at) = lines::version_end(head, 0)? else { return Ok(None) };
    let (status, at) = match &head[at..] {
        [b' ', a, b, c, ..] if [a, b, c].iter().all(|d| d.is_ascii_digit()) => {
            ([a, b, c].iter().fold(0, |n, d| n * 10 + u16::from(**d - b'0')), at + 4)
        }
        [] => return Ok(None),
        [b' ', digits @ ..] if digits.len() < 3 && digits.iter().all(u8::is_ascii_digit) => return Ok(None),
        _ => return Err(BAD),
    };
    // without a reason the space before it may be missing too
    let reason = if head.get(at) == Some(&b' ') { at + 1 } else { at };
    let end = if reason > at { lines::text_end(head, reason) } else { Some(at) };
    let Some(end) = end else { return Ok(None) };
    let Some(at) = lines::line_end(head, end, "status line")? else { return Ok(None) };
    // text that is not ASCII could be in any encoding: it means nothing and is left out
    let goes_on = reason < end && head[reason..end].is_ascii();
    Ok(Some((status, if goes_on { &head[..at] } else { b"" }, at)))
}

/// Framing fields as seen so far.
#[derive(Default)]
struct Seen<'b> {
    length: Option<&'b [u8]>,
    coding: Option<&'b [u8]>,
    content_type: Option<&'b [u8]>,
    connection: Connection,
}

impl<'b> ResponseHead<'_, 'b> {
    #[inline]
    fn read_fields(&mut self) -> Result<(), HttpError> {
        let mut seen = Seen::default();
        let fields = self.fields;
        for (i, f) in fields.iter().enumerate() {
            if self.read_field(&f, &mut seen)? {
                self.pass |= 1 << i;
            }
        }
        if self.session.is_some_and(|s| !grammar::visible(s)) {
            return Err(HttpError::BadRequest("mcp-session-id"));
        }
        self.content_type = ContentType::of(seen.content_type);
        self.framing = framing(self.status, &seen)?;
        self.close = seen.connection.close || self.framing == ResponseFraming::UntilClose;
        self.pass = seen.connection.take_out(&self.fields, self.pass);
        Ok(())
    }

    /// Takes note of one field; true when it may go on to the client.
    #[inline]
    fn read_field(&mut self, f: &Header<'b>, seen: &mut Seen<'b>) -> Result<bool, HttpError> {
        let v = f.value;
        match field::of_response(f.name) {
            Field::Drop => Ok(false),
            Field::Session => once(&mut self.session, v, "mcp-session-id is repeated").map(|()| false),
            Field::ContentLength => once(&mut seen.length, v, "content-length is repeated").map(|()| false),
            Field::TransferEncoding => {
                once(&mut seen.coding, v, "transfer-encoding is repeated").map(|()| false)
            }
            Field::Connection => seen.connection.read(v, field::of_response).map(|()| false),
            Field::ContentType => once(&mut seen.content_type, v, "content-type is repeated").map(|()| true),
            Field::RetryAfter => once(&mut self.retry_after, v, "retry-after is repeated").map(|()| true),
            Field::ContentEncoding => {
                self.encoded |= !v.eq_ignore_ascii_case(b"identity");
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    /// Appends the head for the client: status line, the fields that may go on, and the framing, without the
    /// empty line, so that the caller can add fields. Left out are hop-by-hop fields and those named in
    /// `Connection`, `Mcp-*` but the protocol version, `Set-Cookie`, `Access-Control-*`, `Alt-Svc`,
    /// `Strict-Transport-Security` and orders to other proxies. A body that ends with the connection adds
    /// `connection: close`.
    #[inline]
    pub fn write_client(&self, out: &mut Vec<u8>) {
        if self.line.is_empty() {
            out.extend_from_slice(b"HTTP/1.1 ");
            out.extend_from_slice(itoa::Buffer::new().format(self.status).as_bytes());
            out.extend_from_slice(b" \r\n");
        } else {
            out.extend_from_slice(self.line);
        }
        self.fields.write(self.pass, out);
        match self.framing {
            ResponseFraming::Empty => {}
            ResponseFraming::Length(n) => {
                out.extend_from_slice(b"content-length: ");
                out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            ResponseFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            ResponseFraming::UntilClose => out.extend_from_slice(b"connection: close\r\n"),
        }
    }

    /// The fields that may go on to the client, as [`write_client`](Self::write_client) writes them; framing apart.
    pub fn passed(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        let pass = self.pass;
        let passes = move |(i, _): &(usize, Header<'b>)| pass >> i & 1 == 1;
        // a name is a token, and so is ASCII
        let text = |f: Header<'b>| Some((str::from_utf8(f.name).ok()?, f.value));
        self.fields.iter().enumerate().filter(passes).filter_map(move |(_, f)| text(f))
    }

    /// The value of the first field of that name, whatever the case.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.fields.find(name)
    }
}

/// A status without a body must not announce one, `Content-Length: 0` apart.
fn framing(status: u16, seen: &Seen<'_>) -> Result<ResponseFraming, HttpError> {
    let length = seen.length.map(grammar::length).transpose()?;
    match (length, seen.coding) {
        (Some(_), Some(_)) => Err(HttpError::BadRequest("content-length with transfer-encoding")),
        (None | Some(0), None) if status < 200 || status == 204 || status == 304 => {
            Ok(ResponseFraming::Empty)
        }
        _ if status < 200 || status == 204 || status == 304 => Err(HttpError::BadRequest("body not allowed")),
        (None, Some(c)) if c.eq_ignore_ascii_case(b"chunked") => Ok(ResponseFraming::Chunked),
        (None, Some(_)) => Err(HttpError::NotImplemented("transfer-encoding")),
        (Some(n), None) => Ok(ResponseFraming::Length(n)),
        (None, None) => Ok(ResponseFraming::UntilClose),
    }
}
