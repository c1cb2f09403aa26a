//! Routing, limits, and heads that are refused: what never reaches an upstream.

use countersign::app::Running;
use countersign::config::Mode;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::*;

/// One observing route, so that whatever is let pass reaches the upstream.
async fn observing(upstream_acts: &[Act]) -> (Stub, Running) {
    let stub = Stub::start(upstream_acts).await;
    let routes = vec![
        route("/watch/", Mode::Observe, original(&[]), upstream(stub.target())),
        route("/pay/", Mode::Enforce, canonical(), upstream(stub.target())),
    ];
    let running = daemon(limits(), routes).await;
    (stub, running)
}

/// The refusal has this status, this label and no other, the constant body, and goes nowhere.
#[track_caller]
fn refused(
    (told, stub, running): (&Told, &Stub, &Running),
    status: u16,
    (route, outcome, reason): (&str, &str, &str),
) {
    assert_eq!(told.status, status, "{told:?}");
    assert_eq!(told.body, "refused\n");
    assert_eq!(callbacks(running, route, outcome, reason).to_bits(), 1.0_f64.to_bits(), "{reason}");
    assert_eq!(callbacks_in_all(running).to_bits(), 1.0_f64.to_bits(), "counted once");
    assert!(stub.got().is_empty(), "{:?}", stub.got());
}

async fn refusal(request: &str, status: u16, counted: (&str, &str, &str)) {
    let (stub, running) = observing(&[OK]).await;
    let told = tell(running.addresses[0], request).await.expect("an answer");
    refused((&told, &stub, &running), status, counted);
}

#[tokio::test]
async fn a_route_that_is_not_ready_asks_the_gateway_to_come_again() {
    let (stub, running) = observing(&[OK]).await;
    let told = tell(running.addresses[0], post("/pay/", "", "a=1")).await.unwrap();
    refused((&told, &stub, &running), 503, ("pay", "unavailable", "not_ready"));
    assert!(told.has("retry-after: 60"), "{told:?}");
}

#[tokio::test]
async fn only_the_exact_path_is_a_route() {
    let (stub, running) = observing(&[OK]).await;
    let paths = [
        "/",
        "/watch",
        "/watch//",
        "//watch/",
        "/./watch/",
        "/Watch/",
        "/%77atch/",
        "/watch/;x",
        "/watch/..",
        "/x/../watch/",
        "/watch%2f",
        "/watch/.",
    ];
    for path in paths {
        let told = tell(running.addresses[0], post(path, "", "a=1")).await.unwrap();
        assert_eq!((told.status, told.body.as_str()), (404, "refused\n"), "{path}");
    }
    assert!(stub.got().is_empty());
    let count = callbacks(&running, "none", "rejected", "no_route");
    assert_eq!(count.to_bits(), 12.0_f64.to_bits(), "and no path became a label");
    let told = tell(running.addresses[0], post("/watch/?a=%2F&b", "", "")).await.unwrap();
    assert_eq!(told.status, 200);
    assert_eq!(stub.got()[0].line, "POST /watch/?a=%2F&b HTTP/1.1");
}

#[tokio::test]
async fn a_callback_cannot_change_the_protocol() {
    let request = post("/watch/", "Upgrade: websocket\r\n", "");
    refusal(&request, 400, ("watch", "rejected", "bad_http")).await;
    // With a body it is not even a request.
    let request = post("/watch/", "Upgrade: websocket\r\n", "a=1");
    refusal(&request, 400, ("none", "rejected", "bad_http")).await;
}

#[tokio::test]
async fn an_encoded_body_is_refused() {
    let request = post("/watch/", "Content-Encoding: gzip\r\n", "a=1");
    refusal(&request, 415, ("watch", "rejected", "unsupported_encoding")).await;
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_is_sent() {
    let request = "POST /watch/ HTTP/1.1\r\nHost: pay.example\r\nContent-Length: 10001\r\n\
                   Expect: 100-continue\r\n\r\n";
    refusal(request, 413, ("watch", "rejected", "too_large")).await;
}

#[tokio::test]
async fn a_sender_that_goes_on_sending_still_gets_to_read_that_it_is_refused() {
    let (_stub, running) = observing(&[OK]).await;
    for head in ["Content-Length: 500000", "Content-Length: 500000\r\nTransfer-Encoding: chunked"] {
        let head = format!("POST /watch/ HTTP/1.1\r\nHost: pay.example\r\n{head}\r\n\r\n");
        let mut stream = TcpStream::connect(running.addresses[0]).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..50 {
            stream.write_all(&[b'x'; 10_000]).await.expect("it is read");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let told = told(&mut stream).await.expect("an answer");
        assert!([400, 413].contains(&told.status), "{told:?}");
    }
}

#[tokio::test]
async fn a_chunked_body_that_grows_too_large_is_refused() {
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let request = format!(
        "POST /watch/ HTTP/1.1\r\nHost: pay.example\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(10)
    );
    refusal(&request, 413, ("watch", "rejected", "too_large")).await;
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let (stub, running) = observing(&[OK]).await;
    let body = "x".repeat(10_000);
    let told = tell(running.addresses[0], post("/watch/", "", &body)).await.unwrap();
    assert_eq!(told.status, 200);
    assert_eq!(stub.got()[0].body, body);
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_refused() {
    let (stub, running) = observing(&[OK]).await;
    let mut stream = TcpStream::connect(running.addresses[0]).await.unwrap();
    let head = "POST /watch/ HTTP/1.1\r\nHost: pay.example\r\nContent-Length: 500\r\n\r\nabc";
    stream.write_all(head.as_bytes()).await.unwrap();
    let told = told(&mut stream).await.expect("an answer");
    refused((&told, &stub, &running), 408, ("watch", "rejected", "body_timeout"));
    assert!(told.has("connection: close"), "{told:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_nowhere() {
    let (stub, running) = observing(&[OK]).await;
    let mut stream = TcpStream::connect(running.addresses[0]).await.unwrap();
    let head = "POST /watch/ HTTP/1.1\r\nHost: pay.example\r\nContent-Length: 500\r\n\r\nabc";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    eventually("it is counted", async || callbacks_in_all(&running) > 0.0).await;
    let ends = callbacks(&running, "watch", "rejected", "bad_http")
        + callbacks(&running, "watch", "aborted", "aborted");
    assert_eq!(ends.to_bits(), 1.0_f64.to_bits());
    assert!(stub.got().is_empty());
}

#[tokio::test]
async fn heads_have_limits() {
    let (stub, running) = observing(&[OK]).await;
    let long = post("/watch/", &format!("X-Long: {}\r\n", "x".repeat(20_000)), "");
    let many = post("/watch/", &"X-Many: 1\r\n".repeat(40), "");
    for request in [long, many] {
        let told = tell(running.addresses[0], request).await.unwrap();
        assert_eq!((told.status, told.body.as_str()), (431, "refused\n"));
    }
    assert!(stub.got().is_empty());
    let count = callbacks(&running, "none", "rejected", "head_too_large");
    assert_eq!(count.to_bits(), 2.0_f64.to_bits());
}

#[tokio::test]
async fn slow_and_silent_heads_are_closed() {
    let (stub, running) = observing(&[OK]).await;
    for start in ["", "P", "PRI * HT", "POST /watch/ HTTP/1.1\r\nHost: pay.ex"] {
        let mut stream = TcpStream::connect(running.addresses[0]).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        // `told` fails where the connection is not closed.
        let told = told(&mut stream).await;
        assert!(told.is_none_or(|told| told.status == 408), "{start:?}");
    }
    assert!(stub.got().is_empty());
}

#[tokio::test]
async fn garbage_is_counted() {
    let (stub, running) = observing(&[OK]).await;
    let told = tell(running.addresses[0], "\x16\x03\x01 no HTTP at all\r\n\r\n").await;
    assert!(told.is_none_or(|told| told.status == 400));
    eventually("it is counted", async || callbacks(&running, "none", "rejected", "bad_http") > 0.0)
        .await;
    assert!(stub.got().is_empty());
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_at_once() {
    let limits = countersign::config::Limits { connections_max: 2, ..limits() };
    let running = daemon(limits, vec![]).await;
    let _first = TcpStream::connect(running.addresses[0]).await.unwrap();
    let _second = TcpStream::connect(running.addresses[0]).await.unwrap();
    assert!(tell(running.addresses[0], "").await.is_none());
    let refused =
        series(&running, "countersign_connections_refused_total{limit=\"connections\"}").unwrap();
    assert_eq!(refused.to_bits(), 1.0_f64.to_bits());
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let (stub, running) = observing(&[OK]).await;
    let mut stream = TcpStream::connect(running.addresses[0]).await.unwrap();
    let keep = "POST /watch/ HTTP/1.1\r\nHost: pay.example\r\nContent-Length: 3\r\n\r\na=1";
    let requests = format!("{keep}{keep}{}", post("/watch/", "", "a=1"));
    stream.write_all(requests.as_bytes()).await.unwrap();
    let all = told(&mut stream).await.unwrap();
    assert_eq!(all.body.matches("HTTP/1.1 200 OK").count(), 2, "after the first: {all:?}");
    assert_eq!(stub.got().len(), 3);
    assert!(
        stub.got().iter().all(|got| got.connection == 0),
        "over one connection: {stub:?}",
        stub = stub.got()
    );
}
