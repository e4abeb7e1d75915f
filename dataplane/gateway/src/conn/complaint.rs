//! HTTP 400 in the place of 404: servers on the TypeScript SDK say so of a session that they do not know.

use tidegate_dataplane_codec::http::{ContentType, ResponseFraming, ResponseHead};

/// What HTTP 400 with a short JSON body is about.
pub(super) enum Complaint {
    /// More of it is to come.
    Incomplete,
    /// The session: what servers on the TypeScript SDK say in the place of 404 when they were restarted.
    Session,
    Other,
}

/// Longest body that may be such a complaint, bytes.
const MAX_COMPLAINT: u64 = 4096;

pub(super) fn possible(head: &ResponseHead<'_, '_>) -> bool {
    head.status == 400
        && head.content_type == ContentType::Json
        && matches!(head.framing, ResponseFraming::Length(n) if n <= MAX_COMPLAINT)
}

/// What it is about: an error that names no request, as none was read, and speaks of a session.
pub(super) fn judge(head: &ResponseHead<'_, '_>, body: &[u8]) -> Complaint {
    #[derive(serde::Deserialize)]
    struct Reply {
        id: Option<serde::de::IgnoredAny>,
        error: Option<Error>,
    }
    #[derive(serde::Deserialize)]
    struct Error {
        message: String,
    }
    if matches!(head.framing, ResponseFraming::Length(n) if (body.len() as u64) < n) {
        return Complaint::Incomplete;
    }
    match serde_json::from_slice::<Reply>(body) {
        Ok(Reply { id: None, error: Some(e) }) if e.message.to_ascii_lowercase().contains("session") => {
            Complaint::Session
        }
        _ => Complaint::Other,
    }
}
