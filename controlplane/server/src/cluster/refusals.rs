//! Child objects that cannot be written: the API server refuses them, or their names are taken. The writer of children knows; statuses,
//! events and metrics say it. Not in compile: what is refused depends on quotas, webhooks and permissions, not on the view.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_controlplane_api::ObjectRef;
use tidegate_controlplane_compile::ChildKey;
use tokio::sync::watch;

/// What is refused at present; one for a process.
#[derive(Clone, Debug, Default)]
pub struct Refusals(watch::Sender<Arc<Refused>>);

/// What is refused at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refused {
    /// By child.
    pub children: BTreeMap<ChildKey, Refusal>,
    /// Everything that is to be written has been tried at least once since this replica leads.
    pub tried: bool,
}

/// Why one child object is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whom the child is for.
    pub owner: ObjectRef,
    /// In CamelCase, as Kubernetes' controllers say it where they have a word.
    pub reason: &'static str,
    /// For people: which child, and why; bounded.
    pub message: String,
}

impl Refusals {
    /// At this moment.
    pub fn now(&self) -> Arc<Refused> {
        Arc::clone(&self.0.borrow())
    }

    /// To follow them.
    pub fn changes(&self) -> watch::Receiver<Arc<Refused>> {
        self.0.subscribe()
    }

    /// Says what is refused now; who follows is told only of what is new.
    pub fn tell(&self, refused: &Refused) {
        self.0.send_if_modified(|known| {
            let news = **known != *refused;
            if news {
                *known = Arc::new(refused.clone());
            }
            news
        });
    }
}

impl Refused {
    /// By object, of each the first child first.
    pub fn by_owner(&self) -> BTreeMap<&ObjectRef, Vec<(&ChildKey, &Refusal)>> {
        let mut owners: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, refusal) in &self.children {
            owners.entry(&refusal.owner).or_default().push((key, refusal));
        }
        owners
    }
}
