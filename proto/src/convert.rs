//! Wire to IR and back: the single place that knows both. Reading is strict, because what comes out is
//! never checked again; every error names the field by its path in the message. Writing cannot fail and
//! is canonical: equal values give equal bytes, on which [`crate::digest`] rests.

mod backend;
pub(crate) mod checks;
mod error;
mod virtual_server;

pub use error::{ConvertError, Problem};

use crate::table::{BackendId, Entry, EntryKey, VirtualServerId};
use crate::wire;
use checks::name;
use error::required;
pub(crate) use error::{At, items};

impl TryFrom<wire::Entry> for Entry {
    type Error = ConvertError;

    fn try_from(entry: wire::Entry) -> Result<Self, ConvertError> {
        match required(entry.body, "body")? {
            wire::entry::Body::Backend(b) => backend::read(b).map(Entry::Backend),
            wire::entry::Body::VirtualServer(v) => virtual_server::read(v).map(Entry::VirtualServer),
        }
    }
}

impl From<&Entry> for wire::Entry {
    fn from(entry: &Entry) -> Self {
        let body = match entry {
            Entry::Backend(b) => wire::entry::Body::Backend(backend::write(b)),
            Entry::VirtualServer(v) => wire::entry::Body::VirtualServer(virtual_server::write(v)),
        };
        wire::Entry { body: Some(body) }
    }
}

impl TryFrom<wire::EntryKey> for EntryKey {
    type Error = ConvertError;

    fn try_from(key: wire::EntryKey) -> Result<Self, ConvertError> {
        let text = name(key.name).at("name")?;
        match wire::EntryKind::try_from(key.kind) {
            Ok(wire::EntryKind::Backend) => Ok(EntryKey::Backend(BackendId::from_wire(&text))),
            Ok(wire::EntryKind::VirtualServer) => match VirtualServerId::parse(&text) {
                Some(id) => Ok(EntryKey::VirtualServer(id)),
                None => Err(Problem::NamespacedName).at("name"),
            },
            Ok(wire::EntryKind::Unspecified) | Err(_) => Err(Problem::UnknownValue(key.kind)).at("kind"),
        }
    }
}

impl From<&EntryKey> for wire::EntryKey {
    fn from(key: &EntryKey) -> Self {
        let (kind, name) = match key {
            EntryKey::Backend(id) => (wire::EntryKind::Backend, id.to_string()),
            EntryKey::VirtualServer(id) => (wire::EntryKind::VirtualServer, id.to_string()),
        };
        wire::EntryKey { kind: kind.into(), name }
    }
}
