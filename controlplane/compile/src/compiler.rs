//! One compilation after the other: each compiles what changed since the last, and what depends on it.

use std::sync::Arc;

use tidegate_controlplane_api::Diagnostic;

use crate::compiled::Compiled;
use crate::memo::{Changes, Memo};
use crate::piece::Piece;
use crate::relations::Relations;
use crate::view::{self, ClusterView};
use crate::virtual_server::roster::{self, Rosters};
use crate::{backend, group, shared, virtual_server};

/// Compiles views of the same cluster or directory, one after the other. Each result is what [`crate::compile`] makes of the view
/// alone; an object is compiled again only when something that it is compiled from is another than before, and what did not
/// change is shared with the result before.
#[derive(Debug, Default)]
pub struct Compiler {
    /// The last one.
    view: ClusterView,
    relations: Relations,
    unusable: Memo<view::Unusable>,
    groups: Memo<group::Inputs>,
    shared: Memo<shared::Inputs>,
    backends: Memo<backend::Inputs>,
    rosters: Rosters,
    virtual_servers: Memo<virtual_server::Inputs>,
    compiled: Compiled,
}

impl Compiler {
    /// Compiles the next view.
    pub fn compile(&mut self, view: &ClusterView) -> Compiled {
        let mut changes = Changes::default();
        let Self { relations, unusable, groups, shared, backends, rosters, virtual_servers, .. } = self;
        let regrouped = relations.follow(&self.view, view);
        unusable.take(
            view::unusable(view, relations.fronts.as_ref()),
            |object, inputs| inputs.compile(object),
            &mut changes,
        );
        groups.take(group::inputs(view, &relations.groups), |_, inputs| inputs.compile(), &mut changes);
        shared.take(shared::inputs(view, &relations.referrers), |_, inputs| inputs.compile(), &mut changes);
        relations.judge(view, shared);
        let changed =
            backends.take(backend::inputs(view, relations), |_, inputs| inputs.compile(), &mut changes);
        if changed || regrouped {
            *rosters = roster::rosters(&relations.groups, backends);
        }
        let inputs = virtual_server::inputs(view, relations, rosters);
        virtual_servers.take(inputs, |_, inputs| inputs.compile(), &mut changes);
        changes.apply(&mut self.compiled);
        if changes.pieces().any(Piece::speaks) {
            self.gather();
        }
        self.view = view.clone();
        self.compiled.clone()
    }

    /// Gathers what is kept in one list for all objects.
    fn gather(&mut self) {
        let pieces = || {
            let first = self.unusable.pieces().chain(self.backends.pieces());
            let then = self.groups.pieces().chain(self.virtual_servers.pieces()).chain(self.shared.pieces());
            first.chain(then)
        };
        let mut diagnostics: Vec<_> = pieces().flat_map(|piece| &piece.diagnostics).cloned().collect();
        Diagnostic::sort(&mut diagnostics);
        let mut commands: Vec<_> = pieces().filter_map(|piece| piece.command.as_deref()).cloned().collect();
        commands.sort_by(|a, b| a.backend.cmp(&b.backend));
        self.compiled.diagnostics = Arc::new(diagnostics);
        self.compiled.commands = Arc::new(commands);
    }
}
