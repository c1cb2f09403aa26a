//! Bytes as text: the ways in which gateways write tags and packed payloads. Strict: a text is
//! what the encoding's own writer could have written, or it is refused.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Encoding {
    /// Standard alphabet, padded.
    Base64,
    /// Either alphabet, but not both in one text; padding whole or absent. Written as `Base64`.
    Base64Any,
    /// URL-safe alphabet, padded.
    Base64Url,
    /// URL-safe alphabet, never padded.
    Base64UrlNoPad,
    /// Lower case.
    Hex,
    /// Any letter case. Written in lower case.
    HexAny,
    /// Upper case.
    HexUpper,
}

/// Bytes of the longest tag: a SHA-512 digest.
pub const TAG_BYTES_MAX: usize = 64;

const fn engine(alphabet: &alphabet::Alphabet, padded: bool) -> GeneralPurpose {
    let mode =
        if padded { DecodePaddingMode::RequireCanonical } else { DecodePaddingMode::RequireNone };
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(padded)
        .with_decode_padding_mode(mode)
        .with_decode_allow_trailing_bits(false);
    GeneralPurpose::new(alphabet, config)
}

static STANDARD: GeneralPurpose = engine(&alphabet::STANDARD, true);
static STANDARD_NO_PAD: GeneralPurpose = engine(&alphabet::STANDARD, false);
static URL_SAFE: GeneralPurpose = engine(&alphabet::URL_SAFE, true);
static URL_SAFE_NO_PAD: GeneralPurpose = engine(&alphabet::URL_SAFE, false);

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 7] = [
        Self::Base64,
        Self::Base64Any,
        Self::Base64Url,
        Self::Base64UrlNoPad,
        Self::Hex,
        Self::HexAny,
        Self::HexUpper,
    ];

    /// The word in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Base64Any => "base64-any",
            Self::Base64Url => "base64url",
            Self::Base64UrlNoPad => "base64url-unpadded",
            Self::Hex => "hex",
            Self::HexAny => "hex-any",
            Self::HexUpper => "hex-upper",
        }
    }

    /// The encoding of that word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.as_str() == word)
    }

    /// Whether there is only one text for given bytes, so that texts may be compared for bytes.
    pub fn is_one_to_one(self) -> bool {
        !matches!(self, Self::Base64Any | Self::HexAny)
    }

    /// The bytes; `None` where the text is not of this encoding.
    pub fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        if let Some(engine) = self.base64(text) {
            return engine.decode(text).ok();
        }
        let mut out = vec![0; text.len() / 2];
        self.hex_into(text, &mut out)?;
        Some(out)
    }

    /// The bytes of a tag, and how many they are; `None` also where they are more than fit.
    pub fn decode_into(self, text: &[u8], out: &mut [u8; TAG_BYTES_MAX]) -> Option<usize> {
        let Some(engine) = self.base64(text) else {
            return self.hex_into(text, out);
        };
        // The library wants room for whole groups of four characters.
        let mut room = [0; TAG_BYTES_MAX + 2];
        let count = engine.decode_slice(text, &mut room).ok()?;
        let decoded = room.get(..count)?;
        out.get_mut(..count)?.copy_from_slice(decoded);
        Some(count)
    }

    /// The text for these bytes.
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 | Self::Base64Any => STANDARD.encode(bytes),
            Self::Base64Url => URL_SAFE.encode(bytes),
            Self::Base64UrlNoPad => URL_SAFE_NO_PAD.encode(bytes),
            Self::Hex | Self::HexAny => hex(bytes, b"0123456789abcdef"),
            Self::HexUpper => hex(bytes, b"0123456789ABCDEF"),
        }
    }

    /// The engine that reads this text; none for hexadecimal.
    fn base64(self, text: &[u8]) -> Option<&'static GeneralPurpose> {
        match self {
            Self::Base64 => Some(&STANDARD),
            Self::Base64Url => Some(&URL_SAFE),
            Self::Base64UrlNoPad => Some(&URL_SAFE_NO_PAD),
            Self::Base64Any => {
                let url_safe = memchr::memchr2(b'-', b'_', text).is_some();
                Some(match (url_safe, text.ends_with(b"=") || text.len().is_multiple_of(4)) {
                    (false, false) => &STANDARD_NO_PAD,
                    (false, true) => &STANDARD,
                    (true, false) => &URL_SAFE_NO_PAD,
                    (true, true) => &URL_SAFE,
                })
            }
            Self::Hex | Self::HexAny | Self::HexUpper => None,
        }
    }

    fn hex_into(self, text: &[u8], out: &mut [u8]) -> Option<usize> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' if self != Self::HexUpper => Some(byte - b'a' + 10),
            b'A'..=b'F' if self != Self::Hex => Some(byte - b'A' + 10),
            _ => None,
        };
        let (twos, rest) = text.as_chunks::<2>();
        if !rest.is_empty() || twos.len() > out.len() {
            return None;
        }
        for (&[high, low], byte) in twos.iter().zip(out) {
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(twos.len())
    }
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(digits[usize::from(byte >> 4)]));
        out.push(char::from(digits[usize::from(byte & 15)]));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Encoding::{Base64, Base64Any, Base64Url, Base64UrlNoPad, Hex, HexAny, HexUpper};
    use super::*;

    #[test]
    fn every_word_names_its_encoding() {
        for encoding in Encoding::ALL {
            assert_eq!(Encoding::from_word(encoding.as_str()), Some(encoding));
        }
        assert_eq!(Encoding::from_word("base32"), None);
    }

    #[test]
    fn a_text_is_of_the_encoding_or_refused() {
        let bytes: &[u8] = b"\xfb\xef\xff\x01";
        let good = [
            (Base64, "++//AQ=="),
            (Base64Any, "++//AQ=="),
            (Base64Any, "++//AQ"),
            (Base64Any, "--__AQ=="),
            (Base64Any, "--__AQ"),
            (Base64Url, "--__AQ=="),
            (Base64UrlNoPad, "--__AQ"),
            (Hex, "fbefff01"),
            (HexUpper, "FBEFFF01"),
            (HexAny, "fbEFFf01"),
        ];
        for (encoding, text) in good {
            assert_eq!(encoding.decode(text.as_bytes()).as_deref(), Some(bytes), "{text}");
        }
        let bad = [
            (Base64, "++//AQ"),
            (Base64, "++//AQ="),
            (Base64, "++//AR=="),
            (Base64, "++//A==="),
            (Base64, "--__AQ=="),
            (Base64, "++//\nAQ=="),
            (Base64, " ++//AQ=="),
            (Base64, "++//AQ==\n"),
            (Base64, "++//AQ==++//"),
            (Base64Any, "+-//AQ=="),
            (Base64Any, "++__AQ"),
            (Base64Any, "++//AQ="),
            (Base64Any, "++//AR"),
            (Base64Any, "++//A"),
            (Base64Url, "++//AQ=="),
            (Base64Url, "--__AQ"),
            (Base64UrlNoPad, "--__AQ=="),
            (Base64UrlNoPad, "--__AR"),
            (Hex, "FBEFFF01"),
            (Hex, "fbefff0"),
            (Hex, "0xfbefff01"),
            (Hex, "fbefff01 "),
            (Hex, "fbefff0g"),
            (HexUpper, "fbefff01"),
            (HexAny, "fb:ef:ff:01"),
        ];
        for (encoding, text) in bad {
            assert_eq!(encoding.decode(text.as_bytes()), None, "{encoding:?} {text:?}");
            assert_eq!(encoding.decode_into(text.as_bytes(), &mut [0; 64]), None, "{text:?}");
        }
    }

    #[test]
    fn a_tag_may_have_as_many_bytes_as_fit() {
        for encoding in Encoding::ALL {
            for (count, expected) in
                [(0, Some(0)), (1, Some(1)), (64, Some(64)), (65, None), (99, None)]
            {
                let text = encoding.encode(&vec![0xa5; count]);
                let mut out = [0; TAG_BYTES_MAX];
                assert_eq!(
                    encoding.decode_into(text.as_bytes(), &mut out),
                    expected,
                    "{encoding:?}"
                );
                assert!(out.iter().take(expected.unwrap_or(0)).all(|&byte| byte == 0xa5));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            for encoding in Encoding::ALL {
                let text = encoding.encode(&bytes);
                let mut out = [0; TAG_BYTES_MAX];
                let count = encoding.decode_into(text.as_bytes(), &mut out);
                prop_assert_eq!(count.and_then(|count| out.get(..count)), Some(bytes.as_slice()));
                prop_assert_eq!(encoding.decode(text.as_bytes()), Some(bytes.clone()));
            }
        }

        /// Nearly written: few characters, so that many texts are read.
        #[test]
        fn only_one_text_is_read_as_given_bytes(text in "[AQgwaf09+/_-]{0,9}={0,3}") {
            for encoding in Encoding::ALL.into_iter().filter(|encoding| encoding.is_one_to_one()) {
                if let Some(bytes) = encoding.decode(text.as_bytes()) {
                    prop_assert_eq!(encoding.encode(&bytes), text.as_str());
                }
            }
        }
    }
}
