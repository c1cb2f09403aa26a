//! What the store and the API for operators are opened with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::config::{self, At, SecretRef};
use crate::engine::secret::Secret;
use crate::live::sources::Sources;
use crate::text::problem::{Problem, Problems};

/// Bytes of a key of bodies at rest.
const KEY_BYTES: usize = 32;

/// Characters of a token, at least.
const TOKEN_CHARS_MIN: usize = 16;

/// What outlives a restart, and where.
#[derive(Clone)]
pub struct Store {
    /// Its folder.
    pub folder: PathBuf,
    /// What bodies are encrypted with, 32 bytes each: the first encrypts, all decrypt.
    pub keys: Vec<Secret>,
    /// How long delivered events are remembered.
    pub events_age: Duration,
    /// Events that wait at a time.
    pub waiting_max: usize,
    /// Bytes of the outbox.
    pub events_bytes_max: u64,
    /// How long captures are kept.
    pub captures_age: Duration,
    /// Bytes of the captures.
    pub captures_bytes_max: u64,
}

/// What opens the API for operators. Nobody sees it, and it is compared in constant time.
#[derive(Clone)]
pub struct Token(Secret);

impl Token {
    /// Whether this is it.
    pub fn is(&self, text: &[u8]) -> bool {
        self.0.expose().ct_eq(text).into()
    }

    /// `authorization` of a request that opens the API.
    pub fn bearer(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([b"Bearer ", self.0.expose()].concat())
    }
}

/// A key that cannot be had is a problem: without it nothing that it sealed can be delivered.
pub(super) fn store(
    config: Option<&config::Store>,
    base: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Option<Store> {
    let config::Store {
        path,
        keys,
        events_age,
        waiting_max,
        events_bytes_max,
        captures_age,
        captures_bytes_max,
    } = config?;
    let mut read = |key: &At<SecretRef>| {
        let secret = sources.secret(base, &key.value).and_then(|text| {
            let bytes = STANDARD.decode(text.expose().trim_ascii()).unwrap_or_default();
            let bytes = Secret::new(bytes);
            let fits = bytes.expose().len() == KEY_BYTES;
            fits.then_some(bytes).ok_or("it is not 32 bytes in Base64".to_owned())
        });
        secret
            .map_err(|why| {
                let help = "`openssl rand -base64 32` makes one";
                let what = format!("key of the store: {why}");
                problems.push(Problem::new(key.place, what).help(help).sensitive());
            })
            .ok()
    };
    Some(Store {
        folder: base.join(path),
        keys: keys.iter().filter_map(&mut read).collect(),
        events_age: *events_age,
        waiting_max: *waiting_max,
        events_bytes_max: *events_bytes_max,
        captures_age: *captures_age,
        captures_bytes_max: *captures_bytes_max,
    })
}

/// `Err`: why the API stays shut.
pub(super) fn token(
    reference: &At<SecretRef>,
    base: &Path,
    sources: &mut Sources,
) -> Result<Token, String> {
    let text = sources.secret(base, &reference.value)?;
    let text = Secret::new(text.expose().trim_ascii().to_vec());
    let long = text.expose().len() >= TOKEN_CHARS_MIN;
    let plain = text.expose().iter().all(u8::is_ascii_graphic);
    if !long || !plain {
        return Err(format!("it is not {TOKEN_CHARS_MIN} or more plain characters"));
    }
    Ok(Token(text))
}
