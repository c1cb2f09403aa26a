//! Where a question goes: what its URL says, and what the configuration says of the host.

use std::net::SocketAddr;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use rustls::pki_types::ServerName;

use super::Failure;
use crate::config::Host;
use crate::live::Exchanges;

/// A URL that may be asked.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) host: Host,
    pub(super) way: Way,
    /// The name that the certificate must have; `None`: without TLS.
    pub(super) name: Option<ServerName<'static>>,
    /// `Host` of the request.
    pub(super) authority: HeaderValue,
    /// Path and query.
    pub(super) target: PathAndQuery,
}

/// How the address is found.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// The operator has given it.
    Fixed(SocketAddr),
    /// By the host, at this port.
    Resolve {
        port: u16,
        /// It may be private.
        private: bool,
    },
}

impl Place {
    /// No text of the URL but its host shows up in a failure.
    pub(super) fn of(url: &str, settings: &Exchanges) -> Result<Self, Failure> {
        let refused = |why: &str| Failure::Refused(why.to_owned());
        // `Uri` would drop a fragment in silence.
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('#') {
            return Err(refused("the URL has a fragment or characters that a URL has not"));
        }
        let uri: Uri = url.parse().map_err(|_| refused("this is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused("the URL has no scheme or no host"));
        };
        if authority.as_str().contains('@') {
            return Err(refused("the URL holds a user name"));
        }
        let host = Host::parse(authority.host()).map_err(Failure::Refused)?;
        let port = port(authority.as_str().strip_prefix(authority.host()).unwrap_or_default())?;
        let fixed = settings.addresses.get(&host).copied();
        let private = settings.private.contains(&host);
        let (usual, name) = match scheme {
            "https" => (443, Some(name(&host)?)),
            "http" if fixed.is_some() || private => (80, None),
            "http" => return Err(Failure::Refused(format!("{host} is asked over TLS only"))),
            _ => return Err(refused("the URL is neither http nor https")),
        };
        let authority = match port.filter(|port| *port != usual) {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Self {
            authority: HeaderValue::from_str(&authority).map_err(|_| refused("no valid host"))?,
            target: target(&uri).ok_or_else(|| refused("this is not a URL"))?,
            way: match fixed {
                Some(address) => Way::Fixed(address),
                None => Way::Resolve { port: port.unwrap_or(usual), private },
            },
            host,
            name,
        })
    }
}

/// What stands behind the host: nothing, or a colon and a port.
fn port(text: &str) -> Result<Option<u16>, Failure> {
    let Some(digits) = text.strip_prefix(':') else { return Ok(None) };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| plain && *port > 0);
    port.map(Some).ok_or_else(|| Failure::Refused("the URL has no valid port".to_owned()))
}

/// With the slash that a URL may leave out.
fn target(uri: &Uri) -> Option<PathAndQuery> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    PathAndQuery::try_from(format!("{}{query}", uri.path())).ok()
}

fn name(host: &Host) -> Result<ServerName<'static>, Failure> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| Failure::Refused("no certificate can name the host".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::*;

    fn place(url: &str) -> Result<Place, Failure> {
        let host = |text| Host::parse(text).unwrap();
        let settings = Exchanges {
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            answer_bytes_max: 1,
            in_flight_max: 1,
            addresses: BTreeMap::from([(host("fixed.example"), "10.0.0.5:8443".parse().unwrap())]),
            private: BTreeSet::from([host("inner"), host("[::1]")]),
            roots: Vec::new(),
        };
        Place::of(url, &settings)
    }

    #[test]
    fn a_url_says_whom_to_ask_for_what() {
        let by = |port, private| Way::Resolve { port, private };
        let fixed = Way::Fixed("10.0.0.5:8443".parse().unwrap());
        for (url, way, tls, authority, target) in [
            ("https://a.example", by(443, false), true, "a.example", "/"),
            ("https://A.Example:443/", by(443, false), true, "a.example", "/"),
            (
                "https://a.example:8443/x/y?z=%20",
                by(8443, false),
                true,
                "a.example:8443",
                "/x/y?z=%20",
            ),
            ("https://a.example?q", by(443, false), true, "a.example", "/?q"),
            ("https://1.1.1.1:1/", by(1, false), true, "1.1.1.1:1", "/"),
            ("https://[2606:4700::1]:44/", by(44, false), true, "[2606:4700::1]:44", "/"),
            ("https://inner/", by(443, true), true, "inner", "/"),
            ("http://inner/", by(80, true), false, "inner", "/"),
            ("http://INNER:443/", by(443, true), false, "inner:443", "/"),
            ("http://[::1]/", by(80, true), false, "[::1]", "/"),
            ("https://fixed.example:1/", fixed, true, "fixed.example:1", "/"),
        ] {
            let place = place(url).unwrap();
            assert_eq!(place.way, way, "{url}");
            assert_eq!(place.name.is_some(), tls, "{url}");
            assert_eq!(
                (place.authority, place.target.as_str()),
                (authority.parse().unwrap(), target),
                "{url}"
            );
        }
        assert!(place("http://fixed.example/").unwrap().name.is_none());
    }

    #[test]
    fn a_url_that_could_lead_astray_is_refused() {
        for url in [
            "",
            "a.example",
            "/a",
            "//a.example/",
            "https:///",
            "https://",
            "https://:443/",
            "ftp://a.example/",
            "http://a.example/",
            "http://127.0.0.1/",
            "http://fixed.example.evil/",
            "https://user@a.example/",
            "https://user:secret@a.example/",
            "https://a.example@b.example/",
            "https://a.example#/",
            "https://a.example/x#y",
            "https://a.example/x y",
            "https://a.example/\r\nx: y",
            "https://a.example/ä",
            "https://a.example\\@b.example/",
            "https://a.example:/",
            "https://a.example:0/",
            "https://a.example:+1/",
            "https://a.example:65536/",
            "https://a.example:1:2/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://a.example./",
            "https://a..example/",
            "https://%61.example/",
            "https://[fe80::1%25eth0]/",
            "https://[::1/",
        ] {
            let failure = place(url).unwrap_err();
            assert!(matches!(&failure, Failure::Refused(_)), "{url}: {failure:?}");
            assert!(!failure.to_string().contains("secret"), "{url}");
        }
    }
}
