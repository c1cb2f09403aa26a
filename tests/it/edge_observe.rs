//! Observe mode: judged, counted, and forwarded whatever the verdict.

use countersign::app::Running;
use countersign::config::{Forward, Mode, Target};

use crate::support::*;

async fn observing(forward: Forward, target: Target) -> Running {
    let routes = vec![route("/watch/", Mode::Observe, forward, upstream(target))];
    daemon(limits(), routes).await
}

#[track_caller]
fn once(count: f64) {
    assert_eq!(count.to_bits(), 1.0_f64.to_bits());
}

#[tokio::test]
async fn the_very_bytes_go_up_and_the_legacy_reply_comes_down() {
    let stub = Stub::start(&[Act::Say(
        "HTTP/1.1 201 Created\r\nContent-Type: text/html; charset=x\r\nX-Secret: 1\r\n\
         Content-Length: 6\r\n\r\n OK\r\n ",
    )])
    .await;
    let running = observing(original(&["stripe-signature"]), stub.target()).await;
    let headers = "Content-Type: application/x-www-form-urlencoded\r\nStripe-Signature: t=1\r\n\
                   Webhook-Id: forged\r\nIdempotency-Key: forged\r\nX-Countersign-Verified: 1\r\n\
                   X-Forwarded-For: 10.0.0.1\r\nCookie: a=b\r\nTE: trailers\r\n";
    let body = "a=%31&b=+&&c=\u{fc}";
    let told = tell(running.addresses[0], post("/watch/?x=1&y", headers, body)).await.unwrap();
    assert_eq!((told.status, told.body.as_str()), (200, " OK\r\n "));
    assert!(told.has("content-type: text/html; charset=x"), "{told:?}");
    assert!(!told.has("x-secret: 1"), "{told:?}");
    let got = &stub.got()[0];
    assert_eq!(got.line, "POST /watch/?x=1&y HTTP/1.1");
    assert_eq!(got.body, body);
    let names: Vec<_> = got.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-length", "content-type", "host", "stripe-signature"]);
    assert_eq!(got.header("host"), Some(stub.address.to_string().as_str()));
    once(callbacks(&running, "watch", "observed_rejected", "not_ready"));
    once(callbacks_in_all(&running));
    once(answers(&running, "2xx"));
}

#[tokio::test]
async fn a_path_of_the_upstreams_own_can_be_given() {
    let stub = Stub::start(&[OK]).await;
    let forward = Forward::Original { to: Some("/legacy?by=us".into()), headers: vec![] };
    let running = observing(forward, stub.target()).await;
    let request = "GET /watch/?data=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(tell(running.addresses[0], request).await.unwrap().body, "OK");
    assert_eq!(stub.got()[0].line, "GET /legacy?by=us HTTP/1.1");
}

/// The gateway is asked to come again, and both counters say why.
async fn undelivered(target: Target, status: u16, reason: &str, class: &str) {
    let running = observing(original(&[]), target).await;
    let told = tell(running.addresses[0], post("/watch/", "", "a=1")).await.unwrap();
    assert_eq!((told.status, told.body.as_str()), (status, "refused\n"), "{reason}");
    assert!(told.has("retry-after: 60"), "{told:?}");
    once(callbacks(&running, "watch", "undelivered", reason));
    once(callbacks_in_all(&running));
    once(answers(&running, class));
}

async fn misbehaving(act: Act, status: u16, reason: &str, class: &str) {
    let stub = Stub::start(&[act]).await;
    undelivered(stub.target(), status, reason, class).await;
    assert_eq!(stub.got().len(), 1, "an original is sent once: {reason}");
}

#[tokio::test]
async fn a_dead_upstream_asks_the_gateway_to_retry() {
    undelivered(nobody(), 502, "upstream_down", "connect_failed").await;
}

#[tokio::test]
async fn a_silent_upstream_asks_the_gateway_to_retry() {
    misbehaving(Act::Silence, 504, "upstream_timeout", "timeout").await;
    let slow = Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nO");
    misbehaving(slow, 504, "upstream_timeout", "timeout").await;
}

#[tokio::test]
async fn an_upstream_that_says_anything_but_2xx_asks_the_gateway_to_retry() {
    for (answer, class) in [
        ("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "5xx"),
        ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "4xx"),
        ("HTTP/1.1 302 No\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "3xx"),
    ] {
        misbehaving(Act::Say(answer), 502, "upstream_refused", class).await;
    }
}

#[tokio::test]
async fn what_is_no_answer_asks_the_gateway_to_retry() {
    for answer in [
        "",
        "HTTP/1.1 200",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nOK",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ] {
        misbehaving(Act::SayAndClose(answer), 502, "upstream_broken", "broken").await;
    }
}

#[tokio::test]
async fn a_long_legacy_reply_is_cut() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n{}", "x".repeat(700_000));
    let stub = Stub::start(&[Act::Say(long.leak())]).await;
    let running = observing(original(&[]), stub.target()).await;
    for _ in 0..2 {
        let told = tell(running.addresses[0], post("/watch/", "", "a=1")).await.unwrap();
        assert_eq!((told.status, told.body.len()), (200, 65_536));
    }
    assert_eq!(stub.got()[1].connection, 1, "half an answer is left on the first one");
}

#[tokio::test]
async fn a_connection_that_says_more_than_it_was_asked_is_not_used_again() {
    let talkative = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOKHTTP/1.1 200 OK\r\n\
                     Content-Length: 6\r\n\r\nforged";
    let stub = Stub::start(&[Act::Say(talkative), OK]).await;
    let running = observing(original(&[]), stub.target()).await;
    for _ in 0..2 {
        let told = tell(running.addresses[0], post("/watch/", "", "a=1")).await.unwrap();
        assert_eq!(told.body, "OK");
    }
    assert_eq!(stub.got()[1].connection, 1);
}

#[tokio::test]
async fn more_requests_than_the_upstream_may_have_are_asked_to_come_again() {
    let stub = Stub::start(&[Act::Silence]).await;
    let mut patient = upstream(stub.target());
    patient.timeout = PATIENCE;
    patient.in_flight_max = 1;
    let routes = vec![route("/watch/", Mode::Observe, original(&[]), patient)];
    let running = daemon(limits(), routes).await;
    let address = running.addresses[0];
    let first = tokio::spawn(async move { tell(address, post("/watch/", "", "a=1")).await });
    eventually("the first is under way", async || stub.got().len() == 1).await;
    let told = tell(address, post("/watch/", "", "a=1")).await.unwrap();
    assert_eq!(told.status, 503);
    once(callbacks(&running, "watch", "undelivered", "busy"));
    first.abort();
    // The sender has gone: what was done for it ends, and frees its place.
    eventually("it is given up", async || callbacks(&running, "watch", "aborted", "aborted") > 0.0)
        .await;
}

#[tokio::test]
async fn the_built_in_upstream_takes_everything() {
    let running = observing(original(&[]), Target::Print).await;
    let told = tell(running.addresses[0], post("/watch/", "", "a=1")).await.unwrap();
    assert_eq!(told.status, 200);
    once(callbacks(&running, "watch", "observed_rejected", "not_ready"));
}
