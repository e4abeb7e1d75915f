//! The state of the own control plane, from start to end, however often its process is replaced.

use std::time::Duration;

use tidegate_proto::wire::StateReply;
use tokio::sync::watch;

use crate::inspect::{Address, InspectError};

/// Between two tries: it starts within a moment, and a restart is announced by its supervisor.
const RETRY: Duration = Duration::from_millis(200);

/// Sends every state until nobody wants it; a reader that is slow sees the newest only.
pub(crate) async fn follow(address: Address, states: watch::Sender<Option<StateReply>>) {
    while !states.is_closed() {
        if let Err(error) = stream(&address, &states).await {
            tracing::debug!(%error, "control plane not reached");
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = states.closed() => return,
        }
    }
}

async fn stream(address: &Address, states: &watch::Sender<Option<StateReply>>) -> Result<(), InspectError> {
    let mut stream = address.states(true).await?;
    while let Some(state) = stream.next().await? {
        states.send_replace(Some(state));
        if states.is_closed() {
            break;
        }
    }
    Ok(())
}
