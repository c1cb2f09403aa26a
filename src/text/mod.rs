//! YAML with a position for every value, the shapes that files must have, and the problems that
//! come of it. Pure.

pub mod node;
pub mod problem;
pub mod schema;
pub mod shape;
pub mod unit;

use std::path::Path;

use problem::Place;

/// What is said of a file of other bytes.
pub const NOT_UTF8: &str = "the file is not UTF-8 from here on; save it as UTF-8";

/// The text of a file. `Err`: where it stops being one.
pub fn utf8(bytes: Vec<u8>) -> Result<String, Place> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let mut lines = std::str::from_utf8(good).unwrap_or_default().rsplit('\n');
        let column = 1 + lines.next().unwrap_or_default().chars().count();
        let line = 1 + lines.count();
        let counted = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place { line: counted(line), column: counted(column), len: 1 }
    })
}

/// Whether a file's name says that it is YAML: in a folder these are read.
pub fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Drafts of editors, and the machinery of Kubernetes: what a folder holds besides its files.
pub fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_found_by_line_and_column() {
        assert_eq!(utf8("a: \u{e4}\n".into()), Ok("a: \u{e4}\n".to_owned()));
        for (bytes, line, column) in
            [(&b"\xff\xfe"[..], 1, 1), (b"a: b\nc: \xc3\xa4\xe4\n", 2, 5), (b"a\n\n\xc3", 3, 1)]
        {
            assert_eq!(utf8(bytes.to_vec()), Err(Place { line, column, len: 1 }), "{bytes:?}");
        }
    }
}
