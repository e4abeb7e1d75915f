//! What one list-and-watch knows: a map that follows the API server. A relist replaces it in one step, so that what a broken watch
//! missed is made up, and what is not listed yet is never taken for gone. Errors change nothing but [`Mirror::trouble`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt, pin_mut};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt};
use tidegate_controlplane_compile::NamespacedName;
use tokio::sync::watch;

use super::dirty::Dirty;
use super::retry::Retry;
use super::trouble::Trouble;
use crate::metrics;

/// Objects by name.
pub(super) type Objects<V> = BTreeMap<NamespacedName, V>;

/// How much a change of one object matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Not at all.
    Nothing,
    /// To the writer, which compares what is there with what should be.
    Observed,
    /// To the view.
    View,
}

/// What is kept of an object.
pub trait Kept: Sized + Send + Debug + 'static {
    /// The object as the API server sends it.
    type Object: Resource<DynamicType: Debug> + Clone + Send + Debug + 'static;

    /// What to keep; none when the object is none of ours. `previous`: what was kept of the same object.
    fn keep(object: Self::Object, previous: Option<&Self>) -> Option<Self>;

    /// What it means that an object is another now, came (`before` absent) or went (`after` absent).
    fn change(before: Option<&Self>, after: Option<&Self>) -> Change;
}

/// The objects of one kind as they are in the API server, some moments ago.
#[derive(Debug)]
pub struct Mirror<V> {
    /// For people, as in `mcpservers.toolhive.stacklok.dev`.
    resource: String,
    dirty: Dirty,
    state: Mutex<State<V>>,
}

#[derive(Debug)]
struct State<V> {
    live: Objects<V>,
    /// The listing under way.
    relist: Option<Objects<V>>,
    synced: bool,
    /// How often something changed that matters to the view.
    revision: u64,
    trouble: Option<Trouble>,
}

impl<V: Kept> Mirror<V> {
    /// Empty, and not synced.
    pub fn new(resource: impl Into<String>, dirty: Dirty) -> Arc<Self> {
        let state = State { live: Objects::new(), relist: None, synced: false, revision: 0, trouble: None };
        Arc::new(Self { resource: resource.into(), dirty, state: Mutex::new(state) })
    }

    /// Follows a watch for ever, once it is time; errors are retried within some seconds.
    pub async fn follow(
        self: Arc<Self>,
        mut ready: watch::Receiver<bool>,
        stream: impl Stream<Item = watcher::Result<Event<V::Object>>> + Send,
    ) {
        if ready.wait_for(|ready| *ready).await.is_err() {
            return;
        }
        let stream = stream.backoff(Retry::default());
        pin_mut!(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => self.fail(&error),
            }
        }
    }

    /// Whether everything has been listed once.
    pub fn synced(&self) -> bool {
        self.state().synced
    }

    /// Why it does not follow at present.
    pub fn trouble(&self) -> Option<Trouble> {
        self.state().trouble.clone()
    }

    /// Another one whenever something has changed that matters to the view. To be asked before the objects are looked at: they
    /// may be newer than that, never older.
    pub fn revision(&self) -> u64 {
        self.state().revision
    }

    /// Looks at the objects; short, as it holds the watch up.
    pub fn look<T>(&self, look: impl FnOnce(&Objects<V>) -> T) -> T {
        look(&self.state().live)
    }

    fn take(&self, event: Event<V::Object>) {
        let mut state = self.state();
        let recovered = state.trouble.take().is_some();
        let change = match event {
            Event::Init => {
                state.relist = Some(Objects::new());
                Change::Nothing
            }
            Event::InitApply(object) => {
                self.dirty.saw(&object);
                state.listed(object);
                Change::Nothing
            }
            Event::InitDone => state.replace(),
            Event::Apply(object) => {
                self.dirty.saw(&object);
                state.apply(object)
            }
            Event::Delete(object) => {
                self.dirty.saw(&object);
                state.delete(&name_of(&object))
            }
        };
        state.revision += u64::from(change >= Change::View);
        drop(state);
        if recovered {
            tracing::info!(resource = self.resource, "watch works again");
        }
        self.dirty.mark(if recovered { Change::View } else { change });
    }

    fn fail(&self, error: &watcher::Error) {
        metrics::WATCH_ERRORS.with_label_values(&[&self.resource]).inc();
        let trouble = Trouble::new(&self.resource, error);
        let mut state = self.state();
        let news = state.trouble.as_ref() != Some(&trouble);
        let missing = trouble.missing;
        state.trouble = Some(trouble);
        drop(state);
        if news {
            tracing::warn!(resource = self.resource, missing, error = %error, "watch interrupted, retrying");
            self.dirty.mark(Change::View);
        }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        // Every change is one assignment: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Kept> State<V> {
    fn listed(&mut self, object: V::Object) {
        let name = name_of(&object);
        let kept = V::keep(object, self.live.get(&name));
        if let (Some(kept), Some(relist)) = (kept, &mut self.relist) {
            relist.insert(name, kept);
        }
    }

    fn replace(&mut self) -> Change {
        let before = std::mem::replace(&mut self.live, self.relist.take().unwrap_or_default());
        let first = !std::mem::replace(&mut self.synced, true);
        let gone = before.iter().filter(|(name, _)| !self.live.contains_key(*name));
        let gone = gone.map(|(_, kept)| V::change(Some(kept), None));
        let others = self.live.iter().map(|(name, kept)| V::change(before.get(name), Some(kept)));
        let change = gone.chain(others).max().unwrap_or(Change::Nothing);
        if first { Change::View } else { change }
    }

    fn apply(&mut self, object: V::Object) -> Change {
        let name = name_of(&object);
        let Some(kept) = V::keep(object, self.live.get(&name)) else { return self.delete(&name) };
        let change = V::change(self.live.get(&name), Some(&kept));
        self.live.insert(name, kept);
        change
    }

    fn delete(&mut self, name: &NamespacedName) -> Change {
        let before = self.live.remove(name);
        before.map_or(Change::Nothing, |kept| V::change(Some(&kept), None))
    }
}

fn name_of(object: &impl Resource) -> NamespacedName {
    NamespacedName::new(object.meta().namespace.as_deref().unwrap_or_default(), &object.name_any())
}
