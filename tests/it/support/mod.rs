//! A daemon in this process, an upstream that does as it is told, and a client that sends bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::app::{self, Running, Setup, Source};
use countersign::config::{
    Boot, Capture, Forward, Http2, Limits, Listener, Log, LogFormat, LogLevel, Mode, Reach, Retry,
    Target,
};
use countersign::engine::inbound::UnixSeconds;
use countersign::engine::secret::Secret;
use countersign::live::{Exchanges, Live, Route, Snapshot, Upstream, UpstreamTls};
use countersign::rule::Delivery;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

pub(crate) use self::ports::free_address;

pub(crate) mod asked;
pub(crate) mod authority;
pub(crate) mod cases;
pub(crate) mod child;
pub(crate) mod counts;
pub(crate) mod framing;
pub(crate) mod gateways;
pub(crate) mod http2;
pub(crate) mod ledger;
pub(crate) mod life;
pub(crate) mod lines;
pub(crate) mod load;
pub(crate) mod nginx;
pub(crate) mod operate;
pub(crate) mod outbox;
pub(crate) mod passing;
pub(crate) mod ports;
pub(crate) mod post;
pub(crate) mod shop;
pub(crate) mod site;
pub(crate) mod tls;
pub(crate) mod wire;
pub(crate) mod written;
pub(crate) mod wrk;

/// Whoever waits longer than this has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long an upstream takes that is late, and not too late.
const LATE: Duration = Duration::from_millis(50);

/// When it is, as far as the daemon knows.
pub(crate) const NOW: UnixSeconds = 1_700_000_000;

/// Resident memory of a process in KiB.
pub(crate) fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Asks again and again until the answer is yes.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        connections_max: 100,
        connections_per_address_max: 100,
        requests_per_connection_max: 10_000,
        idle_timeout: Duration::from_millis(300),
        bytes_per_second_min: 512,
        handshake_timeout: Duration::from_millis(300),
        header_bytes_max: 16 * 1024,
        headers_max: 30,
        header_timeout: Duration::from_millis(300),
        body_bytes_max: 10_000,
        body_timeout: Duration::from_millis(300),
        http2: Http2 {
            requests_max: 100,
            streams_max: 10,
            resets_max: 20,
            idle_frames_max: 100,
            idle_timeout: Duration::from_millis(600),
            age_max: PATIENCE,
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(300),
        },
        drain_timeout: Duration::from_secs(5),
    }
}

/// Nothing is configured but how long to wait.
pub(crate) fn exchanges() -> Exchanges {
    Exchanges {
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        answer_bytes_max: 10_000,
        in_flight_max: 4,
        addresses: BTreeMap::new(),
        private: BTreeSet::new(),
        roots: Vec::new(),
    }
}

pub(crate) fn retry() -> Retry {
    let (first, longest) = (Duration::from_secs(1), Duration::from_secs(60));
    Retry { first, longest, horizon: Duration::from_secs(14 * 24 * 3600) }
}

pub(crate) fn upstream(target: Target) -> Upstream {
    Upstream {
        name: "shop".into(),
        target,
        connect_timeout: Duration::from_millis(300),
        timeout: Duration::from_millis(300),
        in_flight_max: 4,
        secret: Some(Secret::from("a secret of twenty-four bytes")),
        retry: retry(),
        reach: Reach::default(),
        tls: UpstreamTls::default(),
    }
}

/// A route that cannot judge, so that every verdict is known.
pub(crate) fn route(
    path: &str,
    mode: Mode,
    forward: Forward,
    upstream: Upstream,
) -> (String, Route) {
    let route = Route {
        name: path.trim_matches('/').to_owned(),
        gateway: "acme".into(),
        bound: Err(vec!["parameter `key` is missing".into()]),
        upstream: Arc::new(upstream),
        forward,
        mode,
        delivery: Delivery::Direct,
        capture: Capture::None,
        hold_regressive: false,
        allow: None,
        rate: None,
    };
    (path.to_owned(), route)
}

pub(crate) fn canonical() -> Forward {
    Forward::Canonical { to: "/events".into() }
}

pub(crate) fn original(headers: &[&str]) -> Forward {
    Forward::Original { to: None, headers: headers.iter().map(|&name| name.into()).collect() }
}

pub(crate) fn snapshot(routes: Vec<(String, Route)>) -> Snapshot {
    let named =
        |(_, route): &(String, Route)| (route.upstream.name.clone(), Arc::clone(&route.upstream));
    let upstreams = routes.iter().map(named).collect();
    let routes = routes.into_iter().map(|(path, route)| (path, Arc::new(route))).collect();
    let token = Err("there is none".to_owned());
    Snapshot {
        generation: 1,
        routes,
        upstreams,
        site: Arc::default(),
        tls: None,
        exchanges: Arc::new(exchanges()),
        token,
        warnings: Vec::new(),
    }
}

/// The daemon with these routes, on ports of its own.
pub(crate) async fn daemon(limits: Limits, routes: Vec<(String, Route)>) -> Running {
    daemon_of(limits, routes, None).await
}

pub(crate) async fn daemon_of(
    limits: Limits,
    routes: Vec<(String, Route)>,
    source: Option<Box<dyn Source>>,
) -> Running {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let log = Log { format: LogFormat::Json, level: LogLevel::Info };
    let listen = vec![Listener { address: any, tls: None, proxy_protocol: false }];
    app::start(Setup {
        boot: Boot { listen, admin: Some(any), limits, store: None, log },
        store: None,
        live: Arc::new(Live::new(snapshot(routes))),
        source,
        clock: || NOW,
    })
    .await
    .unwrap()
}

/// The value of one series, or `None` if there is no such series.
pub(crate) fn series(running: &Running, name_and_labels: &str) -> Option<f64> {
    let text = String::from_utf8(running.metrics.text().unwrap()).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name_and_labels)?.trim().parse().ok())
}

/// How often a request ended so.
pub(crate) fn callbacks(running: &Running, route: &str, outcome: &str, reason: &str) -> f64 {
    let gateway = if route == "none" { "none" } else { "acme" };
    let labels = format!(
        "countersign_callbacks_total{{gateway=\"{gateway}\",outcome=\"{outcome}\",\
         reason=\"{reason}\",route=\"{route}\"}}"
    );
    series(running, &labels).unwrap_or(0.0)
}

/// How many requests ended in whatever way.
pub(crate) fn callbacks_in_all(running: &Running) -> f64 {
    let text = String::from_utf8(running.metrics.text().unwrap()).unwrap();
    text.lines()
        .filter(|line| line.starts_with("countersign_callbacks_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

/// How often the upstream answered so.
pub(crate) fn answers(running: &Running, class: &str) -> f64 {
    let labels =
        format!("countersign_upstream_responses_total{{class=\"{class}\",upstream=\"shop\"}}");
    series(running, &labels).unwrap()
}

pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: pay.example\r\nConnection: close\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// An answer, taken apart no further than needed.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line.eq_ignore_ascii_case(header))
    }
}

/// Sends bytes and reads until the peer closes. `None`: it closed without a word.
pub(crate) async fn tell(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Option<Told> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The peer may refuse before it has read everything.
    stream.write_all(bytes.as_ref()).await.ok();
    told(&mut stream).await
}

/// Reads until the peer closes.
pub(crate) async fn told(stream: &mut TcpStream) -> Option<Told> {
    let mut text = Vec::new();
    // A reset after the answer loses nothing of it.
    timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the peer closes").ok();
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Told { status, head: head.to_owned(), body: body.to_owned() })
}

/// What an upstream does with one request.
#[derive(Clone)]
pub(crate) enum Act {
    /// These bytes; the connection stays.
    Say(&'static str),
    /// These bytes, then the end.
    SayAndClose(&'static str),
    /// These bytes after a while; the connection stays.
    SayLate(&'static str),
    /// Nothing at all.
    Silence,
}

pub(crate) const OK: Act = Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");

/// One request as an upstream got it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    /// Counted over all connections of this upstream, from 0.
    pub(crate) connection: usize,
    pub(crate) line: String,
    /// Lower case names, sorted.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// An upstream that records what it gets.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Stub {
    /// Acts in this order, one act a request; the last one is repeated.
    pub(crate) async fn start(acts: &[Act]) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), acts).await
    }

    /// The same at an address of its own.
    pub(crate) async fn at(address: SocketAddr, acts: &[Act]) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (acts, got) = (Arc::new(acts.to_vec()), Arc::new(Mutex::new(Vec::new())));
        let all = Arc::clone(&got);
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, connection, Arc::clone(&acts), Arc::clone(&all)));
            }
        });
        Self { address, got }
    }

    pub(crate) fn target(&self) -> Target {
        Target::Http(format!("http://{}", self.address))
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// The same, and forgets it; for those that always act alike.
    pub(crate) fn take(&self) -> Vec<Got> {
        std::mem::take(&mut self.got.lock().unwrap())
    }
}

/// A port on which nobody listens.
pub(crate) fn nobody() -> Target {
    Target::Http(format!("http://{}", free_address()))
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    acts: Arc<Vec<Act>>,
    all: Arc<Mutex<Vec<Got>>>,
) {
    let mut text = Vec::new();
    loop {
        let got = loop {
            if let Some((got, length)) = request(&text, connection) {
                text.drain(..length);
                break got;
            }
            let mut part = [0; 4096];
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => return,
                Ok(length) => text.extend_from_slice(&part[..length]),
            }
        };
        let act = {
            let mut all = all.lock().unwrap();
            all.push(got);
            acts[(all.len() - 1).min(acts.len() - 1)].clone()
        };
        match act {
            Act::Say(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
            Act::SayAndClose(answer) => return stream.write_all(answer.as_bytes()).await.unwrap(),
            Act::SayLate(answer) => {
                sleep(LATE).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            Act::Silence => {}
        }
    }
}

/// The first whole request in `text`, and its length.
pub(crate) fn request(text: &[u8], connection: usize) -> Option<(Got, usize)> {
    let end = text.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(text[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let mut headers: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    headers.sort();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, length)| length.parse::<usize>().unwrap());
    let whole = end + 4 + length;
    let body = String::from_utf8(text.get(end + 4..whole)?.to_vec()).unwrap();
    Some((Got { connection, line, headers, body }, whole))
}
