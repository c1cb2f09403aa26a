//! What a value looks like: a regular expression over bytes that the whole value must match. It is
//! compiled to a deterministic automaton, so a match costs one table step a byte whatever the
//! pattern, and `rule::ambiguity` can compute with it.

use regex_automata::dfa::dense::{Builder, Config, DFA};
use regex_automata::dfa::{Automaton, StartKind};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, MatchKind};

/// Bytes of an automaton, at most: some 20,000 states.
const AUTOMATON_BYTES_MAX: usize = 1 << 20;

/// A compiled pattern.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    automaton: DFA<Vec<u32>>,
    start: StateID,
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

impl Pattern {
    /// Compiles a pattern; the error says what is wrong with it. Classes are ASCII, `.` is any
    /// byte, anchors are not needed.
    pub fn new(text: &str) -> Result<Self, String> {
        let automaton = Builder::new()
            .configure(
                Config::new()
                    .start_kind(StartKind::Anchored)
                    // Not leftmost-first: `a|ab` must match `ab` as a whole.
                    .match_kind(MatchKind::All)
                    .accelerate(false)
                    .minimize(true)
                    .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
                    .determinize_size_limit(Some(AUTOMATON_BYTES_MAX)),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(AUTOMATON_BYTES_MAX)))
            .build(text)
            .map_err(|error| match std::error::Error::source(&error) {
                Some(cause) => cause.to_string(),
                None => error.to_string(),
            })?;
        let start = automaton
            .universal_start_state(Anchored::Yes)
            .ok_or("look-around (`^`, `$`, `\\b`) is not needed: the whole value must match")?;
        Ok(Self { text: text.to_owned(), automaton, start })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole value matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        let end = value.iter().try_fold(self.start, |state, &byte| {
            let next = self.automaton.next_state(state, byte);
            (!self.automaton.is_dead_state(next)).then_some(next)
        });
        end.is_some_and(|state| self.accepts(state))
    }

    /// Whether that byte can occur in a value that matches.
    pub(crate) fn may_contain(&self, byte: u8) -> bool {
        // Every state that can be reached; from those after the byte, whether a match can follow.
        let reach = |from: Vec<StateID>| {
            let mut seen = std::collections::HashSet::new();
            let mut open = from;
            while let Some(state) = open.pop() {
                if seen.insert(state) {
                    open.extend((0..=u8::MAX).filter_map(|byte| self.step(state, byte)));
                }
            }
            seen
        };
        let after = reach(vec![self.start]).into_iter().filter_map(|state| self.step(state, byte));
        reach(after.collect()).into_iter().any(|state| self.accepts(state))
    }

    pub(crate) fn start(&self) -> StateID {
        self.start
    }

    /// The state after one more byte; `None`: nothing can match any more.
    pub(crate) fn step(&self, state: StateID, byte: u8) -> Option<StateID> {
        let next = self.automaton.next_state(state, byte);
        (!self.automaton.is_dead_state(next)).then_some(next)
    }

    /// Bytes of the same class lead to the same states.
    pub(crate) fn class_of(&self, byte: u8) -> u8 {
        self.automaton.byte_classes().get(byte)
    }

    /// Whether a value may end in that state.
    pub(crate) fn accepts(&self, state: StateID) -> bool {
        self.automaton.is_match_state(self.automaton.next_eoi_state(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_value_must_match() {
        let cases: [(&str, &str, bool); 8] = [
            ("[0-9]{1,3}", "12", true),
            ("[0-9]{1,3}", "1234", false),
            ("[0-9]{1,3}", "", false),
            ("[0-9]{1,3}", "12x", false),
            ("a|ab", "ab", true),
            ("[^:]*", "a:b", false),
            (".*", "any\nbytes", true),
            ("", "", true),
        ];
        for (pattern, value, want) in cases {
            let pattern = Pattern::new(pattern).expect("compiles");
            assert_eq!(pattern.matches(value.as_bytes()), want, "{pattern:?} {value:?}");
        }
    }

    #[test]
    fn a_pattern_knows_which_bytes_its_values_may_contain() {
        let cases = [
            ("[^;]*", b';', false),
            ("[^;]*", b':', true),
            ("ab|c", b'b', true),
            ("a[0-9]+", b'b', false),
            ("", b'a', false),
            ("a(?:b[^\\x00-\\xff])?", b'b', false),
        ];
        for (pattern, byte, want) in cases {
            let compiled = Pattern::new(pattern).expect("compiles");
            assert_eq!(compiled.may_contain(byte), want, "{pattern} {byte}");
        }
    }

    #[test]
    fn nested_repetition_stays_linear_and_size_is_bounded() {
        let pattern = Pattern::new("(a+)+").expect("compiles");
        assert!(!pattern.matches(format!("{}!", "a".repeat(1 << 16)).as_bytes()));
        assert!(Pattern::new("(?:[ab]*a[ab]{30}){9}").is_err());
        assert!(Pattern::new("[").is_err());
    }
}
