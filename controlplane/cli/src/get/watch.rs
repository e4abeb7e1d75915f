//! What changed between two states.

use std::collections::BTreeMap;

use crate::resources::Item;

/// The items last seen, by key.
#[derive(Default)]
pub(crate) struct Watch {
    known: BTreeMap<(String, String, String), Item>,
}

/// What a step brought.
#[derive(Debug, PartialEq)]
pub(crate) struct Changes {
    /// New or different, in the order of the list.
    pub(crate) changed: Vec<Item>,
    /// As they were last.
    pub(crate) removed: Vec<Item>,
}

impl Watch {
    /// Takes the next state.
    pub(crate) fn step(&mut self, items: Vec<Item>) -> Changes {
        let mut before = std::mem::take(&mut self.known);
        let mut changed = Vec::new();
        for item in items {
            let key = item.key();
            if before.remove(&key).as_ref() != Some(&item) {
                changed.push(item.clone());
            }
            self.known.insert(key, item);
        }
        Changes { changed, removed: before.into_values().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Tool;

    fn tool(name: &str, description: &str) -> Item {
        Item::Tool(Tool {
            namespace: "default".into(),
            virtual_server: "demo".into(),
            name: name.into(),
            backend: "b".into(),
            native_name: name.into(),
            description: description.into(),
        })
    }

    #[test]
    fn only_what_is_new_different_or_gone_is_shown() {
        let mut watch = Watch::default();
        let (a, b, c) = (tool("a", "1"), tool("b", "1"), tool("c", "1"));
        let step = |changed: &[Item], removed: &[Item]| Changes {
            changed: changed.to_vec(),
            removed: removed.to_vec(),
        };
        assert_eq!(watch.step(vec![a.clone(), b.clone()]), step(&[a.clone(), b.clone()], &[]));
        assert_eq!(watch.step(vec![a.clone(), b.clone()]), step(&[], &[]));
        let b2 = tool("b", "2");
        assert_eq!(watch.step(vec![b2.clone(), c.clone()]), step(&[b2, c], &[a]));
    }
}
