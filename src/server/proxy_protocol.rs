//! Who is at the other end of a proxy that speaks for its clients before they do: the PROXY protocol,
//! both versions (<https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>).

use std::net::SocketAddr;

use ppp::{PartialResult as _, v1, v2};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// More than any proxy says of a connection.
const HEADER_BYTES_MAX: usize = 4096;

/// What comes first in version 2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What was said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Said {
    /// A client is there, and had connected to this address.
    For {
        /// The client.
        source: SocketAddr,
        /// Where it had connected to.
        destination: SocketAddr,
    },
    /// The proxy speaks for itself: it looks whether we are well.
    Itself,
}

/// Takes the header from the stream, and not a byte of what follows. `None`: there is none, or one
/// of something else than TCP.
pub(super) async fn read(stream: &mut TcpStream) -> Option<Said> {
    let (mut header, mut peeked) = (Vec::new(), [0; 512]);
    loop {
        let length = stream.peek(&mut peeked).await.ok().filter(|length| *length > 0)?;
        let before = header.len();
        header.extend_from_slice(&peeked[..length]);
        let (taken, said) = match parse(&header) {
            Parsed::Whole(length, said) => (length, Some(said)),
            Parsed::Part if header.len() < HEADER_BYTES_MAX => (header.len(), None),
            Parsed::Part | Parsed::Bad => return None,
        };
        // It was there already: this does not wait.
        let taken = taken.checked_sub(before)?;
        stream.read_exact(&mut peeked[..taken]).await.ok()?;
        if said.is_some() {
            return said;
        }
    }
}

enum Parsed {
    /// So many bytes.
    Whole(usize, Said),
    Part,
    Bad,
}

fn parse(bytes: &[u8]) -> Parsed {
    let begins = bytes.len().min(SIGNATURE.len());
    if bytes[..begins] == SIGNATURE[..begins] { version_2(bytes) } else { version_1(bytes) }
}

fn version_1(bytes: &[u8]) -> Parsed {
    let header = match v1::Header::try_from(bytes) {
        Ok(header) => header,
        Err(error) if error.is_incomplete() => return Parsed::Part,
        Err(_) => return Parsed::Bad,
    };
    let said = match header.addresses {
        v1::Addresses::Unknown => Said::Itself,
        v1::Addresses::Tcp4(ends) => Said::For {
            source: (ends.source_address, ends.source_port).into(),
            destination: (ends.destination_address, ends.destination_port).into(),
        },
        v1::Addresses::Tcp6(ends) => Said::For {
            source: (ends.source_address, ends.source_port).into(),
            destination: (ends.destination_address, ends.destination_port).into(),
        },
    };
    Parsed::Whole(header.header.len(), said)
}

fn version_2(bytes: &[u8]) -> Parsed {
    let header = match v2::Header::try_from(bytes) {
        Ok(header) => header,
        Err(error) if error.is_incomplete() => return Parsed::Part,
        Err(_) => return Parsed::Bad,
    };
    let said = match (header.command, header.protocol, header.addresses) {
        (v2::Command::Local, _, _) => Said::Itself,
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv4(ends)) => Said::For {
            source: (ends.source_address, ends.source_port).into(),
            destination: (ends.destination_address, ends.destination_port).into(),
        },
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv6(ends)) => Said::For {
            source: (ends.source_address, ends.source_port).into(),
            destination: (ends.destination_address, ends.destination_port).into(),
        },
        (v2::Command::Proxy, _, _) => return Parsed::Bad,
    };
    Parsed::Whole(header.header.len(), said)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// What comes of bytes that come in two parts, and what is left of them.
    async fn told(bytes: &[u8], cut: usize) -> (Option<Said>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let bytes = bytes.to_vec();
        let sender = tokio::spawn(async move {
            client.write_all(&bytes[..cut]).await.unwrap();
            tokio::task::yield_now().await;
            client.write_all(&bytes[cut..]).await.unwrap();
        });
        let said = read(&mut server).await;
        sender.await.unwrap();
        let mut rest = Vec::new();
        if said.is_some() {
            server.read_to_end(&mut rest).await.unwrap();
        }
        (said, rest)
    }

    fn v2(kind: [u8; 2], addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [SIGNATURE, &kind, &length, addresses].concat()
    }

    #[tokio::test]
    async fn both_versions_are_read_however_they_are_cut_and_nothing_behind_them() {
        let four = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0x01, 0xbb];
        let with_more = [&four[..], &[0x04, 0, 3, b'a', b'b', b'c']].concat();
        let client = Said::For {
            source: "192.0.2.7:4660".parse().unwrap(),
            destination: "198.51.100.1:443".parse().unwrap(),
        };
        let six = Said::For {
            source: "[2001:db8::7]:1".parse().unwrap(),
            destination: "[2001:db8::1]:2".parse().unwrap(),
        };
        for (header, want) in [
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 443\r\n".to_vec(), client),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n".to_vec(), six),
            (b"PROXY UNKNOWN\r\n".to_vec(), Said::Itself),
            (v2([0x21, 0x11], &four), client),
            (v2([0x21, 0x11], &with_more), client),
            (v2([0x20, 0x00], &[]), Said::Itself),
        ] {
            let bytes = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            for cut in [0, 1, 11, 13, header.len() - 1, header.len(), header.len() + 3] {
                let cut = cut.min(bytes.len());
                let (said, rest) = told(&bytes, cut).await;
                assert_eq!(said, Some(want), "{header:?} cut at {cut}");
                assert_eq!(rest, b"GET / HTTP/1.1\r\n\r\n", "{header:?} cut at {cut}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_none() {
        for bytes in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4660\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 198.51.100.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 70000 443\r\n".to_vec(),
            [&b"PROXY TCP4 "[..], &b"1".repeat(200)].concat(),
            v2([0x21, 0x12], &[0; 12]),
            v2([0x31, 0x11], &[0; 12]),
            v2([0x21, 0x31], &[0; 216]),
            Vec::new(),
        ] {
            assert_eq!(told(&bytes, 0).await.0, None, "{bytes:?}");
        }
    }
}
