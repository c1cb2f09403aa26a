//! A place as a proof looks at it: where steps make one of several writings, only what comes out of
//! them is covered, and the writing is the sender's choice.

use crate::engine::plan::{Expr, Ref, Step};

/// A covered place.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Spot {
    place: Ref,
    /// What is done with it up to the last step that makes one of several writings.
    folded: Vec<Step>,
}

impl Spot {
    /// The place as it is.
    pub(super) fn at(place: Ref) -> Self {
        Self { place, folded: Vec::new() }
    }

    /// What a value shows of its place.
    pub(super) fn of(expr: &Expr) -> Self {
        Self::read_as(expr, None)
    }

    /// The same, where the value is read as if that step came last.
    pub(super) fn read_as(expr: &Expr, read: Option<Step>) -> Self {
        let mut folded = expr.steps.clone();
        folded.extend(read);
        let end = folded.iter().rposition(folds).map_or(0, |at| at + 1);
        folded.truncate(end);
        Self { place: expr.source.clone(), folded }
    }

    /// Whether it covers a place only where that is folded as well.
    pub(super) fn is_folded(&self, place: &Ref) -> bool {
        self.place == *place && !self.folded.is_empty()
    }

    /// Whether it covers what these steps give of a place. A sum or a currency of an amount is read
    /// as such, however it is written.
    pub(super) fn covers(&self, place: &Ref, steps: &[Step], as_money: bool) -> bool {
        let folded = match self.folded.split_last() {
            Some((Step::Currency | Step::Number, before)) if as_money => before,
            _ => &self.folded,
        };
        // Of what is folded nobody knows what becomes of its parts.
        (folded.is_empty() && contains(&self.place, place))
            || (self.place == *place && steps.starts_with(folded))
    }
}

/// Whether a step gives the same for several writings of a value.
fn folds(step: &Step) -> bool {
    match step {
        Step::Currency | Step::Lower | Step::Number | Step::Unwrap | Step::Upper => true,
        Step::Decode(encoding) => !encoding.is_one_to_one(),
        Step::Charset(_)
        | Step::Crc32
        | Step::Digest(_)
        | Step::Encode(_)
        | Step::Escape(_)
        | Step::Fit(_)
        | Step::Last(_)
        | Step::Reverse
        | Step::Strip(_)
        | Step::Unjws => false,
    }
}

/// Whether a value is not all of what it is taken from, so that the rest could be anything.
pub(super) fn loses(expr: &Expr) -> bool {
    expr.steps.iter().any(|step| matches!(step, Step::Fit(_) | Step::Last(_) | Step::Unjws))
}

/// The values that a joined one is made of.
pub(crate) fn leaves(expr: &Expr) -> Vec<&Expr> {
    match &expr.source {
        Ref::Joined(parts) => parts.iter().flat_map(leaves).collect(),
        _ => vec![expr],
    }
}

/// Whether a place lies within a covered one.
fn contains(known: &Ref, place: &Ref) -> bool {
    match (known, place) {
        (Ref::Document(a, above), Ref::Document(b, below)) => a == b && below.starts_with(above),
        (Ref::Item(above), Ref::Item(below)) => below.starts_with(above),
        (Ref::Field(a), Ref::FieldPart(b, _)) | (Ref::Header(a), Ref::HeaderPart(b, _)) => a == b,
        _ => known == place,
    }
}
