//! Networks, and the address that a request really comes from.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// Hops of `X-Forwarded-For` that are walked; nobody has as many proxies.
pub const HOPS_MAX: usize = 32;

/// The leading bits of an IPv4 address that is written as an IPv6 address (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Some IPv4 or IPv6 addresses that begin alike: `40.127.253.112/28`, `2001:db8::/32`, or one
/// address. An IPv4 address that is written as an IPv6 address (`::ffff:192.0.2.1`, which is how a
/// socket for both gives it) is an IPv4 address wherever it stands, so no IPv6 network has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network(IpNet);

impl Network {
    /// `None` where the text is no network, or an address within one (`192.0.2.1/24`): whoever
    /// writes that means the address or the network, and the two are not the same.
    pub fn parse(text: &str) -> Option<Self> {
        let Some((address, bits)) = text.split_once('/') else {
            return text.parse().ok().map(|address: IpAddr| Self(address.to_canonical().into()));
        };
        let address: IpAddr = address.parse().ok()?;
        // Not `+8`, not `08`.
        let bits = bits.parse().ok().filter(|number: &u8| number.to_string() == bits)?;
        let (address, bits) = match address.to_canonical() {
            IpAddr::V4(mapped) if address.is_ipv6() => {
                (IpAddr::V4(mapped), bits.checked_sub(MAPPED_BITS)?)
            }
            address => (address, bits),
        };
        let network = IpNet::new(address, bits).ok()?;
        (network.network() == address).then_some(Self(network))
    }

    /// Whether the address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The address that a request really comes from: the last one that no trusted proxy has.
///
/// `forwarded_for` are the values of all lines of `X-Forwarded-For`, in order. Every proxy adds at
/// the right whom it was called by, so what stands there is believed as far as those are trusted
/// who wrote it, from `peer` on, and no further. (A proxy that passes the header on and adds
/// nothing must not be trusted.) Where all of them are trusted it is the first.
///
/// `None` where the walk comes upon something that is no address, or does not end within
/// [`HOPS_MAX`] hops: then nobody knows. An address may have a port (`192.0.2.1:80`,
/// `[2001:db8::1]:80`), and brackets without one.
pub fn client(peer: IpAddr, forwarded_for: &[&[u8]], trusted: &[Network]) -> Option<IpAddr> {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let lines = forwarded_for.iter().rev();
    let mut hops = lines.flat_map(|line| line.rsplit(|byte| *byte == b','));
    let mut client = peer;
    for _ in 0..=HOPS_MAX {
        if !is_trusted(client) {
            return Some(client.to_canonical());
        }
        match hops.next() {
            Some(hop) => client = address(hop)?,
            None => return Some(client.to_canonical()),
        }
    }
    None
}

/// The address of one hop.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop.trim_ascii()).ok()?;
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse().ok().map(IpAddr::V6);
    }
    // A zone (`[fe80::1%eth0]:80`) is part of an address on one machine only.
    let socket = || text.parse().ok().filter(|_| !text.contains('%'));
    text.parse().ok().or_else(|| socket().map(|socket: SocketAddr| socket.ip()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| Network::parse(text).unwrap()).collect()
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            (
                "40.127.253.112/28",
                &["40.127.253.112", "40.127.253.117", "40.127.253.127", "::ffff:40.127.253.117"],
                &["40.127.253.111", "40.127.253.128", "::40.127.253.117", "2001:db8::1"],
            ),
            (
                "51.138.37.238",
                &["51.138.37.238", "::ffff:51.138.37.238"],
                &["51.138.37.237", "51.138.37.239", "51.138.37.23"],
            ),
            ("51.138.37.238/32", &["51.138.37.238"], &["51.138.37.239"]),
            ("10.0.0.0/8", &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], &["::", "::1"]),
            ("2001:db8::/32", &["2001:db8::", "2001:db8:ffff::1"], &["2001:db9::", "32.1.13.184"]),
            ("::1", &["::1"], &["::", "::2", "0.0.0.1"]),
            ("::/0", &["::", "ffff::1"], &["0.0.0.0", "::ffff:0.0.0.0"]),
            ("::ffff:10.0.0.0/104", &["10.1.2.3", "::ffff:10.1.2.3"], &["11.0.0.0", "::10.1.2.3"]),
            ("::ffff:10.1.2.3", &["10.1.2.3", "::ffff:a01:203"], &["10.1.2.2"]),
            ("::ffff:0:0/96", &["1.2.3.4"], &["::1"]),
        ];
        for (text, inside, outside) in cases {
            let network = Network::parse(text).unwrap();
            for address in *inside {
                assert!(network.contains(ip(address)), "{address} in {text}");
            }
            for address in *outside {
                assert!(!network.contains(ip(address)), "{address} not in {text}");
            }
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            " ",
            "/",
            "/8",
            "10",
            "10.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/8 ",
            " 10.0.0.0/8",
            "10.0.0.0 /8",
            "10.0.0.0/8/8",
            "10.0.0.0/ff",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/256",
            "010.0.0.0/8",
            "10.0.0.00/8",
            "0xa.0.0.0/8",
            "10.0.0.256",
            "10.0.0.0.0/8",
            "10.0.0.*",
            "10.0.0.1-9",
            "localhost",
            "10.0.0.1:80",
            "[::1]",
            "::1/129",
            "::g/8",
            "fe80::1%1",
            "fe80::%1/64",
            ":::/0",
            "\u{661}0.0.0.0/8",
            "10.0.0.0/\u{668}",
            // Bits beyond the network.
            "10.0.0.1/8",
            "192.0.2.1/24",
            "40.127.253.113/28",
            "0.0.0.1/0",
            "1.2.3.5/31",
            "::1/127",
            "2001:db8::1/32",
            "::ffff:10.0.0.1/104",
            "::ffff:0:0/95",
            "::ffff:0:0/0",
        ] {
            assert_eq!(Network::parse(text), None, "{text:?}");
        }
    }

    #[track_caller]
    fn check(peer: &str, lines: &[&str], trusted: &[&str], expected: Option<&str>) {
        let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let client = client(ip(peer), &bytes, &networks(trusted));
        assert_eq!(client, expected.map(ip), "{peer} {lines:?} {trusted:?}");
    }

    #[test]
    fn a_peer_that_is_not_trusted_is_the_client_whatever_it_says() {
        let spoofed = ["51.138.37.238", "10.0.0.1", "", "nonsense", "10.0.0.1, 51.138.37.238"];
        for line in spoofed {
            check("203.0.113.9", &[line], &[], Some("203.0.113.9"));
            check("203.0.113.9", &[line], &["10.0.0.0/8"], Some("203.0.113.9"));
            check("203.0.113.9", &[line, line], &["51.138.37.238"], Some("203.0.113.9"));
            check("::ffff:203.0.113.9", &[line], &["::/0"], Some("203.0.113.9"));
        }
        check("203.0.113.9", &[], &[], Some("203.0.113.9"));
    }

    #[test]
    fn behind_trusted_proxies_the_client_is_the_last_hop_that_is_none_of_them() {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"];
        for (lines, expected) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["51.138.37.238, 203.0.113.9"], "203.0.113.9"),
            (&["51.138.37.238,203.0.113.9 , 10.0.0.2"], "203.0.113.9"),
            (&["51.138.37.238", "203.0.113.9"], "203.0.113.9"),
            (&["51.138.37.238, 203.0.113.9", "10.0.0.2", "10.0.0.3,10.0.0.4"], "203.0.113.9"),
            (&["203.0.113.9,\t2001:db8::7\t"], "203.0.113.9"),
            (&["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            (&["203.0.113.9:4711, 10.0.0.2:80"], "203.0.113.9"),
            (&["[2001:db9::1]:4711, [2001:db8::1]"], "2001:db9::1"),
            (&["[2001:db9::1]"], "2001:db9::1"),
            (&["2001:db9::1"], "2001:db9::1"),
            // Not an address with a port.
            (&["2001:db9::1:80"], "2001:db9::1:80"),
            // What stands before the client is of his making.
            (&["nonsense, , 203.0.113.9"], "203.0.113.9"),
            (&["", "203.0.113.9"], "203.0.113.9"),
            // Nobody but proxies.
            (&["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            (&["10.0.0.9", "::ffff:10.0.0.2"], "10.0.0.9"),
            (&["::ffff:10.0.0.9"], "10.0.0.9"),
            (&[], "10.0.0.1"),
        ] {
            check("10.0.0.1", lines, &trusted, Some(expected));
            check(
                "2001:db8::1",
                &[&[expected][..], &["10.0.0.1"]].concat(),
                &trusted,
                Some(expected),
            );
        }
        check("::ffff:10.0.0.1", &["203.0.113.9"], &trusted, Some("203.0.113.9"));
        check("::ffff:10.0.0.1", &[], &trusted, Some("10.0.0.1"));
    }

    #[test]
    fn where_the_walk_comes_upon_no_address_nobody_knows() {
        for hop in [
            "",
            " ",
            "unknown",
            "_hidden",
            "localhost",
            "203.0.113",
            "203.0.113.9:",
            "203.0.113.9:x",
            "203.0.113.9:65536",
            "203.0.113.9/32",
            "203.0.113.09",
            "203.0.113.9 10.0.0.2",
            "203.0.113.9;10.0.0.2",
            "\"203.0.113.9\"",
            "for=203.0.113.9",
            "[203.0.113.9]",
            "[203.0.113.9]:80",
            "2001:db9::1]:80",
            "[2001:db9::1",
            "[2001:db9::1]80",
            "[2001:db9::1]:",
            "[[2001:db9::1]]",
            "[fe80::1%1]:80",
            "fe80::1%1",
            "[]",
            "\u{662}03.0.113.9",
        ] {
            for line in [hop.to_owned(), format!("203.0.113.9,{hop}"), format!("{hop}, 10.0.0.2")] {
                check("10.0.0.1", &[&line], &["10.0.0.0/8"], None);
            }
            check("10.0.0.1", &["203.0.113.9", hop, "10.0.0.2"], &["10.0.0.0/8"], None);
        }
        let bytes: &[u8] = b"203.0.113.\xb9";
        assert_eq!(client(ip("10.0.0.1"), &[bytes], &networks(&["10.0.0.0/8"])), None);
    }

    #[test]
    fn the_number_of_hops_is_bounded() {
        let hops = |count: usize| vec!["10.0.0.2"; count];
        let trusted = ["10.0.0.0/8"];
        check("10.0.0.1", &hops(HOPS_MAX), &trusted, Some("10.0.0.2"));
        check("10.0.0.1", &hops(HOPS_MAX + 1), &trusted, None);
        check("10.0.0.1", &[hops(HOPS_MAX + 1).join(",").as_str()], &trusted, None);
        let client = |count| [&["203.0.113.9"][..], &hops(count)].concat();
        check("10.0.0.1", &client(HOPS_MAX - 1), &trusted, Some("203.0.113.9"));
        check("10.0.0.1", &client(HOPS_MAX), &trusted, None);
        // The client's own are not walked.
        let forged = [vec!["10.0.0.2"; 1000], vec!["203.0.113.9"]].concat();
        check("10.0.0.1", &forged, &trusted, Some("203.0.113.9"));
    }

    fn any_ip() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<Ipv4Addr>().prop_map(IpAddr::V4),
            any::<Ipv6Addr>().prop_map(IpAddr::V6),
            any::<Ipv4Addr>().prop_map(|v4| IpAddr::V6(v4.to_ipv6_mapped())),
        ]
    }

    proptest! {
        #[test]
        fn a_network_has_its_first_address_and_none_that_differs_before_its_end(
            address in any_ip(),
            bits in 0_u8..=128,
            other in any::<u128>(),
        ) {
            // Both as IPv6, so that the expectation needs no second case.
            let wide = |address: IpAddr| match address.to_canonical() {
                IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
                IpAddr::V6(v6) => u128::from(v6),
            };
            let canonical = address.to_canonical();
            let bits = if canonical.is_ipv4() { bits % 33 } else { bits };
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            let of = |wide: u128| match canonical {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(wide >> 96).unwrap())),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(wide)),
            };
            let first = of(wide(address) & mask);
            prop_assume!(first.to_canonical() == first);
            let network = Network::parse(&format!("{first}/{bits}")).unwrap();
            prop_assert!(network.contains(address));
            prop_assert_eq!(
                Network::parse(&format!("{canonical}/{bits}")).is_some(),
                canonical == first
            );
            let near = of((wide(address) & mask) ^ (other >> (bits / 2)));
            prop_assume!(near.to_canonical() == near);
            prop_assert_eq!(network.contains(near), wide(near) & mask == wide(first));
        }

        #[test]
        fn a_client_was_said_by_somebody_trusted(
            peer in any_ip(),
            hops in prop::collection::vec(any_ip(), 0..6),
            trust in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let line = hops.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
            let chain = [hops.as_slice(), &[peer]].concat();
            let trusted: Vec<Network> = trust
                .iter()
                .map(|index| Network::parse(&index.get(&chain).to_string()).unwrap())
                .collect();
            let is_trusted = |at: &IpAddr| trusted.iter().any(|network| network.contains(*at));
            let expected = chain.iter().rfind(|at| !is_trusted(at)).unwrap_or(&chain[0]);
            let lines: &[&[u8]] = if hops.is_empty() { &[] } else { &[line.as_bytes()] };
            prop_assert_eq!(client(peer, lines, &trusted), Some(expected.to_canonical()));
        }

        #[test]
        fn any_bytes_are_walked(
            line in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"10.:,[] f"[..])], 0..64),
        ) {
            let client = client(ip("10.0.0.1"), &[&line], &networks(&["10.0.0.0/8"]));
            prop_assert!(client.is_none_or(|client| client.to_canonical() == client));
        }

        #[test]
        fn any_text_is_a_network_or_refused(text in "[0-9a-f.:/]{0,24}|\\PC{0,24}") {
            if let Some(network) = Network::parse(&text) {
                let address = text.split('/').next().unwrap();
                prop_assert!(network.contains(ip(address)));
            }
        }
    }
}
