//! YAML with a position for every value, the shapes that files must have, and the problems that
//! come of it. Pure.

pub mod node;
pub mod problem;
pub mod schema;
pub mod shape;
pub mod unit;

use std::path::Path;

/// Whether a file's name says that it is YAML: in a folder these are read.
pub fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Drafts of editors, and the machinery of Kubernetes: what a folder holds besides its files.
pub fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
