//! Nodes as people see them.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_proto::table::EntryKey;
use tidegate_proto::wire::{NodeView, Rejection};

use crate::push::NodeState;

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

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
