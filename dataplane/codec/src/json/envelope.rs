//! Peeking at a message.

use super::escape::unescape_chars;
use super::members::Names;
use super::scan::{Scan, Text};
use super::{Envelope, JsonError, Peek};
use std::ops::Range;

const TOP: Names<6> = Names::new(["jsonrpc", "id", "method", "params", "result", "error"]);
const PARAMS: Names<9> = Names::new([
    "name",
    "arguments",
    "_meta",
    "uri",
    "cursor",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "requestId",
]);
const META: Names<1> = Names::new(["progressToken"]);

/// Reads a message in one pass, validating all of it, and says where the members are that count. A batch is
/// recognised by its first byte and not read.
#[inline]
pub fn peek(b: &[u8]) -> Result<Peek, JsonError> {
    let mut s = Scan::new(b)?;
    match s.peek()? {
        b'{' => {}
        b'[' => return Ok(Peek::Batch),
        _ => return s.value(0).and_then(|_| s.end()).and(Err(JsonError::NotAnObject)),
    }
    let mut e = Envelope::default();
    let mut seen = 0;
    s.object(|s, key| match TOP.find(s, &key, &mut seen)? {
        Some(name) => top_member(s, name, &mut e),
        None => s.value(1).map(drop),
    })?;
    s.end()?;
    if e.method.is_some() && e.has_result_or_error {
        return Err(JsonError::RequestAndResponse);
    }
    Ok(Peek::Message(e))
}

fn top_member(s: &mut Scan<'_>, name: &'static str, e: &mut Envelope) -> Result<(), JsonError> {
    match name {
        "method" => match text(s, 1)? {
            Some(t) => (e.method, e.method_escaped) = (Some(t.inside), t.escaped),
            None => return Err(JsonError::WrongType("method")),
        },
        "id" => e.id = Some(id(s)?),
        "jsonrpc" => {
            let version = s.value(1)?;
            if &s.b[version] != br#""2.0""# {
                return Err(JsonError::WrongType("jsonrpc"));
            }
            e.jsonrpc = true;
        }
        "params" => {
            let mut seen = 0;
            e.params = object(s, 1, "params", |s, key| match PARAMS.find(s, &key, &mut seen)? {
                Some(name) => param(s, name, e),
                None => s.value(2).map(drop),
            })?;
        }
        _ => {
            s.value(1)?;
            e.has_result_or_error = true;
        }
    }
    Ok(())
}

fn param(s: &mut Scan<'_>, name: &'static str, e: &mut Envelope) -> Result<(), JsonError> {
    let split = |t: Option<Text>| t.map_or((None, false), |t| (Some(t.inside), t.escaped));
    match name {
        "name" => (e.name, e.name_escaped) = split(text(s, 2)?),
        "uri" => (e.uri, e.uri_escaped) = split(text(s, 2)?),
        "protocolVersion" => (e.protocol_version, e.protocol_version_escaped) = split(text(s, 2)?),
        "arguments" => e.arguments = Some(s.value(2)?),
        "capabilities" => e.capabilities = Some(s.value(2)?),
        "clientInfo" => e.client_info = Some(s.value(2)?),
        "cursor" => e.cursor = not_null(s, 2)?,
        "requestId" => {
            let plain = matches!(s.peek()?, b'"' | b'-' | b'0'..=b'9');
            let raw = s.value(2)?;
            e.request_id = plain.then_some(raw);
        }
        _ => {
            let mut seen = 0;
            let progress = &mut e.progress_token;
            e.meta = object(s, 2, "_meta", |s, key| match META.find(s, &key, &mut seen)? {
                Some(_) => not_null(s, 3).map(|there| *progress = there),
                None => s.value(3).map(drop),
            })?;
        }
    }
    Ok(())
}

/// A string whose text is well defined; steps over any other value and gives `None`.
#[inline]
fn text(s: &mut Scan<'_>, depth: u32) -> Result<Option<Text>, JsonError> {
    if s.peek()? != b'"' {
        return s.value(depth).map(|_| None);
    }
    let t = s.string()?;
    if t.escaped {
        well_defined(s.b, &t.inside)?;
    }
    Ok(Some(t))
}

/// Refuses half a surrogate pair: parsers make different things of it.
#[cold]
fn well_defined(b: &[u8], inside: &Range<usize>) -> Result<(), JsonError> {
    let text = str::from_utf8(&b[inside.clone()]);
    match text.is_ok_and(|t| unescape_chars(t).all(|c| c.is_ok())) {
        true => Ok(()),
        false => Err(JsonError::Malformed(inside.start)),
    }
}

fn id(s: &mut Scan<'_>) -> Result<Range<usize>, JsonError> {
    match s.peek()? {
        b'"' => text(s, 1)?.map(|t| t.inside.start - 1..t.inside.end + 1).ok_or(JsonError::WrongType("id")),
        b'-' | b'0'..=b'9' | b'n' => s.value(1),
        _ => s.value(1).and(Err(JsonError::WrongType("id"))),
    }
}

fn not_null(s: &mut Scan<'_>, depth: u32) -> Result<bool, JsonError> {
    let null = s.peek()? == b'n';
    s.value(depth).map(|_| !null)
}

/// An object, its members handed to `member`, or `null`, which counts as absent.
#[inline]
fn object(
    s: &mut Scan<'_>,
    depth: u32,
    name: &'static str,
    member: impl FnMut(&mut Scan<'_>, Text) -> Result<(), JsonError>,
) -> Result<Option<Range<usize>>, JsonError> {
    match s.peek()? {
        b'{' => s.object(member).map(Some),
        b'n' => s.value(depth).map(|_| None),
        _ => s.value(depth).and(Err(JsonError::WrongType(name))),
    }
}
