//! Who refers to whom: indexes over all objects. Each is made again when a document changed in what it is made of, and not when
//! others did.

use std::collections::BTreeMap;

use tidegate_controlplane_api::{Document, Kind, ObjectRef};

use crate::annotation::{ENDPOINT, LISTEN};
use crate::backend::{self, Rivals};
use crate::front::Fronts;
use crate::group::{self, Groups};
use crate::memo::Memo;
use crate::shared::{self, References, Referrers, Standing};
use crate::view::{ClusterView, Edit};
use crate::virtual_server::listen::{self, Claims};

/// The indexes.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    pub(crate) groups: Groups,
    pub(crate) rivals: Rivals,
    /// None without a cluster.
    pub(crate) fronts: Option<Fronts>,
    pub(crate) referrers: Referrers,
    pub(crate) claims: Claims,
    /// Of all that is referred to.
    standings: BTreeMap<ObjectRef, Standing>,
}

/// What may be another than in the step before.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) groups: bool,
    pub(crate) rivals: bool,
    pub(crate) fronts: bool,
    pub(crate) referrers: bool,
    pub(crate) claims: bool,
    pub(crate) standings: bool,
    /// What else there is in the cluster.
    pub(crate) cluster: bool,
}

impl Relations {
    /// Brings all but the standings from one view to the next.
    pub(crate) fn follow(
        &mut self,
        before: &ClusterView,
        view: &ClusterView,
        edits: Option<&[Edit<'_>]>,
    ) -> News {
        let cluster = !view.shares_cluster(before);
        let news = News {
            groups: moved(edits, &group::KINDS, |it| (group::group_of(it), it.is_deleting())),
            rivals: moved(edits, &Kind::BACKENDS, |_| ()),
            fronts: cluster
                || moved(edits, &Fronts::KINDS, |it| (uid(it), it.annotation(ENDPOINT).is_some())),
            referrers: cluster || moved(edits, &shared::REFERRING, shared::targets),
            claims: cluster || moved(edits, &[Kind::VirtualMcpServer], |it| it.annotation(LISTEN)),
            cluster,
            standings: false,
        };
        if news.groups {
            self.groups = group::index(view);
        }
        if news.rivals {
            self.rivals = backend::rivals(view);
        }
        if news.fronts {
            self.fronts = Fronts::plan(view);
        }
        if news.referrers {
            self.referrers = shared::referrers(view);
        }
        if news.claims {
            self.claims = listen::claims(view);
        }
        news
    }

    /// Looks at what is referred to. Whether it stands otherwise than before.
    pub(crate) fn judge(&mut self, view: &ClusterView, shared: &Memo<shared::Inputs>) -> bool {
        let standing = |target: &ObjectRef| (target.clone(), shared::standing(view, shared, target));
        let standings = self.referrers.keys().map(standing).collect();
        let changed = self.standings != standings;
        self.standings = standings;
        changed
    }

    /// The references of an object.
    pub(crate) fn references(&self, document: &Document) -> References {
        References::of(document, |target| self.standings.get(target).copied().unwrap_or(Standing::Missing))
    }
}

/// Whether an object of these kinds came, went, or has another tie to others than before.
fn moved<'a, T: PartialEq>(
    edits: Option<&[Edit<'a>]>,
    kinds: &[Kind],
    tie: impl Fn(&'a Document) -> T,
) -> bool {
    let moves = |edit: &Edit<'a>| edit.before.map(&tie) != edit.after.map(&tie);
    edits.is_none_or(|edits| edits.iter().any(|edit| kinds.contains(&edit.kind) && moves(edit)))
}

fn uid(document: &Document) -> Option<&str> {
    document.object.metadata().uid.as_deref()
}
