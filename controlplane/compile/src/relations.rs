//! Who refers to whom: indexes over all objects, made again when what they are made of has changed.

use std::collections::BTreeMap;

use tidegate_controlplane_api::{Document, ObjectRef};

use crate::backend::{self, Rivals};
use crate::front::Fronts;
use crate::group::{self, Groups};
use crate::memo::Memo;
use crate::shared::{self, References, Referrers, Standing};
use crate::view::ClusterView;

/// The indexes.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    pub(crate) groups: Groups,
    pub(crate) rivals: Rivals,
    /// None without a cluster.
    pub(crate) fronts: Option<Fronts>,
    pub(crate) referrers: Referrers,
    /// Of all that is referred to.
    standings: BTreeMap<ObjectRef, Standing>,
}

impl Relations {
    /// Brings them from one view to the next. Whether the groups or who is in them may be others now.
    pub(crate) fn follow(&mut self, before: &ClusterView, view: &ClusterView) -> bool {
        let same_cluster = view.shares_cluster(before);
        let same_groups = view.shares(before, &group::KINDS);
        if !same_groups {
            self.groups = group::index(view);
            self.rivals = backend::rivals(view);
        }
        if !same_cluster || !view.shares(before, &Fronts::KINDS) {
            self.fronts = Fronts::plan(view);
        }
        if !same_cluster || !view.shares(before, &shared::REFERRING) {
            self.referrers = shared::referrers(view);
        }
        !same_groups
    }

    /// Looks at what is referred to.
    pub(crate) fn judge(&mut self, view: &ClusterView, shared: &Memo<shared::Inputs>) {
        let standing = |target: &ObjectRef| (target.clone(), shared::standing(view, shared, target));
        self.standings = self.referrers.keys().map(standing).collect();
    }

    /// The references of an object.
    pub(crate) fn references(&self, document: &Document) -> References {
        References::of(document, |target| self.standings.get(target).copied().unwrap_or(Standing::Missing))
    }
}
