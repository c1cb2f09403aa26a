//! Requests that two readers could read in two ways, sent by somebody who means to: none reaches an
//! upstream, and whoever sends them learns nothing but that they were refused.

use countersign::app::Running;
use countersign::config::Mode;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::wire::{Callback, FORM, Line};
use crate::support::*;

/// What an attacker would like the upstream to read.
const SMUGGLED: &str = "GET /admin HTTP/1.1\r\nHost: pay.example\r\n\r\n";

/// Whatever is let pass on `/watch/` reaches the upstream.
async fn watched() -> (Stub, Running) {
    let stub = Stub::start(&[OK]).await;
    let routes = ["/watch/", "/admin"]
        .map(|path| route(path, Mode::Observe, original(&[]), upstream(stub.target())));
    let running = daemon(limits(), routes.into()).await;
    (stub, running)
}

/// Refused with the constant answer, counted once, and forwarded never.
async fn refused(class: &str, attacks: impl IntoIterator<Item = String>) {
    let (stub, running) = watched().await;
    let mut count = 0.0;
    for attack in attacks {
        let shown = format!("{class}: {attack:?}");
        let told = tell(running.addresses[0], attack).await.expect(&shown);
        assert_eq!((told.status, told.body.as_str()), (400, "refused\n"), "{shown}");
        assert!(told.has("connection: close"), "{shown}: {told:?}");
        count += 1.0;
        let of = |route: &str| callbacks(&running, route, "rejected", "bad_http");
        let counted = of("none") + of("watch");
        assert_eq!(counted.to_bits(), f64::to_bits(count), "{shown}");
        assert_eq!(callbacks_in_all(&running).to_bits(), f64::to_bits(count), "{shown}");
        assert!(stub.got().is_empty(), "{shown} reached the upstream: {:?}", stub.got());
    }
    assert!(count > 0.0);
}

/// These lines are put into a head; then comes a body that is empty in chunks, and what it hides.
async fn heads_refused(class: &str, lines: &[&str]) {
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let attacks = lines.iter().map(|line| {
        let line = line.replace("{n}", &body.len().to_string());
        format!("POST /watch/ HTTP/1.1\r\nHost: pay.example\r\n{line}\r\n\r\n{body}")
    });
    refused(class, attacks).await;
}

async fn chunks_refused(class: &str, bodies: &[&str]) {
    let attacks = bodies.iter().map(|body| {
        format!(
            "POST /watch/ HTTP/1.1\r\nHost: pay.example\r\nTransfer-Encoding: chunked\r\n\r\n\
             {body}{SMUGGLED}"
        )
    });
    refused(class, attacks).await;
}

#[tokio::test]
async fn a_length_beside_chunks_is_refused_in_every_spelling() {
    let lines = [
        "Content-Length: {n}\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: {n}",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Content-Length: {n}\r\nTRANSFER-ENCODING:\tCHUNKED",
        "Content-Length: {n}\r\nTransfer-Encoding: cow\r\nTransfer-Encoding: chunked",
        "Content-Length: {n}\r\nTransfer-Encoding : chunked",
        "Content-Length: {n}\r\nTransfer_Encoding: chunked",
        "Content-Length: {n}\r\nX: y\rTransfer-Encoding: chunked",
        "Content-Length: {n}\r\nX: y\nTransfer-Encoding: chunked",
        "Content-Length: {n}\r\nTransfer-Encoding:\r\n chunked",
        "Content-Length: {n}\r\nTransfer-Encoding: \u{b}chunked",
        "Content-Length: {n}\r\nTransfer-Encoding: chunked\0",
    ];
    heads_refused("length beside chunks", &lines).await;
}

#[tokio::test]
async fn a_coding_that_is_not_plain_chunks_is_refused() {
    let lines = [
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ];
    heads_refused("coding", &lines).await;
    let old = "POST /watch/ HTTP/1.0\r\nHost: pay.example\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused("chunks in HTTP/1.0", [format!("{old}0\r\n\r\n")]).await;
}

#[tokio::test]
async fn a_length_that_is_not_one_plain_number_is_refused() {
    let lines = [
        "Content-Length: {n}\r\nContent-Length: {n}",
        "Content-Length: 0\r\nContent-Length: {n}",
        "Content-Length: {n}, {n}",
        "Content-Length: +{n}",
        "Content-Length: -0",
        "Content-Length: 0x10",
        "Content-Length: 0 {n}",
        "Content-Length: {n}.0",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length : {n}",
        "Content_Length: {n}",
    ];
    heads_refused("length", &lines).await;
}

#[tokio::test]
async fn a_head_whose_lines_have_two_readings_is_refused() {
    let lines = [
        "X: a\nY: b",
        "X: a\rY: b",
        "X: a\0b",
        "X: a\u{1}b",
        "X: a\r\n folded",
        "X : a",
        "X Y: a",
        "X_Y: a",
        ": a",
        "no colon",
        "Connection: close, content-length",
        "Connection: transfer-encoding",
        "Expect: y 100-continue",
    ];
    heads_refused("lines", &lines).await;
    let unix = "POST /watch/ HTTP/1.1\nHost: pay.example\nContent-Length: 0\n\n";
    refused("line feeds only", [unix.to_owned()]).await;
}

#[tokio::test]
async fn a_target_or_host_that_could_be_another_is_refused() {
    let attacks = [
        "GET /watch/ HTTP/1.1",
        "GET /watch/ HTTP/1.1\r\nHost: pay.example\r\nHost: pay.example",
        "GET /watch/ HTTP/1.1\r\nHost: pay.example\r\nHost: other.example",
        "GET /watch/ HTTP/1.1\r\nHost:",
        "GET /watch/ HTTP/1.1\r\nHost: pay.example, other.example",
        "GET /watch/ HTTP/1.1\r\nHost: other.example@pay.example",
        "GET /watch/ HTTP/1.1\r\nHost: pay.example/x?",
        "GET http://other.example/watch/ HTTP/1.1\r\nHost: pay.example",
        "GET http://a@pay.example/watch/ HTTP/1.1\r\nHost: pay.example",
        "CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80",
        "OPTIONS * HTTP/1.1\r\nHost: pay.example",
        "GET watch/ HTTP/1.1\r\nHost: pay.example",
        "GET /watch/#x HTTP/1.1\r\nHost: pay.example",
        "GET /watch/ x HTTP/1.1\r\nHost: pay.example",
        "GET\t/watch/\tHTTP/1.1\r\nHost: pay.example",
        "GET /watch/ HTTP/1.1 HTTP/1.1\r\nHost: pay.example",
        "GET /watch/ HTTP/1.2\r\nHost: pay.example",
        "GET /watch/ HTTP/9.9\r\nHost: pay.example",
        "GET /watch/\r\nHost: pay.example",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "\r\n\r\n\r\nGET /watch/ HTTP/1.1\r\nHost: pay.example",
    ];
    refused("target or host", attacks.map(|head| format!("{head}\r\n\r\n"))).await;
    // This is what the filter itself puts in the place of what it refuses.
    let mark = "OPTIONS * HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";
    refused("the filter's own mark", [mark.to_owned()]).await;
}

#[tokio::test]
async fn chunks_that_can_be_read_in_two_ways_are_refused() {
    let bodies = [
        "0x3\r\na=1\r\n0\r\n\r\n",
        "+3\r\na=1\r\n0\r\n\r\n",
        " 3\r\na=1\r\n0\r\n\r\n",
        "3 \r\na=1\r\n0\r\n\r\n",
        "\r\n\r\n",
        "3;ext=1\r\na=1\r\n0\r\n\r\n",
        "3;\na=1\r\n0\r\n\r\n",
        "3\na=1\n0\n\n",
        "3\r\na=1\n0\r\n\r\n",
        "3\r\na=1!!0\r\n\r\n",
        "3\r\na=1\r\n0\r\n\n",
        "3\r\na=1\r\n0\r\nXX",
        "100000000\r\n\r\n",
        "10000000000000003\r\na=1\r\n0\r\n\r\n",
        "3\r\na=1\r\n0\r\nContent-Length: 9\r\n\r\n",
        "3\r\na=1\r\n0\r\nHost: other.example\r\n\r\n",
        "3\r\na=1\r\n0\r\nX: y\r\n z\r\n\r\n",
        "3\r\na=1\r\n0\r\n",
    ];
    chunks_refused("chunks", &bodies).await;
}

#[tokio::test]
async fn trailers_without_end_are_refused() {
    let trailers = "X: yyyyyyyyyyyyyyyyyyyy\r\n".repeat(1000);
    chunks_refused("trailers", &[&format!("3\r\na=1\r\n0\r\n{trailers}")]).await;
}

#[tokio::test]
async fn a_bad_request_behind_good_ones_leaves_their_answers_whole() {
    let (stub, running) = watched().await;
    let good = Callback::post(FORM, "a=1").keep("/watch/");
    let bad = format!("GET /watch/ HTTP/1.1\r\nHost: pay.example\nX: y\r\n\r\n{SMUGGLED}");
    let all = [good.as_slice(), &good, bad.as_bytes(), &good].concat();
    let told = tell(running.addresses[0], all).await.unwrap();
    assert_eq!(told.status, 200, "{told:?}");
    let statuses: Vec<_> = told.body.match_indices("HTTP/1.1 ").collect();
    assert_eq!(statuses.len(), 2, "{told:?}");
    assert!(told.body.starts_with("OKHTTP/1.1 200 OK\r\n"), "{told:?}");
    assert!(told.body.contains("OKHTTP/1.1 400 Bad Request\r\n"), "{told:?}");
    assert!(told.body.ends_with("\r\n\r\nrefused\n"), "and nothing after it: {told:?}");
    assert_eq!(stub.got().len(), 2);
}

#[tokio::test]
async fn a_bad_request_does_not_take_back_one_that_is_still_being_answered() {
    let late = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate";
    let stub = Stub::start(&[Act::SayLate(late)]).await;
    let routes = vec![route("/watch/", Mode::Observe, original(&[]), upstream(stub.target()))];
    let running = daemon(limits(), routes).await;
    let mut stream = TcpStream::connect(running.addresses[0]).await.unwrap();
    stream.write_all(&Callback::post(FORM, "a=1").keep("/watch/")).await.unwrap();
    eventually("the upstream has it", async || !stub.got().is_empty()).await;
    stream.write_all(b"\x16\x03\x01").await.unwrap();
    let told = told(&mut stream).await.unwrap();
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.body.starts_with("lateHTTP/1.1 400 Bad Request\r\n"), "{told:?}");
}

#[tokio::test]
async fn a_head_is_judged_the_same_however_it_is_cut() {
    let (stub, running) = watched().await;
    let good = "\r\nPOST /watch/ HTTP/1.1\r\nHost: pay.example\r\nTransfer-Encoding: chunked\r\n\
                Connection: close\r\n\r\n3\r\na=1\r\n0\r\nX-Sum: 1\r\n\r\n";
    let bad = good.replace("chunked", "chunked\r\nContent-Length: 3");
    for (text, status) in [(good, 200), (bad.as_str(), 400)] {
        for size in [1, 7, 60] {
            let mut stream = TcpStream::connect(running.addresses[0]).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for part in text.as_bytes().chunks(size) {
                // It may be refused before all is there.
                stream.write_all(part).await.ok();
                tokio::task::yield_now().await;
            }
            let told = told(&mut stream).await.unwrap();
            assert_eq!(told.status, status, "{size}: {told:?}");
        }
    }
    assert_eq!(stub.got().len(), 3);
    assert!(stub.got().iter().all(|got| got.body == "a=1"));
}

#[tokio::test]
async fn gateways_that_keep_their_connections_notice_nothing() {
    let (stub, running) = watched().await;
    let mut line = Line::to(running.addresses[0]);
    let long = "x".repeat(9_000);
    let chunked = b"POST /watch/ HTTP/1.1\r\nhost: pay.example\r\naccept: */*\r\n\
                    user-agent: Apache-HttpClient/4.5 (Java/1.8)\r\n\
                    transfer-encoding: chunked\r\n\r\n";
    for _ in 0..3 {
        let posted = Callback::post(FORM, "a=1&b=%20").with("x-signature", "caf\u{e9}=; \"x\"");
        assert_eq!(line.say(&posted.keep("/watch/")).await.unwrap().status, 200);
        let posted = Callback::post(FORM, long.as_str());
        assert_eq!(line.say(&posted.keep("/watch/")).await.unwrap().status, 200);
        let body = b"00000003\r\na=1\r\n1\r\n&\r\n0\r\n\r\n\r\n";
        let sent = [&chunked[..], body].concat();
        assert_eq!(line.say(&sent).await.unwrap().status, 200);
        let get = b"GET /watch/?data[a]=1&b={%22} HTTP/1.1\r\nHost: pay.example:8080\r\n\
                    Connection: keep-alive, TE\r\nTE: trailers\r\n\r\n";
        assert_eq!(line.say(get).await.unwrap().status, 200);
    }
    assert_eq!(stub.got().len(), 12);
}

/// One of the requests from which the property below starts.
fn some_request() -> impl Strategy<Value = String> {
    let line = select(vec![
        "GET / HTTP/1.1",
        "POST /watch/?a[b]=%20 HTTP/1.1",
        "HEAD /\u{e9} HTTP/1.0",
        "\r\nPUT http://a/b HTTP/1.1",
        "x* /\\|^{}\" HTTP/1.1",
        "OPTIONS /?`~<> HTTP/1.1",
    ]);
    let header = select(vec![
        "X: y",
        "X!#$%&'*+-.^`|~:",
        "Accept: \t caf\u{e9} \t",
        "Connection: close",
        "Connection: keep-alive, x,",
        "Expect: 100-continue",
        "Upgrade: h2c",
        "Trailer: X",
        "TE: trailers",
        "Host: a",
        "X_Y: z",
        " X: y",
    ]);
    let body = select(vec![
        "\r\n",
        "Content-Length: 0\r\n\r\n",
        "Content-Length: 3\r\n\r\na=1",
        "content-length: 00018\r\n\r\n0\r\n\r\nGET / HTTP/1.1",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: Chunked\r\n\r\n3\r\na=1\r\n0000000A\r\n0\r\n\r\n3\r\nb=\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\nX: y\r\nZ:\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    ]);
    (line, vec(header, 0..3), body).prop_map(|(line, headers, body)| {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        format!("{line}\r\nHost: a\r\n{headers}{body}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hyper_sees_every_request_that_passes_end_where_the_filter_does(
        requests in vec(some_request(), 1..4),
        changes in vec((any::<Index>(), select(SPICES), any::<bool>()), 0..3),
    ) {
        let mut bytes = requests.concat().into_bytes();
        for (at, spice, replaces) in changes {
            let at = at.index(bytes.len());
            bytes.splice(at..at + usize::from(replaces), spice.bytes());
        }
        framing::same_boundaries(&bytes);
    }
}

/// What changes the meaning of what stands around it.
const SPICES: &[&str] = &[
    "", " ", "\t", "\r", "\n", "\r\n", "\r\n\r\n", "\0", "\u{b}", ":", ";", ",", "/", "?", "#",
    "_", "-", "+", "0", "1", "9", "a", "f", "F", "x", "\u{7f}", "\u{e9}", "\"", "chunked",
    "HTTP/1.1",
];

#[test]
fn most_requests_of_that_property_pass_while_nobody_changes_them() {
    let mut runner = TestRunner::deterministic();
    let requests = (0..50).map(|_| some_request().new_tree(&mut runner).unwrap().current());
    let passed: usize = requests.map(|request| framing::same_boundaries(request.as_bytes())).sum();
    assert!(passed > 15, "{passed}");
}
