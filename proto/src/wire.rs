//! Messages as bytes, generated from `proto/tidegate/v1/*.proto` and committed: building needs no
//! `protoc`. `tests/generated.rs` compares the file with its sources and rewrites it with `UPDATE=1`.
//! The gRPC client and server modules exist only with the feature `grpc`.

use std::fmt;

#[allow(missing_docs, unreachable_pub, reason = "generated; the .proto files carry the documentation")]
#[allow(clippy::all, clippy::unwrap_used, reason = "generated")]
mod generated {
    include!("wire/tidegate.v1.rs");
}

pub use generated::*;

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").field("id", &self.id).field("secret", &"(redacted)").finish()
    }
}
