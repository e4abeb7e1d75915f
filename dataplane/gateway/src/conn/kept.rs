//! What a call says to its backend, kept until the answer begins: it may have to wait for a turn or a session, and it
//! is said again when the backend did not know its session.

use super::forward::{write_call_end, write_fields};
use super::post::Message;
use crate::client::Link;
use crate::local::{give_back, local};
use crate::snapshot::Member;
use std::ops::Range;
use tidegate_dataplane_codec::json;
use tidegate_dataplane_core::catalog::ExposedTool;

/// Up to this size a body is kept while its call runs; a larger one is said once.
const MAX_KEPT: usize = 64 * 1024;

pub(super) struct Kept {
    /// the client's fields that go on, then its body
    buf: Vec<u8>,
    /// where the body begins
    body: usize,
    /// where the tool's name stands in the body, as the inside of a JSON string
    name: Range<usize>,
}

impl Kept {
    /// A copy, in a buffer that was used before.
    pub(super) fn new(m: &Message<'_>, name: Range<usize>) -> Self {
        let mut buf = local(crate::local::Local::buffer);
        write_fields(&mut buf, m.head, m.server);
        let body = buf.len();
        buf.extend_from_slice(m.body);
        Self { buf, body, name }
    }

    /// A copy, unless that would cost more than it is worth.
    pub(super) fn if_small(m: &Message<'_>, name: Range<usize>) -> Option<Self> {
        (m.body.len() <= MAX_KEPT).then(|| Self::new(m, name))
    }

    /// The client's fields that go on.
    pub(super) fn fields(&self) -> &[u8] {
        &self.buf[..self.body]
    }

    /// The exposed name of the tool, as text; empty if it is none.
    pub(super) fn exposed(&self) -> Vec<u8> {
        let mut text = Vec::new();
        match json::unescape(&self.buf[self.body..][self.name.clone()], &mut text) {
            Ok(()) => text,
            Err(_) => Vec::new(),
        }
    }

    /// The whole request, for this session of the backend.
    pub(super) fn request(&self, member: &Member, tool: &ExposedTool, link: Link<'_>) -> Vec<u8> {
        let body = &self.buf[self.body..];
        let len = body.len() - self.name.len() + tool.native_json.len();
        let mut out = Vec::with_capacity(len + self.body + 512);
        out.extend_from_slice(b"POST");
        out.extend_from_slice(&member.backend.line);
        out.extend_from_slice(self.fields());
        write_call_end(&mut out, link, len);
        json::splice(body, &self.name, &tool.native_json, &mut out);
        out
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.buf));
    }
}
