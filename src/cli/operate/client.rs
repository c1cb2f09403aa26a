//! Asks a running daemon: one connection, one request, one answer.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::admin::api::Answer;
use crate::deliver::read;
use crate::live::Token;

/// Until a connection stands.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Until the answer is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same where many captures may be judged; that it goes on is seen otherwise.
const LONG_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct Client {
    address: SocketAddr,
    token: Token,
    patience: Duration,
}

/// Why nobody can be asked.
pub(super) enum Nobody {
    /// Nobody listens.
    Refused,
    Silent(String),
}

impl Client {
    pub(super) fn new(address: SocketAddr, token: Token) -> Self {
        Self { address, token, patience: PATIENCE }
    }

    /// The same for what may take long.
    pub(super) fn patient(&self) -> Self {
        Self { patience: LONG_PATIENCE, ..self.clone() }
    }

    /// Whether somebody listens there.
    pub(super) async fn reach(address: SocketAddr) -> Result<(), Nobody> {
        match timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Err(Nobody::Refused),
            Ok(Err(error)) => Err(Nobody::Silent(error.to_string())),
            Err(_) => Err(Nobody::Silent("no connection in time".to_owned())),
        }
    }

    pub(super) async fn ask(&self, method: &str, target: &str, body: String) -> Result<Answer> {
        let asked = timeout(self.patience, self.exchange(method, target, body)).await;
        let asked = asked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in time")));
        asked.with_context(|| format!("the daemon at {}", self.address))
    }

    async fn exchange(&self, method: &str, target: &str, body: String) -> Result<Answer> {
        let stream = timeout(CONNECT_PATIENCE, TcpStream::connect(self.address)).await??;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer; what goes wrong on it the answer tells.
        tokio::spawn(connection);
        let mut bearer = HeaderValue::from_bytes(&self.token.bearer())?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let is_json = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        ensure!(is_json, "what answers there is not the API of this version of countersign");
        let read = read(body, ANSWER_BYTES_MAX).await?;
        ensure!(!read.cut, "the answer is longer than {ANSWER_BYTES_MAX} bytes; ask for less");
        Ok(Answer { status: head.status, body: serde_json::from_slice(&read.bytes)? })
    }
}
