//! What was compiled before, and from what: an object is compiled again only when something that it is compiled from is
//! another now.

use std::ops::Deref;
use std::sync::Arc;

use tidegate_controlplane_api::ObjectRef;

use crate::compiled::Compiled;
use crate::piece::Piece;

/// Shared, and equal to itself alone: what is the same needs no look inside.
#[derive(Debug)]
pub(crate) struct Same<T>(pub(crate) Arc<T>);

/// The objects of some kinds, in order. `I` holds all that one is compiled from.
#[derive(Debug)]
pub(crate) struct Memo<I> {
    units: Vec<Unit<I>>,
}

/// One object.
#[derive(Debug)]
struct Unit<I> {
    object: ObjectRef,
    inputs: I,
    piece: Arc<Piece>,
}

/// Pieces that go and that come in one step.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    gone: Vec<(ObjectRef, Arc<Piece>)>,
    come: Vec<(ObjectRef, Arc<Piece>)>,
}

impl<I: PartialEq> Memo<I> {
    /// Takes the present objects, in order: what is as it was keeps its piece. Whether anything changed.
    pub(crate) fn take(
        &mut self,
        objects: impl IntoIterator<Item = (ObjectRef, I)>,
        compile: impl Fn(&ObjectRef, &I) -> Piece,
        changes: &mut Changes,
    ) -> bool {
        let earlier = changes.len();
        let mut before = std::mem::take(&mut self.units).into_iter().peekable();
        for (object, inputs) in objects {
            while let Some(gone) = before.next_if(|unit| unit.object < object) {
                changes.gone.push((gone.object, gone.piece));
            }
            let piece = match before.next_if(|unit| unit.object == object) {
                Some(same) if same.inputs == inputs => same.piece,
                other => {
                    changes.gone.extend(other.map(|other| (other.object, other.piece)));
                    let piece = Arc::new(compile(&object, &inputs));
                    changes.come.push((object.clone(), Arc::clone(&piece)));
                    piece
                }
            };
            self.units.push(Unit { object, inputs, piece });
        }
        changes.gone.extend(before.map(|gone| (gone.object, gone.piece)));
        changes.len() != earlier
    }
}

impl<I> Memo<I> {
    /// What came of one object.
    pub(crate) fn get(&self, object: &ObjectRef) -> Option<&Piece> {
        let at = self.units.binary_search_by(|unit| unit.object.cmp(object)).ok()?;
        Some(&self.units[at].piece)
    }

    /// What came of all of them.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.units.iter().map(|unit| &*unit.piece)
    }
}

impl Changes {
    /// Takes what went out of the result, and then puts what came into it: a key may go from one object to another.
    pub(crate) fn apply(&self, compiled: &mut Compiled) {
        self.gone.iter().for_each(|(object, piece)| piece.take_out(compiled, object));
        self.come.iter().for_each(|(object, piece)| piece.put_into(compiled, object));
    }

    /// The pieces that go and that come.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.gone.iter().chain(&self.come).map(|(_, piece)| &**piece)
    }

    fn len(&self) -> usize {
        self.gone.len() + self.come.len()
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
