//! A daemon in front of a site, and both ends of what passes through it, byte by byte.

use std::net::SocketAddr;

use countersign::app::Running;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::shop::{self, Folder, Wired};
use super::{PATIENCE, series};

/// The daemon with one webhook, `/billing/payment/liqpay/`, and what is said of the site.
pub(crate) async fn site(upstream: SocketAddr, top: &str) -> (Folder, Running) {
    let route = Wired { path: Some("/billing/payment/liqpay/"), ..Wired::usual("liqpay") };
    let folder = shop::folder(&shop::config_with(&format!("http://{upstream}"), top, &[route]));
    let running = shop::open(&folder).await;
    (folder, running)
}

/// The whole site passes.
pub(crate) const ALL: &str = "proxy: [{ name: site, upstream: smarty }]\n";

/// How many requests of the part `site` ended so.
pub(crate) fn passed(running: &Running, outcome: &str) -> u64 {
    count(running, &format!("proxy_requests_total{{outcome=\"{outcome}\",proxy=\"site\"}}"))
}

/// The value of a counter; 0 where there is no such series.
pub(crate) fn count(running: &Running, name_and_labels: &str) -> u64 {
    let value = series(running, &format!("countersign_{name_and_labels}")).unwrap_or(0.0);
    format!("{value}").parse().unwrap()
}

/// An upstream whose part the test plays.
pub(crate) struct Played(TcpListener);

impl Played {
    pub(crate) async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self(listener), address)
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> End {
        let (stream, _) = timeout(PATIENCE, self.0.accept()).await.expect("it connects").unwrap();
        End::of(stream)
    }
}

/// One end of a connection.
pub(crate) struct End {
    stream: TcpStream,
    /// That came and was not taken.
    came: Vec<u8>,
}

impl End {
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self { stream, came: Vec::new() }
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Whether it could be said.
    pub(crate) async fn try_say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Everything up to and with the end of this text.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let what = text;
        loop {
            let at = self.came.windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(at) = at {
                let taken: Vec<u8> = self.came.drain(..at + text.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.came)).await;
            let Ok(Ok(1..)) = read else {
                panic!("no {what:?} in {:?}: {read:?}", String::from_utf8_lossy(&self.came))
            };
        }
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.came.len() < length {
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.came)).await;
            assert!(matches!(read, Ok(Ok(1..))), "no {length} bytes: {read:?}");
        }
        self.came.drain(..length).collect()
    }

    /// Whatever comes next; empty: the other side has closed.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        if self.came.is_empty() {
            self.came.reserve(256 * 1024);
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.came)).await;
            read.expect("something comes").unwrap();
        }
        std::mem::take(&mut self.came)
    }

    /// One head.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Everything that still comes until the other side closes.
    pub(crate) async fn rest(&mut self) -> String {
        timeout(PATIENCE, self.stream.read_to_end(&mut self.came)).await.expect("it closes").ok();
        String::from_utf8(std::mem::take(&mut self.came)).unwrap()
    }

    /// No more is said from here; the other direction goes on.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }
}
