//! All simulated nodes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;

use crate::node::{Applied, Node, Seen};

/// Bound of a wait for all nodes.
const PATIENCE: Duration = Duration::from_secs(300);

/// They leave when this is dropped.
pub(crate) struct Fleet {
    seen: Vec<watch::Receiver<Seen>>,
    applied: Mutex<mpsc::UnboundedReceiver<Applied>>,
    _tasks: JoinSet<()>,
}

impl Fleet {
    /// Lets so many nodes connect; their reports are spread over time.
    pub(crate) async fn join(socket: &str, count: usize, report_every: Duration) -> Arc<Self> {
        let (applied, receiver) = mpsc::unbounded_channel();
        let (mut tasks, mut seen) = (JoinSet::new(), Vec::new());
        for i in 0..count {
            let sender = watch::Sender::new(Seen::default());
            seen.push(sender.subscribe());
            let node = Node {
                name: format!("node-{i}"),
                seen: sender,
                applied: applied.clone(),
                report_every,
                first_report: report_every * (i as u32 + 1) / count as u32,
            };
            let socket = socket.to_owned();
            tasks.spawn(node.run(socket));
        }
        Arc::new(Self { seen, applied: Mutex::new(receiver), _tasks: tasks })
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Waits until it holds for every node.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Seen) -> bool) -> anyhow::Result<()> {
        let all = async {
            for seen in &self.seen {
                seen.clone().wait_for(|seen| condition(seen)).await?;
            }
            anyhow::Ok(())
        };
        match tokio::time::timeout(PATIENCE, all).await {
            Ok(result) => result,
            Err(_) => anyhow::bail!("not within {PATIENCE:?}: {what}"),
        }
    }

    /// Bytes of the largest update that a node got.
    pub(crate) fn bytes(&self) -> usize {
        self.seen.iter().map(|seen| seen.borrow().largest).max().unwrap_or(0)
    }

    /// The next time that a node has applied an edit.
    pub(crate) async fn applied(&self) -> Option<Applied> {
        self.applied.lock().await.recv().await
    }
}
