//! Nodes as people see them.

use tidegate_proto::table::EntryKey;
use tidegate_proto::wire::{NodeView, Rejection};

use crate::push::NodeState;
use crate::status::board::unix_ms;

/// One node.
pub(super) fn view(node: &NodeState) -> NodeView {
    let rejection =
        |(key, reason): (&EntryKey, &String)| Rejection { key: key.to_string(), reason: reason.clone() };
    NodeView {
        name: node.name.clone(),
        connected: node.connected,
        version: node.version.map(|version| version.to_string()).unwrap_or_default(),
        current: node.current,
        listen: node.listen.clone(),
        software_version: node.software_version.clone(),
        connected_unix_ms: unix_ms(node.connected_since),
        rejections: node.rejections.iter().map(rejection).collect(),
    }
}
