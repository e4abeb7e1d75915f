//! What the control plane does in a cluster besides watching it: one replica leads, and the leader keeps child objects, statuses,
//! finalizers and events as compiling wants them. Everything is level-triggered: what is there is compared with what should be, and
//! only differences are written.

pub mod children;
pub mod connect;
mod cover;
pub mod events;
pub mod finalizers;
pub mod held;
pub mod lead;
mod pace;
pub mod refusals;

use std::time::Duration;

pub use cover::covers;
pub use pace::Pace;

/// Field manager, controller name, name of the Lease.
pub const NAME: &str = "tidegate-controlplane";
/// For one answer of the API server. A connection that is dead without saying so would hold a writer up for minutes.
const ANSWER: Duration = Duration::from_secs(30);
/// Requests to the API server under way at a time, of each writer.
pub const CONCURRENCY: usize = 8;

/// A text for people, of so many bytes at most.
pub fn bounded(mut text: String, most: usize) -> String {
    const CUT: &str = " ...";
    if text.len() > most {
        let end = (0..=most.saturating_sub(CUT.len())).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push_str(CUT);
    }
    text
}

/// Waits for an answer, for a while.
///
/// # Errors
/// The API server's, or that there was none in time.
pub async fn answer<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let late = || Err(kube::Error::Service(format!("no answer within {ANSWER:?}").into()));
    tokio::time::timeout(ANSWER, request).await.unwrap_or_else(|_| late())
}
