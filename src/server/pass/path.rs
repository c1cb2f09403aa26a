//! The one form under which all spellings of a path meet, as far as any server may read them: what
//! belongs to a webhook is not to be reached by another spelling of it.
//!
//! Broader than any one server: percent signs that hide percent signs, overlong UTF-8, backslashes,
//! parameters after `;`, dots, doubled and trailing slashes, letter case, full-width letters. A path
//! is compared in this form and sent on in its own.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// Paths that pass-through never reaches, in normal form.
#[derive(Debug, Default)]
pub(in crate::server) struct Protected(BTreeSet<String>);

impl Protected {
    /// These, given in any spelling.
    pub(in crate::server) fn new<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        Self(paths.filter_map(|path| normal(path).map(Cow::into_owned)).collect())
    }

    /// Whether the path, in normal form, is one of them, or a script of them with something behind
    /// it that the script gets as its `PATH_INFO`.
    pub(in crate::server) fn has(&self, path: &str) -> bool {
        self.0.contains(path)
            || path.match_indices('/').skip(1).any(|(at, _)| {
                let (script, _) = path.split_at(at);
                is_script(script) && self.0.contains(script)
            })
    }
}

/// Whether a file stands at the end, not a folder.
fn is_script(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

/// The normal form: `/`, or segments each after a `/`. `None`: it holds control characters, which
/// some servers cut it at.
pub(in crate::server) fn normal(path: &str) -> Option<Cow<'_, str>> {
    if is_normal(path) {
        let cut = path.strip_suffix('/').filter(|rest| !rest.is_empty());
        return Some(Cow::Borrowed(cut.unwrap_or(path)));
    }
    let decoded = decode(path.bytes());
    // Twice: a full-width percent sign becomes one.
    let folded = decode(fold(&decoded).bytes());
    if folded.iter().any(u8::is_ascii_control) {
        return None;
    }
    let folded = text(&folded);
    let end = folded.find(['?', '#']).unwrap_or(folded.len());
    let (path, _) = folded.split_at(end);
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']) {
        let name = segment.split(';').next().unwrap_or_default().trim();
        match name {
            "" | "." => {}
            ".." => drop(segments.pop()),
            // Windows has no names that end with these.
            _ => segments.push(match name.trim_end_matches(['.', ' ']) {
                "" => name,
                name => name,
            }),
        }
    }
    Some(Cow::Owned(format!("/{}", segments.join("/"))))
}

/// Whether there is nothing to do but for a slash at the end. Nearly every path is so.
fn is_normal(path: &str) -> bool {
    let mut before = 0;
    let is_plain = path.bytes().enumerate().all(|(index, byte)| {
        let is_fit = match byte {
            b'/' => (index == 0 || before != b'/') && before != b'.',
            b'.' => before != b'/',
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'@' | b':' | b'+' | b',' => true,
            _ => false,
        };
        before = byte;
        is_fit
    });
    is_plain && path.starts_with('/') && before != b'.'
}

/// Without percent signs that stand for something, and what is only seen when others are gone.
fn decode(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for byte in bytes {
        out.push(byte);
        while let Some((length, byte)) = meant(&out) {
            out.truncate(out.len() - length);
            out.push(byte);
        }
    }
    out
}

/// What the end of `bytes` stands for, and how many of them do.
fn meant(bytes: &[u8]) -> Option<(usize, u8)> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match *bytes {
        [.., b'%', high, low] if hex(high).is_some() && hex(low).is_some() => {
            Some((3, hex(high)? << 4 | hex(low)?))
        }
        // As IIS has it; of what is no ASCII nothing is ever a part of our paths.
        [.., b'%', b'u' | b'U', b'0', b'0', high, low]
            if hex(high).is_some() && hex(low).is_some() =>
        {
            Some((6, hex(high)? << 4 | hex(low)?))
        }
        // ASCII in two, three or four bytes is no UTF-8 (RFC 3629 §3), and is read by some.
        [.., lead @ (0xc0 | 0xc1), last @ 0x80..=0xbf] => Some((2, overlong(lead, last))),
        [.., 0xe0, lead @ (0x80 | 0x81), last @ 0x80..=0xbf] => Some((3, overlong(lead, last))),
        [.., 0xf0, 0x80, lead @ (0x80 | 0x81), last @ 0x80..=0xbf] => {
            Some((4, overlong(lead, last)))
        }
        _ => None,
    }
}

fn overlong(lead: u8, last: u8) -> u8 {
    (lead & 1) << 6 | last & 0x3f
}

/// In lower case, full-width forms as their plain ones.
fn fold(bytes: &[u8]) -> String {
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        // The slashes of mathematicians and of fractions.
        '\u{2044}' | '\u{2215}' => '/',
        _ => c,
    };
    text(bytes).chars().map(plain).flat_map(char::to_lowercase).collect()
}

/// As UTF-8, or else byte for byte as Latin-1: it is compared only.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Of `/billing/payment/liqpay/`, each of which some server reads as it.
    const SPELLINGS: &[&str] = &[
        "/billing/payment/liqpay/",
        "/billing/payment/liqpay",
        "//billing/payment/liqpay/",
        "/billing//payment/liqpay/",
        "/billing/payment///liqpay",
        "/billing/payment/liqpay//",
        "/./billing/payment/liqpay/",
        "/billing/./payment/liqpay/",
        "/billing/payment/liqpay/.",
        "/billing/payment/liqpay/./",
        "/x/../billing/payment/liqpay/",
        "/billing/payment/x/../liqpay/",
        "/billing/payment/liqpay/x/..",
        "/../billing/payment/liqpay/",
        "/Billing/Payment/LiqPay/",
        "/BILLING/PAYMENT/LIQPAY/",
        "/billing/payment/liq%50ay/",
        "/billing/payment/%6c%69%71%70%61%79/",
        "/billing/payment/%6Ciqpay/",
        "/billing%2fpayment/liqpay/",
        "/billing%2Fpayment%2Fliqpay",
        "/billing%252fpayment/liqpay/",
        "/billing%25252fpayment/liqpay/",
        "/billing/payment/%256ciqpay/",
        "/billing/payment/%25%36ciqpay/",
        "/billing/payment/%u006ciqpay/",
        "/billing/%2e/payment/liqpay/",
        "/x/%2e%2e/billing/payment/liqpay/",
        "/x/%252e%252e/billing/payment/liqpay/",
        "/x/.%2e/billing/payment/liqpay/",
        "/billing\\payment\\liqpay\\",
        "/billing%5cpayment%5cliqpay",
        "/billing/payment/liqpay;x",
        "/billing/payment/liqpay;x=1/",
        "/billing;a=b/payment;c/liqpay/;d",
        "/billing/payment/liqpay/%3bx",
        "/billing/payment/liqpay%3bx",
        "/x/..;/billing/payment/liqpay/",
        "/billing/payment/liqpay.",
        "/billing/payment/liqpay./",
        "/billing/payment/liqpay%20",
        "/billing/payment/liqpay%2e/",
        "/billing/payment/liqpay/%3fx",
        "/billing/payment/liqpay%3Fx=1",
        "/billing/payment/liqpay/%23x",
        "/billing%c0%afpayment/liqpay/",
        "/x/%c0%ae%c0%ae/billing/payment/liqpay/",
        "/billing%e0%80%afpayment/liqpay/",
        "/billing%f0%80%80%afpayment/liqpay/",
        "/billing/payment/%c1%aciqpay/",
        "/billing%ef%bc%8fpayment/liqpay/",
        "/billing/payment/%ef%bd%8ciqpay/",
        "/billing/payment/liqpay%ef%bc%852f",
        "/billing/payment/li%ef%bc%b1pay/",
    ];

    #[test]
    fn all_spellings_of_a_path_meet() {
        let protected = Protected::new(["/billing/payment/liqpay/"].into_iter());
        for spelling in SPELLINGS {
            let normal = normal(spelling).unwrap();
            assert_eq!(normal, "/billing/payment/liqpay", "{spelling}");
            assert!(protected.has(&normal), "{spelling}");
        }
    }

    #[test]
    fn another_path_is_another_path() {
        let protected = Protected::new(["/billing/payment/liqpay/", "/cb.php"].into_iter());
        for other in [
            "/",
            "/billing/payment/",
            "/billing/payment/liqpay2/",
            "/billing/payment/liqpay/history",
            "/x/billing/payment/liqpay/",
            "/billing/payment/liqpay/../paysera/",
            "/cb.php2",
            "/x/cb.php",
            "/%D0%BE%D0%BF%D0%BB%D0%B0%D1%82%D0%B0",
            "/%EE%EF%EB%E0%F2%E0",
            "/100%",
            "/100%25",
            "/%zz",
        ] {
            let normal = normal(other).unwrap();
            assert!(!protected.has(&normal), "{other}: {normal}");
        }
    }

    #[test]
    fn what_stands_behind_a_script_is_given_to_the_script() {
        let protected = Protected::new(["/pay/cb.php"].into_iter());
        for path in ["/pay/cb.php/", "/pay/cb.php/x", "/pay/CB.PHP/x/y.html", "/pay/cb%2Ephp%2fx"] {
            assert!(protected.has(&normal(path).unwrap()), "{path}");
        }
    }

    #[test]
    fn control_characters_have_no_normal_form() {
        for path in ["/cb%00", "/cb%00.png", "/cb%0a", "/cb%2500", "/cb%c0%80", "/cb%7f", "/a%09"] {
            assert_eq!(normal(path), None, "{path}");
        }
    }

    #[test]
    fn a_normal_form_is_its_own() {
        for path in SPELLINGS.iter().chain(&["/", "/a.b/c", "/a..b", "/~x/@y:z", "/a/...", "/é"]) {
            let once = normal(path).unwrap().into_owned();
            assert_eq!(normal(&once).unwrap(), once, "{path}");
        }
    }

    #[test]
    fn a_long_path_of_hidden_percent_signs_takes_no_longer_than_others() {
        let path = format!("/{}", "%25".repeat(20_000) + &"25".repeat(20_000));
        // Each byte is looked at a bounded number of times: it ends, which a square would not soon.
        assert!(normal(&path).is_some());
    }

    /// One byte of a path in other clothes.
    fn disguised(byte: u8, how: u8) -> String {
        let percent =
            |text: &str| text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02x}"));
        let plain = char::from(byte).to_string();
        match how % 8 {
            0 => plain.to_uppercase(),
            1 => percent(&plain),
            2 => percent(&percent(&plain)),
            3 => format!("%{byte:02X}"),
            4 if byte == b'/' => "\\".to_owned(),
            5 if byte == b'/' => "/./".to_owned(),
            6 if byte == b'/' => ";a=b/%2e/x/../".to_owned(),
            7 => format!("%c{}%{:02x}", u8::from(byte >= 64), 0x80 | byte & 0x3f),
            _ => plain,
        }
    }

    proptest! {
        #[test]
        fn no_mixture_of_disguises_hides_a_protected_path(hows in vec(any::<u8>(), 24)) {
            let protected = Protected::new(["/billing/payment/liqpay/"].into_iter());
            let path = "/billing/payment/liqpay/";
            let spelling: String =
                path.bytes().zip(&hows).map(|(byte, how)| disguised(byte, *how)).collect();
            let normal = normal(&spelling);
            prop_assert!(normal.is_some_and(|path| protected.has(&path)), "{}", spelling);
        }

        #[test]
        fn the_normal_form_of_anything_is_its_own(path in "/(%[0-9a-f]{2}|[a-zA-Z.;/%?\\\\é＼／. ]){0,40}") {
            if let Some(once) = normal(&path) {
                prop_assert_eq!(normal(&once), Some(once.clone()));
            }
        }
    }
}
