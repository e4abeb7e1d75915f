//! Bytes: HTTP/1.1 heads and framing, JSON-RPC envelopes, SSE. Pure
