//! One connection's loop: closed, or open at a fixed rate.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Barrier;

use crate::args::Method;
use crate::check::Check;
use crate::plan::Plan;
use crate::session::{Link, Session};
use crate::tally::{Class, Failure, Tally};

/// Before the next try after a refused connection.
const RECONNECT: Duration = Duration::from_millis(5);

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    /// All workers and the coordinator: sessions are open, the window is set, the load is over.
    pub(crate) barrier: Barrier,
    /// Set between the first two barriers.
    pub(crate) window: OnceLock<Window>,
    /// Requests that may still be started.
    pub(crate) remaining: AtomicU64,
    /// The run was interrupted.
    pub(crate) stop: AtomicBool,
}

/// When requests count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) begin: Instant,
    pub(crate) measure: Instant,
    pub(crate) end: Option<Instant>,
}

struct Worker<'a> {
    shared: &'a Shared,
    tally: &'a RefCell<Tally>,
    link: Link<'a>,
    /// One for each session of this connection: the session while it is open, what is known of its answers while it is not.
    slots: Vec<Slot<'a>>,
    turn: usize,
    window: Window,
}

struct Slot<'a> {
    tool: &'a str,
    state: SlotState,
}

enum SlotState {
    Open(Session),
    Closed(Check),
    /// Only within a request.
    Moving,
}

/// Runs the index-th connection from its first session to the end of the load.
pub(crate) async fn work(shared: &Shared, tally: &RefCell<Tally>, index: usize) {
    let plan = &shared.plan;
    let now = Instant::now();
    let mut worker = Worker {
        shared,
        tally,
        link: Link::new(plan, index),
        slots: slots(plan, index),
        turn: 0,
        window: Window { begin: now, measure: now, end: None },
    };
    if plan.method != Method::Session {
        worker.open_all().await;
    }
    shared.barrier.wait().await;
    shared.barrier.wait().await;
    if let Some(window) = shared.window.get() {
        worker.window = *window;
    }
    match plan.interval {
        None => worker.closed_loop().await,
        Some(interval) => worker.open_loop(interval, index).await,
    }
    tally.borrow_mut().connections_opened += worker.link.opened;
    shared.barrier.wait().await;
}

fn slots(plan: &Plan, index: usize) -> Vec<Slot<'_>> {
    let mine = (index..plan.sessions).step_by(plan.connections);
    mine.map(|session| {
        let tool = &plan.tools[session % plan.tools.len()];
        let check = Check::new(plan.expect.clone(), plan.same, plan.sse);
        Slot { tool, state: SlotState::Closed(check) }
    })
    .collect()
}

impl Worker<'_> {
    /// Opens the sessions; a server that still starts is waited for.
    async fn open_all(&mut self) {
        let patience = Instant::now() + self.shared.plan.wait;
        for i in 0..self.slots.len() {
            while let Err(failure) = self.open(i).await {
                if Instant::now() > patience || failure.class != Class::Connect {
                    self.tally.borrow_mut().failed(failure);
                    break;
                }
                tokio::time::sleep(RECONNECT).await;
            }
        }
    }

    async fn open(&mut self, slot: usize) -> Result<(), Failure> {
        let slot = &mut self.slots[slot];
        let SlotState::Closed(check) = std::mem::replace(&mut slot.state, SlotState::Moving) else {
            unreachable!("only closed slots are opened");
        };
        match Session::open(&self.shared.plan, &mut self.link, slot.tool, check.clone()).await {
            Ok(session) => {
                slot.state = SlotState::Open(session);
                self.tally.borrow_mut().sessions_opened += 1;
                Ok(())
            }
            Err(failure) => {
                slot.state = SlotState::Closed(check);
                Err(failure)
            }
        }
    }

    async fn closed_loop(&mut self) {
        while self.goes_on() {
            let start = Instant::now();
            self.one(start).await;
        }
    }

    /// Requests start at fixed times, whatever became of the ones before; latency counts from the intended start.
    async fn open_loop(&mut self, interval: Duration, index: usize) {
        let share = interval.as_secs_f64() * index as f64 / self.shared.plan.connections as f64;
        let mut intended = self.window.begin + Duration::from_secs_f64(share);
        while self.goes_on() {
            if Instant::now() < intended {
                tokio::time::sleep_until(intended.into()).await;
                // the timer's own lateness is ours, not the server's
                let start = Instant::now();
                self.one(start).await;
            } else {
                self.one(intended).await;
            }
            intended += interval;
        }
    }

    fn goes_on(&self) -> bool {
        if self.shared.stop.load(Ordering::Relaxed) {
            return false;
        }
        match self.window.end {
            Some(end) => Instant::now() < end,
            None => {
                let left = &self.shared.remaining;
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
            }
        }
    }

    /// One request of the next session in turn, and its count.
    async fn one(&mut self, start: Instant) {
        let turn = self.turn;
        self.turn = (turn + 1) % self.slots.len();
        let before = self.link.read;
        let done = match self.shared.plan.method {
            Method::Session => self.whole_session(turn).await,
            _ => self.request(turn).await,
        };
        let now = Instant::now();
        match done {
            Ok(()) if now >= self.window.measure && self.window.end.is_none_or(|end| now <= end) => {
                let second = (now - self.window.measure).as_secs();
                self.tally.borrow_mut().answered(now - start, second, self.link.read - before);
            }
            Ok(()) => {}
            Err(failure) => {
                let refused = failure.class == Class::Connect;
                let second = now.checked_duration_since(self.window.measure).map(|d| d.as_secs());
                self.tally.borrow_mut().failed_in(second, failure);
                if refused {
                    tokio::time::sleep(RECONNECT).await;
                }
            }
        }
    }

    async fn request(&mut self, turn: usize) -> Result<(), Failure> {
        if matches!(self.slots[turn].state, SlotState::Closed(_)) {
            self.open(turn).await?;
        }
        let slot = &mut self.slots[turn];
        let SlotState::Open(session) = &mut slot.state else { unreachable!("it was opened above") };
        let done = session.request(&mut self.link).await;
        if matches!(&done, Err(failure) if failure.class == Class::DroppedSession) {
            // as a client must: a session that is gone is opened anew
            let state = std::mem::replace(&mut slot.state, SlotState::Moving);
            if let SlotState::Open(session) = state {
                slot.state = SlotState::Closed(session.into_check());
            }
        }
        done
    }

    async fn whole_session(&mut self, turn: usize) -> Result<(), Failure> {
        self.open(turn).await?;
        let slot = &mut self.slots[turn];
        let state = std::mem::replace(&mut slot.state, SlotState::Moving);
        let SlotState::Open(mut session) = state else { unreachable!("it was opened above") };
        let plan = &self.shared.plan;
        let listed = session.list(plan, &mut self.link).await;
        let called = session.request(&mut self.link).await;
        let closed = session.close(plan, &mut self.link).await;
        let fresh = || Check::new(plan.expect.clone(), plan.same, plan.sse);
        let (check, closed) = closed.map_or_else(|f| (fresh(), Err(f)), |check| (check, Ok(())));
        self.slots[turn].state = SlotState::Closed(check);
        listed.and(called).and(closed)
    }
}
