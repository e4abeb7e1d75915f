//! Server-sent events: reading a stream that arrives in any pieces, and writing one.

mod parser;
mod write;

pub use parser::{Event, SseError, SseParser};
pub use write::{KEEP_ALIVE, write_event};

/// Default bound of one line, in bytes.
pub const MAX_LINE: usize = 8 * 1024 * 1024;

/// Default bound of the data of one event, in bytes.
pub const MAX_EVENT: usize = 8 * 1024 * 1024;
