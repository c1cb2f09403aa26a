//! Several addresses of one upstream: who gets a request, who is left alone, what is tried again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign::config::{Address, HealthCheck, Reach, Target};
use countersign::live;
use countersign::metrics::Metrics;
use countersign::upstream::{Deadlines, Error, Outgoing, Pool, Repeat, Terms};
use http_body_util::BodyExt as _;
use hyper::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::time::sleep;

use crate::support::shop::Folder;
use crate::support::*;

const NO: Act = Act::Say("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");

/// An upstream, and what is counted of it.
struct Site {
    pool: Arc<Pool>,
    metrics: Metrics,
}

impl Site {
    fn of(url: &str, reach: Reach) -> Self {
        let metrics = Metrics::new().unwrap();
        let upstream = live::Upstream { reach, ..upstream(Target::Http(url.to_owned())) };
        let pool = Arc::new(Pool::new(url, &upstream, metrics.upstream("shop")));
        Self { pool, metrics }
    }

    fn at(addresses: &[SocketAddr]) -> Self {
        let addresses = addresses.iter().copied().map(Address::Ip).collect();
        let reach = Reach { addresses, slow_start: Duration::ZERO, ..Reach::default() };
        Self::of("http://shop.example", reach)
    }

    async fn ask(&self, repeat: Repeat) -> Result<u16, Error> {
        let deadlines = Deadlines { whole: Some(PATIENCE), ..Deadlines::default() };
        let terms = Terms { repeat, deadlines, client: None };
        let request = Request::post("/in").body(Outgoing::from(Bytes::from_static(b"x"))).unwrap();
        let response = self.pool.send(request, terms).await?;
        let status = response.status().as_u16();
        response.into_body().collect().await?;
        Ok(status)
    }

    fn series(&self, name_and_labels: &str) -> i64 {
        let text = String::from_utf8(self.metrics.text().unwrap()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name_and_labels));
        line.unwrap_or_else(|| panic!("{name_and_labels}\n{text}")).trim().parse().unwrap()
    }

    fn retries(&self, reason: &str) -> i64 {
        self.series(&format!(
            "countersign_upstream_retries_total{{reason=\"{reason}\",upstream=\"shop\"}}"
        ))
    }

    fn usable(&self) -> i64 {
        self.pool.sweep();
        self.series("countersign_upstream_addresses_usable{upstream=\"shop\"}")
    }
}

#[tokio::test]
async fn requests_go_round_and_name_the_host_of_the_url() {
    let stubs = [Stub::start(&[OK]).await, Stub::start(&[OK]).await, Stub::start(&[OK]).await];
    let site = Site::at(&stubs.each_ref().map(|stub| stub.address));
    for _ in 0..9 {
        assert_eq!(site.ask(Repeat::Never).await, Ok(200));
    }
    for stub in &stubs {
        let got = stub.got();
        assert_eq!(got.len(), 3);
        assert!(got.iter().all(|got| got.connection == 0), "each connection is kept");
        assert_eq!(got[0].header("host"), Some("shop.example"));
    }
    assert_eq!(site.usable(), 3);
    let labels = format!("{{address=\"{}\",class=\"2xx\",upstream=\"shop\"}}", stubs[0].address);
    assert_eq!(site.series(&format!("countersign_upstream_requests_total{labels}")), 3);
    let state = |state| {
        let labels = format!("{{state=\"{state}\",upstream=\"shop\"}}");
        site.series(&format!("countersign_upstream_connections{labels}"))
    };
    assert_eq!((state("open"), state("idle")), (3, 3));
}

#[tokio::test]
async fn the_one_with_fewer_requests_under_way_gets_the_next() {
    let slow = Stub::start(&[Act::Silence]).await;
    let quick = Stub::start(&[OK]).await;
    let site = Arc::new(Site::at(&[slow.address, quick.address]));
    let waiting = {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.ask(Repeat::Never).await })
    };
    // The first has the first turn.
    eventually("the slow one has its request", async || slow.got().len() == 1).await;
    for _ in 0..6 {
        assert_eq!(site.ask(Repeat::Never).await, Ok(200));
    }
    assert_eq!((slow.got().len(), quick.got().len()), (1, 6));
    waiting.abort();
}

#[tokio::test]
async fn a_request_that_finds_nobody_goes_to_the_next_address_and_soon_at_once() {
    let stub = Stub::start(&[OK]).await;
    let site = Site::at(&[free_address(), stub.address]);
    for _ in 0..12 {
        assert_eq!(site.ask(Repeat::Never).await, Ok(200));
    }
    assert_eq!(stub.got().len(), 12);
    assert_eq!(site.retries("connect_failed"), 3, "after three failures it is left alone");
    assert_eq!(site.usable(), 1);
}

#[tokio::test]
async fn with_no_address_well_all_are_tried() {
    let (one, other) = (free_address(), free_address());
    let site = Site::at(&[one, other]);
    for _ in 0..6 {
        assert_eq!(site.ask(Repeat::Never).await, Err(Error::ConnectFailed));
    }
    assert_eq!(site.usable(), 0);
    let _stub = Stub::at(one, &[OK]).await;
    assert_eq!(site.ask(Repeat::Never).await, Ok(200), "it is not waited for");
    assert_eq!(site.usable(), 1);
}

#[tokio::test]
async fn no_more_than_three_addresses_are_tried_for_one_request() {
    let mut addresses = Vec::new();
    for _ in 0..5 {
        addresses.push(free_address());
    }
    let site = Site::at(&addresses);
    assert_eq!(site.ask(Repeat::Safe).await, Err(Error::ConnectFailed));
    assert_eq!(site.retries("connect_failed"), 2);
}

#[tokio::test]
async fn what_may_be_repeated_is_sent_once_more_to_another_address() {
    for act in [NO, Act::SayAndClose("")] {
        let stubs = [
            Stub::start(std::slice::from_ref(&act)).await,
            Stub::start(std::slice::from_ref(&act)).await,
            Stub::start(&[act]).await,
        ];
        let site = Site::at(&stubs.each_ref().map(|stub| stub.address));
        let counts = || stubs.iter().map(|stub| stub.got().len()).collect::<Vec<_>>();
        let answer = site.ask(Repeat::Safe).await;
        assert!(matches!(answer, Ok(503) | Err(Error::Unanswered)), "{answer:?}");
        assert_eq!(counts().iter().sum::<usize>(), 2, "once more, not again and again");
        assert_eq!(counts().iter().max(), Some(&1));
        assert_eq!(site.retries("failed"), 1);
        site.ask(Repeat::Never).await.ok();
        assert_eq!(counts().iter().sum::<usize>(), 3, "nobody knows whether it may be");
    }
}

#[tokio::test]
async fn answers_that_say_it_cannot_serve_take_an_address_out() {
    let (no, yes) = (Stub::start(&[NO]).await, Stub::start(&[OK]).await);
    let site = Site::at(&[no.address, yes.address]);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(site.ask(Repeat::Never).await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 3);
    let labels = format!("{{address=\"{}\",to=\"down\",upstream=\"shop\"}}", no.address);
    assert_eq!(site.series(&format!("countersign_upstream_health_changes_total{labels}")), 1);
}

#[tokio::test]
async fn an_address_that_says_it_is_unwell_gets_nothing_until_it_is_well() {
    let (sick, well) = (free_address(), Stub::start(&[OK]).await);
    let ill = Stub::at(sick, &[NO, NO, OK]).await;
    let health = HealthCheck {
        path: "/health".into(),
        interval: Duration::from_millis(20),
        timeout: PATIENCE,
        healthy: 2,
        unhealthy: 2,
        status: 200..=299,
    };
    let addresses = vec![Address::Ip(sick), Address::Ip(well.address)];
    let slow_start = Duration::ZERO;
    let reach = Reach { addresses, slow_start, health: Some(health), ..Reach::default() };
    let site = Site::of("http://shop.example", reach);
    eventually("it is taken out", async || site.usable() == 1).await;
    let asked = |stub: &Stub| stub.got().iter().filter(|got| got.line.starts_with("POST")).count();
    for _ in 0..4 {
        assert_eq!(site.ask(Repeat::Never).await, Ok(200));
    }
    assert!(ill.got().iter().all(|got| got.line == "GET /health HTTP/1.1"));
    assert_eq!(ill.got()[0].header("user-agent"), Some("countersign-health"));
    eventually("it is back", async || site.usable() == 2).await;
    for _ in 0..4 {
        assert_eq!(site.ask(Repeat::Never).await, Ok(200));
    }
    assert_eq!((asked(&ill), asked(&well)), (2, 6));
}

#[tokio::test]
async fn without_keep_alive_each_request_has_a_connection_of_its_own() {
    let stub = Stub::start(&[OK]).await;
    let reach = Reach { keep_alive: false, ..Reach::default() };
    let site = Site::of(&format!("http://{}", stub.address), reach);
    for _ in 0..3 {
        assert_eq!(site.ask(Repeat::Never).await, Ok(200));
    }
    let got = stub.got();
    assert_eq!(got.iter().map(|got| got.connection).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(got.iter().all(|got| got.header("connection") == Some("close")));
}

#[tokio::test]
async fn a_unix_socket_is_an_address_like_any_other() {
    let folder = Folder::new();
    let path = folder.at("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await.unwrap();
        }
    });
    let reach = Reach { addresses: vec![Address::Unix(path)], ..Reach::default() };
    let site = Site::of("http://shop.example", reach);
    assert_eq!(site.ask(Repeat::Never).await, Ok(200));
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_not_for_each_connection() {
    let stub = Stub::start(&[Act::SayAndClose("HTTP/1.1 204 No Content\r\n\r\n")]).await;
    let site = Site::of(&format!("http://localhost:{}", stub.address.port()), Reach::default());
    for _ in 0..3 {
        assert_eq!(site.ask(Repeat::Never).await, Ok(204));
    }
    assert!((1..=2).contains(&site.series("countersign_upstream_addresses{upstream=\"shop\"}")));
    assert_eq!(site.series("countersign_upstream_dns_failures_total{upstream=\"shop\"}"), 0);
}

#[tokio::test]
async fn a_name_that_is_looked_up_again_keeps_its_connections() {
    let stub = Stub::start(&[OK]).await;
    let reach = Reach { resolve_every: Duration::from_millis(1), ..Reach::default() };
    let site = Site::of(&format!("http://localhost:{}", stub.address.port()), reach);
    for _ in 0..5 {
        assert_eq!(site.ask(Repeat::Never).await, Ok(200));
        sleep(Duration::from_millis(20)).await;
        site.pool.sweep();
    }
    assert!(stub.got().iter().all(|got| got.connection == 0));
    assert_eq!(site.series("countersign_upstream_dns_failures_total{upstream=\"shop\"}"), 0);
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_no_connection_and_does_not_take_the_others_along() {
    let unknown = || Address::Name { host: "nobody.invalid".into(), port: 80 };
    let reach = Reach { addresses: vec![unknown()], ..Reach::default() };
    let site = Site::of("http://shop.example", reach);
    assert_eq!(site.ask(Repeat::Never).await, Err(Error::ConnectFailed));
    assert_eq!(site.ask(Repeat::Never).await, Err(Error::ConnectFailed));
    let failures = "countersign_upstream_dns_failures_total{upstream=\"shop\"}";
    eventually("it was looked up in vain", async || site.series(failures) >= 1).await;
    let stub = Stub::start(&[OK]).await;
    let addresses = vec![unknown(), Address::Ip(stub.address)];
    let site = Site::of("http://shop.example", Reach { addresses, ..Reach::default() });
    eventually("the known one is used", async || site.ask(Repeat::Never).await == Ok(200)).await;
}

#[tokio::test]
async fn as_many_requests_as_are_allowed_and_one_more_is_counted() {
    let stub = Stub::start(&[Act::Silence]).await;
    let site = Arc::new(Site::at(&[stub.address]));
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let site = Arc::clone(&site);
            tokio::spawn(async move { site.ask(Repeat::Never).await })
        })
        .collect();
    eventually("four are under way", async || stub.got().len() == 4).await;
    assert_eq!(site.ask(Repeat::Never).await, Err(Error::Busy));
    assert_eq!(site.series("countersign_upstream_busy_total{upstream=\"shop\"}"), 1);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(
        site.series("countersign_upstream_connections{state=\"open\",upstream=\"shop\"}"),
        0
    );
}

#[tokio::test]
async fn answers_that_break_off_take_an_address_out_too() {
    let cut = Act::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nOK");
    let (breaks, well) = (Stub::start(&[cut]).await, Stub::start(&[OK]).await);
    let site = Site::at(&[breaks.address, well.address]);
    let mut broken = 0;
    for _ in 0..20 {
        broken += u32::from(site.ask(Repeat::Never).await == Err(Error::Broken));
    }
    // The head of each answer was good, until the rest was not.
    assert_eq!(broken, 3);
    assert_eq!(breaks.got().len() + well.got().len(), 20);
}

#[tokio::test]
async fn the_series_of_addresses_vanish_with_them() {
    let stubs = [Stub::start(&[OK]).await, Stub::start(&[OK]).await];
    let [before, after] = stubs.each_ref().map(|stub| stub.address);
    let site = Site::at(&[before]);
    assert_eq!(site.ask(Repeat::Never).await, Ok(200));
    let text = || String::from_utf8(site.metrics.text().unwrap()).unwrap();
    assert!(text().contains(&before.to_string()));
    // As by a reload.
    let reach = Reach { addresses: vec![Address::Ip(after)], ..Reach::default() };
    let url = "http://shop.example";
    let upstream = live::Upstream { reach, ..upstream(Target::Http(url.to_owned())) };
    assert!(!site.pool.serves(url, &upstream));
    drop(Pool::new(url, &upstream, site.metrics.upstream("shop")));
    assert!(!text().contains(&before.to_string()));
    assert!(text().contains(&after.to_string()));
}
