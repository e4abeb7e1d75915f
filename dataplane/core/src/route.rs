//! Which virtual server and which of its endpoints a request means.
//!
//! Host first (`vmcp-NAME[.NAMESPACE[.svc[.anything]]]`), then the path (`/NAMESPACE/NAME/…`), then the only virtual
//! server there is. Paths are compared as sent: no percent-decoding, no merging of slashes, so that nothing in front
//! of the gateway reads a path differently.

mod guard;
mod host;

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use tidegate_proto::table::VirtualServerId;

use crate::fault::Fault;
use host::{ServiceHost, service_host};

pub use guard::{host_allowed, origin_allowed};

/// What a virtual server answers at, apart from MCP itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// MCP: `/mcp` and `/`.
    Mcp,
    /// Liveness: `/health`, `/ping`.
    Health,
    /// Readiness: `/readyz`.
    Ready,
    /// The status document: `/status`.
    Status,
    /// The health of each backend: `/api/backends/health`.
    BackendsHealth,
    /// Metadata: below `/.well-known/`.
    WellKnown,
}

/// Why a request means no virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// Host is `vmcp-…` of a virtual server that does not exist.
    #[error("Host names no virtual server")]
    UnknownHost,
    /// Host has no namespace and several have one of that name.
    #[error("Host names virtual servers of several namespaces")]
    AmbiguousHost,
    /// The path names no virtual server, and Host does not either.
    #[error("the path names no virtual server")]
    UnknownPath,
}

/// The virtual servers by name. Immutable, part of a snapshot; look-ups allocate nothing.
#[derive(Clone, Debug)]
pub struct Routes {
    ids: Vec<VirtualServerId>,
    by_id: HashTable<u32>,
    by_name: HashTable<Named>,
    hasher: DefaultHashBuilder,
}

/// The virtual servers of one name.
#[derive(Clone, Copy, Debug)]
struct Named {
    /// One of them.
    index: u32,
    /// Other namespaces have one too.
    ambiguous: bool,
}

impl Routes {
    /// The position of an id in `ids` is its index in [`Self::select`]. Ids are unique and of lower case; one with
    /// upper case is found by path only.
    pub fn new<'a>(ids: impl Iterator<Item = &'a VirtualServerId>) -> Self {
        let mut routes = Self {
            ids: ids.cloned().collect(),
            by_id: HashTable::new(),
            by_name: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        };
        for index in 0..routes.ids.len() {
            routes.index(u32::try_from(index).expect("a table has fewer than 2^32 entries"));
        }
        routes
    }

    /// The virtual server that `host` or `path` names, and what of it. `path` may carry a query.
    pub fn select(&self, host: &[u8], path: &[u8]) -> Result<(usize, Endpoint), NoRoute> {
        match self.by_host(host) {
            Some(Ok(index)) => self.endpoint_of(index, path).map(|e| (index, e)).ok_or(NoRoute::UnknownPath),
            Some(Err(reason)) => self.by_path(path).ok_or(reason),
            None => self.by_path(path).or_else(|| self.only(path)).ok_or(NoRoute::UnknownPath),
        }
    }

    /// What `path` means on a listener that belongs to one virtual server.
    pub fn own_port(path: &[u8]) -> Option<Endpoint> {
        let path = without_query(path).strip_prefix(b"/")?;
        if path.starts_with(b".well-known/") { Some(Endpoint::WellKnown) } else { endpoint(path) }
    }

    /// The virtual server that `host` names; none where `host` is not of the form.
    fn by_host(&self, host: &[u8]) -> Option<Result<usize, NoRoute>> {
        let mut buffer = [0; host::MAX_HOST];
        let ServiceHost { name, namespace, .. } = service_host(host, &mut buffer)?;
        Some(match namespace {
            Some(namespace) => self.find(namespace, name).ok_or(NoRoute::UnknownHost),
            None => self.find_name(name),
        })
    }

    /// `/NAMESPACE/NAME/…`, also behind `/.well-known/DOCUMENT` (RFC 9728, 3.1).
    fn by_path(&self, path: &[u8]) -> Option<(usize, Endpoint)> {
        let path = without_query(path).strip_prefix(b"/")?;
        let Some(document) = path.strip_prefix(b".well-known/") else { return self.by_id_path(path) };
        match segment(document) {
            (b"", _) | (_, None) => None,
            (_, Some(resource)) => self.by_id_path(resource).map(|(index, _)| (index, Endpoint::WellKnown)),
        }
    }

    /// `NAMESPACE/NAME[/REST]`
    fn by_id_path(&self, path: &[u8]) -> Option<(usize, Endpoint)> {
        let (namespace, rest) = segment(path);
        let (name, rest) = segment(rest?);
        Some((self.find(namespace, name)?, endpoint(rest.unwrap_or_default())?))
    }

    fn only(&self, path: &[u8]) -> Option<(usize, Endpoint)> {
        if self.ids.len() != 1 {
            return None;
        }
        Some((0, Self::own_port(path)?))
    }

    /// What `path` means once Host named the virtual server: the path may name the same one, never another.
    fn endpoint_of(&self, index: usize, path: &[u8]) -> Option<Endpoint> {
        match self.by_path(path) {
            Some((named, endpoint)) if named == index => Some(endpoint),
            _ => Self::own_port(path),
        }
    }

    fn find(&self, namespace: &[u8], name: &[u8]) -> Option<usize> {
        let is = |&i: &u32| {
            let id = &self.ids[i as usize];
            id.name.as_bytes() == name && id.namespace.as_bytes() == namespace
        };
        self.by_id.find(self.hash(namespace, name), is).map(|&i| i as usize)
    }

    fn find_name(&self, name: &[u8]) -> Result<usize, NoRoute> {
        let is = |n: &Named| self.ids[n.index as usize].name.as_bytes() == name;
        match self.by_name.find(self.hash(b"", name), is) {
            None => Err(NoRoute::UnknownHost),
            Some(Named { ambiguous: true, .. }) => Err(NoRoute::AmbiguousHost),
            Some(named) => Ok(named.index as usize),
        }
    }

    fn index(&mut self, index: u32) {
        let Self { ids, by_id, by_name, hasher } = self;
        let id = |i: u32| &ids[i as usize];
        let full = |i: &u32| hash(hasher, id(*i).namespace.as_bytes(), id(*i).name.as_bytes());
        by_id.insert_unique(full(&index), index, full);
        let short = |n: &Named| hash(hasher, b"", id(n.index).name.as_bytes());
        let named = Named { index, ambiguous: false };
        match by_name.find_mut(short(&named), |n| id(n.index).name == id(index).name) {
            Some(other) => other.ambiguous = true,
            None => drop(by_name.insert_unique(short(&named), named, short)),
        }
    }

    fn hash(&self, namespace: &[u8], name: &[u8]) -> u64 {
        hash(&self.hasher, namespace, name)
    }
}

impl From<NoRoute> for Fault {
    fn from(_: NoRoute) -> Self {
        Self::UnknownVirtualServer
    }
}

fn hash(hasher: &DefaultHashBuilder, namespace: &[u8], name: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(namespace);
    state.write_u8(b'/');
    state.write(name);
    state.finish()
}

fn without_query(path: &[u8]) -> &[u8] {
    memchr::memchr(b'?', path).map_or(path, |end| &path[..end])
}

/// The bytes before the first `/` and, where there is one, those after it.
fn segment(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'/', path) {
        Some(end) => (&path[..end], Some(&path[end + 1..])),
        None => (path, None),
    }
}

/// What follows a virtual server's root, without the leading slash.
fn endpoint(path: &[u8]) -> Option<Endpoint> {
    match path {
        b"mcp" | b"" | b"mcp/" => Some(Endpoint::Mcp),
        b"health" | b"ping" => Some(Endpoint::Health),
        b"readyz" => Some(Endpoint::Ready),
        b"status" => Some(Endpoint::Status),
        b"api/backends/health" => Some(Endpoint::BackendsHealth),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
