//! Sessions and streams that are opened, kept idle, and watched until the standard input ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};

use crate::check::Check;
use crate::plan::Plan;
use crate::session::{Link, Session};
use crate::tally::Tally;

/// Connections that open sessions at a time when the plan names none.
const OPENERS: usize = 16;

/// What is held, or was held to the end.
#[derive(Debug, Serialize)]
pub(crate) struct Held {
    /// Sessions that were opened.
    sessions: u64,
    /// GET streams that are open.
    streams: u64,
    /// What could not be opened, and streams that the server ended.
    pub(crate) failed: u64,
    /// The first of these.
    example: Option<String>,
}

struct Holder {
    plan: Plan,
    streams: bool,
    tally: RefCell<Tally>,
    open: Cell<u64>,
    lost: Cell<u64>,
}

/// Opens what the plan says, says so in a line of JSON, and holds it; gives what was still there at the end.
pub(crate) fn hold(plan: Plan, streams: bool) -> anyhow::Result<Held> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let holder = Rc::new(Holder {
        plan,
        streams,
        tally: RefCell::new(Tally::new()),
        open: Cell::new(0),
        lost: Cell::new(0),
    });
    LocalSet::new().block_on(&runtime, async move {
        let mut openers = JoinSet::new();
        let many = holder.plan.connections.min(OPENERS);
        for index in 0..many {
            openers.spawn_local(open(holder.clone(), index, many));
        }
        while openers.join_next().await.is_some() {}
        println!("{}", serde_json::to_string(&holder.held())?);
        let mut ignored = [0; 64];
        while tokio::io::stdin().read(&mut ignored).await? > 0 {}
        Ok(holder.held())
    })
}

/// Opens every n-th session on one connection, which is closed afterwards, and the stream of each on its own.
async fn open(holder: Rc<Holder>, index: usize, step: usize) {
    let mut link = Link::new(&holder.plan, index);
    for n in (index..holder.plan.sessions).step_by(step) {
        let tool = &holder.plan.tools[n % holder.plan.tools.len()];
        match Session::open(&holder.plan, &mut link, tool, Check::new(None, false, false)).await {
            Ok(session) => {
                holder.tally.borrow_mut().sessions_opened += 1;
                if holder.streams {
                    listen(&holder, &session, &link).await;
                }
            }
            Err(failure) => holder.tally.borrow_mut().failed(failure),
        }
    }
}

async fn listen(holder: &Rc<Holder>, session: &Session, link: &Link<'_>) {
    match session.listen(&holder.plan, link.target).await {
        Ok(mut stream) => {
            holder.open.set(holder.open.get() + 1);
            let holder = holder.clone();
            tokio::task::spawn_local(async move {
                stream.drain().await;
                holder.open.set(holder.open.get() - 1);
                holder.lost.set(holder.lost.get() + 1);
            });
        }
        Err(failure) => holder.tally.borrow_mut().failed(failure),
    }
}

impl Holder {
    fn held(&self) -> Held {
        let tally = self.tally.borrow();
        let lost = self.lost.get();
        let example = tally.examples.values().next().cloned();
        Held {
            sessions: tally.sessions_opened,
            streams: self.open.get(),
            failed: tally.failures.values().sum::<u64>() + lost,
            example: example.or_else(|| (lost > 0).then(|| "the server ended a stream".to_owned())),
        }
    }
}
