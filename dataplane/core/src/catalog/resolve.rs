//! How names that several backends offer become exposed names (spec 4.3).

use std::collections::{BTreeMap, HashMap};

use tidegate_proto::table::ConflictResolution;

use super::merge::Offer;
use super::notes::Notes;
use crate::json;

/// The format of `prefix` by default, and of contested tools under `priority` that no listed backend offers.
const DEFAULT_FORMAT: &str = "{workload}_";

/// Gives every offer its exposed name; those that lose theirs are left out and noted.
pub(super) fn resolve<'a>(
    how: &ConflictResolution,
    offers: Vec<Offer<'a>>,
    notes: &mut Notes,
) -> Vec<Offer<'a>> {
    match how {
        ConflictResolution::Prefix { format } => offers.into_iter().map(|o| prefixed(format, o)).collect(),
        ConflictResolution::Priority { order } => {
            let mut rank = HashMap::new();
            for (i, workload) in order.iter().enumerate() {
                rank.entry(workload.as_str()).or_insert(i);
            }
            per_name(offers, |name, contenders| by_priority(name, contenders, &rank, notes))
        }
        ConflictResolution::Manual => per_name(offers, |name, contenders| {
            notes.push(unresolved(name, &contenders));
            Vec::new()
        }),
    }
}

fn prefixed<'a>(format: &str, mut offer: Offer<'a>) -> Offer<'a> {
    offer.name.insert_str(0, &format.replace("{workload}", offer.workload));
    offer
}

/// Keeps names that one backend offers as they are, and asks `contested` for the others, in order of name. Contenders
/// are in order of members.
fn per_name<'a>(
    offers: Vec<Offer<'a>>,
    mut contested: impl FnMut(&str, Vec<Offer<'a>>) -> Vec<Offer<'a>>,
) -> Vec<Offer<'a>> {
    let mut names: BTreeMap<String, Vec<Offer<'a>>> = BTreeMap::new();
    for offer in offers {
        names.entry(offer.name.clone()).or_default().push(offer);
    }
    let settle = |(name, offers): (String, Vec<Offer<'a>>)| {
        if offers.len() == 1 { offers } else { contested(&name, offers) }
    };
    names.into_iter().flat_map(settle).collect()
}

/// The contender listed first wins; without a listed one each gets the default prefix.
fn by_priority<'a>(
    name: &str,
    mut contenders: Vec<Offer<'a>>,
    rank: &HashMap<&str, usize>,
    notes: &mut Notes,
) -> Vec<Offer<'a>> {
    let ranked = contenders.iter().enumerate().filter_map(|(i, o)| Some((*rank.get(o.workload)?, i)));
    let Some((_, winner)) = ranked.min() else {
        return contenders.into_iter().map(|o| prefixed(DEFAULT_FORMAT, o)).collect();
    };
    let winner = contenders.remove(winner);
    notes.push(format!(
        "tool {} is that of {} by priority; left out: {}",
        json::quoted(name),
        winner.workload,
        workloads(&contenders)
    ));
    vec![winner]
}

/// The beginnings are ToolHive's, which people search for.
fn unresolved(name: &str, contenders: &[Offer<'_>]) -> String {
    let name = json::quoted(name);
    match contenders {
        [a, b, ..] if contenders.iter().any(|o| o.change.is_some()) => format!(
            "collision after override: tool {name} from backend {} conflicts with tool from backend {}",
            a.workload, b.workload
        ),
        _ => format!(
            "unresolved tool name conflicts detected: {name} is offered by {}. Use 'overrides' in aggregation config",
            workloads(contenders)
        ),
    }
}

fn workloads(offers: &[Offer<'_>]) -> String {
    offers.iter().map(|o| o.workload).collect::<Vec<_>>().join(", ")
}
