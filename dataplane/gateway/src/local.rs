//! What belongs to one worker thread: buffers that all its connections share, its upstream pool and its
//! view of the sessions. A connection borrows it within one poll and never across one.

use crate::backend::BackendState;
use crate::session::Cache;
use crate::upstream::Upstream;
use hashbrown::HashMap;
use std::cell::RefCell;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tidegate_dataplane_core::endpoint::EndpointId;

use crate::io::Io;

/// Connections kept per backend and thread.
const MAX_IDLE: usize = 512;

/// A connection that was idle for longer is not used again: common servers close theirs after 5 s, and a
/// request that meets that close may not be sent twice.
const MAX_AGE: Duration = Duration::from_secs(4);

/// Buffers that a thread keeps for calls, and their largest size: a call of 16 KiB with its head.
const MAX_BUFFERS: usize = 256;
const MAX_KEPT: usize = 20 * 1024;

/// Size of the buffer that a read fills.
const READ: usize = 64 * 1024;

pub(crate) struct Local {
    /// What a read fills.
    pub(crate) scratch: Vec<u8>,
    /// Where a head is put together.
    pub(crate) out: Vec<u8>,
    /// An unescaped tool name.
    pub(crate) name: Vec<u8>,
    pub(crate) sessions: Cache,
    pub(crate) pool: Pool,
    /// Buffers of calls that ended, for the next ones.
    kept: Vec<Vec<u8>>,
}

/// Idle upstream connections of one thread, by the backend configuration they were opened for and the endpoint.
#[derive(Default)]
pub(crate) struct Pool {
    idle: HashMap<(u32, EndpointId), Vec<Idle>>,
}

struct Idle {
    stream: Upstream,
    since: Instant,
}

thread_local!(static LOCAL: RefCell<Local> = RefCell::new(Local::new()));

/// Runs `f` with this thread's state. Not re-entrant.
pub(crate) fn local<R>(f: impl FnOnce(&mut Local) -> R) -> R {
    LOCAL.with_borrow_mut(f)
}

/// Gives a buffer back, wherever a call happens to be dropped.
pub(crate) fn give_back(buffer: Vec<u8>) {
    let _ = LOCAL.try_with(|l| {
        if let Ok(mut l) = l.try_borrow_mut() {
            l.keep_buffer(buffer);
        }
    });
}

impl Local {
    fn new() -> Self {
        Self {
            scratch: vec![0; READ],
            out: Vec::with_capacity(16 * 1024),
            name: Vec::new(),
            sessions: Cache::default(),
            pool: Pool::default(),
            kept: Vec::new(),
        }
    }

    /// What a read fills, to be put back. It is missing when a task panicked that had it.
    pub(crate) fn take_scratch(&mut self) -> Vec<u8> {
        let scratch = std::mem::take(&mut self.scratch);
        if scratch.is_empty() { vec![0; READ] } else { scratch }
    }

    /// An empty buffer, used before if possible.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.kept.pop().unwrap_or_default()
    }

    /// Gives one back; large ones are freed.
    fn keep_buffer(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= MAX_KEPT && self.kept.len() < MAX_BUFFERS {
            buffer.clear();
            self.kept.push(buffer);
        }
    }
}

impl Pool {
    /// The connection used last, if it is still good: one that the backend closed, or wrote to unasked,
    /// has become readable, which the runtime knows without a system call.
    pub(crate) fn take(
        &mut self,
        backend: &BackendState,
        endpoint: EndpointId,
        now: Instant,
    ) -> Option<Upstream> {
        let idle = self.idle.get_mut(&(backend.slot, endpoint))?;
        while let Some(Idle { mut stream, since }) = idle.pop() {
            if now.saturating_duration_since(since) > MAX_AGE {
                idle.clear(); // the ones below are older
                return None;
            }
            if stream.endpoint().is_gone() {
                continue;
            }
            let mut cx = Context::from_waker(Waker::noop());
            if stream.poll_read(&mut cx, &mut [0]).is_pending() {
                return Some(stream);
            }
        }
        None
    }

    pub(crate) fn put(&mut self, backend: &BackendState, stream: Upstream, now: Instant) {
        // at the limit none is kept idle: another thread may wait for one
        if backend.connections() >= backend.spec.limits.connections || stream.endpoint().is_gone() {
            return;
        }
        let idle = self.idle.entry((backend.slot, stream.endpoint().id)).or_default();
        if idle.len() < MAX_IDLE {
            idle.push(Idle { stream, since: now });
        }
    }

    /// Closes what is too old, also of backends that are gone, and what leads to endpoints that are gone.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.idle.retain(|_, idle| {
            let old = idle.partition_point(|i| now.saturating_duration_since(i.since) > MAX_AGE);
            idle.drain(..old);
            idle.retain(|i| !i.stream.endpoint().is_gone());
            !idle.is_empty()
        });
    }
}
