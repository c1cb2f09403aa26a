//! Authenticated encryption as a proof: what opens under our key was made by somebody who has it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// An authenticated cipher and how its message is laid out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cipher {
    /// AES-256-GCM: 12 bytes nonce, ciphertext, 16 bytes tag, no additional data.
    Aes256Gcm,
}

impl Cipher {
    /// Every cipher.
    pub const ALL: [Self; 1] = [Self::Aes256Gcm];

    /// The word in rules, events and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes-256-gcm",
        }
    }

    /// The cipher of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.as_str() == word)
    }

    /// Bytes of a key.
    pub fn key_bytes(self) -> usize {
        match self {
            Self::Aes256Gcm => AES_256_GCM.key_len(),
        }
    }
}

/// Why a message does not open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenError {
    /// Too short to hold nonce, tag and one byte.
    Malformed,
    /// Not made under this key, or changed since.
    Mismatch,
}

/// A key, ready to open messages.
pub struct Opener(LessSafeKey);

impl Opener {
    /// `None`: the key has the wrong length.
    pub fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        match cipher {
            Cipher::Aes256Gcm => {
                UnboundKey::new(&AES_256_GCM, key).ok().map(|key| Self(LessSafeKey::new(key)))
            }
        }
    }

    /// Nonce, ciphertext and tag in; the plaintext out, if it is genuine.
    pub fn open(&self, message: &[u8]) -> Result<Vec<u8>, OpenError> {
        let tag_len = self.0.algorithm().tag_len();
        if message.len() <= NONCE_LEN + tag_len {
            return Err(OpenError::Malformed);
        }
        let (nonce, sealed) = message.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Malformed)?;
        let mut buffer = sealed.to_vec();
        let opened = self
            .0
            .open_in_place(nonce, Aad::empty(), &mut buffer)
            .map_err(|_| OpenError::Mismatch)?
            .len();
        buffer.truncate(opened);
        Ok(buffer)
    }

    /// The inverse, for making a rule's own example genuine again. The nonce must be new.
    pub fn seal(&self, nonce: [u8; NONCE_LEN], plaintext: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plaintext.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .ok()?;
        Some([&nonce[..], &sealed].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_what_was_changed_does_not() {
        let opener = Opener::new(Cipher::Aes256Gcm, &[7; 32]).expect("32 bytes are a key");
        let sealed = opener.seal([1; NONCE_LEN], b"status=1").expect("seals");
        assert_eq!(opener.open(&sealed).as_deref(), Ok(&b"status=1"[..]));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(opener.open(&changed), Err(OpenError::Mismatch), "byte {at}");
        }
        assert_eq!(opener.open(&sealed[..28]), Err(OpenError::Malformed));
        assert!(Opener::new(Cipher::Aes256Gcm, &[7; 31]).is_none());
    }
}
