//! What was compiled before, and from what: an object is compiled again only when something that it is compiled from is
//! another now.

use std::ops::Deref;
use std::sync::Arc;

use tidegate_controlplane_api::{Document, Kind, ObjectRef};

use crate::compiled::Compiled;
use crate::piece::Piece;

/// Shared, and equal to itself alone: what is the same needs no look inside.
#[derive(Debug)]
pub(crate) struct Same<T>(pub(crate) Arc<T>);

/// The objects of some kinds, in order. `I` holds all that one is compiled from: its document, and what it sees of others. There is no
/// way from there to a view, so that equal inputs give equal pieces.
#[derive(Debug)]
pub(crate) struct Memo<I> {
    units: Vec<Unit<I>>,
}

/// One object.
#[derive(Debug)]
struct Unit<I> {
    document: Arc<Document>,
    inputs: I,
    piece: Arc<Piece>,
}

/// Whether what an object's inputs are made of, beside its document, is the same as in the step before.
pub(crate) enum Settled<'a, I> {
    /// For every object.
    Yes,
    /// Not known: the inputs are made again and compared.
    No,
    /// For those with such inputs.
    If(&'a dyn Fn(&I) -> bool),
}

/// Pieces that go and that come in one step.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    gone: Vec<(ObjectRef, Arc<Piece>)>,
    come: Vec<(ObjectRef, Arc<Piece>)>,
}

impl<I: PartialEq> Memo<I> {
    /// Takes the present objects, in order. Whether anything changed.
    pub(crate) fn take<'a>(
        &mut self,
        documents: impl Iterator<Item = &'a Arc<Document>>,
        settled: &Settled<'_, I>,
        inputs: impl Fn(&Arc<Document>) -> I,
        compile: impl Fn(&I) -> Piece,
        changes: &mut Changes,
    ) -> bool {
        let earlier = changes.len();
        let mut before = std::mem::take(&mut self.units).into_iter().peekable();
        for document in documents {
            while let Some(gone) = before.next_if(|unit| unit.object() < &document.object_ref) {
                changes.goes(gone.object().clone(), gone.piece);
            }
            let known = before.next_if(|unit| unit.object() == &document.object_ref);
            self.units.push(match known {
                Some(same) if Arc::ptr_eq(&same.document, document) && settled.of(&same.inputs) => same,
                known => Unit::next(known, document, inputs(document), &compile, changes),
            });
        }
        before.for_each(|gone| changes.goes(gone.object().clone(), gone.piece));
        changes.len() != earlier
    }
}

impl<I> Unit<I> {
    fn object(&self) -> &ObjectRef {
        &self.document.object_ref
    }
}

impl<I: PartialEq> Unit<I> {
    /// The unit with these inputs; equal ones need no compiling.
    fn next(
        known: Option<Self>,
        document: &Arc<Document>,
        inputs: I,
        compile: impl Fn(&I) -> Piece,
        changes: &mut Changes,
    ) -> Self {
        match known {
            Some(same) if same.inputs == inputs => Self { inputs, ..same },
            other => {
                other.into_iter().for_each(|other| changes.goes(other.object().clone(), other.piece));
                let piece = Arc::new(compile(&inputs));
                changes.comes(document.object_ref.clone(), &piece);
                Self { document: Arc::clone(document), inputs, piece }
            }
        }
    }
}

impl<I> Memo<I> {
    /// What came of one object.
    pub(crate) fn get(&self, object: &ObjectRef) -> Option<&Piece> {
        let at = self.units.binary_search_by(|unit| unit.object().cmp(object)).ok()?;
        Some(&self.units[at].piece)
    }

    /// What came of all of them.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.units.iter().map(|unit| &*unit.piece)
    }
}

impl Changes {
    pub(crate) fn goes(&mut self, object: ObjectRef, piece: Arc<Piece>) {
        self.gone.push((object, piece));
    }

    pub(crate) fn comes(&mut self, object: ObjectRef, piece: &Arc<Piece>) {
        self.come.push((object, Arc::clone(piece)));
    }

    /// Takes what went out of the result, and then puts what came into it: a key may go from one object to another.
    pub(crate) fn apply(&self, compiled: &mut Compiled) {
        self.gone.iter().for_each(|(object, piece)| piece.take_out(compiled, object));
        self.come.iter().for_each(|(object, piece)| piece.put_into(compiled, object));
    }

    /// The objects of some kinds of which another piece came.
    pub(crate) fn of<'a>(&'a self, kinds: &'a [Kind]) -> impl Iterator<Item = &'a ObjectRef> {
        self.come.iter().map(|(object, _)| object).filter(|object| kinds.contains(&object.kind))
    }

    /// The pieces that go and that come.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.gone.iter().chain(&self.come).map(|(_, piece)| &**piece)
    }

    fn len(&self) -> usize {
        self.gone.len() + self.come.len()
    }
}

impl<I> Settled<'_, I> {
    /// For every object, or for none.
    pub(crate) fn when(settled: bool) -> Self {
        if settled { Self::Yes } else { Self::No }
    }

    fn of(&self, inputs: &I) -> bool {
        match self {
            Self::Yes => true,
            Self::No => false,
            Self::If(holds) => holds(inputs),
        }
    }
}

impl<T> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Deref for Same<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.0
    }
}

impl<I> Default for Memo<I> {
    fn default() -> Self {
        Self { units: Vec::new() }
    }
}
