//! Digests and HMACs by closed names. An HMAC is keyed once, when a route is bound.

use hmac::{Hmac, KeyInit, Mac, SimpleHmac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use sha3::Sha3_256;

use crate::engine::event::Strength;

/// The longest digest here, in bytes.
pub const TAG_BYTES_MAX: usize = 64;

/// A digest algorithm.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum HashAlgorithm {
    /// RFC 1321. Collisions are cheap.
    Md5,
    /// FIPS 180-4. Collisions are affordable.
    Sha1,
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4.
    Sha384,
    /// FIPS 180-4.
    Sha512,
    /// FIPS 202 (not Keccak as it was submitted).
    Sha3_256,
}

impl HashAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 6] =
        [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512, Self::Sha3_256];

    /// The word in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3_256 => "sha3-256",
        }
    }

    /// The algorithm of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)
    }

    /// Bytes of a digest.
    pub fn tag_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// What it is worth as a plain digest.
    pub fn digest_strength(self) -> Strength {
        match self {
            Self::Md5 | Self::Sha1 => Strength::Weak,
            Self::Sha256 | Self::Sha384 | Self::Sha512 | Self::Sha3_256 => Strength::Sound,
        }
    }

    /// What it is worth under HMAC. HMAC-SHA1 stands (RFC 6194), HMAC-MD5 does not.
    pub fn hmac_strength(self) -> Strength {
        match self {
            Self::Md5 => Strength::Weak,
            Self::Sha1 => Strength::Sound,
            Self::Sha256 | Self::Sha384 | Self::Sha512 | Self::Sha3_256 => Strength::Strong,
        }
    }

    /// `digest-sha1`, for events and logs.
    pub fn digest_kind(self) -> &'static str {
        match self {
            Self::Md5 => "digest-md5",
            Self::Sha1 => "digest-sha1",
            Self::Sha256 => "digest-sha256",
            Self::Sha384 => "digest-sha384",
            Self::Sha512 => "digest-sha512",
            Self::Sha3_256 => "digest-sha3-256",
        }
    }

    /// `hmac-sha256`, for events and logs.
    pub fn hmac_kind(self) -> &'static str {
        match self {
            Self::Md5 => "hmac-md5",
            Self::Sha1 => "hmac-sha1",
            Self::Sha256 => "hmac-sha256",
            Self::Sha384 => "hmac-sha384",
            Self::Sha512 => "hmac-sha512",
            Self::Sha3_256 => "hmac-sha3-256",
        }
    }
}

/// A finished digest, without an allocation.
#[derive(Clone, Copy)]
pub struct Tag {
    bytes: [u8; TAG_BYTES_MAX],
    len: usize,
}

impl Tag {
    fn of(digest: &[u8]) -> Self {
        let mut bytes = [0; TAG_BYTES_MAX];
        bytes[..digest.len()].copy_from_slice(digest);
        Self { bytes, len: digest.len() }
    }

    /// The digest.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Feeds parts to a digest, one after the other.
pub trait Feed {
    /// The next part.
    fn feed(&mut self, part: &[u8]);
}

impl<D: Digest> Feed for D {
    fn feed(&mut self, part: &[u8]) {
        Digest::update(self, part);
    }
}

struct Keyed<M>(M);

impl<M: Mac> Feed for Keyed<M> {
    fn feed(&mut self, part: &[u8]) {
        self.0.update(part);
    }
}

/// The digest of what `parts` feeds.
pub fn digest(algorithm: HashAlgorithm, parts: impl Fn(&mut dyn Feed)) -> Tag {
    fn run<D: Digest>(parts: impl Fn(&mut dyn Feed)) -> Tag {
        let mut digest = D::new();
        parts(&mut digest);
        Tag::of(&digest.finalize())
    }
    match algorithm {
        HashAlgorithm::Md5 => run::<Md5>(parts),
        HashAlgorithm::Sha1 => run::<Sha1>(parts),
        HashAlgorithm::Sha256 => run::<Sha256>(parts),
        HashAlgorithm::Sha384 => run::<Sha384>(parts),
        HashAlgorithm::Sha512 => run::<Sha512>(parts),
        HashAlgorithm::Sha3_256 => run::<Sha3_256>(parts),
    }
}

/// An HMAC whose key has been absorbed already; computing starts from a copy of that state.
#[derive(Clone)]
pub enum Hmacer {
    /// HMAC-MD5.
    Md5(Hmac<Md5>),
    /// HMAC-SHA1.
    Sha1(Hmac<Sha1>),
    /// HMAC-SHA256.
    Sha256(Hmac<Sha256>),
    /// HMAC-SHA384.
    Sha384(Hmac<Sha384>),
    /// HMAC-SHA512.
    Sha512(Hmac<Sha512>),
    /// HMAC-SHA3-256.
    Sha3_256(SimpleHmac<Sha3_256>),
}

impl Hmacer {
    /// Absorbs the key. RFC 2104 takes keys of any length; that it is not empty is the caller's
    /// duty.
    pub fn new(algorithm: HashAlgorithm, key: &[u8]) -> Self {
        fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
            <M as KeyInit>::new_from_slice(key).expect("RFC 2104: an HMAC key has any length")
        }
        match algorithm {
            HashAlgorithm::Md5 => Self::Md5(keyed(key)),
            HashAlgorithm::Sha1 => Self::Sha1(keyed(key)),
            HashAlgorithm::Sha256 => Self::Sha256(keyed(key)),
            HashAlgorithm::Sha384 => Self::Sha384(keyed(key)),
            HashAlgorithm::Sha512 => Self::Sha512(keyed(key)),
            HashAlgorithm::Sha3_256 => Self::Sha3_256(keyed(key)),
        }
    }

    /// The HMAC of what `parts` feeds.
    pub fn tag(&self, parts: impl Fn(&mut dyn Feed)) -> Tag {
        fn run<M: Mac + Clone>(mac: &M, parts: impl Fn(&mut dyn Feed)) -> Tag {
            let mut keyed = Keyed(mac.clone());
            parts(&mut keyed);
            Tag::of(&keyed.0.finalize().into_bytes())
        }
        match self {
            Self::Md5(mac) => run(mac, parts),
            Self::Sha1(mac) => run(mac, parts),
            Self::Sha256(mac) => run(mac, parts),
            Self::Sha384(mac) => run(mac, parts),
            Self::Sha512(mac) => run(mac, parts),
            Self::Sha3_256(mac) => run(mac, parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(tag: Tag) -> String {
        crate::engine::encoding::Encoding::Hex.encode(tag.bytes())
    }

    #[test]
    fn digests_give_the_published_values_of_abc() {
        let cases = [
            (HashAlgorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (HashAlgorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                HashAlgorithm::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                HashAlgorithm::Sha3_256,
                "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
            ),
        ];
        for (algorithm, want) in cases {
            let tag = digest(algorithm, |feed| {
                feed.feed(b"a");
                feed.feed(b"bc");
            });
            assert_eq!(hex(tag), want, "{algorithm:?}");
            assert_eq!(tag.bytes().len(), algorithm.tag_bytes());
        }
    }

    #[test]
    fn hmac_sha256_gives_the_value_of_rfc_4231_case_2() {
        let mac = Hmacer::new(HashAlgorithm::Sha256, b"Jefe");
        assert_eq!(
            hex(mac.tag(|feed| feed.feed(b"what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
