//! Who is in each group, with what is known of them.

use std::sync::Arc;

use crate::backend::{self, Fact};
use crate::group::{Group, Groups};
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

/// Calls the roll of every group.
pub(crate) fn rosters(groups: &Groups, backends: &Memo<backend::Inputs>) -> Rosters {
    groups.filter_map(|group| group.exists.then(|| Arc::new(Roster::of(group, backends))))
}

/// Calls the roll of one group, in which something else may be known of a member. The others keep theirs.
pub(crate) fn renew(
    rosters: &mut Rosters,
    groups: &Groups,
    backends: &Memo<backend::Inputs>,
    namespace: &str,
    name: &str,
) {
    let Some((roster, group)) = rosters.get_mut(namespace, name).zip(groups.get(namespace, name)) else {
        return;
    };
    let now = Roster::of(group, backends);
    if **roster != now {
        *roster = Arc::new(now);
    }
}

impl Roster {
    fn of(group: &Group, backends: &Memo<backend::Inputs>) -> Self {
        let facts = group.members.iter().map(|member| backends.get(&member.object)?.fact.clone());
        Self { deleting: group.deleting, members: facts.flatten().collect() }
    }
}
