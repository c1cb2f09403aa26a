//! Files of the repository that hold what the code says.

use std::path::Path;

/// Holds that a file of the repository is this text; with `REGENERATE` set, makes it so.
#[track_caller]
pub(crate) fn is_written(path: &str, wanted: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    if found == wanted {
        return;
    }
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::write(file, wanted).unwrap();
        return;
    }
    let different = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
    let line = different.unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
    panic!(
        "{path}:{} is not what the code says.\nIt says:  {}\nThe code: {}\n\
         To write it anew: REGENERATE=1 cargo test --test it",
        line + 1,
        found.lines().nth(line).unwrap_or_default(),
        wanted.lines().nth(line).unwrap_or_default(),
    );
}
