//! Bytes that must not be seen: no `Debug`, no `Display`, wiped when dropped.

use zeroize::Zeroizing;

/// A secret of an operator. It can be used, compared and cloned; it cannot be printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller's copy is this one.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for a digest or a comparison in constant time.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}
