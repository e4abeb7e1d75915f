//! Client sessions on this node. The token carries everything; what is here is a cache, and the few
//! facts that a token cannot hold: backend sessions opened after it was sealed, and that it was ended.

use crate::clients::Place;
use crate::endpoints::Stay;
use crate::metrics::inc;
use crate::snapshot::Server;
use hashbrown::{HashMap, HashTable};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tidegate_dataplane_core::token::{Binding, McpSession, Sealer};
use tidegate_proto::table::VirtualServerId;
use tokio::sync::Notify;

/// Sessions whose late bindings or end this node remembers. Beyond it the oldest are forgotten: their
/// backend sessions are opened again when needed.
const MAX_SESSIONS: usize = 65_536;

/// Seconds without use after which a session takes no place of its client's share (spec 3.8: 30 minutes).
const IDLE: u64 = 30 * 60;

/// An opened token.
pub(crate) struct Session {
    pub(crate) token: Box<str>,
    pub(crate) server: VirtualServerId,
    pub(crate) content: McpSession,
    /// set once the client said DELETE
    ended: AtomicBool,
    pub(crate) end: Notify,
    /// there are late bindings: look there first
    has_late: AtomicBool,
    late: Mutex<Vec<Late>>,
    /// what it takes of its client's share; none when it was opened elsewhere, or is not used any more
    place: Mutex<Option<Place>>,
    /// where it is, by backend, as far as this node opened it; none when it is not used any more
    stays: Mutex<Vec<(u64, Stay)>>,
    /// seconds since the epoch
    used: AtomicU64,
}

struct Late {
    backend: u64,
    /// the token's own link is of no use any more
    lost: bool,
    /// counts links
    generation: u32,
    /// opened after the token was sealed
    binding: Option<Arc<Binding>>,
    /// held by the one who opens a new one
    opening: Arc<tokio::sync::Mutex<()>>,
}

/// A session's link to one backend.
pub(crate) enum Bound<'s> {
    Sealed(&'s Binding),
    Late(Arc<Binding>, u32),
}

impl Bound<'_> {
    /// Which of the session's links to this backend it is: the first one, or its replacements.
    pub(crate) fn generation(&self) -> u32 {
        match self {
            Bound::Sealed(_) => 0,
            Bound::Late(_, generation) => *generation,
        }
    }
}

impl std::ops::Deref for Bound<'_> {
    type Target = Binding;
    fn deref(&self) -> &Binding {
        match self {
            Bound::Sealed(b) => b,
            Bound::Late(b, _) => b,
        }
    }
}

impl Session {
    pub(crate) fn new(token: &str, server: &VirtualServerId, content: McpSession) -> Arc<Self> {
        Arc::new(Self {
            token: token.into(),
            server: server.clone(),
            content,
            ended: AtomicBool::new(false),
            end: Notify::new(),
            has_late: AtomicBool::new(false),
            late: Mutex::default(),
            place: Mutex::default(),
            stays: Mutex::default(),
            used: AtomicU64::new(unix_now()),
        })
    }

    /// The link to a backend; None: to be opened.
    pub(crate) fn binding(&self, backend: u64) -> Option<Bound<'_>> {
        if self.has_late.load(Relaxed)
            && let Some(late) = lock(&self.late).iter().find(|l| l.backend == backend)
        {
            return match &late.binding {
                Some(binding) => Some(Bound::Late(binding.clone(), late.generation)),
                None if late.lost => None,
                None => self.content.binding(backend).map(Bound::Sealed),
            };
        }
        self.content.binding(backend).map(Bound::Sealed)
    }

    /// Notes a link that was opened after the token was sealed; which one it is.
    pub(crate) fn bind(&self, binding: Binding, stay: Stay) -> u32 {
        self.stay(binding.backend, stay);
        self.with_late(binding.backend, |late| {
            late.generation += 1;
            late.binding = Some(Arc::new(binding));
            late.generation
        })
    }

    /// The backend does not know that link any more: the next call opens a new one. Who still used an older one says
    /// nothing of the present one.
    pub(crate) fn lose(&self, backend: u64, generation: u32) {
        if self.binding(backend).is_some_and(|b| b.generation() == generation) {
            self.with_late(backend, |late| {
                late.lost = true;
                late.binding = None;
            });
            lock(&self.stays).retain(|(b, _)| *b != backend);
        }
    }

    /// Counts it at its endpoint until it ends or is forgotten.
    pub(crate) fn stay(&self, backend: u64, stay: Stay) {
        let mut stays = lock(&self.stays);
        stays.retain(|(b, _)| *b != backend);
        stays.reserve_exact(1);
        stays.push((backend, stay));
    }

    /// What the one who opens a link to a backend holds meanwhile.
    pub(crate) fn opening(&self, backend: u64) -> Arc<tokio::sync::Mutex<()>> {
        self.with_late(backend, |late| late.opening.clone())
    }

    fn with_late<R>(&self, backend: u64, f: impl FnOnce(&mut Late) -> R) -> R {
        let mut late = lock(&self.late);
        let at = late.iter().position(|l| l.backend == backend).unwrap_or_else(|| {
            late.push(Late { backend, binding: None, lost: false, generation: 0, opening: Arc::default() });
            late.len() - 1
        });
        let r = f(&mut late[at]);
        self.has_late.store(true, Relaxed);
        r
    }

    /// All links that are open.
    pub(crate) fn bindings(&self) -> Vec<Binding> {
        let late = lock(&self.late);
        let replaced =
            |b: &&Binding| late.iter().any(|l| l.backend == b.backend && (l.lost || l.binding.is_some()));
        let sealed = self.content.bindings.iter().filter(|b| !replaced(b));
        let open = late.iter().filter_map(|l| l.binding.as_deref());
        sealed.chain(open).cloned().collect()
    }

    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Counts it to its client until it ends or is forgotten.
    pub(crate) fn hold(&self, place: Place) {
        *lock(&self.place) = Some(place);
    }

    /// Notes that it is used; a store at most once a second.
    #[inline]
    fn touch(&self, now: u64) {
        if self.used.load(Relaxed) != now {
            self.used.store(now, Relaxed);
        }
    }

    fn give_back(&self) {
        lock(&self.place).take();
        lock(&self.stays).clear();
    }

    /// Ends it; false when it had ended already.
    pub(crate) fn finish(&self) -> bool {
        let first = !self.ended.swap(true, Relaxed);
        self.give_back();
        self.end.notify_waiters();
        first
    }
}

/// The node's sessions, shared by its threads.
#[derive(Default)]
pub(crate) struct Sessions {
    by_id: Mutex<Known>,
    /// seconds since the epoch, told by [`Sessions::tick`]: good enough for an expiry
    now: AtomicU64,
}

#[derive(Default)]
struct Known {
    live: HashMap<[u8; 16], Arc<Session>>,
    /// in the order of arrival
    order: std::collections::VecDeque<[u8; 16]>,
}

impl Known {
    fn forget_oldest(&mut self) {
        if let Some(session) = self.order.pop_front().and_then(|id| self.live.remove(&id)) {
            // threads may have it in their caches for as long as they like
            session.give_back();
        }
    }

    /// All live equally long, so the oldest expire first.
    fn expire(&mut self, now: u64) {
        let expired = |id: &[u8; 16]| self.live.get(id).is_none_or(|s| s.content.expires_unix <= now);
        let n = self.order.iter().take_while(|id| expired(id)).count();
        (0..n).for_each(|_| self.forget_oldest());
    }

    /// Who has not used a session for so long does not count it any more (spec 3.8); it goes on when it is used again.
    fn rest_idle(&self, now: u64) {
        let idle = |s: &&Arc<Session>| s.used.load(Relaxed) + IDLE < now;
        self.live.values().filter(idle).for_each(|s| s.give_back());
    }
}

impl Sessions {
    /// Opens a token, or finds what the node knows of it already.
    fn open(&self, server: &Server, token: &[u8]) -> Option<Arc<Session>> {
        let content = server.sealer.as_ref()?.open(server.id(), token, unix_now()).ok()?;
        let token = std::str::from_utf8(token).ok()?;
        Some(self.remember(Session::new(token, server.id(), content)))
    }

    /// Tells the time, at least once a second; forgets what has expired.
    pub(crate) fn tick(&self) {
        let now = unix_now();
        self.now.store(now, Relaxed);
        let mut known = lock(&self.by_id);
        known.expire(now);
        if now.is_multiple_of(60) {
            known.rest_idle(now);
        }
    }

    fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// Keeps it; if it is known already, what is known.
    pub(crate) fn remember(&self, session: Arc<Session>) -> Arc<Session> {
        let mut known = lock(&self.by_id);
        if let Some(same) = known.live.get(&session.content.id) {
            return same.clone();
        }
        if known.live.len() >= MAX_SESSIONS {
            known.forget_oldest();
        }
        known.order.push_back(session.content.id);
        known.live.insert(session.content.id, session.clone());
        session
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.by_id).live.len()
    }
}

/// One thread's view of the sessions: found by the token's bytes, without a lock.
#[derive(Default)]
pub(crate) struct Cache {
    table: HashTable<Arc<Session>>,
    /// The keys that the tokens in it were opened with: others, and each is opened again.
    sealer: Option<Arc<Sealer>>,
}

impl Cache {
    /// Looks a session up; on a miss opens its token, which `opened` counts.
    #[inline]
    pub(crate) fn get(
        &mut self,
        all: &Sessions,
        opened: &AtomicU64,
        server: &Server,
        token: &[u8],
    ) -> Option<Arc<Session>> {
        if self.sealer.as_ref().map(Arc::as_ptr) != server.sealer.as_ref().map(Arc::as_ptr) {
            self.table.clear();
            self.sealer.clone_from(&server.sealer);
        }
        let h = hash(token);
        if let Some(s) = self.table.find(h, |s| s.token.as_bytes() == token) {
            let now = all.now();
            s.touch(now);
            let open = !s.ended() && s.server == *server.id() && now < s.content.expires_unix;
            return open.then(|| s.clone());
        }
        let s = all.open(server, token)?;
        inc(opened);
        self.insert(h, s.clone());
        (!s.ended()).then_some(s)
    }

    /// Takes in a session that this thread has just sealed: its client comes back on the same connection, mostly.
    pub(crate) fn sealed(&mut self, keys: &Arc<Sealer>, session: &Arc<Session>) {
        let h = hash(session.token.as_bytes());
        let same_keys = self.sealer.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys));
        if same_keys && self.table.find(h, |s| s.token == session.token).is_none() {
            self.insert(h, session.clone());
        }
    }

    fn insert(&mut self, hash_of_token: u64, session: Arc<Session>) {
        if self.table.len() >= MAX_SESSIONS {
            // a miss costs one decryption: no need for an order of eviction here
            self.table.clear();
        }
        self.table.insert_unique(hash_of_token, session, |s| hash(s.token.as_bytes()));
    }
}

/// A token ends in an authentication tag: eight of its characters are hash enough. Only genuine tokens
/// are inserted, so nobody can aim for collisions.
fn hash(token: &[u8]) -> u64 {
    let tail = token.len().saturating_sub(8);
    let mut b = [0u8; 8];
    b[..token.len() - tail].copy_from_slice(&token[tail..]);
    u64::from_le_bytes(b).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_right(29)
}

pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// A poisoned lock guards data that is still whole: every critical section here is a few stores.
pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}
