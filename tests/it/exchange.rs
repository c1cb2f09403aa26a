//! What the daemon asks of gateways: over TLS before a real nginx, and byte for byte before a peer
//! that does as it is told.

use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use countersign::config::Host;
use countersign::engine::exchange::{Answer, Exchange};
use countersign::exchange::Exchanger;
use countersign::live::Exchanges;
use countersign::metrics::Metrics;
use tokio::task::yield_now;
use zeroize::Zeroizing;

use crate::support::authority::{Authority, at};
use crate::support::lines::Lines;
use crate::support::nginx::Nginx;
use crate::support::*;

/// Who is asked.
const HOST: &str = "api.gateway.example";

fn get(url: &str) -> Exchange {
    Exchange {
        name: "state".into(),
        method: "GET",
        url: Zeroizing::new(url.to_owned()),
        headers: Vec::new(),
        body: Zeroizing::default(),
        cache_seconds: None,
        refresh: false,
    }
}

/// Of the peer that does as it is told.
fn plain(path: &str) -> Exchange {
    get(&format!("http://{HOST}{path}"))
}

fn cached(seconds: u32) -> Exchange {
    Exchange { cache_seconds: Some(seconds), ..plain("/keys") }
}

fn anew(exchange: &Exchange) -> Exchange {
    Exchange { refresh: true, ..exchange.clone() }
}

fn given(status: u16, body: &str) -> Answer {
    Answer::Given { status, body: body.as_bytes().into(), cached: false }
}

fn again(body: &str) -> Answer {
    Answer::Given { status: 200, body: body.as_bytes().into(), cached: true }
}

/// One that asks, and what it counts.
struct Asker {
    exchanger: Exchanger,
    metrics: Metrics,
}

impl Asker {
    fn new(settings: &Exchanges) -> Self {
        let metrics = Metrics::new().unwrap();
        Self { exchanger: Exchanger::new(settings, &metrics), metrics }
    }

    /// Asks this peer for everything that it asks of [`HOST`].
    fn of(stub: &Stub) -> Self {
        Self::new(&at(exchanges(), HOST, stub.address))
    }

    async fn ask(&self, exchange: &Exchange) -> Answer {
        self.exchanger.ask("acme", exchange).await
    }

    /// How many questions ended so.
    fn ended(&self, outcome: &str) -> u64 {
        self.series(&format!(
            "countersign_exchanges_total{{exchange=\"state\",gateway=\"acme\",outcome=\"{outcome}\"}}"
        ))
        .map_or(0, |value| value.parse().unwrap())
    }

    fn series(&self, series: &str) -> Option<String> {
        let text = String::from_utf8(self.metrics.text().unwrap()).unwrap();
        text.lines().find_map(|line| Some(line.strip_prefix(series)?.trim().to_owned()))
    }
}

#[track_caller]
fn unavailable(asker: &Asker, answer: &Answer, outcome: &str) {
    assert_eq!(*answer, Answer::Unavailable);
    assert_eq!(asker.ended(outcome), 1, "{}", all(asker));
}

fn all(asker: &Asker) -> String {
    String::from_utf8(asker.metrics.text().unwrap()).unwrap()
}

/// A gateway over TLS, and one that asks it.
async fn over_tls(settings: Exchanges) -> (Nginx, Asker) {
    let authority = Authority::new();
    let nginx = Nginx::gateway(&authority.certify(HOST)).await;
    let asker = Asker::new(&at(authority.trusted(settings), HOST, nginx.address));
    (nginx, asker)
}

fn tls(path: &str) -> Exchange {
    get(&format!("https://{HOST}{path}"))
}

#[tokio::test]
async fn a_gateway_is_asked_over_tls_and_answers() {
    let (nginx, asker) = over_tls(exchanges()).await;
    assert_eq!(asker.ask(&tls("/state")).await, given(200, "state: legacy: taken"));
    assert_eq!(asker.ask(&tls("/none")).await, given(404, "none"));
    let version = env!("CARGO_PKG_VERSION");
    let line = |path, status| {
        format!("GET {path} HTTP/1.1|{HOST}|countersign/{version}|identity|{status}")
    };
    assert_eq!(nginx.asked(2).await, [line("/state", 200), line("/none", 404)]);
    assert_eq!(asker.ended("answered"), 2);
    let took = "countersign_exchange_seconds_count{exchange=\"state\",gateway=\"acme\"}";
    assert_eq!(asker.series(took).as_deref(), Some("2"));
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    for version in ["TLSv1.2", "TLSv1.3"] {
        let authority = Authority::new();
        let ssl = format!("{} ssl_protocols {version};", authority.certify(HOST));
        let nginx = Nginx::gateway(&ssl).await;
        let asker = Asker::new(&at(authority.trusted(exchanges()), HOST, nginx.address));
        assert_eq!(asker.ask(&tls("/none")).await, given(404, "none"), "{version}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let nginx = Nginx::gateway(&authority.certify("other.gateway.example")).await;
    let asker = Asker::new(&at(authority.trusted(exchanges()), HOST, nginx.address));
    unavailable(&asker, &asker.ask(&tls("/state")).await, "tls_failed");
    // It works where the name is right, and is told nothing before that.
    let named = at(authority.trusted(exchanges()), "other.gateway.example", nginx.address);
    let url = "https://other.gateway.example/state";
    assert_eq!(Asker::new(&named).ask(&get(url)).await, given(200, "state: legacy: taken"));
    assert!(nginx.asked(1).await[0].contains("|other.gateway.example|"));
}

#[tokio::test]
async fn a_certificate_by_an_authority_that_nobody_trusts_is_refused() {
    let authority = Authority::new();
    let nginx = Nginx::gateway(&authority.certify(HOST)).await;
    let other = Authority::new();
    for settings in [exchanges(), other.trusted(exchanges())] {
        let asker = Asker::new(&at(settings, HOST, nginx.address));
        unavailable(&asker, &asker.ask(&tls("/state")).await, "tls_failed");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (nginx, asker) = over_tls(exchanges()).await;
    let Answer::Given { status, cached, .. } = asker.ask(&tls("/moved")).await else {
        panic!("{}", all(&asker))
    };
    assert_eq!((status, cached), (302, false));
    assert!(nginx.asked(1).await[0].ends_with("|302"));
}

#[tokio::test]
async fn an_answer_that_comes_too_slowly_is_none() {
    let timeout = Duration::from_millis(200);
    let (_nginx, asker) = over_tls(Exchanges { timeout, ..exchanges() }).await;
    unavailable(&asker, &asker.ask(&tls("/slow")).await, "timeout");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_none() {
    let exactly = Exchanges { answer_bytes_max: 3000, ..exchanges() };
    let (_nginx, asker) = over_tls(exactly).await;
    assert_eq!(asker.ask(&tls("/large")).await, given(200, &"x".repeat(3000)));
    let (_nginx, asker) = over_tls(Exchanges { answer_bytes_max: 2999, ..exchanges() }).await;
    unavailable(&asker, &asker.ask(&tls("/large")).await, "too_large");

    // One that does not say how long it is, and never ends.
    let endless = Act::Say(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n67890\r\n1\r\nx",
    );
    let stub = Stub::start(&[endless]).await;
    let settings = Exchanges { answer_bytes_max: 10, ..exchanges() };
    let asker = Asker::new(&at(settings, HOST, stub.address));
    unavailable(&asker, &asker.ask(&plain("/")).await, "too_large");
}

#[tokio::test]
async fn a_body_that_is_encoded_after_all_is_no_answer() {
    let (_nginx, asker) = over_tls(exchanges()).await;
    unavailable(&asker, &asker.ask(&tls("/encoded")).await, "broken");
}

#[tokio::test]
async fn what_is_no_whole_answer_is_none() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOK",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "",
    ] {
        let stub = Stub::start(&[Act::SayAndClose(answer)]).await;
        let asker = Asker::of(&stub);
        unavailable(&asker, &asker.ask(&plain("/")).await, "broken");
    }
}

#[tokio::test]
async fn a_question_arrives_as_it_was_meant_with_a_head_of_our_own() {
    let answer =
        Act::Say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
    let stub = Stub::start(&[answer]).await;
    let asker = Asker::of(&stub);
    let header = |name, value: &str| (name, Zeroizing::new(value.to_owned()));
    let exchange = Exchange {
        method: "POST",
        headers: vec![
            header("authorization", "Basic YTpi"),
            header("content-type", "text/plain"),
            header("host", "evil.example"),
            header("content-length", "1"),
            header("transfer-encoding", "chunked"),
            header("user-agent", "somebody"),
            header("accept-encoding", "gzip"),
            header("expect", "100-continue"),
        ],
        body: Zeroizing::new(b"cmd=_notify-validate&x=%20".to_vec()),
        ..get(&format!("http://{HOST}:8080/a/b?c=%20&d"))
    };
    assert_eq!(asker.ask(&exchange).await, given(200, "OK"));
    let [got] = &stub.got()[..] else { panic!("{:?}", stub.got()) };
    assert_eq!(got.line, "POST /a/b?c=%20&d HTTP/1.1");
    let agent = concat!("countersign/", env!("CARGO_PKG_VERSION"));
    let headers: Vec<_> =
        got.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("accept-encoding", "identity"),
            ("authorization", "Basic YTpi"),
            ("connection", "close"),
            ("content-length", "26"),
            ("content-type", "text/plain"),
            ("host", "api.gateway.example:8080"),
            ("user-agent", agent),
        ]
    );
    assert_eq!(got.body, "cmd=_notify-validate&x=%20");
}

#[tokio::test]
async fn a_question_that_would_break_out_of_its_header_is_not_asked() {
    let stub = Stub::start(&[OK]).await;
    let asker = Asker::of(&stub);
    let headers = vec![("x-id", Zeroizing::new("1\r\nx-admin: yes".to_owned()))];
    let answer = asker.ask(&Exchange { headers, ..plain("/") }).await;
    unavailable(&asker, &answer, "refused_address");
    assert!(stub.got().is_empty());
}

/// A port of this machine that nobody may call, and how to tell whether somebody did.
struct Guarded(TcpListener);

impl Guarded {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    #[track_caller]
    fn was_left_alone(&self) {
        assert_eq!(self.0.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn a_private_address_is_refused_without_being_contacted() {
    let guarded = Guarded::new();
    let port = guarded.port();
    for host in ["127.0.0.1", "localhost", "LocalHost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"] {
        let asker = Asker::new(&exchanges());
        let answer = asker.ask(&get(&format!("https://{host}:{port}/"))).await;
        unavailable(&asker, &answer, "refused_address");
    }
    guarded.was_left_alone();
}

#[tokio::test]
async fn plain_http_to_a_host_that_is_not_configured_is_refused() {
    let guarded = Guarded::new();
    let elsewhere = at(exchanges(), HOST, guarded.0.local_addr().unwrap());
    for host in ["127.0.0.1", "localhost", "www.gateway.example", "api.gateway.example.evil"] {
        let asker = Asker::new(&elsewhere);
        let answer = asker.ask(&get(&format!("http://{host}:{}/", guarded.port()))).await;
        unavailable(&asker, &answer, "refused_address");
    }
    guarded.was_left_alone();
}

#[tokio::test]
async fn a_host_that_may_be_private_is_asked_there_and_nowhere_worse() {
    let stub = Stub::start(&[OK]).await;
    let mut settings = exchanges();
    for host in ["localhost", "127.0.0.1", "0.0.0.0", "169.254.169.254"] {
        settings.private.insert(Host::parse(host).unwrap());
    }
    for (host, outcome) in [
        ("localhost", "answered"),
        ("127.0.0.1", "answered"),
        ("0.0.0.0", "refused_address"),
        ("169.254.169.254", "refused_address"),
    ] {
        let asker = Asker::new(&settings);
        asker.ask(&get(&format!("http://{host}:{}/", stub.address.port()))).await;
        assert_eq!(asker.ended(outcome), 1, "{host}: {}", all(&asker));
    }
    assert_eq!(stub.got().len(), 2);
}

#[tokio::test]
async fn a_name_or_a_port_where_nobody_is_fails_to_connect() {
    let nobody = at(exchanges(), HOST, free_address());
    let asker = Asker::new(&nobody);
    unavailable(&asker, &asker.ask(&plain("/")).await, "connect_failed");
    let asker = Asker::new(&exchanges());
    unavailable(&asker, &asker.ask(&get("https://nobody.invalid/")).await, "connect_failed");
}

#[tokio::test]
async fn a_peer_that_never_says_hello_is_no_connection() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Exchanges { connect_timeout: Duration::from_millis(100), ..exchanges() };
    let asker = Asker::new(&at(settings, HOST, silent.local_addr().unwrap()));
    unavailable(&asker, &asker.ask(&tls("/")).await, "connect_failed");
}

#[tokio::test]
async fn a_cached_answer_is_asked_for_once() {
    let stub = Stub::start(&[OK]).await;
    let asker = Asker::of(&stub);
    assert_eq!(asker.ask(&cached(60)).await, given(200, "OK"));
    assert_eq!(asker.ask(&cached(60)).await, again("OK"));
    assert_eq!(asker.ask(&cached(60)).await, again("OK"));
    assert_eq!(stub.got().len(), 1);
    assert_eq!((asker.ended("answered"), asker.ended("cached")), (1, 2));
    // Another gateway, another body or no leave to keep it: another question.
    assert_eq!(asker.exchanger.ask("other", &cached(60)).await, given(200, "OK"));
    let body = Zeroizing::new(b"x".to_vec());
    assert_eq!(asker.ask(&Exchange { body, ..cached(60) }).await, given(200, "OK"));
    assert_eq!(asker.ask(&plain("/keys")).await, given(200, "OK"));
    assert_eq!(stub.got().len(), 4);
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_asked_each_time() {
    let none = Act::Say("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    let stub = Stub::start(&[none.clone(), none, OK, OK]).await;
    let asker = Asker::of(&stub);
    for _ in 0..2 {
        assert_eq!(asker.ask(&cached(60)).await, given(404, ""), "only 200 is kept");
    }
    for _ in 0..2 {
        assert_eq!(asker.ask(&cached(0)).await, given(200, "OK"));
    }
    assert_eq!(stub.got().len(), 4);
}

#[tokio::test]
async fn a_refresh_asks_again_and_replaces_what_was_kept() {
    let new = Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew");
    let no = Act::Say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let stub = Stub::start(&[OK, no, Act::SayAndClose(""), new]).await;
    let asker = Asker::of(&stub);
    assert_eq!(asker.ask(&cached(60)).await, given(200, "OK"));
    // A refresh that fails does not spoil what is there.
    assert_eq!(asker.ask(&anew(&cached(60))).await, given(500, ""));
    assert_eq!(asker.ask(&anew(&cached(60))).await, Answer::Unavailable);
    assert_eq!(asker.ask(&cached(60)).await, again("OK"));
    assert_eq!(asker.ask(&anew(&cached(60))).await, given(200, "new"));
    assert_eq!(asker.ask(&cached(60)).await, again("new"));
    // What is a moment old does for those who want it anew, however often they do.
    assert_eq!(asker.ask(&anew(&cached(60))).await, given(200, "new"));
    assert_eq!(stub.got().len(), 4);
}

#[tokio::test]
async fn equal_questions_at_once_ask_once() {
    let late = Act::SayLate("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    let stub = Stub::start(&[late]).await;
    let asker = Asker::of(&stub);
    let (one, two, refresh) = (cached(60), cached(60), anew(&cached(60)));
    let answers = tokio::join!(asker.ask(&one), asker.ask(&two), asker.ask(&refresh));
    let fresh = || given(200, "late");
    assert_eq!(answers, (fresh(), fresh(), fresh()));
    assert_eq!(stub.got().len(), 1);
    // The state of a payment is of the moment: never shared.
    let (one, two) = (plain("/state"), plain("/state"));
    tokio::join!(asker.ask(&one), asker.ask(&two));
    assert_eq!(stub.got().len(), 3);
}

#[tokio::test]
async fn equal_questions_at_once_fail_together() {
    let stub = Stub::start(&[Act::SayAndClose(""), OK]).await;
    let asker = Asker::of(&stub);
    let (one, two) = (cached(60), cached(60));
    let answers = tokio::join!(asker.ask(&one), asker.ask(&two));
    assert_eq!(answers, (Answer::Unavailable, Answer::Unavailable));
    assert_eq!(asker.ended("broken"), 2);
    assert_eq!(asker.ask(&cached(60)).await, given(200, "OK"), "a failure is not kept");
    assert_eq!(stub.got().len(), 2);
}

#[tokio::test]
async fn who_waits_for_somebody_that_goes_away_asks_himself() {
    let stub = Stub::start(&[Act::Silence, OK]).await;
    let asker = Arc::new(Asker::of(&stub));
    let first = tokio::spawn({
        let asker = Arc::clone(&asker);
        async move { asker.ask(&cached(60)).await }
    });
    eventually("the first has asked", async || stub.got().len() == 1).await;
    let question = cached(60);
    let mut second = pin!(asker.ask(&question));
    tokio::select! {
        biased;
        answer = &mut second => panic!("{answer:?}"),
        () = yield_now() => {}
    }
    assert_eq!(stub.got().len(), 1, "the second waits");
    first.abort();
    assert_eq!(second.await, given(200, "OK"));
    assert_eq!(stub.got().len(), 2);
}

#[tokio::test]
async fn one_too_many_at_a_time_is_turned_away_at_once() {
    let stub = Stub::start(&[Act::Silence]).await;
    let settings = Exchanges { in_flight_max: 1, ..exchanges() };
    let asker = Arc::new(Asker::new(&at(settings, HOST, stub.address)));
    let first = tokio::spawn({
        let asker = Arc::clone(&asker);
        async move { asker.ask(&plain("/")).await }
    });
    eventually("the first has asked", async || stub.got().len() == 1).await;
    unavailable(&asker, &asker.ask(&plain("/")).await, "busy");
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(stub.got().len(), 1);
}

#[tokio::test]
async fn after_five_failures_in_a_row_a_host_is_left_alone() {
    let no = Act::Say("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let bad = Act::SayAndClose("");
    let stub = Stub::start(&[no.clone(), bad.clone(), OK, no, bad]).await;
    let settings = at(exchanges(), HOST, stub.address);
    let asker = Asker::new(&at(settings, "other.gateway.example", stub.address));
    let open = format!("countersign_exchange_breaker_open{{host=\"{HOST}\"}}");
    for _ in 0..7 {
        asker.ask(&plain("/")).await;
    }
    assert_eq!(asker.series(&open).as_deref(), Some("0"), "four since the last success");
    asker.ask(&plain("/")).await;
    assert_eq!(asker.series(&open).as_deref(), Some("1"));
    assert_eq!(stub.got().len(), 8);
    for _ in 0..3 {
        assert_eq!(asker.ask(&plain("/")).await, Answer::Unavailable);
    }
    assert_eq!(asker.ended("breaker_open"), 3);
    assert_eq!(stub.got().len(), 8, "it was not contacted");
    asker.ask(&get("http://other.gateway.example/")).await;
    assert_eq!(stub.got().len(), 9, "another host is another matter");
}

#[tokio::test]
async fn what_is_kept_is_given_while_its_host_is_left_alone() {
    let stub = Stub::start(&[OK, Act::SayAndClose("")]).await;
    let asker = Asker::of(&stub);
    asker.ask(&cached(60)).await;
    for _ in 0..6 {
        asker.ask(&plain("/")).await;
    }
    assert_eq!(asker.ended("breaker_open"), 1);
    assert_eq!(asker.ask(&cached(60)).await, again("OK"));
}

#[tokio::test]
async fn a_question_that_is_refused_is_no_failure_of_the_host() {
    let stub = Stub::start(&[OK]).await;
    let asker = Asker::of(&stub);
    let headers = vec![("x", Zeroizing::new("\n".to_owned()))];
    for _ in 0..6 {
        asker.ask(&Exchange { headers: headers.clone(), ..plain("/") }).await;
    }
    assert_eq!(asker.ended("refused_address"), 6);
    assert_eq!(asker.ask(&plain("/")).await, given(200, "OK"));
    for _ in 0..6 {
        asker.ask(&get("https://localhost/")).await;
    }
    assert_eq!(asker.ended("refused_address"), 12, "{}", all(&asker));
}

#[tokio::test]
async fn a_failure_is_logged_once_and_without_what_was_sent_or_received() {
    let (lines, _catching) = Lines::catch();
    let stub = Stub::start(&[Act::SayAndClose("HTTP/1.1 canary-answer\r\n\r\n")]).await;
    let asker = Asker::of(&stub);
    let secret = |url: &str| Exchange {
        method: "POST",
        headers: vec![("authorization", Zeroizing::new("canary-header".to_owned()))],
        body: Zeroizing::new(b"canary-body".to_vec()),
        ..get(url)
    };
    asker.ask(&secret(&format!("http://{HOST}/canary-path?canary-query"))).await;
    asker.ask(&secret("https://canary-user:canary-password@a.example/canary-path")).await;
    asker.ask(&secret("https://127.0.0.1/canary-path")).await;
    let lines = lines.take("countersign::exchange");
    assert!(!format!("{lines:?}").contains("canary"), "{lines:?}");
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            assert_eq!(line["level"], "WARN");
            ["gateway", "exchange", "host", "outcome"].map(|key| line[key].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ["acme", "state", HOST, "broken"],
            ["acme", "state", "", "refused_address"],
            ["acme", "state", "127.0.0.1", "refused_address"],
        ]
    );
}

#[tokio::test]
async fn it_serves_as_long_as_its_settings_stay_as_they_are() {
    let settings = exchanges();
    let asker = Asker::new(&settings);
    assert!(asker.exchanger.serves(&exchanges()));
    assert!(!asker.exchanger.serves(&Exchanges { in_flight_max: 5, ..exchanges() }));
    assert!(!asker.exchanger.serves(&Authority::new().trusted(exchanges())));
}
