//! What the bridge reads of a JSON-RPC message: its kind and the ids by which it is routed. The message itself is
//! relayed as the bytes it came in.

use std::borrow::Cow;

use rmcp::model::{ErrorData, JsonRpcError, NumberOrString, RequestId};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A message's kind and routing ids.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Envelope {
    /// Wants an answer.
    Request {
        /// Its id, unique among the sender's unanswered requests.
        id: RequestId,
        /// The MCP method.
        method: String,
        /// The token under which progress is reported, when the sender asked for it.
        progress: Option<NumberOrString>,
    },
    /// Wants none.
    Notification {
        /// The MCP method.
        method: String,
        /// Whose progress this is, in `notifications/progress`.
        progress: Option<NumberOrString>,
    },
    /// The answer to a request: a result or an error.
    Answer {
        /// The id of the request; absent in errors about unreadable requests.
        id: Option<RequestId>,
    },
}

/// Why bytes are not one JSON-RPC message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    /// Not JSON.
    #[error("the message is not JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// Batches went out of MCP with 2025-06-18.
    #[error("batches are not supported: send one message per request")]
    Batch,
    /// JSON of another shape.
    #[error("not a JSON-RPC message: it has neither `method` nor `result` nor `error`")]
    Shape,
    /// `id` is neither a string nor an integer.
    #[error("`id` must be a string or an integer")]
    Id,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Params {
    #[serde(rename = "progressToken", default)]
    progress: Option<NumberOrString>,
    #[serde(rename = "_meta", default)]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "progressToken", default)]
    progress: Option<NumberOrString>,
}

impl Envelope {
    /// Reads the envelope; the whole of `bytes` must be one valid JSON value.
    pub(crate) fn peek(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return Err(EnvelopeError::Batch);
        }
        let members: Members<'_> = serde_json::from_slice(bytes).map_err(EnvelopeError::Json)?;
        let id = members
            .id
            .map(|raw| serde_json::from_str(raw.get()))
            .transpose()
            .map_err(|_| EnvelopeError::Id)?;
        let Some(method) = members.method else {
            let answered = members.result.is_some() || members.error.is_some();
            return if answered { Ok(Self::Answer { id }) } else { Err(EnvelopeError::Shape) };
        };
        // Params of another shape carry no token; whether they are right is the receiver's question.
        let params = members.params.filter(|raw| raw.get().starts_with('{'));
        let params: Params = params.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let method = method.into_owned();
        Ok(match id {
            Some(id) => {
                let progress = params.meta.and_then(|meta| meta.progress);
                Self::Request { id, method, progress }
            }
            None => Self::Notification { method, progress: params.progress },
        })
    }
}

/// One line of the stdio transport: line ends within a JSON text are whitespace, since strings must escape them.
pub(crate) fn one_line(message: &[u8]) -> Vec<u8> {
    let mut line: Vec<u8> = message.trim_ascii().to_vec();
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line
}

/// A JSON-RPC error of the bridge itself.
pub(crate) fn error(id: Option<RequestId>, data: ErrorData) -> Vec<u8> {
    serde_json::to_vec(&JsonRpcError::new(id, data)).expect("an error of strings and numbers serialises")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(id: i64) -> NumberOrString {
        NumberOrString::Number(id)
    }

    fn check(input: &str, expected: Envelope) {
        assert_eq!(Envelope::peek(input.as_bytes()).unwrap(), expected, "{input}");
    }

    fn refuse(input: &str, expected: &str) {
        let error = Envelope::peek(input.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{input}: {error}");
    }

    #[test]
    fn messages_are_told_apart_by_their_members() {
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            Envelope::Request { id: number(1), method: "ping".into(), progress: None },
        );
        check(
            r#"{"id":"a\u0062","method":"tools/call","params":{"_meta":{"progressToken":7},"name":"x"}}"#,
            Envelope::Request {
                id: NumberOrString::String("ab".into()),
                method: "tools/call".into(),
                progress: Some(number(7)),
            },
        );
        check(
            r#"{"method":"notifications/progress","params":{"progressToken":"t","progress":1}}"#,
            Envelope::Notification {
                method: "notifications/progress".into(),
                progress: Some(NumberOrString::String("t".into())),
            },
        );
        check(
            r#" {"method":"notifications/x","params":[1]}"#,
            Envelope::Notification { method: "notifications/x".into(), progress: None },
        );
        check(r#"{"id":4,"result":{}}"#, Envelope::Answer { id: Some(number(4)) });
        check(r#"{"id":null,"error":{"code":1,"message":""}}"#, Envelope::Answer { id: None });
    }

    #[test]
    fn what_is_not_one_message_is_refused_with_the_reason() {
        refuse("{", "the message is not JSON");
        refuse("{} x", "the message is not JSON");
        refuse(" [{}]", "batches are not supported");
        refuse("{}", "not a JSON-RPC message");
        refuse(r#"{"id":1}"#, "not a JSON-RPC message");
        refuse(r#"{"id":[],"method":"x"}"#, "`id` must be");
    }

    #[test]
    fn a_message_over_several_lines_becomes_one_without_changing_its_strings() {
        assert_eq!(one_line(b"\n{\r\n \"a\": \"b\\n\"\n}\n"), b"{   \"a\": \"b\\n\" }");
    }
}
