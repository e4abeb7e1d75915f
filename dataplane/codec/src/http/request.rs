//! Request heads.

use super::field::{self, Field, once};
use super::lines::{self, Fields, Header};
use super::nominated::Connection;
use super::{Headers, HttpError, grammar, media};

/// How the body of a request is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Neither `Content-Length` nor `Transfer-Encoding`: there is no body.
    None,
    /// That many bytes follow the head.
    Length(u64),
    /// Chunks follow the head; see [`crate::chunked`].
    Chunked,
}

/// A request head that broke no rule. Fields that mean something to the gateway are there once or not at all.
#[derive(Debug)]
pub struct RequestHead<'h, 'b> {
    /// The method, as sent: methods are case-sensitive. Never `CONNECT`.
    pub method: &'b str,
    /// The target in origin form: `/path`, perhaps with a query; visible ASCII of RFC 3986.
    pub target: &'b str,
    /// Bytes up to and including the empty line.
    pub head_len: usize,
    /// How the body is delimited.
    pub framing: Framing,
    /// `Host`: a name or address, perhaps with a port.
    pub host: &'b [u8],
    /// `Mcp-Session-Id`: visible ASCII.
    pub session: Option<&'b [u8]>,
    /// `MCP-Protocol-Version`: visible ASCII.
    pub protocol_version: Option<&'b [u8]>,
    /// `Mcp-Method`, which must agree with the body.
    pub mcp_method: Option<&'b [u8]>,
    /// `Mcp-Name`, which must agree with the body.
    pub mcp_name: Option<&'b [u8]>,
    /// The first `Accept` field. It may be repeated: ask [`accepts`](Self::accepts).
    pub accept: Option<&'b [u8]>,
    /// `Content-Type`.
    pub content_type: Option<&'b [u8]>,
    /// `Origin`.
    pub origin: Option<&'b [u8]>,
    /// `Authorization`.
    pub authorization: Option<&'b [u8]>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<&'b [u8]>,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// `Connection: close`: no request follows this one.
    pub close: bool,
    /// the first of each of [`field::TOLD`]
    told: [Option<&'b [u8]>; field::TOLD.len()],
    fields: Fields<'h, 'b>,
    /// which of them may go on to a backend, one bit each
    pass: u64,
}

/// Reads a request head at the start of `buf`. `None` when it is not complete; never with [`MAX_HEAD`](super::MAX_HEAD)
/// bytes or more in the buffer.
#[inline]
pub fn request<'h, 'b>(buf: &'b [u8], h: &'h mut Headers) -> Result<Option<RequestHead<'h, 'b>>, HttpError> {
    let head = lines::readable(buf);
    let Some((method, target, at)) = request_line(head)? else { return lines::incomplete(buf) };
    let Some((fields, head_len)) = lines::fields(head, at, h)? else { return lines::incomplete(buf) };
    let mut head = RequestHead::new(method, target, head_len, fields);
    head.read_fields()?;
    Ok(Some(head))
}

/// The method, the target, and where the fields begin.
#[inline]
fn request_line(head: &[u8]) -> Result<Option<(&str, &str, usize)>, HttpError> {
    const BAD: HttpError = HttpError::BadRequest("request line");
    // an empty line before it is refused too: a second proxy may count that as a request
    if head.first().is_some_and(|c| !c.is_ascii_alphabetic()) {
        return Err(BAD);
    }
    let Some(method_end) = lines::token_end(head, 0) else { return Ok(None) };
    let start = method_end + 1;
    let Some(target_end) = head.get(start..).and_then(|r| r.iter().position(|c| *c <= b' ' || *c == 0x7f))
    else {
        return if head[method_end] == b' ' { Ok(None) } else { Err(BAD) };
    };
    let target_end = start + target_end;
    if head[method_end] != b' ' || head[target_end] != b' ' || target_end == start {
        return Err(BAD);
    }
    let Some(at) = lines::version_end(head, target_end + 1)? else { return Ok(None) };
    let Some(at) = lines::line_end(head, at, "request line")? else { return Ok(None) };
    let method = match &head[..method_end] {
        b"POST" => "POST",
        b"CONNECT" => return Err(HttpError::NotImplemented("connect")),
        other => str::from_utf8(other).map_err(|_| BAD)?,
    };
    Ok(Some((method, grammar::target(&head[start..target_end])?, at)))
}

/// Framing fields as seen so far.
#[derive(Default)]
struct Seen<'b> {
    length: Option<&'b [u8]>,
    coding: Option<&'b [u8]>,
    host: Option<&'b [u8]>,
    expect: Option<&'b [u8]>,
    connection: Connection,
}

impl<'h, 'b> RequestHead<'h, 'b> {
    fn new(method: &'b str, target: &'b str, head_len: usize, fields: Fields<'h, 'b>) -> Self {
        Self {
            method,
            target,
            head_len,
            fields,
            told: [None; field::TOLD.len()],
            framing: Framing::None,
            host: b"",
            session: None,
            protocol_version: None,
            mcp_method: None,
            mcp_name: None,
            accept: None,
            content_type: None,
            origin: None,
            authorization: None,
            last_event_id: None,
            expect_continue: false,
            close: false,
            pass: 0,
        }
    }

    #[inline]
    fn read_fields(&mut self) -> Result<(), HttpError> {
        let mut seen = Seen::default();
        let fields = self.fields;
        for (i, f) in fields.iter().enumerate() {
            if self.read_field(&f, &mut seen)? {
                self.pass |= 1 << i;
            }
        }
        self.host = seen.host.ok_or(HttpError::BadRequest("host is missing"))?;
        grammar::host(self.host)?;
        self.framing = framing(&seen)?;
        self.expect_continue = match seen.expect {
            None => false,
            Some(e) if e.eq_ignore_ascii_case(b"100-continue") => true,
            Some(_) => return Err(HttpError::ExpectationFailed),
        };
        for (value, rule) in
            [(self.session, "mcp-session-id"), (self.protocol_version, "mcp-protocol-version")]
        {
            if value.is_some_and(|v| !grammar::visible(v)) {
                return Err(HttpError::BadRequest(rule));
            }
        }
        self.close = seen.connection.close;
        self.pass = seen.connection.take_out(&self.fields, self.pass);
        Ok(())
    }

    /// Takes note of one field; true when it may go on to a backend.
    #[inline]
    fn read_field(&mut self, f: &Header<'b>, seen: &mut Seen<'b>) -> Result<bool, HttpError> {
        let v = f.value;
        match field::of_request(f.name) {
            Field::Pass | Field::RetryAfter => return Ok(true),
            Field::Told(i) => {
                self.told[usize::from(i)].get_or_insert(v);
                return Ok(true);
            }
            Field::Drop => {}
            Field::Accept => {
                self.accept.get_or_insert(v);
                return Ok(true);
            }
            Field::ContentType => {
                once(&mut self.content_type, v, "content-type is repeated")?;
                return Ok(true);
            }
            Field::ProtocolVersion => {
                once(&mut self.protocol_version, v, "mcp-protocol-version is repeated")?;
                return Ok(true);
            }
            Field::Session => once(&mut self.session, v, "mcp-session-id is repeated")?,
            Field::McpMethod => once(&mut self.mcp_method, v, "mcp-method is repeated")?,
            Field::McpName => once(&mut self.mcp_name, v, "mcp-name is repeated")?,
            Field::Origin => once(&mut self.origin, v, "origin is repeated")?,
            Field::Authorization => once(&mut self.authorization, v, "authorization is repeated")?,
            Field::LastEventId => once(&mut self.last_event_id, v, "last-event-id is repeated")?,
            Field::Host => once(&mut seen.host, v, "host is repeated")?,
            Field::Expect => once(&mut seen.expect, v, "expect is repeated")?,
            Field::ContentLength => once(&mut seen.length, v, "content-length is repeated")?,
            Field::TransferEncoding => once(&mut seen.coding, v, "transfer-encoding is repeated")?,
            Field::Connection => seen.connection.read(v, field::of_request)?,
            Field::ContentEncoding if v.eq_ignore_ascii_case(b"identity") => {}
            Field::ContentEncoding => return Err(HttpError::CodingNotSupported),
            Field::Upgrade => return Err(HttpError::NotImplemented("upgrade")),
        }
        Ok(false)
    }

    /// Appends the fields that may go on to a backend, each as `name: value` and CRLF, in their order. Never
    /// hop-by-hop fields or those named in `Connection`, the framing, `Host`, credentials, `Mcp-*` but the
    /// protocol version, `Origin`, `Accept-Encoding`, `Last-Event-ID`, conditions and ranges, nor what only a
    /// proxy may say (`Forwarded`, `X-Forwarded-*`, `X-Real-Ip`, `X-Original-*`, …).
    #[inline]
    pub fn write_forwarded(&self, out: &mut Vec<u8>) {
        self.fields.write(self.pass, out);
    }

    /// Appends who calls and the trace: `User-Agent`, `traceparent`, `tracestate` and `baggage`, the first of each.
    #[inline]
    pub fn write_told(&self, out: &mut Vec<u8>) {
        for (name, value) in field::TOLD.into_iter().zip(self.told) {
            if let Some(value) = value {
                field::write(out, &Header { name: name.as_bytes(), value });
            }
        }
    }

    /// The value of the first field of that name, whatever the case.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.fields.find(name)
    }

    /// Do the `Accept` fields together allow `media` (`type/subtype`)? Without one, nothing is allowed.
    pub fn accepts(&self, media: &str) -> bool {
        let fields = self.fields.iter().filter(|f| f.name.eq_ignore_ascii_case(b"accept"));
        fields.filter_map(|f| media::preference(f.value, media)).max().is_some_and(|(_, wanted)| wanted)
    }
}

fn framing(seen: &Seen<'_>) -> Result<Framing, HttpError> {
    match (seen.length, seen.coding) {
        (Some(_), Some(_)) => Err(HttpError::BadRequest("content-length with transfer-encoding")),
        (None, Some(c)) if c.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (None, Some(_)) => Err(HttpError::NotImplemented("transfer-encoding")),
        (Some(l), None) => grammar::length(l).map(Framing::Length),
        (None, None) => Ok(Framing::None),
    }
}
