//! Why a head or its framing was refused.

/// Why a head, or the framing of a body, was refused. The connection must be closed after any of these: where the
/// next message begins is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Not HTTP/1.1 as this crate reads it; the text names the rule and is safe to show.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// More than [`MAX_HEAD`](super::MAX_HEAD) bytes.
    #[error("head too large")]
    HeadTooLarge,
    /// More than [`MAX_HEADERS`](super::MAX_HEADERS) fields.
    #[error("too many header fields")]
    TooManyHeaders,
    /// More than [`MAX_TARGET`](super::MAX_TARGET) bytes of target.
    #[error("target too long")]
    TargetTooLong,
    /// A body beyond the limit that the caller gave.
    #[error("body too large")]
    BodyTooLarge,
    /// A content coding other than `identity` on a request.
    #[error("content coding not supported")]
    CodingNotSupported,
    /// Any version but HTTP/1.1.
    #[error("HTTP version not supported")]
    VersionNotSupported,
    /// A feature that is refused on purpose: `Upgrade`, `CONNECT`, transfer codings other than `chunked`.
    #[error("not implemented: {0}")]
    NotImplemented(&'static str),
    /// An `Expect` other than `100-continue`.
    #[error("expectation failed")]
    ExpectationFailed,
}

impl HttpError {
    /// The status to answer a client with. For a backend's response the answer is 502, whatever this says.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::CodingNotSupported => 415,
            Self::ExpectationFailed => 417,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::NotImplemented(_) => 501,
            Self::VersionNotSupported => 505,
        }
    }

    /// The reason phrase of [`status`](Self::status).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "Bad Request",
            Self::BodyTooLarge => "Content Too Large",
            Self::TargetTooLong => "URI Too Long",
            Self::CodingNotSupported => "Unsupported Media Type",
            Self::ExpectationFailed => "Expectation Failed",
            Self::HeadTooLarge | Self::TooManyHeaders => "Request Header Fields Too Large",
            Self::NotImplemented(_) => "Not Implemented",
            Self::VersionNotSupported => "HTTP Version Not Supported",
        }
    }
}
