//! Who is in each group, with what is known of them.

use std::sync::Arc;

use crate::backend::{self, Fact};
use crate::group::Groups;
use crate::memo::Memo;
use crate::named::Named;

/// The rosters of the groups that exist.
pub(crate) type Rosters = Named<Arc<Roster>>;

/// One group, as its virtual servers see it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Roster {
    /// The group is being deleted.
    pub(crate) deleting: bool,
    /// By name.
    pub(crate) members: Vec<Arc<Fact>>,
}

/// Calls the roll.
pub(crate) fn rosters(groups: &Groups, backends: &Memo<backend::Inputs>) -> Rosters {
    groups.filter_map(|group| {
        let facts = group.members.iter().map(|member| backends.get(&member.object)?.fact.clone());
        let roster = || Roster { deleting: group.deleting, members: facts.flatten().collect() };
        group.exists.then(roster).map(Arc::new)
    })
}
