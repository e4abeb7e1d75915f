//! A map by namespace and name, which is asked without making a key.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Something for each of several names.
#[derive(Debug)]
pub(crate) struct Named<T>(BTreeMap<Arc<str>, BTreeMap<Arc<str>, T>>);

impl<T> Named<T> {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.0.get(namespace)?.get(name)
    }

    /// To be changed.
    pub(crate) fn get_mut(&mut self, namespace: &str, name: &str) -> Option<&mut T> {
        self.0.get_mut(namespace)?.get_mut(name)
    }

    /// The same names with something else for each.
    pub(crate) fn map<U>(self, to: impl Fn(T) -> U) -> Named<U> {
        let names =
            |names: BTreeMap<Arc<str>, T>| names.into_iter().map(|(name, it)| (name, to(it))).collect();
        Named(self.0.into_iter().map(|(namespace, it)| (namespace, names(it))).collect())
    }

    /// For some of the names something else.
    pub(crate) fn filter_map<U>(&self, to: impl Fn(&T) -> Option<U>) -> Named<U> {
        let some = |(name, it): (&Arc<str>, &T)| Some((Arc::clone(name), to(it)?));
        let names = |names: &BTreeMap<Arc<str>, T>| names.iter().filter_map(some).collect();
        Named(self.0.iter().map(|(namespace, it)| (Arc::clone(namespace), names(it))).collect())
    }
}

impl<T: Default> Named<T> {
    /// What there is for a name, made if there is nothing.
    pub(crate) fn entry(&mut self, namespace: &Arc<str>, name: &str) -> &mut T {
        let names = self.0.entry(Arc::clone(namespace)).or_default();
        names.entry(name.into()).or_default()
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}
