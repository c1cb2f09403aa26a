//! A host as a URL writes it, in its one normal form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Characters of a DNS name (RFC 1035 §2.3.4, in text form).
const NAME_MAX: usize = 253;
/// Characters between two of its dots.
const LABEL_MAX: usize = 63;

/// Who is asked. Two spellings of one host are equal.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Host {
    /// `127.0.0.1` or `[::1]`.
    Address(IpAddr),
    /// A DNS name in lower case, without a dot at its end.
    Name(String),
}

impl Host {
    /// Reads the host part of a URL, an IPv6 address in its brackets. What some resolvers take for
    /// an address although it is not written as one (`127.1`, `0x7f000001`, `2130706433`) is
    /// refused.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(address) = text.strip_prefix('[') {
            return match address.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
                Some(Ok(address)) => Ok(Self::Address(address.into())),
                Some(Err(_)) | None => Err("the host is no IPv6 address".into()),
            };
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        if text.is_empty() || text.len() > NAME_MAX || !text.split('.').all(is_label) {
            return Err("the host is neither a DNS name nor an IP address".into());
        }
        let name = text.to_ascii_lowercase();
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("the host is written like an IP address, and is none".into());
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Letters, digits, hyphens within; the underscore is no letter of a host, and yet in use.
fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form() {
        for (text, want) in [
            ("api.paypal.com", "api.paypal.com"),
            ("API.PayPal.Com", "api.paypal.com"),
            ("gateway", "gateway"),
            ("my_gateway-2.internal", "my_gateway-2.internal"),
            ("4.example", "4.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[0:0::1]", "[::1]"),
            ("[::FFFF:7f00:1]", "[::ffff:127.0.0.1]"),
        ] {
            assert_eq!(Host::parse(text).map(|host| host.to_string()), Ok(want.into()), "{text}");
        }
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_no_host() {
        for bad in [
            "",
            ".",
            "a..b",
            "a.",
            ".a",
            "-a",
            "a-",
            "a b",
            "a:80",
            "a/b",
            "u@a",
            "a%2eb",
            "ä.example",
            "a\n",
            "127.1",
            "127.0.0.01",
            "0177.0.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.0x1",
            "1.2.3.4.5",
            "::1",
            "[::1",
            "[::1]x",
            "[fe80::1%eth0]",
            "[127.0.0.1]",
            &"a".repeat(64),
            &["a"; 128].join("."),
        ] {
            assert!(Host::parse(bad).is_err(), "{bad:?}");
        }
    }
}
