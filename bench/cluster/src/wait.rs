//! Waiting on a condition with a deadline.

use std::time::Duration;
use tokio::time::Instant;

const PAUSE: Duration = Duration::from_millis(25);

/// Asks `condition` again and again until it says `Some`, for at most `limit`. It is asked at least once.
///
/// # Errors
/// `what` did not happen in time.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition().await {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            anyhow::bail!("not within {limit:?}: {what}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
