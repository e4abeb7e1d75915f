//! One compilation after the other: each compiles what changed since the last, and what depends on it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use tidegate_controlplane_api::{Diagnostic, Document, Kind, ObjectRef};

use crate::compiled::Compiled;
use crate::memo::{Changes, Memo, Settled};
use crate::piece::Piece;
use crate::relations::Relations;
use crate::view::{self, ClusterView, Edit, Unusable};
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
    unusable: BTreeMap<ObjectRef, (Unusable, Arc<Piece>)>,
    groups: Memo<group::Inputs>,
    shared: Memo<shared::Inputs>,
    backends: Memo<backend::Inputs>,
    rosters: Rosters,
    virtual_servers: Memo<virtual_server::Inputs>,
    compiled: Compiled,
}

/// One compilation.
struct Step<'a> {
    view: &'a ClusterView,
    edits: Option<Vec<Edit<'a>>>,
    changes: Changes,
}

impl Compiler {
    /// Compiles the next view.
    pub fn compile(&mut self, view: &ClusterView) -> Compiled {
        let before = std::mem::replace(&mut self.view, view.clone());
        let mut step = Step { view, edits: view.edits(&before), changes: Changes::default() };
        let relations = &mut self.relations;
        let mut news = relations.follow(&before, view, step.edits.as_deref());
        let found = view::unusable(view, relations.fronts.as_ref());
        step.take_unusable(&mut self.unusable, found);
        let of = |it: &Arc<Document>| group::Inputs::of(it, view, &relations.groups);
        step.take(
            &mut self.groups,
            &[Kind::McpGroup],
            Settled::when(!news.groups && !news.cluster),
            of,
            group::Inputs::compile,
        );
        let of = |it: &Arc<Document>| shared::Inputs::of(it, &relations.referrers);
        step.take(
            &mut self.shared,
            shared::kinds(view),
            Settled::when(!news.referrers),
            of,
            shared::Inputs::compile,
        );
        news.standings = relations.judge(view, &self.shared);

        let relations = &self.relations;
        let settled = !(news.groups || news.rivals || news.fronts || news.standings);
        let of = |it: &Arc<Document>| backend::Inputs::of(it, view, relations);
        let facts = step.take(
            &mut self.backends,
            &Kind::BACKENDS,
            Settled::when(settled),
            of,
            backend::Inputs::compile,
        );
        if news.groups {
            self.rosters = roster::rosters(&relations.groups, &self.backends);
        } else if facts {
            for object in step.changes.of(&Kind::BACKENDS) {
                if let Some(group) = view.get(object).and_then(|it| group::group_of(it)) {
                    let (rosters, groups) = (&mut self.rosters, &relations.groups);
                    roster::renew(rosters, groups, &self.backends, &object.namespace, group);
                }
            }
        }
        let rosters = &self.rosters;
        let same_roster = |inputs: &virtual_server::Inputs| inputs.has_roster_of(rosters);
        let settled = match news.groups || news.fronts || news.claims || news.standings {
            true => Settled::No,
            false if facts => Settled::If(&same_roster),
            false => Settled::Yes,
        };
        let of = |it: &Arc<Document>| virtual_server::Inputs::of(it, relations, rosters);
        step.take(
            &mut self.virtual_servers,
            &[Kind::VirtualMcpServer],
            settled,
            of,
            virtual_server::Inputs::compile,
        );

        step.changes.apply(&mut self.compiled);
        if step.changes.pieces().any(Piece::speaks) {
            self.gather();
        }
        self.compiled.clone()
    }

    /// Gathers what is kept in one list for all objects.
    fn gather(&mut self) {
        let pieces = || {
            let unusable = self.unusable.values().map(|(_, piece)| &**piece);
            let shared = self.groups.pieces().chain(self.shared.pieces());
            unusable.chain(shared).chain(self.backends.pieces()).chain(self.virtual_servers.pieces())
        };
        let mut diagnostics: Vec<_> = pieces().flat_map(|piece| &piece.diagnostics).cloned().collect();
        Diagnostic::sort(&mut diagnostics);
        let mut commands: Vec<_> = pieces().filter_map(|piece| piece.command.as_deref()).cloned().collect();
        commands.sort_by(|a, b| a.backend.cmp(&b.backend));
        self.compiled.diagnostics = Arc::new(diagnostics);
        self.compiled.commands = Arc::new(commands);
    }
}

impl Step<'_> {
    /// Takes the objects of these kinds. Whether anything changed.
    fn take<I: PartialEq>(
        &mut self,
        memo: &mut Memo<I>,
        kinds: &[Kind],
        settled: Settled<'_, I>,
        inputs: impl Fn(&Arc<Document>) -> I,
        compile: impl Fn(&I) -> Piece,
    ) -> bool {
        let touches = |edits: &Vec<Edit<'_>>| edits.iter().any(|edit| kinds.contains(&edit.kind));
        if matches!(settled, Settled::Yes) && !self.edits.as_ref().is_none_or(touches) {
            return false;
        }
        let documents = kinds.iter().flat_map(|kind| self.view.of_kind(*kind));
        memo.take(documents, &settled, inputs, compile, &mut self.changes)
    }

    /// There are few, if any.
    fn take_unusable(
        &mut self,
        known: &mut BTreeMap<ObjectRef, (Unusable, Arc<Piece>)>,
        found: BTreeMap<ObjectRef, Unusable>,
    ) {
        let gone = known.extract_if(.., |object, (inputs, _)| found.get(object) != Some(inputs));
        gone.for_each(|(object, (_, piece))| self.changes.goes(object, piece));
        for (object, inputs) in found {
            if let Entry::Vacant(vacant) = known.entry(object) {
                let piece = Arc::new(inputs.compile(vacant.key()));
                self.changes.comes(vacant.key().clone(), &piece);
                vacant.insert((inputs, piece));
            }
        }
    }
}
