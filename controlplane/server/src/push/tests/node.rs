//! A node of a few lines: the protocol's machine behind the generated client.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tidegate_proto::push::Terms;
use tidegate_proto::push::node::{Effect, Identity, Session};
use tidegate_proto::table::{EntryKey, Table};
use tidegate_proto::wire::FromNode;
use tidegate_proto::wire::push_client::PushClient;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use super::{DEADLINE, PushAddr};

/// A node that takes every step, but for one entry if told so.
pub(super) struct TestNode {
    state: watch::Receiver<State>,
    task: JoinHandle<String>,
}

#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) table: Table,
    pub(super) key_ids: Vec<String>,
    pub(super) is_synced: bool,
}

struct Shell {
    session: Session,
    refuses: Option<EntryKey>,
    state: watch::Sender<State>,
    out: mpsc::Sender<FromNode>,
}

impl TestNode {
    pub(super) fn start(address: &PushAddr, name: &str, refuses: Option<EntryKey>) -> Self {
        let identity = Identity { node: name.into(), software_version: "1".into(), listen: "l".into() };
        let session = Session::new(identity, Terms::default(), Arc::default(), None);
        let (state, watched) = watch::channel(State::default());
        let address = address.clone();
        let task = tokio::spawn(async move {
            let channel = connect(address).await;
            let (out, queue) = mpsc::channel(16);
            let shell = Shell { session, refuses, state, out };
            shell.run(channel, ReceiverStream::new(queue)).await
        });
        Self { state: watched, task }
    }

    pub(super) async fn wait(&self, condition: impl FnMut(&State) -> bool) {
        let mut state = self.state.clone();
        let waited = tokio::time::timeout(DEADLINE, state.wait_for(condition)).await;
        waited.expect("the node comes to this state").unwrap();
    }

    /// Why its stream has ended, in the words of the control plane.
    pub(super) async fn ended(self) -> String {
        tokio::time::timeout(DEADLINE, self.task).await.expect("the stream ends").unwrap()
    }

    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl Shell {
    async fn run(mut self, channel: Channel, queue: ReceiverStream<FromNode>) -> String {
        let now = Duration::ZERO;
        let effects = self.session.opened(now);
        self.carry_out(effects).await;
        let opened = PushClient::new(channel).connect(queue).await;
        let mut inbound = match opened {
            Ok(response) => response.into_inner(),
            Err(status) => return status.message().to_owned(),
        };
        loop {
            match inbound.message().await {
                Ok(Some(message)) => {
                    let effects = self.session.message(message, now);
                    self.carry_out(effects).await;
                }
                Ok(None) => return String::new(),
                Err(status) => return status.message().to_owned(),
            }
        }
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut effects: VecDeque<Effect> = effects.into();
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Send(message) => self.out.send(message).await.unwrap(),
                Effect::Apply(step) => {
                    let keys = step.keys.map(|k| k.ids());
                    let refused = self.refuses.iter().map(|key| (key.clone(), "not here".to_owned()));
                    effects.extend(self.session.applied(refused.collect()));
                    self.state.send_modify(|state| {
                        state.table = (**self.session.held().table()).clone();
                        state.key_ids = keys.unwrap_or_else(|| state.key_ids.clone());
                    });
                }
                Effect::Persist { .. } => {}
                Effect::Synced(synced) => self.state.send_modify(|state| state.is_synced = synced),
                Effect::Close(reason) => panic!("closed: {reason}"),
            }
        }
    }
}

async fn connect(address: PushAddr) -> Channel {
    match address {
        PushAddr::Tcp(tcp) => {
            Endpoint::from_shared(format!("http://{tcp}")).unwrap().connect().await.unwrap()
        }
        PushAddr::Unix(path) => {
            Endpoint::from_shared(format!("unix:{}", path.display())).unwrap().connect().await.unwrap()
        }
    }
}
