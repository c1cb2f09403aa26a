//! HTTP/2 by hand: a client that says frame by frame what it likes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::PATIENCE;
use super::tls::Client;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// One frame as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field as a literal that nobody remembers, without Huffman.
pub(crate) fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        if text.len() < 127 {
            bytes.push(u8::try_from(text.len()).unwrap());
        } else {
            bytes.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).unwrap());
        }
        bytes.extend(text);
    }
    bytes
}

pub(crate) fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    list.iter().flat_map(|(name, value)| field(name.as_bytes(), value.as_bytes())).collect()
}

/// What every request has.
pub(crate) fn pseudo(method: &str, path: &str) -> Vec<u8> {
    let authority = (":authority", "pay.example");
    fields(&[(":method", method), (":scheme", "https"), (":path", path), authority])
}

/// A request without a body.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &pseudo("GET", path))
}

/// A head whose body is to follow.
pub(crate) fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &pseudo("POST", path))
}

/// How a stream ended.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// With an answer of this status, or 0 where the status is not among the common ones.
    Answered(u16),
    /// The connection is gone.
    Closed,
    /// By a reset with this code.
    Reset(u32),
}

pub(crate) struct Peer {
    pub(crate) stream: TlsStream<TcpStream>,
    came: Vec<u8>,
    /// Whether it says that it has got what it was asked.
    pub(crate) is_polite: bool,
    /// The code with which the connection was given up.
    pub(crate) goaway: Option<u32>,
}

impl Peer {
    /// With the settings of RFC 9113.
    pub(crate) async fn to(client: &Client, address: SocketAddr) -> Self {
        Self::with(client, address, &[]).await
    }

    /// With these settings.
    pub(crate) async fn with(
        client: &Client,
        address: SocketAddr,
        settings: &[(u16, u32)],
    ) -> Self {
        let mut peer = Self::silent(client, address).await;
        peer.is_polite = true;
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        assert!(peer.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await);
        assert!(peer.send(&frame(SETTINGS, 0, 0, &settings)).await);
        let settings = peer.next().await.expect("settings");
        assert_eq!((settings.kind, settings.flags), (SETTINGS, 0));
        peer
    }

    /// Has shaken hands, and says nothing.
    pub(crate) async fn silent(client: &Client, address: SocketAddr) -> Self {
        let stream = client.clone().speaking("h2").connect(address, "pay.example").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Self { stream, came: Vec::new(), is_polite: false, goaway: None }
    }

    /// Whether it could be sent.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes)).await;
        sent.expect("it is read").is_ok() && self.stream.flush().await.is_ok()
    }

    /// The next frame; `None`: there are no more.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        self.next_until(Instant::now() + PATIENCE).await.expect("a frame, or the end")
    }

    /// `Err`: nothing has come by then.
    pub(crate) async fn next_until(&mut self, deadline: Instant) -> Result<Option<Frame>, ()> {
        loop {
            if let Some(frame) = self.whole() {
                match (frame.kind, frame.flags) {
                    (SETTINGS, 0) if self.is_polite => {
                        self.send(&super::http2::frame(SETTINGS, ACK, 0, &[])).await;
                    }
                    (PING, 0) if self.is_polite => {
                        self.send(&super::http2::frame(PING, ACK, 0, &frame.payload)).await;
                    }
                    (GOAWAY, _) => self.goaway = Some(word(&frame.payload[4..])),
                    _ => {}
                }
                return Ok(Some(frame));
            }
            match timeout_at(deadline, self.stream.read_buf(&mut self.came)).await {
                Err(_) => return Err(()),
                Ok(Ok(0) | Err(_)) => return Ok(None),
                Ok(Ok(_)) => {}
            }
        }
    }

    fn whole(&mut self) -> Option<Frame> {
        let head = self.came.get(..9)?.to_vec();
        let end = 9 + (word(&head) >> 8) as usize;
        let payload = self.came.get(9..end)?.to_vec();
        self.came.drain(..end);
        let stream = word(&head[5..]) & 0x7fff_ffff;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads until a stream has ended.
    pub(crate) async fn end(&mut self, stream: u32) -> End {
        let mut status = 0;
        while let Some(frame) = self.next().await {
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                RESET => return End::Reset(word(&frame.payload)),
                HEADERS => status = status_of(&frame.payload),
                _ => {}
            }
            if [DATA, HEADERS].contains(&frame.kind) && frame.flags & END_STREAM != 0 {
                return End::Answered(status);
            }
        }
        End::Closed
    }

    /// Reads until the peer closes; how long that took.
    pub(crate) async fn closed(&mut self) -> Duration {
        let begun = Instant::now();
        while self.next().await.is_some() {}
        begun.elapsed()
    }
}

pub(crate) fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// By the static table of HPACK, in which the common ones stand.
fn status_of(block: &[u8]) -> u16 {
    match block[0] {
        0x88 => 200,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        _ => 0,
    }
}
