//! Are there two different lists of values that give the same joined text?
//!
//! The question is decided, not guessed: two automata of the whole list run over the same text side
//! by side, and we look for a text that both accept while they stood in different parts.

use std::collections::HashSet;
use std::sync::Arc;

use regex_automata::util::primitives::StateID;

use crate::engine::pattern::Pattern;

/// Pairs of states that are looked at before we give up and ask for simpler patterns.
const PAIRS_MAX: usize = 2_000_000;

/// One part of a joined text.
#[derive(Clone, Debug)]
pub(super) enum Piece {
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

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Finding {
    /// Two lists of values give this text. The parts of those names share a boundary that moves.
    Ambiguous {
        /// What stands further left.
        left: String,
        /// What stands further right.
        right: String,
        /// The shortest such text.
        example: Vec<u8>,
    },
    /// The patterns are too large to decide.
    TooComplex,
    /// No two lists give the same text.
    Unique,
}

/// The parts of a joined text, in order.
#[derive(Debug, Default)]
pub(super) struct Line {
    pieces: Vec<Piece>,
    names: Vec<String>,
    /// From each of the first, a text may go on with each of the second: what is between is missing.
    skips: Vec<(usize, usize)>,
}

impl Line {
    /// One part more.
    pub(super) fn add(&mut self, piece: Piece, name: &str) {
        self.pieces.push(piece);
        self.names.push(name.to_owned());
    }

    /// How many parts there are so far.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Everything since then may be missing, all together.
    pub(super) fn may_lack(&mut self, from: usize) {
        let to = self.pieces.len();
        // A secret that may be missing is no boundary.
        for piece in self.pieces.iter_mut().skip(from) {
            if matches!(piece, Piece::Secret) {
                *piece = Piece::Any;
            }
        }
        self.skips.push((from, to));
    }

    /// Decides whether the joined text has one reading only.
    pub(super) fn decide(mut self) -> Finding {
        self.trim();
        // A secret splits the text where no sender can: each side is decided by itself.
        let mut start = 0;
        for pieces in self.pieces.split(|piece| matches!(piece, Piece::Secret)) {
            let within = start..=start + pieces.len();
            let skips =
                self.skips.iter().filter(|(from, to)| within.contains(from) && within.contains(to));
            let skips = skips.map(|(from, to)| (from - start, to - start)).collect();
            match (Stretch { pieces, skips }).decide() {
                Found::Unique => {}
                Found::Ambiguous(one, other, example) => {
                    let name = |part: usize| self.names.get(start + part).cloned();
                    let left = name(one.min(other)).unwrap_or_default();
                    let right = name(one.max(other)).unwrap_or_default();
                    return Finding::Ambiguous { left, right, example };
                }
                Found::TooComplex => return Finding::TooComplex,
            }
            start += pieces.len() + 1;
        }
        Finding::Unique
    }

    /// What an operator configures is the same in every text: at the ends it cannot be moved.
    fn trim(&mut self) {
        let Self { pieces, names, skips } = self;
        let may_lack = |index: usize| skips.iter().any(|(from, to)| (*from..*to).contains(&index));
        let fixed =
            |(index, piece): (usize, &Piece)| matches!(piece, Piece::Constant) && !may_lack(index);
        let leading = pieces.iter().enumerate().take_while(|one| fixed(*one)).count();
        let trailing = pieces.iter().enumerate().rev().take_while(|one| fixed(*one)).count();
        pieces.truncate(pieces.len() - trailing.min(pieces.len() - leading));
        pieces.drain(..leading);
        names.drain(..leading);
        for (from, to) in skips {
            *from = from.saturating_sub(leading);
            *to = to.saturating_sub(leading);
        }
    }
}

/// What a stretch comes to.
enum Found {
    /// The first parts in which two readings differ, and the shortest text that has both.
    Ambiguous(usize, usize, Vec<u8>),
    TooComplex,
    Unique,
}

/// Parts without a secret among them.
struct Stretch<'l> {
    pieces: &'l [Piece],
    skips: Vec<(usize, usize)>,
}

/// Where one reading stands: the part (behind the last, where it is at its end), and how far in it.
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

impl Stretch<'_> {
    fn decide(&self) -> Found {
        if self.pieces.len() < 2 {
            return Found::Unique;
        }
        let bytes = self.telling_bytes();
        let mut seen = HashSet::new();
        // Breadth first, so that the example is a shortest one; each entry knows where it came from.
        let mut queue: Vec<(Pair, usize, u8)> = Vec::new();
        for one in self.entries(0) {
            for other in self.entries(0) {
                let pair = Pair { one, other, differed: None };
                if seen.insert(pair) {
                    queue.push((pair, usize::MAX, 0));
                }
            }
        }
        let mut next = 0;
        while let Some(&(pair, ..)) = queue.get(next) {
            if let Some((one, other)) = pair.differed
                && self.finishes(pair.one)
                && self.finishes(pair.other)
            {
                return Found::Ambiguous(one, other, text_of(&queue, next));
            }
            for &byte in &bytes {
                for one in self.after(pair.one, byte) {
                    for other in self.after(pair.other, byte) {
                        let here = (one.part != other.part).then_some((one.part, other.part));
                        let pair = Pair { one, other, differed: pair.differed.or(here) };
                        if seen.insert(pair) {
                            queue.push((pair, next, byte));
                        }
                    }
                }
            }
            if queue.len() > PAIRS_MAX {
                return Found::TooComplex;
            }
            next += 1;
        }
        Found::Unique
    }

    /// Where a reading may stand that has come to that part: in it, or behind what may be missing.
    fn entries(&self, part: usize) -> Vec<Position> {
        let mut parts = vec![part];
        let mut next = 0;
        while let Some(&part) = parts.get(next) {
            let skipped = self.skips.iter().filter(|(from, _)| *from == part);
            for (_, to) in skipped {
                if !parts.contains(to) {
                    parts.push(*to);
                }
            }
            next += 1;
        }
        let enter = |part: usize| {
            let state = match self.pieces.get(part) {
                Some(Piece::Pattern(pattern)) => pattern.start(),
                _ => StateID::ZERO,
            };
            Position { part, state, read: 0 }
        };
        parts.into_iter().map(enter).collect()
    }

    /// Whether a part may end where this reading stands.
    fn may_end(&self, at: Position) -> bool {
        match self.pieces.get(at.part) {
            Some(Piece::Any | Piece::Constant) => true,
            Some(Piece::Literal(literal)) => at.read == literal.len(),
            Some(Piece::Pattern(pattern)) => pattern.accepts(at.state),
            Some(Piece::Secret) | None => false,
        }
    }

    /// This reading and those that have gone on to later parts without reading a byte.
    fn closure(&self, at: Position) -> Vec<Position> {
        let mut reached = vec![at];
        let mut next = 0;
        while let Some(&last) = reached.get(next) {
            if self.may_end(last) {
                for entered in self.entries(last.part + 1) {
                    if !reached.contains(&entered) {
                        reached.push(entered);
                    }
                }
            }
            next += 1;
        }
        reached
    }

    fn finishes(&self, at: Position) -> bool {
        self.closure(at).iter().any(|at| at.part == self.pieces.len())
    }

    /// Where the reading may stand after one more byte.
    fn after(&self, at: Position, byte: u8) -> Vec<Position> {
        self.closure(at)
            .into_iter()
            .filter_map(|at| match self.pieces.get(at.part)? {
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
    fn telling_bytes(&self) -> Vec<u8> {
        let mut signatures = HashSet::new();
        (0..=u8::MAX)
            .filter(|&byte| {
                let signature: Vec<u16> = self
                    .pieces
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Piece {
        Piece::Pattern(Arc::new(Pattern::new(text).expect("compiles")))
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.as_bytes().to_vec())
    }

    fn line(pieces: &[Piece]) -> Line {
        let mut line = Line::default();
        for (number, piece) in pieces.iter().enumerate() {
            line.add(piece.clone(), &number.to_string());
        }
        line
    }

    fn decide(pieces: &[Piece]) -> Finding {
        line(pieces).decide()
    }

    fn ambiguous(left: &str, right: &str, example: &str) -> Finding {
        let example = example.as_bytes().to_vec();
        Finding::Ambiguous { left: left.to_owned(), right: right.to_owned(), example }
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
        assert_eq!(decide(&[Piece::Any, literal(":"), Piece::Any]), ambiguous("0", "1", "::"));
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
        assert_eq!(decide(&[pattern("a?"), pattern("a?")]), ambiguous("0", "1", "a"));
    }

    #[test]
    fn what_may_be_missing_can_be_what_stands_beside_it() {
        let digits = || pattern("[0-9]+");
        let mut both = Line::default();
        both.add(digits(), "order");
        both.add(literal(";"), "the separator");
        both.may_lack(0);
        both.add(digits(), "sum");
        // `1;2` and `2`: the separator tells.
        assert_eq!(both.decide(), Finding::Unique);

        let mut either = Line::default();
        either.add(digits(), "order");
        either.may_lack(0);
        either.add(digits(), "refund");
        either.may_lack(1);
        assert_eq!(either.decide(), ambiguous("order", "refund", "0"));

        let mut after = line(&[pattern("[a-z]+"), literal(";"), digits()]);
        after.may_lack(1);
        let from = after.len();
        after.add(literal(";"), "the separator");
        after.add(digits(), "other");
        after.may_lack(from);
        assert!(matches!(after.decide(), Finding::Ambiguous { example, .. } if example == b"a;0"));
    }

    #[test]
    fn a_secret_that_may_be_missing_is_no_boundary() {
        let mut line = line(&[Piece::Any, Piece::Secret]);
        line.may_lack(1);
        line.add(Piece::Any, "more");
        assert!(matches!(line.decide(), Finding::Ambiguous { .. }));
    }

    #[test]
    fn what_is_configured_counts_at_the_ends_only_where_it_may_be_missing() {
        let constant = || Piece::Constant;
        assert_eq!(decide(&[constant(), Piece::Any, constant()]), Finding::Unique);
        assert!(matches!(decide(&[Piece::Any, constant(), Piece::Any]), Finding::Ambiguous { .. }));
        let mut line = line(&[Piece::Any, constant()]);
        line.may_lack(1);
        assert!(matches!(line.decide(), Finding::Ambiguous { .. }));
    }
}
