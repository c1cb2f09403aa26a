//! Text in the charset that a gateway says or is known to write, and the way back to its bytes.
//! Nothing is ever replaced: bytes that are not text of the charset, or that the text does not
//! give back, are none, because the bytes are what was signed.

use std::borrow::Cow;

use encoding_rs::{self as whatwg, Encoding};

/// A charset of the WHATWG Encoding Standard, with that standard's tables.
///
/// These are the charsets that `PayPal` lists for its field `charset`, and KOI8-U. Of that list are
/// left out those in which ASCII text is not its own bytes, or which remember what came before
/// (UTF-7, UTF-16, UTF-32, EBCDIC, HZ, ISO-2022), and those that the standard has not (ibm-862,
/// EUC-TW and most of the Macintosh).
///
/// Several names are another charset's here, as with every browser, see [`Self::from_word`]. The
/// one that matters: `iso-8859-1` is windows-1252. ISO 8859-1 itself has control characters at
/// 0x80 to 0x9F, which nobody sends; those who say it and send these bytes mean the euro sign and
/// the quotation marks of windows-1252. All other bytes are the same in both. Bytes that Windows
/// leaves free (0x81, 0x8D, 0x8F, 0x90 and 0x9D there) are control characters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "their names are all there is to say")]
pub enum Charset {
    Utf8,
    Windows874,
    Windows1250,
    Windows1251,
    Windows1252,
    Windows1253,
    Windows1254,
    Windows1255,
    Windows1256,
    Windows1257,
    Windows1258,
    Iso8859_2,
    Iso8859_3,
    Iso8859_4,
    Iso8859_5,
    Iso8859_6,
    Iso8859_7,
    Iso8859_8,
    Iso8859_13,
    Iso8859_15,
    Koi8R,
    Koi8U,
    MacCyrillic,
    Big5,
    EucJp,
    EucKr,
    Gbk,
    ShiftJis,
}

impl Charset {
    /// Every charset.
    pub const ALL: [Self; 28] = [
        Self::Utf8,
        Self::Windows874,
        Self::Windows1250,
        Self::Windows1251,
        Self::Windows1252,
        Self::Windows1253,
        Self::Windows1254,
        Self::Windows1255,
        Self::Windows1256,
        Self::Windows1257,
        Self::Windows1258,
        Self::Iso8859_2,
        Self::Iso8859_3,
        Self::Iso8859_4,
        Self::Iso8859_5,
        Self::Iso8859_6,
        Self::Iso8859_7,
        Self::Iso8859_8,
        Self::Iso8859_13,
        Self::Iso8859_15,
        Self::Koi8R,
        Self::Koi8U,
        Self::MacCyrillic,
        Self::Big5,
        Self::EucJp,
        Self::EucKr,
        Self::Gbk,
        Self::ShiftJis,
    ];

    fn named(self) -> (&'static str, &'static Encoding) {
        match self {
            Self::Utf8 => ("utf-8", whatwg::UTF_8),
            Self::Windows874 => ("windows-874", whatwg::WINDOWS_874),
            Self::Windows1250 => ("windows-1250", whatwg::WINDOWS_1250),
            Self::Windows1251 => ("windows-1251", whatwg::WINDOWS_1251),
            Self::Windows1252 => ("windows-1252", whatwg::WINDOWS_1252),
            Self::Windows1253 => ("windows-1253", whatwg::WINDOWS_1253),
            Self::Windows1254 => ("windows-1254", whatwg::WINDOWS_1254),
            Self::Windows1255 => ("windows-1255", whatwg::WINDOWS_1255),
            Self::Windows1256 => ("windows-1256", whatwg::WINDOWS_1256),
            Self::Windows1257 => ("windows-1257", whatwg::WINDOWS_1257),
            Self::Windows1258 => ("windows-1258", whatwg::WINDOWS_1258),
            Self::Iso8859_2 => ("iso-8859-2", whatwg::ISO_8859_2),
            Self::Iso8859_3 => ("iso-8859-3", whatwg::ISO_8859_3),
            Self::Iso8859_4 => ("iso-8859-4", whatwg::ISO_8859_4),
            Self::Iso8859_5 => ("iso-8859-5", whatwg::ISO_8859_5),
            Self::Iso8859_6 => ("iso-8859-6", whatwg::ISO_8859_6),
            Self::Iso8859_7 => ("iso-8859-7", whatwg::ISO_8859_7),
            Self::Iso8859_8 => ("iso-8859-8", whatwg::ISO_8859_8),
            Self::Iso8859_13 => ("iso-8859-13", whatwg::ISO_8859_13),
            Self::Iso8859_15 => ("iso-8859-15", whatwg::ISO_8859_15),
            Self::Koi8R => ("koi8-r", whatwg::KOI8_R),
            Self::Koi8U => ("koi8-u", whatwg::KOI8_U),
            Self::MacCyrillic => ("x-mac-cyrillic", whatwg::X_MAC_CYRILLIC),
            Self::Big5 => ("big5", whatwg::BIG5),
            Self::EucJp => ("euc-jp", whatwg::EUC_JP),
            Self::EucKr => ("euc-kr", whatwg::EUC_KR),
            Self::Gbk => ("gbk", whatwg::GBK),
            Self::ShiftJis => ("shift_jis", whatwg::SHIFT_JIS),
        }
    }

    /// The word in rules.
    pub fn as_str(self) -> &'static str {
        self.named().0
    }

    /// The charset of that word in any letter case, if it is one of these: its own name or any
    /// other that the standard has for it (§4.2), so `iso-8859-1`, `us-ascii` (windows-1252),
    /// `iso-8859-9` (windows-1254), `gb2312` (gbk) and `windows-949` (euc-kr) too.
    pub fn from_word(word: &str) -> Option<Self> {
        if word.contains(|c: char| c.is_ascii_whitespace()) {
            return None;
        }
        let encoding = Encoding::for_label(word.as_bytes())?;
        Self::ALL.into_iter().find(|charset| charset.named().1 == encoding)
    }

    /// The text; `None` where the bytes are not of this charset, or are not the bytes that the
    /// charset itself writes for that text.
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let text = self.read(bytes)?;
        (*self.write(&text)? == *bytes).then_some(text)
    }

    /// The bytes; `None` where a character is not in this charset, or where the bytes would be
    /// read as another text (the yen sign, which Japanese charsets write as a backslash).
    pub fn encode(self, text: &str) -> Option<Cow<'_, [u8]>> {
        let bytes = self.write(text)?;
        (*self.read(&bytes)? == *text).then_some(bytes)
    }

    fn read(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        // A byte order mark is a character like any other.
        self.named().1.decode_without_bom_handling_and_without_replacement(bytes)
    }

    fn write(self, text: &str) -> Option<Cow<'_, [u8]>> {
        let (bytes, _, replaced) = self.named().1.encode(text);
        (!replaced).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

    use proptest::prelude::*;

    use super::Charset::{
        Big5, EucJp, EucKr, Gbk, Iso8859_2, Iso8859_15, Koi8R, Koi8U, ShiftJis, Utf8, Windows874,
        Windows1250, Windows1251, Windows1252, Windows1254, Windows1258,
    };
    use super::*;

    fn charset() -> impl Strategy<Value = Charset> {
        prop::sample::select(&Charset::ALL[..])
    }

    #[test]
    fn every_word_names_its_charset_in_any_letter_case() {
        for charset in Charset::ALL {
            assert_eq!(Charset::from_word(charset.as_str()), Some(charset));
            assert_eq!(Charset::from_word(&charset.as_str().to_uppercase()), Some(charset));
            assert_eq!(charset.named().1.name().to_lowercase(), charset.as_str());
        }
    }

    /// <https://qiita.com/PayPal_MTS/items/572278ba9924bb9ceafe>
    #[test]
    fn a_charset_that_paypal_names_is_read_as_it_or_refused() {
        let read: [(&[&str], Charset); 12] = [
            (&["UTF-8"], Utf8),
            (&["Big5"], Big5),
            (&["EUC-JP"], EucJp),
            (&["EUC-KR", "windows-949"], EucKr),
            (&["gb2312", "gbk"], Gbk),
            (&["Shift_JIS"], ShiftJis),
            (&["KOI8-R"], Koi8R),
            (&["windows-1252", "ISO-8859-1", "US-ASCII"], Windows1252),
            (&["windows-1254", "ISO-8859-9"], Windows1254),
            (&["windows-1251"], Windows1251),
            (&["windows-874"], Windows874),
            (&["ISO-8859-15"], Iso8859_15),
        ];
        for (words, charset) in read {
            for word in words {
                assert_eq!(Charset::from_word(word), Some(charset), "{word}");
            }
        }
        let single_bytes = [2, 3, 4, 5, 6, 7, 8, 13].map(|n| format!("ISO-8859-{n}"));
        let windows = [1250, 1253, 1255, 1256, 1257, 1258].map(|n| format!("windows-{n}"));
        for word in single_bytes.iter().chain(&windows) {
            let charset = Charset::from_word(word).unwrap();
            assert!(word.eq_ignore_ascii_case(charset.as_str()));
        }
        for word in [
            "EUC-TW",
            "HZ-GB-2312",
            "ibm-862",
            "ISO-2022-CN",
            "ISO-2022-JP",
            "ISO-2022-KR",
            "UTF-7",
            "UTF-16",
            "UTF-16BE",
            "UTF-16LE",
            "UTF16_PlatformEndian",
            "UTF-32",
            "UTF-32LE",
            "x-mac-greek",
            "x-mac-turkish",
            "x-mac-centraleurroman",
            "ebcdic-cp-us",
            "ibm-1047",
            "",
            " ",
            " utf-8",
            "utf-8\n",
            "replacement",
            "x-user-defined",
            "gb18030",
            "utf-8;",
            "\u{455}",
        ] {
            assert_eq!(Charset::from_word(word), None, "{word:?}");
        }
    }

    #[test]
    fn text_is_read_and_written_in_its_charset() {
        let cases: &[(Charset, &[u8], &str)] = &[
            (Utf8, b"\xd0\x96 \xe2\x82\xac \xf0\x9f\x98\x80", "\u{416} \u{20ac} \u{1f600}"),
            (Utf8, b"\xef\xbb\xbfa", "\u{feff}a"),
            (Windows1250, b"\x8a\xe1", "\u{160}\u{e1}"),
            (
                Windows1251,
                b"\xcf\xf0\xe8\xe2\xe5\xf2 \xb9",
                "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442} \u{2116}",
            ),
            (Windows1252, b"J\xfcrgen \x80 \x93x\x94", "J\u{fc}rgen \u{20ac} \u{201c}x\u{201d}"),
            (Windows1252, b"\x81", "\u{81}"),
            (Windows1252, b"\xef\xbb\xbf", "\u{ef}\u{bb}\u{bf}"),
            (Windows1254, b"\xfe\xfd", "\u{15f}\u{131}"),
            (Windows1258, b"a\xd2", "a\u{309}"),
            (Koi8R, b"\xf0\xd2\xc9\xd7\xc5\xd4", "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"),
            (Koi8U, b"\xa4\xad", "\u{454}\u{491}"),
            (Iso8859_2, b"\xa3\xf3d\xbc", "\u{141}\u{f3}d\u{17a}"),
            (Iso8859_15, b"\xa4", "\u{20ac}"),
            (ShiftJis, b"\x93\xfa\x96{ \xb1", "\u{65e5}\u{672c} \u{ff71}"),
            (EucJp, b"\xc6\xfc\xcb\xdc", "\u{65e5}\u{672c}"),
            (EucKr, b"\xc7\xd1\xb1\xdb", "\u{d55c}\u{ae00}"),
            (Gbk, b"\xd6\xd0\xce\xc4 \x80", "\u{4e2d}\u{6587} \u{20ac}"),
            (Big5, b"\xa4\xa4\xa4\xe5", "\u{4e2d}\u{6587}"),
        ];
        for (charset, bytes, text) in cases {
            assert_eq!(charset.decode(bytes).as_deref(), Some(*text), "{charset:?}");
            assert_eq!(charset.encode(text).as_deref(), Some(*bytes), "{charset:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_of_the_charset_are_none() {
        let cases: &[(Charset, &[u8])] = &[
            (Utf8, b"J\xfcrgen"),
            (Utf8, b"\xc0\xaf"),
            (Utf8, b"\xed\xa0\x80"),
            (Utf8, b"\xf4\x90\x80\x80"),
            (Utf8, b"\xe2\x82"),
            (Windows874, b"\xff"),
            (ShiftJis, b"\x93"),
            (ShiftJis, b"\x93\x20"),
            (EucJp, b"\xc6\x20"),
            (EucKr, b"\xc9\xa1"),
            (Gbk, b"\xff"),
            (Gbk, b"\xd6"),
            (Big5, b"\x80"),
            (Big5, b"\xa4"),
        ];
        for (charset, bytes) in cases {
            assert_eq!(charset.decode(bytes), None, "{charset:?} {}", bytes.escape_ascii());
        }
    }

    /// Two ways to write one character: only the bytes that come back are taken.
    #[test]
    fn bytes_that_the_text_does_not_give_back_are_none() {
        let cases: &[(Charset, &[u8])] = &[
            // The euro sign, of which 0x80 is the byte.
            (Gbk, b"\xa2\xe3"),
            // Four bytes are GB 18030.
            (Gbk, b"\x81\x30\x81\x30"),
            // NEC's selection of what IBM has at 0xFA.
            (ShiftJis, b"\xed\x40"),
            // For the user to define.
            (ShiftJis, b"\xf0\x40"),
            // JIS X 0212.
            (EucJp, b"\x8f\xb0\xa1"),
            // Hong Kong's.
            (Big5, b"\x87\x40"),
        ];
        for (charset, bytes) in cases {
            assert!(charset.read(bytes).is_some(), "{charset:?} {}", bytes.escape_ascii());
            assert_eq!(charset.decode(bytes), None, "{charset:?} {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_character_that_the_charset_has_not_is_never_replaced() {
        for charset in Charset::ALL.into_iter().filter(|charset| *charset != Utf8) {
            assert_eq!(charset.encode("a\u{1f600}b"), None, "{charset:?}");
            assert_eq!(charset.encode("\u{fffd}"), None, "{charset:?}");
        }
        let cases = [
            (Windows1251, "J\u{fc}rgen"),
            (Windows1252, "\u{416}"),
            (Koi8R, "\u{454}"),
            // Written as `\` and `~`.
            (ShiftJis, "\u{a5}"),
            (ShiftJis, "\u{203e}"),
            (EucJp, "\u{a5}"),
            // Written as its full-width form.
            (ShiftJis, "\u{2212}"),
            // Composed here, which needs two characters there.
            (Windows1258, "\u{1ea3}"),
        ];
        for (charset, text) in cases {
            assert_eq!(charset.encode(text), None, "{charset:?} {text}");
        }
    }

    #[test]
    fn ascii_is_its_own_bytes_and_borrowed() {
        let ascii: Vec<u8> = (0..0x80).collect();
        for charset in Charset::ALL {
            let Some(Cow::Borrowed(text)) = charset.decode(&ascii) else { panic!("{charset:?}") };
            assert_eq!(text.as_bytes(), ascii);
            assert!(matches!(charset.encode(text), Some(Cow::Borrowed(_))), "{charset:?}");
        }
    }

    /// No byte of these has two meanings, so that all of a charset's text is taken.
    #[test]
    fn every_byte_of_a_single_byte_charset_comes_back() {
        for charset in Charset::ALL.into_iter().filter(|charset| charset.named().1.is_single_byte())
        {
            let read = (0..=0xff).filter(|byte| charset.read(&[*byte]).is_some());
            let lost: Vec<u8> = read.filter(|byte| charset.decode(&[*byte]).is_none()).collect();
            assert!(lost.is_empty(), "{charset:?} {lost:x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_encoded_as_the_same_bytes(
            charset in charset(),
            bytes in prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8.., any::<u8>()], 0..24),
        ) {
            if let Some(text) = charset.decode(&bytes) {
                let again = charset.encode(&text);
                prop_assert_eq!(again.as_deref(), Some(bytes.as_slice()));
            }
        }

        #[test]
        fn what_is_encoded_is_decoded_as_the_same_text(
            charset in charset(),
            text in "([ -~]|[\u{a0}-\u{ff}]|[\u{400}-\u{4ff}]|[\u{4e00}-\u{9fff}]|\\PC){0,9}",
        ) {
            if let Some(bytes) = charset.encode(&text) {
                let again = charset.decode(&bytes);
                prop_assert_eq!(again.as_deref(), Some(text.as_str()));
            }
        }

        #[test]
        fn one_pair_of_bytes_more_or_less_is_judged_alone(
            charset in charset(),
            pair in any::<[u8; 2]>(),
        ) {
            // Whatever stands around it: none of these charsets remembers.
            let framed = [b"a=".as_slice(), &pair, b"&b"].concat();
            let expected = charset.decode(&pair).map(|text| format!("a={text}&b"));
            let read = charset.decode(&framed);
            prop_assert_eq!(read.as_deref(), expected.as_deref());
        }
    }
}
