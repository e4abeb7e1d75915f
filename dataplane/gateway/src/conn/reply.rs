//! Writing answers of the gateway's own.

use crate::io::Io;
use std::io::{self, IoSlice};
use std::task::{Context, Poll::Ready};
use tidegate_dataplane_core::fault::Fault;

/// Writes the slices in one call; what did not go comes back, empty in the usual case.
pub(super) fn send<I: Io>(cx: &mut Context<'_>, io: &mut I, bufs: &[&[u8]]) -> io::Result<Vec<u8>> {
    let total: usize = bufs.iter().map(|b| b.len()).sum();
    let written = match bufs {
        [one] => io.poll_write(cx, &[IoSlice::new(one)]),
        _ => {
            let mut v = [IoSlice::new(&[]); 4];
            for (v, b) in v.iter_mut().zip(bufs) {
                *v = IoSlice::new(b);
            }
            io.poll_write(cx, &v[..bufs.len()])
        }
    };
    let sent = match written {
        Ready(r) => r?,
        std::task::Poll::Pending => 0,
    };
    if sent == total {
        return Ok(Vec::new());
    }
    let mut rest = bufs.concat();
    rest.drain(..sent);
    Ok(rest)
}

/// A whole answer with a JSON body (or none).
pub(super) fn json(status: u16, fields: &[(&str, &str)], close: bool, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 256);
    head(&mut out, status, fields, close);
    if !body.is_empty() {
        out.extend_from_slice(b"content-type: application/json\r\n");
    }
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
    out
}

/// A whole answer that is a fault.
pub(super) fn with_fault(status: u16, fault: &Fault, close: bool, body: &[u8]) -> Vec<u8> {
    let seconds = fault.retry_after().map(|s| s.to_string());
    match (fault, &seconds) {
        (_, Some(seconds)) => json(status, &[("retry-after", seconds)], close, body),
        (Fault::MethodNotAllowed, None) => json(status, &[("allow", "GET, POST, DELETE")], close, body),
        (_, None) => json(status, &[], close, body),
    }
}

/// Status line and fields, without the empty line.
pub(super) fn head(out: &mut Vec<u8>, status: u16, fields: &[(&str, &str)], close: bool) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    out.extend_from_slice(reason.unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in fields {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if close {
        out.extend_from_slice(b"connection: close\r\n");
    }
}

/// The raw id, or `null`.
pub(super) fn id_or_null(id: &[u8]) -> &[u8] {
    if id.is_empty() { b"null" } else { id }
}
