//! Answers that go wrong as told: what is answered instead, and what is done to an answer that was right.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::header::{CONTENT_LENGTH, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::body::{Cut, Reply};
use crate::http::{Answer, events, json, plain};
use crate::line::Line;
use crate::rpc;
use crate::stats::Method;
use crate::stream;
use crate::tools::Caller;

/// Bytes of text that an oversized answer has at most.
const MAX_TEXT: usize = 256 << 20;
/// Before a reset, so that what was written before it arrives.
const SETTLE: Duration = Duration::from_millis(30);
/// In the place of the id that was asked.
const OTHER_ID: &str = r#""not the one that was asked""#;

/// Which requests meet which fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Their methods, named as in [`crate::Stats::requests`]; empty: all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub on: BTreeSet<String>,
    /// Only so many requests; absent: until the rules change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What happens to them.
    pub fault: Fault,
}

/// One way to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The right answer, so many milliseconds late.
    Delay(u64),
    /// An HTTP status and nothing else.
    Status {
        /// Of the answer; 401 comes with a challenge.
        code: u16,
        /// `Retry-After`, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// The head of the right answer, a byte in so many milliseconds.
    SlowHead(u64),
    /// The body of the right answer, a byte in so many milliseconds.
    SlowBody(u64),
    /// An event stream that falls silent after so many events; progress where the call asked for it.
    Stall(u64),
    /// The connection is reset (RST).
    Reset(Point),
    /// A body that is called JSON and is not.
    Malformed,
    /// The right answer under another id.
    WrongId,
    /// A right answer with so many bytes of text.
    Oversized(usize),
}

/// When a connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Before the first byte of an answer.
    Request,
    /// After half of the body.
    Half,
    /// After one event of a stream.
    Event,
}

/// Rules as they are applied.
#[derive(Default)]
pub(crate) struct Rules(Vec<(Rule, AtomicU64)>);

impl Rules {
    /// Each with its count of requests left.
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let counted = |rule: &Rule| (rule.clone(), AtomicU64::new(rule.times.unwrap_or(u64::MAX)));
        Self(rules.iter().map(counted).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fault of one request: that of the first rule that is for it and not used up.
    pub(crate) fn next(&self, method: Method) -> Option<Fault> {
        let meant = |rule: &Rule| rule.on.is_empty() || rule.on.contains(method.name());
        let take = |left: &AtomicU64| {
            left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
        };
        self.0.iter().find(|(rule, left)| meant(rule) && take(left)).map(|(rule, _)| rule.fault)
    }
}

impl Fault {
    /// The id that the answer gets.
    pub(crate) fn id(fault: Option<Self>, id: &str) -> &str {
        if fault == Some(Self::WrongId) { OTHER_ID } else { id }
    }

    /// What is answered in place of the right answer, if that is not wanted; `token`: of the call's progress.
    pub(crate) async fn instead(
        self,
        caller: Caller<'_>,
        token: Option<&str>,
        line: &Line,
    ) -> Option<Answer> {
        Some(match self {
            Self::Delay(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                return None;
            }
            Self::Status { code, retry_after } => Ok(status(code, retry_after)),
            Self::Stall(n) => Ok(events(stream::stalling(caller, token, n))),
            Self::Reset(Point::Request) => {
                line.reset();
                Err(Cut)
            }
            Self::Reset(Point::Event) => {
                line.reset();
                Ok(events(Reply::half(
                    rpc::event(br#"{"jsonrpc":"2.0","method":"notifications/other"}"#),
                    1,
                    SETTLE,
                )))
            }
            Self::Malformed => Ok(json(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[}"#.into())),
            Self::Oversized(bytes) => {
                // written without a look at each byte: large answers are not to be slow ones
                let text = "x".repeat(bytes.min(MAX_TEXT));
                let result =
                    [r#"{"content":[{"type":"text","text":""#, &text, r#""}],"isError":false}"#].concat();
                Ok(json(rpc::result(caller.id, &result)))
            }
            Self::SlowHead(_) | Self::SlowBody(_) | Self::Reset(Point::Half) | Self::WrongId => return None,
        })
    }

    /// Does to an answer what is to be done to it.
    pub(crate) fn spoil(self, mut answer: Response<Reply>, line: &Line) -> Response<Reply> {
        match self {
            Self::SlowHead(ms) => line.slow_head(Duration::from_millis(ms)),
            Self::SlowBody(ms) => {
                respell(&mut answer, |body| Reply::dribble(body, Duration::from_millis(ms)))
            }
            Self::Reset(Point::Half) => {
                line.reset();
                respell(&mut answer, |body| Reply::half(body, 2, SETTLE));
            }
            _ => {}
        }
        answer
    }
}

/// An HTTP status with the fields that belong to it.
pub(crate) fn status(code: u16, retry_after: Option<u64>) -> Response<Reply> {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = plain(code, "as told by the script");
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if code == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// Sends a body that is known as a whole in another way, under the same length. Others stay.
fn respell(answer: &mut Response<Reply>, how: impl FnOnce(bytes::Bytes) -> Reply) {
    if let Reply::Whole(Some(body)) = answer.body_mut() {
        let body = std::mem::take(body);
        answer.headers_mut().insert(CONTENT_LENGTH, body.len().into());
        *answer.body_mut() = how(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_is_for_a_request_and_not_used_up_counts() {
        let rules: Vec<Rule> = serde_json::from_str(
            r#"[{"on":["ping"],"times":2,"fault":{"status":{"code":503,"retry_after":1}}},{"fault":{"delay":5}}]"#,
        )
        .unwrap();
        let rules = Rules::new(&rules);
        let unavailable = Some(Fault::Status { code: 503, retry_after: Some(1) });
        let delay = Some(Fault::Delay(5));
        let met: Vec<_> = [Method::Ping, Method::ToolsList, Method::Ping, Method::Ping]
            .into_iter()
            .map(|m| rules.next(m))
            .collect();
        assert_eq!(met, [unavailable, delay, unavailable, delay]);
        assert_eq!(Rules::default().next(Method::Ping), None);
    }
}
