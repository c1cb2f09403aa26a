//! Addresses for whom port 0 does not do: nginx, a daemon that comes back, a peer that is not there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::Mutex;

/// Below the ports that Linux gives to whoever connects or asks for port 0 (from 32768, ip(7),
/// `ip_local_port_range`): one of those, let go, may be somebody else's the next moment.
const PORTS: Range<u16> = 20_000..32_000;

/// Bound there, a port is taken for the other tests, which are processes, and free at 127.0.0.1.
const TAKEN_AT: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 254);

static TAKEN: Mutex<Vec<TcpListener>> = Mutex::new(Vec::new());

/// An address at which nobody listens but whom this test lets. No other test gets it.
pub(crate) fn free_address() -> SocketAddr {
    // Each process begins elsewhere, so that what the last one left behind has time to go.
    let first = std::process::id().wrapping_mul(7) % u32::from(PORTS.end - PORTS.start);
    let turned = PORTS.cycle().skip(first as usize).take(PORTS.len());
    for port in turned {
        let Ok(taken) = TcpListener::bind((TAKEN_AT, port)) else { continue };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            TAKEN.lock().unwrap().push(taken);
            return address;
        }
    }
    panic!("every port of {PORTS:?} is taken");
}

#[test]
fn an_address_is_given_once() {
    let (one, other) = (free_address(), free_address());
    assert_ne!(one, other);
    assert!(PORTS.contains(&one.port()) && PORTS.contains(&other.port()));
    let listener = TcpListener::bind(one).unwrap();
    assert_eq!(listener.local_addr().unwrap(), one);
}
