//! What a session token carries, and its bytes.
//!
//! Order of the fields: id, version, issued, expires, principal, client info, bindings (backend, version, session, endpoint;
//! without the endpoint in format 1).
//! Numbers of fixed width are big-endian; lengths and times are LEB128. Any change needs a new token format.

use std::fmt;

use ring::digest;
use tidegate_proto::table::Backend;

use crate::endpoint::EndpointId;
use crate::protocol::ProtocolVersion;

/// The format whose bindings name no endpoint.
const WITHOUT_ENDPOINTS: u8 = 1;

/// A client's session: all that a node needs to serve it.
#[derive(Clone, PartialEq, Eq)]
pub struct McpSession {
    /// Random; names the session in caches, never in logs.
    pub id: [u8; 16],
    /// What `initialize` agreed on.
    pub version: ProtocolVersion,
    /// When it began, in seconds since 1970.
    pub issued_unix: u64,
    /// From when it is refused, in seconds since 1970.
    pub expires_unix: u64,
    /// Who may use it; empty: anonymous.
    pub principal: Box<[u8]>,
    /// `clientInfo` of `initialize` as raw JSON, at most [`super::MAX_CLIENT_INFO`] bytes; else empty.
    pub client_info: Box<[u8]>,
    /// Its links to backends' sessions.
    pub bindings: Vec<Binding>,
}

/// A session's link to one backend's session.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    /// Which backend: [`backend_hash`].
    pub backend: u64,
    /// The backend's `Mcp-Session-Id`; empty: it keeps none.
    pub session: Box<[u8]>,
    /// What the backend agreed on.
    pub version: ProtocolVersion,
    /// Where that session is; none: it was opened before tokens said so, at the first of the list.
    pub endpoint: Option<EndpointId>,
}

/// The name of a backend in tokens, stable over releases. Authority and path count: a backend that moved knows
/// nothing of the sessions that it had elsewhere.
pub fn backend_hash(backend: &Backend) -> u64 {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [backend.id.as_str(), &backend.authority, &backend.path] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hash = hash.finish();
    u64::from_be_bytes(hash.as_ref()[..8].try_into().expect("a SHA-256 has 32 bytes"))
}

impl McpSession {
    /// The link to the backend of this [`backend_hash`].
    pub fn binding(&self, backend: u64) -> Option<&Binding> {
        self.bindings.iter().find(|b| b.backend == backend)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id);
        out.push(self.version.to_wire());
        put_number(out, self.issued_unix);
        put_number(out, self.expires_unix);
        put_bytes(out, &self.principal);
        put_bytes(out, &self.client_info);
        put_number(out, self.bindings.len() as u64);
        for b in &self.bindings {
            out.extend_from_slice(&b.backend.to_be_bytes());
            out.push(b.version.to_wire());
            put_bytes(out, &b.session);
            out.extend_from_slice(&b.endpoint.map_or(0, EndpointId::get).to_be_bytes());
        }
    }

    /// Length of what [`Self::encode`] appends.
    pub(super) fn encoded_len(&self) -> usize {
        let bindings: usize = self.bindings.iter().map(Binding::encoded_len).sum();
        self.id.len()
            + 1
            + number_len(self.issued_unix)
            + number_len(self.expires_unix)
            + bytes_len(&self.principal)
            + bytes_len(&self.client_info)
            + number_len(self.bindings.len() as u64)
            + bindings
    }

    /// Reads what was sealed in `format`.
    pub(super) fn decode(bytes: &[u8], format: u8) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut session = Self {
            id: reader.array()?,
            version: reader.version()?,
            issued_unix: reader.number()?,
            expires_unix: reader.number()?,
            principal: reader.bytes()?.into(),
            client_info: reader.bytes()?.into(),
            bindings: Vec::new(),
        };
        let count = usize::try_from(reader.number()?).ok()?;
        // a binding has 10 bytes at least: no count reserves more than the token can hold
        session.bindings = Vec::with_capacity(count.min(reader.0.len() / 10));
        for _ in 0..count {
            let backend = u64::from_be_bytes(reader.array()?);
            let version = reader.version()?;
            let session_id = reader.bytes()?.into();
            let endpoint = match format {
                WITHOUT_ENDPOINTS => None,
                _ => EndpointId::from_wire(u32::from_be_bytes(reader.array()?)),
            };
            session.bindings.push(Binding { backend, version, session: session_id, endpoint });
        }
        reader.0.is_empty().then_some(session)
    }
}

impl Binding {
    /// Its part of [`McpSession::encoded_len`].
    pub(super) fn encoded_len(&self) -> usize {
        8 + 1 + bytes_len(&self.session) + 4
    }
}

impl fmt::Debug for McpSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpSession")
            .field("version", &self.version)
            .field("issued_unix", &self.issued_unix)
            .field("expires_unix", &self.expires_unix)
            .field("anonymous", &self.principal.is_empty())
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("backend", &format_args!("{:016x}", self.backend))
            .field("stateless", &self.session.is_empty())
            .field("version", &self.version)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn number_len(number: u64) -> usize {
    let bits = (u64::BITS - number.leading_zeros()).max(1) as usize;
    bits.div_ceil(7)
}

fn bytes_len(bytes: &[u8]) -> usize {
    number_len(bytes.len() as u64) + bytes.len()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.array()?;
            let part = u64::from(byte & 0x7f);
            if part.leading_zeros() < shift {
                return None;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.take(count)
    }

    fn version(&mut self) -> Option<ProtocolVersion> {
        let [number] = self.array()?;
        ProtocolVersion::from_wire(number)
    }
}
