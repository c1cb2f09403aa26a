//! The PROXY protocol: whom a connection is for, said at its beginning.
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::Ends;
use crate::config::ProxyProtocol;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// What a connection begins with; without a client it is for ourselves.
pub(super) fn header(version: ProxyProtocol, client: Option<&Ends>) -> Vec<u8> {
    let ends = client.map(alike);
    match version {
        ProxyProtocol::V1 => v1(ends).into_bytes(),
        ProxyProtocol::V2 => v2(ends),
    }
}

/// Both of one family, which is all that the protocol knows.
fn alike(ends: &Ends) -> (SocketAddr, SocketAddr) {
    let [source, destination] = [ends.source, ends.destination]
        .map(|end| SocketAddr::new(end.ip().to_canonical(), end.port()));
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    let six = |end: SocketAddr| SocketAddr::new(IpAddr::V6(mapped(end.ip())), end.port());
    (six(source), six(destination))
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn v1(ends: Option<(SocketAddr, SocketAddr)>) -> String {
    let Some((source, destination)) = ends else { return "PROXY UNKNOWN\r\n".into() };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port())
}

fn v2(ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    let Some((source, destination)) = ends else {
        bytes.extend([LOCAL, 0, 0, 0]);
        return bytes;
    };
    let (family, length) = if source.is_ipv4() { (TCP4, 12) } else { (TCP6, 36) };
    bytes.extend([PROXY, family, 0, length]);
    for end in [source, destination] {
        match end.ip() {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    for end in [source, destination] {
        bytes.extend(end.port().to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;

    fn ends(source: &str, destination: &str) -> Ends {
        Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    fn line(source: &str, destination: &str) -> String {
        String::from_utf8(header(ProxyProtocol::V1, Some(&ends(source, destination)))).unwrap()
    }

    #[test]
    fn the_text_names_both_ends_in_one_family() {
        assert_eq!(
            line("192.0.2.1:56324", "192.0.2.2:443"),
            "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"
        );
        assert_eq!(line("[2001:db8::1]:1", "[::1]:2"), "PROXY TCP6 2001:db8::1 ::1 1 2\r\n");
        assert_eq!(
            line("[::ffff:192.0.2.1]:1", "10.0.0.1:2"),
            "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n"
        );
        assert_eq!(line("10.0.0.1:1", "[::1]:2"), "PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n");
        assert_eq!(header(ProxyProtocol::V1, None), b"PROXY UNKNOWN\r\n");
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let longest = line(&format!("[{longest}]:65535"), &format!("[{longest}]:65535"));
        assert!(longest.len() <= 107);
    }

    #[test]
    fn the_bytes_name_both_ends_in_one_family() {
        let four = header(ProxyProtocol::V2, Some(&ends("192.0.2.1:256", "192.0.2.2:443")));
        let want: &[u8] =
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x01\x00\x01\xbb";
        assert_eq!(four, want);
        let six = header(ProxyProtocol::V2, Some(&ends("10.0.0.1:1", "[::1]:2")));
        assert_eq!((six.len(), &six[12..16]), (16 + 36, &[0x21, 0x21, 0, 36][..]));
        assert_eq!(header(ProxyProtocol::V2, None), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    }
}
