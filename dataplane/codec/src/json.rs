//! JSON-RPC messages without a document tree: where the members are that the gateway decides by.
//!
//! [`peek`] reads the whole message once and validates all of it, so that whoever parses it next cannot disagree
//! about where a value ends. It refuses what parsers are known to read differently: repeated members, and members
//! whose names differ from ours only by case (Go's `encoding/json` takes `Name` for `name`).

use std::ops::Range;

mod envelope;
mod escape;
mod members;
mod scan;

pub use envelope::peek;
pub use escape::{escape, unescape};

/// Levels of objects and arrays a message may have.
pub const MAX_DEPTH: u32 = 64;

/// What the gateway reads of a message. Ranges are of bytes of the message. Those of strings lie between the
/// quotes; when the flag beside them says that they hold escapes, [`unescape`] makes the text, and does not fail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `jsonrpc` is there, and `"2.0"`. Any other value is refused.
    pub jsonrpc: bool,
    /// `method`, inside of the quotes.
    pub method: Option<Range<usize>>,
    /// `method` holds escapes.
    pub method_escaped: bool,
    /// `id` as it stands: a string with its quotes, a number, or `null`.
    pub id: Option<Range<usize>>,
    /// `result` or `error` is there: this is a response, and has no method.
    pub has_result_or_error: bool,
    /// `params` as it stands: an object. `null` counts as absent.
    pub params: Option<Range<usize>>,
    /// `params.name`, inside of the quotes; absent when it is no string.
    pub name: Option<Range<usize>>,
    /// `params.name` holds escapes.
    pub name_escaped: bool,
    /// `params.uri`, inside of the quotes; absent when it is no string.
    pub uri: Option<Range<usize>>,
    /// `params.uri` holds escapes.
    pub uri_escaped: bool,
    /// `params.protocolVersion`, inside of the quotes; absent when it is no string.
    pub protocol_version: Option<Range<usize>>,
    /// `params.protocolVersion` holds escapes.
    pub protocol_version_escaped: bool,
    /// `params.arguments` as it stands.
    pub arguments: Option<Range<usize>>,
    /// `params.capabilities` as it stands.
    pub capabilities: Option<Range<usize>>,
    /// `params.clientInfo` as it stands.
    pub client_info: Option<Range<usize>>,
    /// `params.requestId` as it stands; absent when it is neither string nor number.
    pub request_id: Option<Range<usize>>,
    /// `params.cursor` is there and not `null`.
    pub cursor: bool,
    /// `params._meta` as it stands: an object. `null` counts as absent.
    pub meta: Option<Range<usize>>,
    /// `params._meta.progressToken` is there and not `null`.
    pub progress_token: bool,
}

/// What a body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for every message")]
pub enum Peek {
    /// One message.
    Message(Envelope),
    /// An array: a batch, which MCP has no more. Only its first byte was looked at.
    Batch,
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, from this byte on.
    #[error("malformed JSON at byte {0}")]
    Malformed(usize),
    /// JSON, but neither an object nor an array.
    #[error("not a JSON object")]
    NotAnObject,
    /// More than [`MAX_DEPTH`] levels.
    #[error("JSON nested too deeply")]
    TooDeep,
    /// A member that counts is there twice.
    #[error("member {0} is repeated")]
    Duplicate(&'static str),
    /// A member's name differs from this one that counts only by case: parsers disagree about it.
    #[error("member {0} is written in another case")]
    OtherCase(&'static str),
    /// A member that counts has a type it must not have.
    #[error("member {0} has the wrong type")]
    WrongType(&'static str),
    /// Both a method, and a result or error: request and response at once.
    #[error("both a request and a response")]
    RequestAndResponse,
}

/// Appends `body` with what lies at `at` (the inside of a string) replaced by `inside`, which must be escaped
/// already.
pub fn splice(body: &[u8], at: &Range<usize>, inside: &[u8], out: &mut Vec<u8>) {
    out.reserve(body.len() - at.len() + inside.len());
    out.extend_from_slice(&body[..at.start]);
    out.extend_from_slice(inside);
    out.extend_from_slice(&body[at.end..]);
}
