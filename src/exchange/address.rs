//! Which addresses may be asked. A name in a rule or a callback must not make us call into our own
//! network, so what a name leads to is judged, not the name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who is at an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// Nobody who could be a gateway: groups, examples, tunnels, and the metadata of clouds, which
    /// hand out credentials.
    Nowhere,
    /// Somebody on this machine or in its own network.
    Private,
    /// Anybody on the internet.
    Public,
}

use Reach::{Nowhere, Private, Public};

/// The first network that holds an address decides; beside them all is public (the registry of
/// RFC 6890, and what clouds have added to it).
const NETWORKS_V4: [(Ipv4Addr, u32, Reach); 19] = [
    (Ipv4Addr::new(100, 100, 100, 200), 32, Nowhere), // metadata of Alibaba
    (Ipv4Addr::new(168, 63, 129, 16), 32, Nowhere),   // the host of an Azure machine
    (Ipv4Addr::new(169, 254, 169, 254), 32, Nowhere), // metadata of nearly everybody
    (Ipv4Addr::new(169, 254, 170, 2), 32, Nowhere),   // credentials of Amazon's containers
    (Ipv4Addr::UNSPECIFIED, 8, Nowhere),              // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8, Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Private), // carriers' own
    (Ipv4Addr::new(127, 0, 0, 0), 8, Private),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Private), // link-local
    (Ipv4Addr::new(172, 16, 0, 0), 12, Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Nowhere), // protocols' own
    (Ipv4Addr::new(192, 0, 2, 0), 24, Nowhere), // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24, Nowhere), // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16, Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Nowhere), // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24, Nowhere), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24, Nowhere), // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4, Nowhere),   // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4, Nowhere),   // reserved, and broadcast at its end
];

/// The same; beside them is nowhere, which leaves out all that is not handed out yet, and the old
/// addresses that only hold one of version 4 (`::/96`).
const NETWORKS_V6: [(Ipv6Addr, u32, Reach); 11] = [
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, Nowhere), // metadata of Amazon
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, Nowhere),  // metadata of Google
    (Ipv6Addr::LOCALHOST, 128, Private),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Private), // unique local
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Private), // link-local
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Private), // site-local, of old
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Nowhere), // protocols' own, Teredo first
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Nowhere), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Nowhere), // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Nowhere), // documentation
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Public),
];

/// What a NAT64 maps version 4 to (RFC 6052 §2.1).
const NAT64: u128 = 0x64_ff9b << 96;

/// Who is at this address. One that stands for an address of version 4 is judged as that.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Reach {
    let within = |network: Ipv4Addr, bits: u32| {
        (network.to_bits() ^ address.to_bits()) >> (Ipv4Addr::BITS - bits) == 0
    };
    NETWORKS_V4
        .into_iter()
        .find(|(network, bits, _)| within(*network, *bits))
        .map_or(Public, |(_, _, reach)| reach)
}

fn v6(address: Ipv6Addr) -> Reach {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return v4(mapped);
    }
    let [.., a, b, c, d] = address.octets();
    if (NAT64 ^ address.to_bits()) >> 32 == 0 {
        return v4(Ipv4Addr::new(a, b, c, d));
    }
    let within = |network: Ipv6Addr, bits: u32| {
        (network.to_bits() ^ address.to_bits()) >> (Ipv6Addr::BITS - bits) == 0
    };
    NETWORKS_V6
        .into_iter()
        .find(|(network, bits, _)| within(*network, *bits))
        .map_or(Nowhere, |(_, _, reach)| reach)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;

    #[test]
    fn only_what_is_public_is_public() {
        for (want, addresses) in [
            (
                Public,
                "1.1.1.1 9.255.255.255 11.0.0.0 64.4.250.38 100.63.255.255 100.128.0.0 \
                126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 \
                172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 \
                198.20.0.0 223.255.255.255 2000::1 2001:200::1 2606:4700::6810:84e5 \
                2a00:1450:4001:80f::200e 3ffe::1 ::ffff:1.1.1.1 64:ff9b::1.1.1.1",
            ),
            (
                Private,
                "10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 \
                169.254.0.1 169.254.255.255 172.16.0.0 172.31.255.255 192.168.0.0 \
                192.168.255.255 ::1 fc00::1 fdff:ffff::1 fe80::1 febf::1 fec0::1 feff::1 \
                ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 64:ff9b::7f00:1",
            ),
            (
                Nowhere,
                "0.0.0.0 0.255.255.255 100.100.100.200 168.63.129.16 169.254.169.254 \
                169.254.170.2 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.0 \
                198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 \
                255.255.255.255 :: ::127.0.0.1 ::1.1.1.1 ::ffff:0.0.0.0 \
                ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::169.254.169.254 \
                64:ff9b::1:1.1.1.1 64:ff9b:1::1.1.1.1 100::1 2001::1 \
                2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:1ff::1 2001:db8::1 \
                2002:7f00:1::1 3fff::1 4000::1 5f00::1 fd00:ec2::254 fd20:ce::254 ff02::1",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(reach(address.parse().unwrap()), want, "{address}");
            }
        }
    }
}
