//! What single values of the configuration must look like. Each function says what is wrong.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use crate::config::SecretRef;

/// Headers that belong to a connection or that countersign writes itself (RFC 9110 §7.6.1).
const HEADERS_REFUSED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Characters of a name in metrics.
const NAME_MAX: usize = 128;
/// Characters of a path, a URL or a header's name.
const TEXT_MAX: usize = 1024;

/// A name for metrics and logs.
pub(super) fn name(text: &str) -> Result<(), String> {
    if text.chars().count() > NAME_MAX {
        return Err(format!("the name is longer than {NAME_MAX} characters"));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err("a name has no control characters and no white space around it".into());
    }
    Ok(())
}

/// A route's path: there are no patterns.
pub(super) fn exact_path(text: &str) -> Result<(), String> {
    if text.contains('*') {
        return Err("a route has one exact path, and `*` stands for nothing; write a route for \
                    each path"
            .into());
    }
    path(text)
}

/// A path in its one normal form, so that no second spelling can reach, or miss, it.
pub(super) fn path(text: &str) -> Result<(), String> {
    if text.len() > TEXT_MAX {
        return Err(format!("the path is longer than {TEXT_MAX} characters"));
    }
    let Some(rest) = text.strip_prefix('/') else {
        return Err("a path starts with `/`".into());
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,=:@".contains(c);
    if let Some(bad) = text.chars().find(|c| !plain(*c)) {
        return Err(format!("a path does not contain {bad:?}; only plain characters, no query"));
    }
    let segments: Vec<&str> = rest.split('/').collect();
    let last = segments.len() - 1;
    if segments.iter().enumerate().any(|(i, segment)| segment.is_empty() && i != last) {
        return Err("a path does not contain `//`".into());
    }
    if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return Err("a path has no segments `.` and `..`".into());
    }
    Ok(())
}

/// Path and query at an upstream.
pub(super) fn target(text: &str) -> Result<(), String> {
    if text.len() > TEXT_MAX {
        return Err(format!("it is longer than {TEXT_MAX} characters"));
    }
    if !text.starts_with('/') {
        return Err("a path starts with `/`".into());
    }
    let bad = |c: &char| !c.is_ascii_graphic() || "#\\\"<>^`{|}".contains(*c);
    match text.chars().find(bad) {
        Some(bad) => Err(format!("a path and query does not contain {bad:?}")),
        None => Ok(()),
    }
}

/// A folder for what is kept.
pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    if text.len() > TEXT_MAX || text.chars().any(char::is_control) || text.trim() != text {
        return Err("a path has no control characters and no white space around it".into());
    }
    if text.starts_with("env:") || text.starts_with("file:") {
        return Err("the path itself is written here".into());
    }
    Ok(PathBuf::from(text))
}

/// `http` or `https`, host and perhaps a port.
pub(super) fn url(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(authority) = rest else {
        return Err("a URL starts with `http://` or `https://`".into());
    };
    if authority.contains('@') {
        return Err("a URL holds no user name and no password".into());
    }
    if authority.contains(['/', '?', '#']) {
        return Err("a URL ends with the host and port; the path is the route's `to`".into());
    }
    if text.len() > TEXT_MAX {
        return Err(format!("the URL is longer than {TEXT_MAX} characters"));
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<Ipv6Addr>().is_err() {
                return Err("the host is no IPv6 address".into());
            }
            (address, port.strip_prefix(':').or((!port.is_empty()).then_some("")))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err("the URL has no valid host".into());
    }
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match port.map(|port| digits(port).then(|| port.parse::<u16>())) {
        None | Some(Some(Ok(1..))) => Ok(()),
        Some(_) => Err("the port is not a number from 1 to 65535".into()),
    }
}

/// A request header that may be passed on, in lower case.
pub(super) fn header(text: &str) -> Result<String, String> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if text.len() > TEXT_MAX || !text.chars().all(token) {
        return Err("this is not the name of a header".into());
    }
    let name = text.to_ascii_lowercase();
    if HEADERS_REFUSED.contains(&name.as_str()) {
        return Err(format!("`{name}` belongs to the connection and cannot be passed on"));
    }
    if name.starts_with("webhook-") {
        return Err("`webhook-` headers are countersign's own signature".into());
    }
    if name == "content-type" {
        return Err("`content-type` is always passed on".into());
    }
    Ok(name)
}

/// `env:NAME` or `file:PATH`; `None` where the text is neither.
pub fn reference(text: &str) -> Option<Result<SecretRef, String>> {
    if let Some(name) = text.strip_prefix("env:") {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let good = name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit());
        return Some(if name.is_empty() {
            Err("the name of the environment variable is missing after `env:`".into())
        } else if good {
            Ok(SecretRef::Env(name.into()))
        } else {
            Err("the name of an environment variable has letters, digits and `_` only".into())
        });
    }
    let path = text.strip_prefix("file:")?;
    Some(if path.trim().is_empty() {
        Err("the path is missing after `file:`".into())
    } else if path.chars().any(char::is_control) || path.trim() != path {
        Err("a path has no control characters and no white space around it".into())
    } else {
        Ok(SecretRef::File(PathBuf::from(path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for good in ["/", "/a", "/a/", "/billing/payment/liqpay/", "/a.b/~c/..d"] {
            assert_eq!(path(good), Ok(()), "{good}");
        }
        for bad in [
            "a", "//", "/a//b", "/a//", "/.", "/a/./b", "/../a", "/a/..", "/a%2f", "/a;b", "/a\\b",
            "/a?b", "/a#b", "/a b", "/a\n", "/ä",
        ] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_url_is_scheme_host_and_port() {
        for good in [
            "http://a",
            "https://a.example:8443",
            "http://127.0.0.1:80",
            "http://[::1]:80",
            "http://[::1]",
        ] {
            assert_eq!(url(good), Ok(()), "{good}");
        }
        for bad in [
            "ftp://a",
            "a:80",
            "http://",
            "http://:80",
            "http://a/",
            "http://a/b",
            "http://a?b",
            "http://u:p@a",
            "http://a:0",
            "http://a:65536",
            "http://a:",
            "http://a:+80",
            "http://[::1",
            "http://[::1]80",
            "http://[x]:80",
            "http://a b",
            "HTTP://a",
            "http://a:1:2",
        ] {
            assert!(url(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_route_has_one_exact_path() {
        assert_eq!(exact_path("/pay/stripe"), Ok(()));
        assert_eq!(exact_path("pay"), path("pay"));
        for pattern in ["/*", "/pay/*/stripe", "/pay/**"] {
            assert!(
                exact_path(pattern).is_err_and(|why| why.contains("one exact path")),
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_target_may_have_a_query_and_no_fragment() {
        for (text, good) in [
            ("/x", true),
            ("/x?a=%20", true),
            ("x", false),
            ("/x#y", false),
            ("/x y", false),
            ("/x\r\nHost: y", false),
            ("/x\\y", false),
        ] {
            assert_eq!(target(text).is_ok(), good, "{text:?}");
        }
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        assert_eq!(header("X-Foo"), Ok("x-foo".into()));
        for bad in
            ["Connection", "content-length", "HOST", "webhook-id", "Content-Type", "x y", "x:"]
        {
            assert!(header(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reference_names_something() {
        let env = |name: &str| Some(Ok(SecretRef::Env(name.into())));
        assert_eq!(reference("env:A_1"), env("A_1"));
        assert_eq!(reference("file:a/b"), Some(Ok(SecretRef::File("a/b".into()))));
        assert_eq!(reference("environment"), None);
        assert_eq!(reference("ENV:X"), None);
        for bad in ["env:", "file:", "file: ", "env: A", "env:1", "env:A=B", "file:a\n"] {
            assert!(matches!(reference(bad), Some(Err(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(name("liqpay of the old site"), Ok(()));
        for bad in [" x", "x\ny", &"x".repeat(129)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
