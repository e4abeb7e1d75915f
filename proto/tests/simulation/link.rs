//! The network between a node and the control plane: ordered within a stream, lost with it, silent when it
//! likes.

use std::collections::VecDeque;

use tidegate_proto::wire::{FromNode, ToNode};

/// One stream. An end that is gone takes no messages; the other end learns of it in order, or never.
pub(crate) struct Link {
    pub(crate) node: usize,
    pub(crate) up: VecDeque<Item<FromNode>>,
    pub(crate) down: VecDeque<Item<ToNode>>,
    /// Delivers nothing any more, and says nothing of it.
    pub(crate) is_silent: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Item<M> {
    Message(M),
    Closed,
}

impl Link {
    pub(crate) fn new(node: usize) -> Self {
        Self { node, up: VecDeque::new(), down: VecDeque::new(), is_silent: false }
    }

    /// The connection is reset: what is under way is lost and both ends notice, each in its time.
    pub(crate) fn reset(&mut self) {
        self.up = [Item::Closed].into();
        self.down = [Item::Closed].into();
    }
}
