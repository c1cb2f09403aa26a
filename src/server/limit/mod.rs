//! What one client address may have, whatever all of them together may.

pub(super) mod addresses;
pub(super) mod rate;

use std::net::{IpAddr, Ipv6Addr};

/// The bits of an IPv6 address that its owner was given (RFC 6177); the others are his to choose.
const OWNED_BITS: u32 = 64;

/// Under which an address is counted: itself, or the network that its owner has.
pub(super) fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> (128 - OWNED_BITS) << (128 - OWNED_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_network_and_an_ipv4_client_is_itself() {
        for (address, want) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            let want: IpAddr = want.parse().unwrap();
            assert_eq!(owner(address.parse().unwrap()), want, "{address}");
        }
    }
}
