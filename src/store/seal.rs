//! Bodies at rest: sealed under a key where one is configured.
//!
//! A sealed body is `1`, four bytes that name its key (the beginning of the key's SHA-256), a nonce of
//! 12 random bytes, and AES-256-GCM's ciphertext and tag. What is not sealed begins with `0`. The
//! caller's `place` is authenticated beside it, so that no body can be put in another's place.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

use crate::engine::secret::Secret;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

const NAME_BYTES: usize = 4;
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
/// Bytes before the text of what is sealed.
const BEFORE: usize = 1 + NAME_BYTES + NONCE_LEN;

/// The keys of bodies at rest: the first seals, all open.
#[derive(Default)]
pub struct Seal(Vec<([u8; NAME_BYTES], LessSafeKey)>);

impl Seal {
    /// No key: nothing is sealed. `None`: a key has not [`KEY_BYTES`] bytes.
    pub fn new(keys: &[Secret]) -> Option<Self> {
        let key = |secret: &Secret| {
            let hash = Sha256::digest(secret.expose());
            let name = std::array::from_fn(|i| hash[i]);
            Some((name, LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret.expose()).ok()?)))
        };
        keys.iter().map(key).collect::<Option<_>>().map(Self)
    }

    /// Whether bodies are sealed.
    pub fn seals(&self) -> bool {
        !self.0.is_empty()
    }

    /// A body as it is kept. `write` writes it behind what is there, about `len` bytes.
    ///
    /// # Panics
    ///
    /// Where the system has no random numbers.
    pub fn seal(&self, place: &[u8], len: usize, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let Some((name, key)) = self.0.first() else {
            let mut plain = Vec::with_capacity(1 + len);
            plain.push(PLAIN);
            write(&mut plain);
            return plain;
        };
        let mut nonce = [0; NONCE_LEN];
        // Random nonces of one key may be used for 2^32 bodies (NIST SP 800-38D §8.3).
        aws_lc_rs::rand::fill(&mut nonce).expect("the system has random numbers");
        let mut sealed = Vec::with_capacity(BEFORE + len + AES_256_GCM.tag_len());
        sealed.push(SEALED);
        sealed.extend_from_slice(name);
        sealed.extend_from_slice(&nonce);
        write(&mut sealed);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let body = sealed.get_mut(BEFORE..).expect("it was written behind what was there");
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(place), body);
        sealed.extend_from_slice(tag.expect("a body is shorter than 64 GiB").as_ref());
        sealed
    }

    /// The body. `None`: it was sealed under a key that is not here, or has been changed.
    pub fn open(&self, place: &[u8], kept: &[u8]) -> Option<Vec<u8>> {
        let (kind, rest) = kept.split_first()?;
        match *kind {
            PLAIN => Some(rest.to_vec()),
            SEALED => {
                let (name, rest) = rest.split_at_checked(NAME_BYTES)?;
                let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
                let (_, key) = self.0.iter().find(|(known, _)| known == name)?;
                let mut text = text.to_vec();
                let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
                let opened = key.open_in_place(nonce, Aad::from(place), &mut text).ok()?.len();
                text.truncate(opened);
                Some(text)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn body(text: &mut Vec<u8>) {
        text.extend_from_slice(b"body");
    }

    fn x(text: &mut Vec<u8>) {
        text.push(b'x');
    }

    fn key(byte: u8) -> Secret {
        Secret::new(vec![byte; KEY_BYTES])
    }

    #[test]
    fn what_was_sealed_opens_under_its_key_at_its_place_and_nowhere_else() {
        let seal = Seal::new(&[key(1)]).unwrap();
        let sealed = seal.seal(b"a", 4, body);
        assert!(!sealed.windows(4).any(|window| window == b"body"));
        assert_eq!(seal.open(b"a", &sealed).as_deref(), Some(&b"body"[..]));
        assert_eq!(seal.open(b"b", &sealed), None, "another place");
        assert_eq!(Seal::new(&[key(2)]).unwrap().open(b"a", &sealed), None, "another key");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x20;
            assert_eq!(seal.open(b"a", &changed), None, "byte {at}");
            assert_eq!(seal.open(b"a", &sealed[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn an_old_key_opens_what_it_sealed_and_a_new_one_seals() {
        let old = Seal::new(&[key(1)]).unwrap().seal(b"", 1, x);
        let both = Seal::new(&[key(2), key(1)]).unwrap();
        assert_eq!(both.open(b"", &old).as_deref(), Some(&b"x"[..]));
        let new = both.seal(b"", 1, x);
        assert!(Seal::new(&[key(2)]).unwrap().open(b"", &new).is_some());
        assert!(Seal::new(&[key(1)]).unwrap().open(b"", &new).is_none());
    }

    #[test]
    fn without_a_key_bodies_are_kept_as_they_are_and_a_short_key_is_none() {
        let none = Seal::new(&[]).unwrap();
        assert!(!none.seals());
        assert_eq!(none.open(b"", &none.seal(b"", 1, x)).as_deref(), Some(&b"x"[..]));
        assert!(Seal::new(&[Secret::from("short")]).is_none());
    }
}
