//! The only reader of disk and environment: configuration, rules and secrets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::config::SecretRef;
use crate::engine::secret::Secret;
use crate::text::node::FILE_BYTES_MAX;
use crate::text::problem::Place;
use crate::text::{NOT_UTF8, is_hidden, is_yaml, utf8};

/// Rule files in one folder.
const FOLDER_FILES_MAX: usize = 1000;

/// Looks up an environment variable. Tests have their own.
pub type Environment = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// SHA-256 of what was read.
pub(super) type Digest = [u8; 32];

/// Disk and environment, and what has been seen there.
pub struct Sources {
    environment: Environment,
    seen: Seen,
}

/// What is at a path. Errors name no path.
enum Look {
    /// Perhaps a secret: wiped when dropped.
    File(Zeroizing<Vec<u8>>),
    /// Its rule files, sorted.
    Folder(Vec<PathBuf>),
    Nothing(String),
}

/// Why a file is not read, and where in it that shows.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) place: Place,
    /// For people.
    pub(super) why: String,
}

/// A file as a whole.
impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self { place: Place { line: 1, column: 1, len: 1 }, why }
    }
}

/// What a path of the configuration's `rules` is.
pub(super) enum RulePath {
    /// A rule file, if anything; reading it tells.
    File,
    /// The rule files of a folder, sorted.
    Folder(Vec<PathBuf>),
}

impl Sources {
    /// The disk, and this environment.
    pub fn new(environment: Environment) -> Self {
        Self { environment, seen: Seen::default() }
    }

    /// The disk and the environment of this process.
    pub fn of_process() -> Self {
        Self::new(Arc::new(|name| std::env::var_os(name)))
    }

    /// The same, of which nothing has been seen.
    pub(super) fn anew(&self) -> Self {
        Self::new(Arc::clone(&self.environment))
    }

    /// The text of a file of at most 1 MiB; the error says why not, for people.
    pub(super) fn text(&mut self, path: &Path) -> Result<String, Unread> {
        match self.look(path) {
            Look::File(mut bytes) => utf8(std::mem::take(&mut bytes))
                .map_err(|place| Unread { place, why: NOT_UTF8.to_owned() }),
            Look::Folder(_) => Err("this is a folder, not a file".to_owned().into()),
            Look::Nothing(error) => Err(error.into()),
        }
    }

    /// Whether a path is a rule file, or which it holds.
    pub(super) fn rule_path(&mut self, path: &Path) -> Result<RulePath, String> {
        if !path.is_dir() {
            return Ok(RulePath::File);
        }
        match self.look(path) {
            // It has just been replaced.
            Look::File(_) => Ok(RulePath::File),
            Look::Folder(files) => Ok(RulePath::Folder(files)),
            Look::Nothing(error) => Err(error),
        }
    }

    /// The secret itself, never empty; `base` is the configuration's folder. The error names where
    /// it should be.
    pub fn secret(&mut self, base: &Path, from: &SecretRef) -> Result<Secret, String> {
        let place = place(base, from);
        let bytes = match from {
            SecretRef::Env(name) => {
                let value = (self.environment)(name).ok_or(format!("{place} is not set"))?;
                value.into_vec()
            }
            SecretRef::File(path) => {
                let mut bytes = match self.look(&base.join(path)) {
                    Look::File(bytes) => bytes,
                    Look::Folder(_) => return Err(format!("{place} is a folder")),
                    Look::Nothing(error) => return Err(format!("{place}: {error}")),
                };
                if bytes.ends_with(b"\n") {
                    bytes.pop();
                    if bytes.ends_with(b"\r") {
                        bytes.pop();
                    }
                }
                std::mem::take(&mut *bytes)
            }
        };
        let secret = Secret::new(bytes);
        if secret.expose().trim_ascii().is_empty() {
            return Err(format!("{place} is empty"));
        }
        Ok(secret)
    }

    /// Forgets what has been seen.
    pub(super) fn begin(&mut self) {
        self.seen = Seen::default();
    }

    /// What has been seen on disk since [`Sources::begin`].
    pub(super) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    fn look(&mut self, path: &Path) -> Look {
        let look = look(path);
        self.seen.0.insert(path.to_owned(), look.digest());
        look
    }
}

/// Where a secret is, for people.
pub(super) fn place(base: &Path, from: &SecretRef) -> String {
    match from {
        SecretRef::Env(name) => format!("environment variable {name}"),
        SecretRef::File(path) => format!("file {}", base.join(path).display()),
    }
}

/// Paths that the configuration depends on, with digests of what was there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Seen(BTreeMap<PathBuf, Digest>);

impl Seen {
    /// The same paths, as they are now.
    pub(super) fn now(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), look(path).digest())).collect())
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}

impl Look {
    fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        match self {
            Self::File(bytes) => {
                hash.update(b"file\0");
                hash.update(bytes.as_slice());
            }
            Self::Folder(files) => {
                for file in files {
                    hash.update(b"entry\0");
                    hash.update(file.as_os_str().as_encoded_bytes());
                }
            }
            Self::Nothing(error) => {
                hash.update(b"nothing\0");
                hash.update(error);
            }
        }
        hash.finalize().into()
    }
}

/// The digest of a text, to know it again.
pub(super) fn digest(text: &str) -> Digest {
    Sha256::digest(text).into()
}

fn look(path: &Path) -> Look {
    let found = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => folder(path).map(Look::Folder),
        Ok(metadata) if metadata.is_file() => file(path).map(Look::File),
        // Reading a pipe or a device might never end.
        Ok(_) => Err("this is neither a file nor a folder".to_owned()),
        Err(error) => Err(reason(&error)),
    };
    found.unwrap_or_else(Look::Nothing)
}

fn file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| reason(&error))?;
    // Room for all of it at once: a secret is not copied about by a growing vector.
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let limit = FILE_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(format!("the file is larger than {FILE_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| reason(&error))? {
        let file = entry.map_err(|error| reason(&error))?.path();
        if is_hidden(&file) || !is_yaml(&file) {
            continue;
        }
        if files.len() == FOLDER_FILES_MAX {
            return Err(format!("the folder holds more than {FOLDER_FILES_MAX} rule files"));
        }
        files.push(file);
    }
    files.sort();
    Ok(files)
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
