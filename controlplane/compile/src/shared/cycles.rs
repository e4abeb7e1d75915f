//! A cycle in `dependsOn`, if there is one.

use std::collections::BTreeMap;

/// The steps of the first cycle, in the order in which each waits for the next; the first is named again at the end.
pub(super) fn find<'a>(steps: &BTreeMap<&'a str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    let mut done = BTreeMap::new();
    steps.keys().find_map(|step| visit(step, steps, &mut Vec::new(), &mut done))
}

fn visit<'a>(
    step: &'a str,
    steps: &BTreeMap<&'a str, Vec<&'a str>>,
    path: &mut Vec<&'a str>,
    done: &mut BTreeMap<&'a str, ()>,
) -> Option<Vec<&'a str>> {
    if let Some(at) = path.iter().position(|known| *known == step) {
        let mut cycle = path[at..].to_vec();
        cycle.push(step);
        return Some(cycle);
    }
    if done.contains_key(step) {
        return None;
    }
    path.push(step);
    let found = steps.get(step)?.iter().find_map(|next| visit(next, steps, path, done));
    path.pop();
    done.insert(step, ());
    found
}
