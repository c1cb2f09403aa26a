//! The folder that the store has to itself.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::Access;

/// Makes the folder, for its owner only, unless it is there; its parent must be.
pub fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Whether the folder, and each file in it, may be read and written; the error says which may not.
pub fn open_to_us(folder: &Path) -> io::Result<()> {
    let may = |path: &Path| {
        let may = rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK);
        may.map_err(io::Error::from)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    may(folder)?;
    for entry in folder.read_dir()? {
        match may(&entry?.path()) {
            // It has just gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// Free bytes of the disk under it; `None`: nobody knows.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;

    #[test]
    fn what_is_not_open_to_us_is_named_with_the_reason() {
        let folder = std::env::temp_dir().join(format!("countersign-ours-{}", std::process::id()));
        let error = open_to_us(&folder).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: No such file", folder.display())), "{error}");
        make(&folder).unwrap();
        std::fs::write(folder.join("outbox.db"), "").unwrap();
        assert!(open_to_us(&folder).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
