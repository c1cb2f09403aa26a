//! HTTP/2: the same line as over HTTP/1.1, with heads of one reading, and every limit one past it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign::app::Running;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::support::authority::*;
use crate::support::gateways::genuine;
use crate::support::http2::*;
use crate::support::shop::*;
use crate::support::tls::*;
use crate::support::{Act, OK, PATIENCE, Stub, eventually, series};

/// A shop behind TLS, with a route that observes: whatever is let pass reaches the upstream.
struct Edge {
    client: Client,
    authority: Authority,
    folder: Folder,
    stub: Stub,
    running: Running,
}

/// What the tests need to see an end of.
const LIMITS: &str = "body: 10000B, body_timeout: 300ms, headers: 30, header_timeout: 300ms, \
                      header_bytes: 8KiB, http2_streams: 10, http2_resets: 20, \
                      http2_idle_frames: 100";

async fn edge(acts: &[Act]) -> Edge {
    edge_with(LIMITS, acts).await
}

async fn edge_with(limits: &str, acts: &[Act]) -> Edge {
    let (authority, folder, stub) = prepared(limits, acts).await;
    let running = open(&folder).await;
    Edge { client: Client::of(&authority), authority, folder, stub, running }
}

async fn prepared(limits: &str, acts: &[Act]) -> (Authority, Folder, Stub) {
    let stub = Stub::start(acts).await;
    let folder = folder(&configured(limits, &format!("http://{}", stub.address)));
    let authority = Authority::new();
    authority.issue("a", "subjectAltName = DNS:pay.example", EC);
    for file in ["a.pem", "a.key"] {
        folder.write(&format!("tls/{file}"), authority.read(file));
    }
    (authority, folder, stub)
}

fn configured(limits: &str, upstream: &str) -> String {
    let mut routes = timeless_routes();
    let mut watch = Wired::usual("liqpay");
    watch.name = "watch".into();
    watch.mode = "observe";
    watch.forward = "{ as: original, headers: [cookie, x-a] }".into();
    routes.push(watch);
    let text = config(upstream, &routes);
    let plain = "listen: [{ address: \"127.0.0.1:0\" }]";
    assert!(text.contains(plain));
    text.replace(
        plain,
        &format!(
            "listen: [{{ address: \"127.0.0.1:0\", tls: true }}]\n\
             tls: {{ certificates: [{{ chain: \"file:tls/a.pem\", key: \"file:tls/a.key\" }}] }}\n\
             limits: {{ {limits} }}"
        ),
    )
}

impl Edge {
    async fn peer(&self) -> Peer {
        Peer::to(&self.client, self.running.addresses[0]).await
    }

    async fn peer_with(&self, settings: &[(u16, u32)]) -> Peer {
        Peer::with(&self.client, self.running.addresses[0], settings).await
    }

    fn count(&self, series_of: &str) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole numbers"
        )]
        series(&self.running, series_of).map_or(0, |value| value as u64)
    }

    fn ended(&self, end: &str) -> u64 {
        self.count(&format!("countersign_http2_connections_total{{end=\"{end}\"}}"))
    }

    fn reset(&self, why: &str) -> u64 {
        self.count(&format!("countersign_http2_streams_reset_total{{why=\"{why}\"}}"))
    }

    /// Requests that were refused before any route, for this reason.
    fn refused(&self, reason: &str) -> u64 {
        self.count(&format!(
            "countersign_callbacks_total{{gateway=\"none\",outcome=\"rejected\",\
             reason=\"{reason}\",route=\"none\"}}"
        ))
    }

    async fn ends(&self, end: &str) {
        eventually(&format!("it ends: {end}"), async || self.ended(end) == 1).await;
    }
}

#[tokio::test]
async fn curl_delivers_callbacks_of_every_gateway_over_http2() {
    let edge = edge(&[OK]).await;
    for (n, gateway) in ["liqpay", "paysera", "smartexpay", "stripe"].into_iter().enumerate() {
        let callback = genuine(gateway, n);
        edge.folder.write("body", &callback.body);
        let body = format!("@{}", edge.folder.at("body").display());
        let port = edge.running.addresses[0].port();
        let url = format!("https://pay.example:{port}/{gateway}/{}", callback.query);
        let mut arguments =
            vec!["--http2", "-X", &callback.method, "-w", " %{http_code} %{http_version}"];
        let headers: Vec<String> = callback
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", str::from_utf8(value).unwrap()))
            .collect();
        arguments.extend(headers.iter().flat_map(|header| ["-H", header]));
        if !callback.body.is_empty() {
            arguments.extend(["--data-binary", &body]);
        }
        arguments.push(&url);
        let ca = edge.authority.at("ca.pem");
        let (well, said) = curl_at(edge.running.addresses[0], ca, &arguments).await;
        assert!(well && said.ends_with(" 200 2"), "{gateway}: {said}");
    }
    assert_eq!(edge.stub.got().len(), 4);
    let sessions = "countersign_tls_sessions_total{protocol=\"h2\",version=\"1.3\"}";
    assert_eq!(edge.count(sessions), 4);
}

#[tokio::test]
async fn http2_is_not_offered_where_the_configuration_says_so() {
    let edge = edge(&[OK]).await;
    let text = edge.folder.read("countersign.yaml");
    edge.folder
        .replace("countersign.yaml", text.replace("tls: { cert", "tls: { http2: false, cert"));
    let client = edge.client.clone().speaking("h2");
    let address = edge.running.addresses[0];
    eventually("it is off", async || client.connect(address, "pay.example").await.is_err()).await;
    let told =
        edge.client.tell(address, "pay.example", genuine("liqpay", 1).once("/liqpay/")).await;
    assert_eq!(told.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_let_pass_goes_upstream_as_over_http1() {
    let edge = edge(&[OK]).await;
    let mut peer = edge.peer().await;
    let mut head = pseudo("POST", "/watch/?a=%2F&b");
    head.extend(fields(&[
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x-a", "one"),
        ("te", "trailers"),
    ]));
    head.extend(fields(&[("content-type", "text/plain"), ("content-length", "3")]));
    peer.send(&frame(HEADERS, END_HEADERS, 1, &head)).await;
    peer.send(&frame(DATA, END_STREAM, 1, b"a=1")).await;
    assert_eq!(peer.end(1).await, End::Answered(200));
    let [got] = &*edge.stub.got() else { panic!("one request") };
    assert_eq!(got.line, "POST /watch/?a=%2F&b HTTP/1.1");
    assert_eq!((got.header("cookie"), got.header("x-a")), (Some("a=1; b=2"), Some("one")));
    assert_eq!(got.body, "a=1");
}

type Fields<'a> = &'a [(&'a str, &'a str)];

/// A head in which something stands instead, and perhaps more.
fn head(instead: &[(&str, &str)], more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/watch/"),
        (":authority", "pay.example"),
    ];
    let mut list = Vec::new();
    for (name, value) in usual {
        match instead.iter().find(|(other, _)| *other == name) {
            // Left out.
            Some((_, "")) => {}
            Some((_, other)) => list.push((name, *other)),
            None => list.push((name, value)),
        }
    }
    list.extend(more);
    fields(&list)
}

#[tokio::test]
async fn a_head_with_two_readings_is_refused_and_its_connection_goes_on() {
    let edge = edge(&[OK]).await;
    let mut peer = edge.peer().await;
    let mut stream = 1;
    let cases: [(Fields<'_>, Fields<'_>); 16] = [
        (&[], &[("x_a", "1")]),
        (&[], &[("host", "other.example")]),
        (&[], &[("host", "pay.example"), ("host", "pay.example")]),
        (&[(":authority", "user@pay.example")], &[]),
        (&[(":authority", "")], &[]),
        (&[(":authority", "")], &[("host", "a/b")]),
        (&[(":authority", "")], &[("host", "a"), ("host", "b")]),
        (&[(":scheme", "http")], &[]),
        (&[(":method", "OPTIONS"), (":path", "*")], &[]),
        (&[], &[("x-a", " padded")]),
        (&[], &[("x-a", "padded\t")]),
        (&[], &[("expect", "200-ok")]),
        (&[], &[("content-length", "+0")]),
        (&[], &[("content-length", "0, 0")]),
        (&[], &[("content-length", "0"), ("content-length", "0")]),
        (&[], &[("x".repeat(257).leak(), "1")]),
    ];
    for (n, (instead, more)) in cases.into_iter().enumerate() {
        let flags = END_HEADERS | END_STREAM;
        peer.send(&frame(HEADERS, flags, stream, &head(instead, more))).await;
        let end = peer.end(stream).await;
        let before = edge.reset("mistake");
        assert!(
            end == End::Answered(400) || matches!(end, End::Reset(1)),
            "{n} {instead:?} {more:?}: {end:?} {before}"
        );
        peer.send(&get(stream + 2, "/watch/")).await;
        assert_eq!(peer.end(stream + 2).await, End::Answered(200), "{n}");
        assert_eq!(edge.stub.take().len(), 1, "{n}: only the good one came");
        stream += 4;
    }
    assert!(edge.refused("bad_http") >= 12, "{}", edge.refused("bad_http"));
}

#[tokio::test]
async fn what_belongs_to_a_connection_or_frames_a_body_is_reset_or_ends_the_connection() {
    let edge = edge(&[OK]).await;
    let cases: [(Fields<'_>, Fields<'_>, &[u8]); 18] = [
        (&[], &[("transfer-encoding", "chunked")], b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
        (&[], &[("connection", "x-a")], b""),
        (&[], &[("keep-alive", "timeout=5")], b""),
        (&[], &[("proxy-connection", "close")], b""),
        (&[], &[("upgrade", "h2c")], b""),
        (&[], &[("te", "gzip")], b""),
        (&[], &[("content-length", "5")], b""),
        (&[], &[("content-length", "2")], b"abc"),
        (&[], &[("content-length", "9")], b"abc"),
        (&[(":method", "CONNECT")], &[], b""),
        (&[(":method", "CONNECT")], &[(":protocol", "websocket")], b""),
        (&[], &[("X-Upper", "1")], b""),
        (&[], &[("x-a", "1\r\nx-b: 2")], b""),
        (&[], &[("x-a", "1\0")], b""),
        (&[], &[("x-a: 1\r\nx-b", "2")], b""),
        (&[], &[("x-a", "1"), (":path", "/none")], b""),
        (&[(":path", "/watch/ HTTP/1.1\r\nx: y")], &[], b""),
        (&[(":path", "watch/")], &[], b""),
    ];
    for (instead, more, body) in cases {
        let mut peer = edge.peer().await;
        let flags = if body.is_empty() { END_HEADERS | END_STREAM } else { END_HEADERS };
        peer.send(&frame(HEADERS, flags, 1, &head(instead, more))).await;
        if !body.is_empty() {
            peer.send(&frame(DATA, END_STREAM, 1, body)).await;
        }
        let end = peer.end(1).await;
        assert!(
            matches!(end, End::Reset(_) | End::Closed | End::Answered(400)),
            "{instead:?} {more:?}: {end:?}"
        );
        assert!(edge.stub.take().is_empty(), "{instead:?} {more:?}: nothing goes upstream");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_without_a_word_about_the_connection() {
    let edge = edge(&[OK]).await;
    let mut peer = edge.peer().await;
    for stream in [1, 3] {
        peer.send(&post(stream, "/watch/")).await;
        peer.send(&frame(DATA, 0, stream, &[b'x'; 10_001])).await;
        loop {
            let frame = peer.next().await.expect("an answer");
            if (frame.kind, frame.stream) == (HEADERS, stream) {
                let block = frame.payload;
                assert!(!block.windows(5).any(|five| five == b"close"), "{block:?}");
                break;
            }
        }
    }
    peer.send(&get(5, "/watch/")).await;
    assert_eq!(peer.end(5).await, End::Answered(200));
    assert_eq!(edge.stub.got().len(), 1);
    let counted = "countersign_callbacks_total{gateway=\"liqpay\",outcome=\"rejected\",\
                   reason=\"too_large\",route=\"watch\"}";
    assert_eq!(edge.count(counted), 2);
}

#[tokio::test]
async fn a_slow_body_holds_up_its_own_stream_only() {
    let edge = edge(&[OK]).await;
    let mut peer = edge.peer().await;
    let begun = Instant::now();
    peer.send(&post(1, "/watch/")).await;
    peer.send(&frame(DATA, 0, 1, b"a")).await;
    peer.send(&get(3, "/watch/")).await;
    assert_eq!(peer.end(3).await, End::Answered(200));
    assert!(begun.elapsed() < Duration::from_millis(250), "{:?}", begun.elapsed());
    assert_eq!(peer.end(1).await, End::Answered(0));
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    let counted = "countersign_callbacks_total{gateway=\"liqpay\",outcome=\"rejected\",\
                   reason=\"body_timeout\",route=\"watch\"}";
    assert_eq!(edge.count(counted), 1);
}

#[tokio::test]
async fn one_request_more_than_may_be_under_way_is_refused_and_the_others_go_on() {
    let edge = edge_with(&LIMITS.replace("body_timeout: 300ms", "body_timeout: 5s"), &[OK]).await;
    let mut peer = edge.peer().await;
    for n in 0..10 {
        peer.send(&post(2 * n + 1, "/watch/")).await;
    }
    peer.send(&get(21, "/watch/")).await;
    assert_eq!(peer.end(21).await, End::Reset(7), "REFUSED_STREAM");
    eventually("it is counted", async || edge.reset("too_many") == 1).await;
    for n in 0..10 {
        peer.send(&frame(DATA, END_STREAM, 2 * n + 1, b"a=1")).await;
        assert_eq!(peer.end(2 * n + 1).await, End::Answered(200), "{n}");
    }
    peer.send(&get(23, "/watch/")).await;
    assert_eq!(peer.end(23).await, End::Answered(200));
}

#[tokio::test]
async fn one_header_or_one_byte_more_than_allowed_is_too_large() {
    let edge = edge(&[OK]).await;
    let mut peer = edge.peer().await;
    let lines = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("x-{n}")).collect();
        let list: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
        head(&[], &list)
    };
    // As over HTTP/1.1: `GET /watch/ HTTP/1.1` and its end, and the line of the header.
    let bytes = |size: usize| {
        let value = "y".repeat(size - 22 - "x-a: \r\n".len());
        head(&[], &[("x-a", &value)])
    };
    for (stream, block, is_fit) in [
        (1, lines(30), true),
        (3, lines(31), false),
        (5, bytes(8192), true),
        (7, bytes(8193), false),
        (9, bytes(9000), false),
        (11, bytes(15_000), false),
    ] {
        let end = END_HEADERS | END_STREAM;
        peer.send(&frame(HEADERS, end, stream, &block)).await;
        let status = if is_fit { 200 } else { 0 };
        assert_eq!(peer.end(stream).await, End::Answered(status), "{stream}");
        assert_eq!(edge.stub.take().len(), usize::from(is_fit), "{stream}");
    }
    // h2 itself refuses what is much too large.
    assert_eq!(edge.refused("head_too_large"), 3);
}

#[tokio::test]
async fn one_reset_more_than_allowed_ends_the_connection() {
    let edge = edge(&[Act::Silence]).await;
    let mut peer = edge.peer().await;
    let rapid = |n: u32| {
        let (stream, cancel) = (2 * n + 1, 8_u32.to_be_bytes());
        [get(stream, "/watch/"), frame(RESET, 0, stream, &cancel)].concat()
    };
    for n in 0..20 {
        peer.send(&rapid(n)).await;
    }
    peer.send(&frame(PING, 0, 0, b"are you?")).await;
    while peer.next().await.expect("it is there").payload != b"are you?" {}
    assert_eq!(edge.ended("resets"), 0);
    peer.send(&rapid(20)).await;
    peer.closed().await;
    edge.ends("resets").await;
    eventually("all are counted", async || edge.reset("cancelled") == 21).await;
}

#[tokio::test]
async fn answers_that_are_taken_make_good_for_resets() {
    let edge = edge(&[OK]).await;
    let mut peer = edge.peer().await;
    for n in 0..60 {
        let (one, other) = (4 * n + 1, 4 * n + 3);
        peer.send(&post(one, "/watch/")).await;
        peer.send(&frame(RESET, 0, one, &8_u32.to_be_bytes())).await;
        peer.send(&get(other, "/none/")).await;
        assert_eq!(peer.end(other).await, End::Answered(404), "{n}");
    }
    assert_eq!(edge.ended("resets"), 0);
}

#[tokio::test]
async fn a_client_that_makes_us_reset_is_shown_the_door_too() {
    let edge = edge(&[OK]).await;
    let mut peer = edge.peer().await;
    for n in 0..60 {
        let head = head(&[], &[("connection", "x")]);
        if !peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &head)).await {
            break;
        }
    }
    peer.closed().await;
    eventually("it ends", async || edge.ended("resets") + edge.ended("calm") == 1).await;
    assert!(edge.stub.got().is_empty());
}

#[tokio::test]
async fn one_frame_that_brings_nothing_more_than_allowed_ends_the_connection() {
    let window = 1_u32.to_be_bytes();
    let setting = [0, 3, 0, 0, 0, 100];
    let priority = [0, 0, 0, 0, 16];
    let kinds: [(u8, u32, &[u8]); 6] = [
        (PING, 0, b"12345678"),
        (SETTINGS, 0, &setting),
        (SETTINGS, 0, &[]),
        (WINDOW_UPDATE, 0, &window),
        (PRIORITY, 5, &priority),
        (0x77, 0, b"extension"),
    ];
    for (kind, stream, payload) in kinds {
        let edge = edge(&[OK]).await;
        let mut peer = edge.peer().await;
        peer.is_polite = false;
        // Its first settings have counted, and that it has got ours.
        for _ in 0..98 {
            assert!(peer.send(&frame(kind, 0, stream, payload)).await, "{kind}");
        }
        peer.send(&get(1, "/none/")).await;
        assert_eq!(peer.end(1).await, End::Answered(404), "{kind}");
        // The answer has made good for some, and time for others.
        for _ in 0..20 {
            peer.send(&frame(kind, 0, stream, payload)).await;
        }
        peer.closed().await;
        edge.ends("idle_frames").await;
    }
}

#[tokio::test]
async fn empty_data_and_endless_continuations_end_the_connection() {
    let edge = edge(&[OK]).await;
    let mut peer = edge.peer().await;
    peer.send(&post(1, "/watch/")).await;
    for _ in 0..200 {
        if !peer.send(&frame(DATA, 0, 1, &[])).await {
            break;
        }
    }
    peer.closed().await;
    let ended = || edge.ended("idle_frames") + edge.ended("calm") + edge.ended("protocol");
    eventually("it ends", async || ended() == 1).await;

    for more in [Vec::new(), field(b"x-a", &[b'y'; 200])] {
        let before = ended();
        let mut peer = edge.peer().await;
        peer.send(&frame(HEADERS, END_STREAM, 1, &pseudo("GET", "/watch/"))).await;
        for _ in 0..200 {
            if !peer.send(&frame(CONTINUATION, 0, 1, &more)).await {
                break;
            }
        }
        peer.closed().await;
        eventually("it ends", async || ended() == before + 1).await;
    }
    assert!(edge.stub.got().is_empty());
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let edge = edge(&[OK]).await;
    let mut silent = Peer::silent(&edge.client, edge.running.addresses[0]).await;
    let took = silent.closed().await;
    assert!((300..900).contains(&took.as_millis()), "{took:?}");
    edge.ends("head_timeout").await;

    let mut idle = edge.peer().await;
    let took = idle.closed().await;
    assert!((250..900).contains(&took.as_millis()), "{took:?}");

    let mut slow = edge.peer().await;
    slow.send(&get(1, "/none/")).await;
    assert_eq!(slow.end(1).await, End::Answered(404));
    slow.send(&frame(HEADERS, END_STREAM, 3, &pseudo("GET", "/watch/"))).await;
    let begun = Instant::now();
    while slow.send(&frame(CONTINUATION, 0, 3, &field(b"x-a", b"1"))).await {
        sleep(Duration::from_millis(90)).await;
        assert!(begun.elapsed() < PATIENCE);
    }
    assert!((250..900).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    eventually("it is counted", async || edge.ended("head_timeout") == 3).await;
    assert!(edge.stub.got().is_empty());
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_is_told_to_go() {
    let edge = edge_with(&format!("{LIMITS}, http2_idle_timeout: 200ms"), &[OK]).await;
    let mut peer = edge.peer().await;
    peer.send(&get(1, "/none/")).await;
    assert_eq!(peer.end(1).await, End::Answered(404));
    peer.closed().await;
    assert_eq!(peer.goaway, Some(0), "without a fault");
    edge.ends("idle").await;

    // One that stays although it was told is left.
    let mut peer = edge.peer().await;
    peer.send(&get(1, "/none/")).await;
    assert_eq!(peer.end(1).await, End::Answered(404));
    peer.is_polite = false;
    peer.closed().await;
    eventually("it is left", async || edge.ended("idle") == 2).await;
}

#[tokio::test]
async fn a_connection_that_is_old_finishes_what_is_under_way_and_is_replaced() {
    let late = Act::SayLate("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
    let edge = edge_with(&format!("{LIMITS}, http2_age: 100ms"), &[late]).await;
    let mut peer = edge.peer().await;
    let begun = Instant::now();
    let mut stream = 1;
    while peer.goaway.is_none() {
        assert!(begun.elapsed() < PATIENCE);
        peer.send(&get(stream, "/watch/")).await;
        assert_eq!(peer.end(stream).await, End::Answered(200));
        stream += 2;
    }
    peer.closed().await;
    assert_eq!(peer.goaway, Some(0));
    edge.ends("age").await;
}

#[tokio::test]
async fn a_peer_that_does_not_say_that_it_is_there_is_left() {
    let limits = format!("{LIMITS}, http2_ping_interval: 100ms, http2_ping_timeout: 100ms")
        .replace("timeout: 300ms", "timeout: 5s");
    let edge = edge_with(&limits, &[OK]).await;
    let mut peer = edge.peer().await;
    peer.send(&post(1, "/watch/")).await;
    for _ in 0..5 {
        // As long as it answers, it stays.
        let until = Instant::now() + Duration::from_millis(100);
        while let Ok(frame) = peer.next_until(until).await {
            assert!(frame.is_some(), "it is open");
        }
    }
    peer.is_polite = false;
    let took = peer.closed().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    edge.ends("ping_timeout").await;
}

const LARGE: usize = 40_000;

fn large() -> Act {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n{}", "y".repeat(LARGE));
    Act::Say(answer.leak())
}

const INITIAL_WINDOW: u16 = 4;

#[tokio::test]
async fn an_answer_whose_window_stays_shut_is_not_kept_for_ever() {
    let edge = edge(&[large()]).await;
    for window in [0, 1] {
        let mut peer = edge.peer_with(&[(INITIAL_WINDOW, window)]).await;
        peer.send(&get(1, "/watch/")).await;
        let took = peer.closed().await;
        assert!((300..1500).contains(&took.as_millis()), "{took:?}");
    }
    eventually("both are counted", async || edge.ended("stalled") == 2).await;

    // A little now and then does not help.
    let mut peer = edge.peer_with(&[(INITIAL_WINDOW, 0)]).await;
    peer.send(&get(1, "/watch/")).await;
    let begun = Instant::now();
    while peer.send(&frame(WINDOW_UPDATE, 0, 1, &100_u32.to_be_bytes())).await {
        sleep(Duration::from_millis(20)).await;
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
    eventually("it is counted", async || edge.ended("stalled") == 3).await;
    eventually("nothing is left of it", async || edge.count("countersign_connections_open") == 0)
        .await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_at_all_is_given_up() {
    let many = "http2_streams: 1000, http2_resets: 100000";
    let limits = LIMITS.replace("http2_streams: 10, http2_resets: 20", many);
    let edge = edge_with(&limits, &[large()]).await;
    // Its windows are open, but it does not take what comes.
    let mut peer = edge.peer_with(&[(INITIAL_WINDOW, 1 << 30)]).await;
    peer.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await;
    let mut stream = 1;
    let begun = Instant::now();
    while edge.ended("stalled") == 0 {
        let request = get(stream, "/watch/");
        let sent = timeout(Duration::from_millis(20), peer.stream.write_all(&request)).await;
        if matches!(sent, Ok(Err(_))) {
            break;
        }
        stream += 2;
        // Each has its answer before the next is asked.
        sleep(Duration::from_millis(4)).await;
        assert!(begun.elapsed() < PATIENCE, "{stream}");
    }
    edge.ends("stalled").await;
}

#[tokio::test]
async fn one_request_more_than_all_connections_may_have_is_asked_to_come_again() {
    let limits = format!("{LIMITS}, http2_requests: 4").replace("timeout: 300ms", "timeout: 5s");
    let edge = edge_with(&limits, &[OK]).await;
    let (mut one, mut other) = (edge.peer().await, edge.peer().await);
    for stream in [1, 3] {
        one.send(&post(stream, "/watch/")).await;
        other.send(&post(stream, "/watch/")).await;
    }
    eventually("they are under way", async || edge.count("countersign_callbacks_in_flight") == 4)
        .await;
    one.send(&get(5, "/watch/")).await;
    assert_eq!(one.end(5).await, End::Answered(0));
    let busy = "countersign_callbacks_total{gateway=\"none\",outcome=\"undelivered\",\
                reason=\"busy\",route=\"none\"}";
    assert_eq!(edge.count(busy), 1);
    one.send(&frame(DATA, END_STREAM, 1, b"a=1")).await;
    assert_eq!(one.end(1).await, End::Answered(200));
    other.send(&get(5, "/watch/")).await;
    assert_eq!(other.end(5).await, End::Answered(200), "there is a place again");
}

#[tokio::test]
async fn a_client_that_reads_at_a_fair_rate_has_the_time_it_needs() {
    let edge = edge(&[large()]).await;
    let mut peer = edge.peer_with(&[(INITIAL_WINDOW, 0)]).await;
    peer.send(&get(1, "/watch/")).await;
    let (mut read, mut is_over) = (0, false);
    while !is_over {
        peer.send(&frame(WINDOW_UPDATE, 0, 1, &4000_u32.to_be_bytes())).await;
        let until = Instant::now() + Duration::from_millis(50);
        while let Ok(frame) = peer.next_until(until).await {
            let frame = frame.expect("it is open");
            if (frame.kind, frame.stream) == (DATA, 1) {
                read += frame.payload.len();
                is_over = frame.flags & END_STREAM != 0;
            }
        }
    }
    assert_eq!(read, LARGE);
    assert_eq!(edge.ended("stalled"), 0);
}

#[tokio::test]
async fn a_drain_finishes_what_was_begun_over_http2() {
    let edge = edge_with(&LIMITS.replace("body_timeout: 300ms", "body_timeout: 5s"), &[OK]).await;
    let (mut idle, mut begun) = (edge.peer().await, edge.peer().await);
    begun.send(&post(1, "/watch/")).await;
    eventually("it is under way", async || edge.count("countersign_callbacks_in_flight") == 1)
        .await;
    let draining = tokio::spawn(edge.running.drain());
    idle.closed().await;
    assert_eq!(idle.goaway, Some(0));
    while begun.goaway.is_none() {
        begun.next().await.expect("it is told");
    }
    begun.send(&frame(DATA, END_STREAM, 1, b"a=1")).await;
    assert_eq!(begun.end(1).await, End::Answered(200));
    begun.closed().await;
    assert!(draining.await.unwrap(), "all was finished");
    assert_eq!(edge.stub.got().len(), 1);
}

/// h2load with genuine callbacks; what it says of them.
async fn h2load(folder: &Folder, address: SocketAddr, more: &[&str]) -> String {
    let callback = genuine("liqpay", 1);
    folder.write("body", &callback.body);
    let body = folder.at("body").display().to_string();
    let url = format!("https://{address}/liqpay/");
    let mut arguments = vec!["-c", "4", "-m", "8", "-d", &*body];
    arguments.extend(["-H", "content-type: application/x-www-form-urlencoded"]);
    arguments.extend(more);
    arguments.push(&url);
    let (well, said) = run("h2load", arguments.into_iter().map(str::to_owned).collect()).await;
    assert!(well, "{said}");
    said
}

/// `requests: 400 total, …`, by the word behind each number.
fn of_load(said: &str, word: &str) -> usize {
    let line = said.lines().find(|line| line.starts_with("requests: ")).expect("a summary");
    let counts = line["requests: ".len()..].split(", ").filter_map(|part| part.split_once(' '));
    let (count, _) = counts.into_iter().find(|(_, found)| *found == word).expect("that word");
    count.parse().unwrap()
}

#[tokio::test]
async fn thousands_of_requests_of_an_ordinary_client_hit_no_limit() {
    let edge = edge(&[OK]).await;
    let said = h2load(&edge.folder, edge.running.addresses[0], &["-n", "4000"]).await;
    assert_eq!(of_load(&said, "succeeded"), 4000, "{said}");
    assert_eq!(edge.stub.got().len(), 4000);
    eventually("all are gone", async || edge.ended("done") + edge.ended("closed") == 4).await;
}

#[tokio::test]
async fn a_drain_under_load_fails_no_request() {
    let Edge { running, stub, folder, authority: _, client: _ } = edge(&[OK]).await;
    let (address, metrics) = (running.addresses[0], Arc::clone(&running.metrics));
    let mut load = std::pin::pin!(h2load(&folder, address, &["-D", "3"]));
    tokio::select! {
        said = &mut load => panic!("too early: {said}"),
        () = eventually("the load is on", async || stub.got().len() > 200) => {}
    }
    assert!(running.drain().await, "all was finished");
    let said = load.await;
    let of = |word| of_load(&said, word);
    assert!(of("succeeded") > 200, "{said}");
    assert_eq!(stub.got().len(), of("succeeded"), "what went upstream was answered: {said}");
    // What it has not sent any more, because it was told that nothing is taken, it calls failed.
    assert!(of("failed") == of("errored") && of("failed") <= 4 * 8 && of("timeout") == 0, "{said}");
    // Of what was sent nothing was refused, reset or cut off.
    let text = String::from_utf8(metrics.text().unwrap()).unwrap();
    let has = |line: &str| text.lines().any(|found| found == line);
    for why in ["cancelled", "mistake", "too_many"] {
        assert!(
            has(&format!("countersign_http2_streams_reset_total{{why=\"{why}\"}} 0")),
            "{text}"
        );
    }
    // A client that goes as soon as it is told may be gone before we are.
    let ended = |line: &&str| {
        line.starts_with("countersign_http2_connections_total{")
            && !["\"done\"", "\"closed\""].iter().any(|end| line.contains(end))
            && !line.ends_with(" 0")
    };
    assert_eq!(text.lines().find(ended), None);
    let accepted = "countersign_callbacks_total{gateway=\"liqpay\",outcome=\"accepted\",\
                    reason=\"ok\",route=\"liqpay\"}";
    assert!(has(&format!("{accepted} {}", of("succeeded"))), "{said}{text}");
    let not_accepted = |line: &&str| {
        line.starts_with("countersign_callbacks_total{")
            && !line.contains("\"accepted\"")
            && !line.ends_with(" 0")
    };
    assert_eq!(text.lines().find(not_accepted), None);
}
