//! Whether an answer is right. The first one is parsed; an answer that equals it but for the id needs no second look.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::render::id_number;
use crate::tally::{Class, Failure};
use crate::wire::Answer;

/// What answers of one tool must be like.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    expect: Option<String>,
    same: bool,
    sse: bool,
    learned: Option<Learned>,
}

/// The bytes of a right answer around its id.
#[derive(Clone, Debug)]
struct Learned {
    before: Vec<u8>,
    after: Vec<u8>,
}

#[derive(Deserialize)]
struct Message<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Check {
    /// By the options of the run.
    pub(crate) fn new(expect: Option<String>, same: bool, sse: bool) -> Self {
        Self { expect, same, sse, learned: None }
    }

    /// Checks an answer to the request with this id.
    pub(crate) fn check(&mut self, answer: &Answer<'_>, id: u64) -> Result<(), Failure> {
        if answer.status != 200 {
            return Err(Failure::status(answer));
        }
        if self.sse {
            event_stream(answer)?;
        }
        let digits = id.to_string();
        if self.learned.as_ref().is_some_and(|l| l.fits(answer.body, digits.as_bytes())) {
            return Ok(());
        }
        let message = self.message(answer, id)?;
        if self.same && self.learned.is_some() {
            return Err(Failure::new(Class::WrongAnswer, format!("not as the first: {message}")));
        }
        if self.learned.is_none() {
            self.learned = Learned::of(answer.body, digits.as_bytes());
        }
        Ok(())
    }

    /// The message that answers this id, when it is a result.
    pub(crate) fn message<'a>(&self, answer: &Answer<'a>, id: u64) -> Result<Cow<'a, str>, Failure> {
        let text = extract(answer, id)?;
        let wrong = |why: String| Failure::new(Class::WrongAnswer, why);
        let message: Message<'_> = serde_json::from_str(&text).map_err(|e| wrong(format!("{e}: {text}")))?;
        if let Some(error) = message.error {
            return Err(Failure::new(Class::RpcError, error.get().to_owned()));
        }
        if message.id != Some(id) {
            return Err(wrong(format!("asked with id {id}: {text}")));
        }
        let Some(result) = message.result.map(RawValue::get) else {
            return Err(wrong(format!("without result: {text}")));
        };
        if memmem::find(result.as_bytes(), br#""isError":true"#).is_some() {
            return Err(Failure::new(Class::ToolError, result.to_owned()));
        }
        match &self.expect {
            Some(expect) if !result.contains(expect.as_str()) => {
                Err(wrong(format!("without {expect:?}: {result}")))
            }
            _ => Ok(text),
        }
    }
}

/// The JSON-RPC message in an answer; in an event stream, the one that answers this id.
fn extract<'a>(answer: &Answer<'a>, id: u64) -> Result<Cow<'a, str>, Failure> {
    let body = std::str::from_utf8(answer.body).map_err(|_| Failure::new(Class::WrongAnswer, "not UTF-8"))?;
    if !answer.event_stream {
        return Ok(body.into());
    }
    // lines may end in any of the three ways of the specification; the lone CR is used by nobody
    let body = if body.contains('\r') { Cow::Owned(body.replace("\r\n", "\n")) } else { Cow::Borrowed(body) };
    let needle = format!("\"id\":{id}");
    let data = |event: &str| {
        let lines = event.lines().filter_map(|l| l.strip_prefix("data:"));
        lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).collect::<Vec<_>>().join("\n")
    };
    let found = body.split("\n\n").map(data).find(|d| d.contains(&needle));
    found
        .map(Cow::Owned)
        .ok_or_else(|| Failure::new(Class::WrongAnswer, format!("no event answers {id}: {body}")))
}

impl Learned {
    fn of(body: &[u8], digits: &[u8]) -> Option<Self> {
        let at = memmem::find(body, digits)?;
        Some(Self { before: body[..at].to_vec(), after: body[at + digits.len()..].to_vec() })
    }

    fn fits(&self, body: &[u8], digits: &[u8]) -> bool {
        let Some(rest) = body.strip_prefix(&self.before[..]) else { return false };
        rest.strip_prefix(digits).is_some_and(|after| after == self.after)
    }
}

/// Checks an answer to something that only needs a status.
pub(crate) fn status(answer: &Answer<'_>, allowed: &[u16]) -> Result<(), Failure> {
    if allowed.contains(&answer.status) { Ok(()) } else { Err(Failure::status(answer)) }
}

/// Demands that an answer is an event stream.
pub(crate) fn event_stream(answer: &Answer<'_>) -> Result<(), Failure> {
    let otherwise = || Failure::new(Class::WrongAnswer, "not an event stream");
    answer.event_stream.then_some(()).ok_or_else(otherwise)
}

/// The id of the n-th request and its check in one place, so that they cannot differ.
pub(crate) fn numbered(n: &mut u64) -> u64 {
    *n += 1;
    id_number(*n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer<'_> {
        let event_stream = body.starts_with("event:");
        Answer { status, event_stream, session: None, close: false, body: body.as_bytes() }
    }

    #[track_caller]
    fn check(answer: &Answer<'_>, expected: Option<Class>) {
        let mut check = Check::new(Some("42".into()), false, false);
        assert_eq!(check.check(answer, 7).err().map(|f| f.class), expected);
    }

    #[test]
    fn answers_are_classified() {
        check(&answer(200, r#"{"jsonrpc":"2.0","id":7,"result":{"v":42}}"#), None);
        check(&answer(200, r#"{"id":7,"result":{"v":41}}"#), Some(Class::WrongAnswer));
        check(&answer(200, r#"{"id":8,"result":{"v":42}}"#), Some(Class::WrongAnswer));
        check(&answer(200, r#"{"id":7}"#), Some(Class::WrongAnswer));
        check(&answer(200, "nonsense"), Some(Class::WrongAnswer));
        check(&answer(200, r#"{"id":7,"error":{"code":1}}"#), Some(Class::RpcError));
        check(&answer(200, r#"{"id":7,"result":{"v":42,"isError":true}}"#), Some(Class::ToolError));
        check(&answer(503, ""), Some(Class::HttpStatus));
        check(&answer(404, ""), Some(Class::DroppedSession));
        check(&answer(200, "event: message\ndata: {\"x\":1}\n\ndata: {\"id\":7,\"result\":42}\n\n"), None);
        check(
            &answer(200, "event: a\r\ndata: {\"x\":1}\r\n\r\ndata: {\"id\":7,\"result\":42}\r\n\r\n"),
            None,
        );
        check(&answer(200, "event: message\ndata: {\"id\":8}\n\n"), Some(Class::WrongAnswer));
    }

    #[test]
    fn a_learned_answer_fits_any_id_and_nothing_else() {
        let mut check = Check::new(None, true, false);
        assert!(check.check(&answer(200, r#"{"id":7,"result":{}}"#), 7).is_ok());
        assert!(check.check(&answer(200, r#"{"id":19,"result":{}}"#), 19).is_ok());
        assert!(check.check(&answer(200, r#"{"id":19,"result":{}}"#), 20).is_err());
        assert!(check.check(&answer(200, r#"{"id":19,"result":{"a":1}}"#), 19).is_err());
    }
}
