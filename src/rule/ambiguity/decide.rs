//! Decides whether a joined text has one reading: two automata of the whole list run over the same
//! text side by side, and we look for a text that both accept while they stood in different parts.

use std::collections::HashSet;
use std::sync::Arc;

use regex_automata::util::primitives::StateID;

use crate::engine::pattern::Pattern;

/// Pairs of states that are looked at before we give up and ask for simpler patterns.
const PAIRS_MAX: usize = 2_000_000;

/// One part of a joined text.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Anything at all.
    Any,
    /// What an operator configures: the same in every text, but a sender may know it.
    Constant,
    /// The same in every text.
    Literal(Vec<u8>),
    /// Whatever matches.
    Pattern(Arc<Pattern>),
    /// A secret: the same in every text, and nothing that a sender can write.
    Secret,
}

impl Piece {
    /// The same, or nothing.
    pub(super) fn or_empty(self) -> Self {
        match &self {
            Self::Pattern(pattern) => match Pattern::new(&format!("(?:{})?", pattern.as_str())) {
                Ok(optional) => Self::Pattern(Arc::new(optional)),
                Err(_) => Self::Any,
            },
            _ => self,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Finding {
    /// Two lists of values give this text. The parts of those indices share a boundary that moves.
    Ambiguous {
        /// Where the first list puts a byte.
        left: usize,
        /// Where the second list puts the same byte.
        right: usize,
        /// The shortest such text.
        example: Vec<u8>,
    },
    /// The patterns are too large to decide.
    TooComplex,
    /// No two lists give the same text.
    Unique,
}

/// Decides whether the joined text has one reading only.
pub(crate) fn decide(pieces: &[Piece]) -> Finding {
    // A secret splits the text where no sender can: each side is decided by itself.
    let mut start = 0;
    for part in pieces.split(|piece| matches!(piece, Piece::Secret)) {
        match decide_part(part) {
            Finding::Unique => {}
            Finding::Ambiguous { left, right, example } => {
                return Finding::Ambiguous { left: left + start, right: right + start, example };
            }
            Finding::TooComplex => return Finding::TooComplex,
        }
        start += part.len() + 1;
    }
    Finding::Unique
}

/// Where one reading stands: the part, and how far in it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Position {
    part: usize,
    state: StateID,
    /// For a literal: bytes of it read so far.
    read: usize,
}

/// Two readings of the same text, and the first parts in which they differed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Pair {
    one: Position,
    other: Position,
    differed: Option<(usize, usize)>,
}

fn decide_part(pieces: &[Piece]) -> Finding {
    if pieces.len() < 2 {
        return Finding::Unique;
    }
    let bytes = telling_bytes(pieces);
    let mut seen = HashSet::new();
    // Breadth first, so that the example is a shortest one; each entry knows where it came from.
    let mut queue: Vec<(Pair, usize, u8)> = Vec::new();
    let first = enter(pieces, 0);
    let start = Pair { one: first, other: first, differed: None };
    seen.insert(start);
    queue.push((start, usize::MAX, 0));
    let mut next = 0;
    while let Some(&(pair, ..)) = queue.get(next) {
        if let Some((left, right)) = pair.differed
            && finishes(pieces, pair.one)
            && finishes(pieces, pair.other)
        {
            return Finding::Ambiguous { left, right, example: text_of(&queue, next) };
        }
        for &byte in &bytes {
            for one in after(pieces, pair.one, byte) {
                for other in after(pieces, pair.other, byte) {
                    let here = (one.part != other.part).then_some((one.part, other.part));
                    let pair = Pair { one, other, differed: pair.differed.or(here) };
                    if seen.insert(pair) {
                        queue.push((pair, next, byte));
                    }
                }
            }
        }
        if queue.len() > PAIRS_MAX {
            return Finding::TooComplex;
        }
        next += 1;
    }
    Finding::Unique
}

fn text_of(queue: &[(Pair, usize, u8)], at: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut at = at;
    while let Some(&(_, from, byte)) = queue.get(at) {
        if from == usize::MAX {
            break;
        }
        text.push(byte);
        at = from;
    }
    text.reverse();
    text
}

fn enter(pieces: &[Piece], part: usize) -> Position {
    let state = match pieces.get(part) {
        Some(Piece::Pattern(pattern)) => pattern.start(),
        _ => StateID::ZERO,
    };
    Position { part, state, read: 0 }
}

/// Whether a part may end where this reading stands.
fn may_end(pieces: &[Piece], at: Position) -> bool {
    match pieces.get(at.part) {
        Some(Piece::Any | Piece::Constant) => true,
        Some(Piece::Literal(literal)) => at.read == literal.len(),
        Some(Piece::Pattern(pattern)) => pattern.accepts(at.state),
        Some(Piece::Secret) | None => false,
    }
}

/// This reading and those that have gone on to later parts without reading a byte.
fn closure(pieces: &[Piece], at: Position) -> Vec<Position> {
    let mut reached = vec![at];
    let mut last = at;
    while may_end(pieces, last) && last.part + 1 < pieces.len() {
        last = enter(pieces, last.part + 1);
        reached.push(last);
    }
    reached
}

fn finishes(pieces: &[Piece], at: Position) -> bool {
    closure(pieces, at).iter().any(|at| at.part + 1 == pieces.len() && may_end(pieces, *at))
}

/// Where the reading may stand after one more byte.
fn after(pieces: &[Piece], at: Position, byte: u8) -> Vec<Position> {
    closure(pieces, at)
        .into_iter()
        .filter_map(|at| match pieces.get(at.part)? {
            Piece::Any | Piece::Constant => Some(at),
            Piece::Literal(literal) => (literal.get(at.read) == Some(&byte))
                .then_some(Position { read: at.read + 1, ..at }),
            Piece::Pattern(pattern) => {
                pattern.step(at.state, byte).map(|state| Position { state, ..at })
            }
            Piece::Secret => None,
        })
        .collect()
}

/// One byte for each class of bytes that no part tells apart.
fn telling_bytes(pieces: &[Piece]) -> Vec<u8> {
    let mut signatures = HashSet::new();
    (0..=u8::MAX)
        .filter(|&byte| {
            let signature: Vec<u16> = pieces
                .iter()
                .flat_map(|piece| match piece {
                    Piece::Any | Piece::Constant | Piece::Secret => vec![],
                    // A byte that stands in a literal is a class of its own.
                    Piece::Literal(literal) => {
                        vec![if literal.contains(&byte) { u16::from(byte) + 1 } else { 0 }]
                    }
                    Piece::Pattern(pattern) => vec![u16::from(pattern.class_of(byte))],
                })
                .collect();
            signatures.insert(signature)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Piece {
        Piece::Pattern(Arc::new(Pattern::new(text).expect("compiles")))
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.as_bytes().to_vec())
    }

    #[test]
    fn one_part_or_a_secret_between_parts_is_unique() {
        assert_eq!(decide(&[]), Finding::Unique);
        assert_eq!(decide(&[Piece::Any]), Finding::Unique);
        assert_eq!(decide(&[Piece::Secret, Piece::Any, Piece::Secret]), Finding::Unique);
        assert_eq!(decide(&[Piece::Any, Piece::Secret, Piece::Any]), Finding::Unique);
    }

    #[test]
    fn a_separator_that_no_part_contains_is_unique() {
        let timestamp = pattern("[0-9]{1,12}");
        assert_eq!(decide(&[timestamp, literal("."), Piece::Any]), Finding::Unique);
        let part = || pattern("[^:]{1,64}");
        let many = vec![part(), literal(":"), part(), literal(":"), part(), literal(":"), part()];
        assert_eq!(decide(&many), Finding::Unique);
    }

    #[test]
    fn a_separator_that_a_part_may_contain_is_ambiguous_and_an_example_is_given() {
        let found = decide(&[Piece::Any, literal(":"), Piece::Any]);
        assert_eq!(found, Finding::Ambiguous { left: 0, right: 1, example: b"::".to_vec() },);
    }

    #[test]
    fn an_amount_next_to_digits_is_ambiguous_unless_its_length_is_fixed() {
        let amount = || pattern("[0-9]{1,9}\\.[0-9]{2}");
        assert_eq!(decide(&[amount(), pattern("[A-Z][0-9]+")]), Finding::Unique);
        assert_eq!(decide(&[amount(), pattern("[0-9]+")]), Finding::Unique);
        let loose = pattern("[0-9]{1,9}(\\.[0-9]{1,2})?");
        assert!(matches!(decide(&[loose, pattern("[0-9]+")]), Finding::Ambiguous { .. }));
    }

    #[test]
    fn an_empty_value_that_leaves_the_text_as_it_was_is_ambiguous() {
        let found = decide(&[pattern("a?"), pattern("a?")]);
        assert_eq!(found, Finding::Ambiguous { left: 0, right: 1, example: b"a".to_vec() });
    }
}
