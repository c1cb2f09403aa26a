//! HTTP/1.1 by hand: what a sender says, and what it is told over a connection that stays open.

use std::net::SocketAddr;

use countersign::rule::request::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, Told};

/// One callback, whatever path it is sent to.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) method: String,
    /// With its `?`; empty where there is none.
    pub(crate) query: String,
    /// Without those that frame the body.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

impl Callback {
    pub(crate) fn post(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.as_bytes().to_vec())];
        Self { method: "POST".into(), query: String::new(), headers, body: body.into() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn of(request: &Request) -> Self {
        let wire = request.encode();
        let query = wire.target().find('?').map_or("", |at| &wire.target()[at..]);
        Self {
            method: wire.method().to_owned(),
            query: query.to_owned(),
            headers: wire.headers().to_vec(),
            body: wire.body().to_vec(),
        }
    }

    /// As the only request on its connection.
    pub(crate) fn once(&self, path: &str) -> Vec<u8> {
        self.bytes(path, "Connection: close\r\n")
    }

    /// As one of many.
    pub(crate) fn keep(&self, path: &str) -> Vec<u8> {
        self.bytes(path, "")
    }

    fn bytes(&self, path: &str, connection: &str) -> Vec<u8> {
        let Self { method, query, headers, body } = self;
        let mut bytes =
            format!("{method} {path}{query} HTTP/1.1\r\nHost: pay.example\r\n{connection}")
                .into_bytes();
        for (name, value) in headers {
            let framing = ["host", "content-length"];
            if !framing.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
                bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
        }
        if !body.is_empty() || method == "POST" {
            bytes.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        bytes
    }
}

/// A connection of a sender that keeps it.
pub(crate) struct Line {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Line {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Says one thing and reads the answer to it. `None`: the connection broke.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> Option<Told> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await.ok()?,
        };
        stream.write_all(bytes).await.ok()?;
        let told = timeout(PATIENCE, answer(&mut stream)).await.ok()??;
        if !told.has("connection: close") {
            self.stream = Some(stream);
        }
        Some(told)
    }
}

/// Reads one answer, and not a byte more.
async fn answer(stream: &mut TcpStream) -> Option<Told> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.parse::<usize>().unwrap());
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Told { status, head, body })
}
