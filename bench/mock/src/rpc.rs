//! JSON-RPC envelopes: read without touching what is inside, written by concatenation. The id goes back as it came.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A message of the client. Without `method` it answers a request of ours.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    /// Absent on notifications.
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    /// Absent on answers.
    #[serde(borrow)]
    pub(crate) method: Option<Cow<'a, str>>,
    /// As sent.
    #[serde(borrow)]
    pub(crate) params: Option<&'a RawValue>,
}

/// `params` of `tools/call`.
#[derive(Deserialize)]
pub(crate) struct Call<'a> {
    /// Tool.
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    /// As sent.
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
    /// `_meta`.
    #[serde(borrow, rename = "_meta")]
    pub(crate) meta: Option<CallMeta<'a>>,
}

/// `params._meta` of `tools/call`.
#[derive(Deserialize)]
pub(crate) struct CallMeta<'a> {
    /// As sent: a string or a number.
    #[serde(borrow, rename = "progressToken")]
    pub(crate) progress_token: Option<&'a RawValue>,
}

/// A successful answer.
pub(crate) fn result(id: &str, result: &str) -> Bytes {
    concat(&[r#"{"jsonrpc":"2.0","id":"#, id, r#","result":"#, result, "}"])
}

/// An error answer; `message` needs no escaping.
pub(crate) fn error(id: &str, code: i64, message: &str) -> Bytes {
    let message = escaped(message);
    let code = code.to_string();
    concat(&[
        r#"{"jsonrpc":"2.0","id":"#,
        id,
        r#","error":{"code":"#,
        &code,
        r#","message":"#,
        &message,
        "}}",
    ])
}

/// A `CallToolResult` with one text.
pub(crate) fn text_result(text: &str, is_error: bool) -> String {
    let text = escaped(text);
    let mut out = String::with_capacity(text.len() + 64);
    out.push_str(r#"{"content":[{"type":"text","text":"#);
    out.push_str(&text);
    out.push_str(if is_error { r#"}],"isError":true}"# } else { r#"}],"isError":false}"# });
    out
}

/// A text as a JSON string, quotes included.
pub(crate) fn escaped(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}

/// One SSE event of type `message`.
pub(crate) fn event(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 24);
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend_from_slice(message);
    out.extend_from_slice(b"\n\n");
    out.into()
}

fn concat(parts: &[&str]) -> Bytes {
    Bytes::from(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(got: impl AsRef<[u8]>, expected: &str) {
        assert_eq!(String::from_utf8_lossy(got.as_ref()), expected);
    }

    #[test]
    fn answers_are_written_in_one_fixed_order() {
        check(result("7", "{}"), r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        check(result(r#""a\"b""#, "{}"), r#"{"jsonrpc":"2.0","id":"a\"b","result":{}}"#);
        check(
            error("1", -32602, r#"no "x""#),
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no \"x\""}}"#,
        );
        check(
            text_result("a\n\"b\"", false),
            r#"{"content":[{"type":"text","text":"a\n\"b\""}],"isError":false}"#,
        );
        check(event(b"{}"), "event: message\ndata: {}\n\n");
    }
}
