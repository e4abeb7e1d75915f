//! Which HTTP stream a message of the stdio server belongs to. Pure: streams are a type parameter.
//!
//! stdio has one pipe for everything, HTTP has a stream per request and one that stands alone (GET). Answers go by
//! id, progress by token. For the rest stdio does not say what it belongs to: it goes to the only request under way,
//! else to the stand-alone stream, else to the oldest request, else it waits (bounded) for a stream to open.

use std::collections::VecDeque;

use bytes::Bytes;
use rmcp::model::{NumberOrString, RequestId};

use super::envelope::Envelope;

/// Messages kept for a session without any stream; the oldest goes first.
pub(crate) const PARKED: usize = 64;
/// Bytes of a message that may be kept; a larger one is dropped.
const PARKED_BYTES: usize = 64 * 1024;

/// The open streams of one session.
#[derive(Debug)]
pub(crate) struct Routes<S> {
    pending: Vec<Pending<S>>,
    standalone: Option<S>,
    parked: VecDeque<Bytes>,
}

#[derive(Debug)]
struct Pending<S> {
    id: RequestId,
    progress: Option<NumberOrString>,
    stream: S,
}

/// Where a message goes.
#[derive(Debug, PartialEq)]
pub(crate) enum Target<S> {
    /// To this stream, which stays open.
    Stream(S),
    /// To this stream, as its last message.
    Answer(S),
    /// Nobody listens yet: [`Routes::park`] it.
    Nobody,
    /// An answer to a request that is not under way (any more).
    Stray,
}

/// A request whose id is in use.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request with this id is already under way in the session")]
pub(crate) struct DuplicateId;

impl<S> Default for Routes<S> {
    fn default() -> Self {
        Self { pending: Vec::new(), standalone: None, parked: VecDeque::new() }
    }
}

impl<S: Clone> Routes<S> {
    /// Notes a request and the stream for its answer.
    pub(crate) fn expect(
        &mut self,
        id: RequestId,
        progress: Option<NumberOrString>,
        stream: S,
    ) -> Result<(), DuplicateId> {
        if self.pending.iter().any(|pending| pending.id == id) {
            return Err(DuplicateId);
        }
        self.pending.push(Pending { id, progress, stream });
        Ok(())
    }

    /// Forgets a request whose client has left; its answer will be stray.
    pub(crate) fn forget(&mut self, id: &RequestId) {
        self.pending.retain(|pending| &pending.id != id);
    }

    /// Sets the stand-alone stream, replacing a former one, and hands out what was parked.
    pub(crate) fn open_standalone(&mut self, stream: S) -> VecDeque<Bytes> {
        self.standalone = Some(stream);
        std::mem::take(&mut self.parked)
    }

    /// Drops the stand-alone stream if `is` says it is the one that closed.
    pub(crate) fn close_standalone(&mut self, is: impl FnOnce(&S) -> bool) {
        if self.standalone.as_ref().is_some_and(is) {
            self.standalone = None;
        }
    }

    /// Decides for one message of the server; an answered request is forgotten.
    pub(crate) fn route(&mut self, envelope: &Envelope) -> Target<S> {
        match envelope {
            Envelope::Answer { id } => {
                let at = self.pending.iter().position(|pending| Some(&pending.id) == id.as_ref());
                at.map_or(Target::Stray, |at| Target::Answer(self.pending.remove(at).stream))
            }
            Envelope::Notification { progress: Some(token), .. } => {
                let owner = self.pending.iter().find(|pending| pending.progress.as_ref() == Some(token));
                // Progress of a request that is over is of no use to anybody.
                owner.map_or(Target::Stray, |owner| Target::Stream(owner.stream.clone()))
            }
            Envelope::Notification { .. } | Envelope::Request { .. } => self.unaddressed(),
        }
    }

    /// Keeps a message for the next stand-alone stream.
    pub(crate) fn park(&mut self, message: Bytes) {
        if message.len() > PARKED_BYTES {
            return;
        }
        if self.parked.len() == PARKED {
            self.parked.pop_front();
        }
        self.parked.push_back(message);
    }

    /// Closes all streams: their ends are what the clients see.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether a client waits on any stream.
    pub(crate) fn in_use(&self) -> bool {
        !self.pending.is_empty() || self.standalone.is_some()
    }

    fn unaddressed(&self) -> Target<S> {
        let stream = match (&self.pending[..], &self.standalone) {
            ([only], _) => Some(&only.stream),
            (_, Some(standalone)) => Some(standalone),
            ([oldest, ..], None) => Some(&oldest.stream),
            ([], None) => None,
        };
        stream.cloned().map_or(Target::Nobody, Target::Stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(pending: &[i64], standalone: bool) -> Routes<&'static str> {
        const NAMES: [&str; 3] = ["first", "second", "third"];
        let mut routes = Routes::default();
        for (index, id) in pending.iter().enumerate() {
            let progress = Some(NumberOrString::Number(id * 10));
            routes.expect(NumberOrString::Number(*id), progress, NAMES[index]).unwrap();
        }
        if standalone {
            assert_eq!(routes.open_standalone("get").len(), 0);
        }
        routes
    }

    fn check(mut routes: Routes<&'static str>, message: &str, expected: Target<&'static str>) {
        let envelope = Envelope::peek(message.as_bytes()).unwrap();
        assert_eq!(routes.route(&envelope), expected, "{message} with {routes:?}");
    }

    #[test]
    fn answers_go_by_id() {
        check(routes(&[1, 2], true), r#"{"id":2,"result":{}}"#, Target::Answer("second"));
        check(routes(&[1, 2], true), r#"{"id":3,"result":{}}"#, Target::Stray);
        check(routes(&[1], true), r#"{"id":"1","result":{}}"#, Target::Stray);
        check(routes(&[1], true), r#"{"id":null,"error":{}}"#, Target::Stray);
    }

    #[test]
    fn progress_goes_by_token() {
        let progress = r#"{"method":"notifications/progress","params":{"progressToken":20}}"#;
        check(routes(&[1, 2], true), progress, Target::Stream("second"));
        check(routes(&[1], true), progress, Target::Stray);
    }

    #[test]
    fn what_names_no_request_goes_to_the_likeliest_stream() {
        let request = r#"{"id":1,"method":"sampling/createMessage"}"#;
        check(routes(&[1], true), request, Target::Stream("first"));
        check(routes(&[1, 2], true), request, Target::Stream("get"));
        check(routes(&[1, 2], false), request, Target::Stream("first"));
        check(routes(&[], true), request, Target::Stream("get"));
        check(routes(&[], false), request, Target::Nobody);
    }

    #[test]
    fn parked_messages_are_bounded_and_wait_for_the_standalone_stream() {
        let mut routes: Routes<&str> = Routes::default();
        (0..=PARKED).for_each(|index| routes.park(index.to_string().into()));
        routes.park(vec![b' '; PARKED_BYTES + 1].into());
        let parked = routes.open_standalone("get");
        assert_eq!(parked.len(), PARKED);
        assert_eq!(parked[0], "1");
    }

    #[test]
    fn an_id_in_use_is_refused_until_it_is_answered_or_forgotten() {
        let mut routes = routes(&[1], false);
        let id = NumberOrString::Number(1);
        assert_eq!(routes.expect(id.clone(), None, "again"), Err(DuplicateId));
        routes.forget(&id);
        assert_eq!(routes.expect(id, None, "again"), Ok(()));
        assert!(routes.in_use());
        routes.clear();
        assert!(!routes.in_use());
    }
}
