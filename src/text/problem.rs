//! What a file's author is told: where, what was expected, what to do.

/// A position in a file, both counted from 1, the column in characters. `len` characters are
/// underlined in the excerpt; at least one.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters to underline.
    pub len: u32,
}
