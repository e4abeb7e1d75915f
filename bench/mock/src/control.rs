//! How a mock behaves beyond its options: the body of `POST /_control`, and what stays of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::faults::{Fault, Rule, Rules};
use crate::stats::Method;

/// A change of behaviour. What is absent stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// Wait this long before each answer, in milliseconds; 0 ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Answer no more (to all methods, or to those named) until it is `false`; held requests are then answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hang: Option<HangOn>,
    /// Answer `initialize` with 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuse_sessions: Option<bool>,
    /// Answer every MCP request with this HTTP status; 0 ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_status: Option<u16>,
    /// How answers go wrong, in the place of what was said before; empty ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<Vec<Rule>>,
    /// Offer exactly these tools from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Forget all sessions (once).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_sessions: bool,
    /// Send `notifications/tools/list_changed` on all GET streams (once).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub list_changed: bool,
    /// Send this message on all GET streams (once).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<Box<RawValue>>,
    /// Close all connections, whatever happens on them (once).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub close_connections: bool,
    /// Forget the gaps between requests (once).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forget_gaps: bool,
}

/// Which requests hang.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HangOn {
    /// All or none.
    All(bool),
    /// Those with these methods, named as in [`crate::Stats::requests`].
    Methods(BTreeSet<String>),
}

/// The behaviour that holds now. Cheap to ask while nothing is wrong.
pub(crate) struct Script {
    disturbed: AtomicBool,
    now: RwLock<Now>,
    rules: RwLock<Rules>,
    hang: watch::Sender<HangOn>,
}

#[derive(Clone, Copy, Default)]
struct Now {
    delay: Duration,
    refuse_sessions: bool,
    fail_status: u16,
}

impl Script {
    /// Nothing is wrong.
    pub(crate) fn new() -> Self {
        Self {
            disturbed: AtomicBool::new(false),
            now: RwLock::default(),
            rules: RwLock::default(),
            hang: watch::Sender::new(HangOn::All(false)),
        }
    }

    /// Takes over what lasts of a change.
    pub(crate) fn apply(&self, control: &Control) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(ms) = control.delay_ms {
            now.delay = Duration::from_millis(ms);
        }
        now.refuse_sessions = control.refuse_sessions.unwrap_or(now.refuse_sessions);
        now.fail_status = control.fail_status.unwrap_or(now.fail_status);
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(faults) = &control.faults {
            *rules = Rules::new(faults);
        }
        if let Some(hang) = &control.hang {
            self.hang.send_replace(hang.clone());
        }
        let hangs = !matches!(*self.hang.borrow(), HangOn::All(false));
        let wrong =
            hangs || !now.delay.is_zero() || now.refuse_sessions || now.fail_status != 0 || !rules.is_empty();
        self.disturbed.store(wrong, Ordering::Release);
    }

    /// Waits as long as the script says; then the fault that the answer is to have, if any.
    pub(crate) async fn before(&self, method: Method) -> Option<Fault> {
        if !self.disturbed.load(Ordering::Acquire) {
            return None;
        }
        let mut hang = self.hang.subscribe();
        // an error would say that the sender is gone, and it is ours
        let _ = hang.wait_for(|on| !on.holds(method)).await;
        let now = *self.now.read().unwrap_or_else(PoisonError::into_inner);
        if !now.delay.is_zero() {
            tokio::time::sleep(now.delay).await;
        }
        if now.refuse_sessions && method == Method::Initialize {
            return Some(Fault::Status { code: 503, retry_after: None });
        }
        if now.fail_status != 0 {
            return Some(Fault::Status { code: now.fail_status, retry_after: None });
        }
        self.rules.read().unwrap_or_else(PoisonError::into_inner).next(method)
    }
}

impl HangOn {
    fn holds(&self, method: Method) -> bool {
        match self {
            HangOn::All(all) => *all,
            HangOn::Methods(methods) => methods.contains(method.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_script_fails_what_it_was_told_to_fail_and_recovers() {
        let status = |code| Some(Fault::Status { code, retry_after: None });
        let script = Script::new();
        assert_eq!(script.before(Method::Ping).await, None);
        script.apply(&serde_json::from_str(r#"{"refuse_sessions":true}"#).unwrap());
        assert_eq!(script.before(Method::Initialize).await, status(503));
        assert_eq!(script.before(Method::Ping).await, None);
        script.apply(&serde_json::from_str(r#"{"fail_status":500,"refuse_sessions":false}"#).unwrap());
        assert_eq!(script.before(Method::Ping).await, status(500));
        script.apply(&Control { fail_status: Some(0), ..Control::default() });
        assert_eq!(script.before(Method::Initialize).await, None);
    }

    #[test]
    fn a_misspelt_control_is_refused() {
        let error = serde_json::from_str::<Control>(r#"{"delay":3}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `delay`"), "{error}");
    }
}
