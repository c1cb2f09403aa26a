//! The files of a database.

use std::fs;
use std::path::{Path, PathBuf};

/// The file whose name ends in this beside the database.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Its length; none: 0.
pub(super) fn len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// What was renamed in the folder of this file is on disk.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    fs::File::open(folder(path))?.sync_all()
}

/// The folder that a file is in.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
