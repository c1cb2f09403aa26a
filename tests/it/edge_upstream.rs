//! The way to an upstream as streams: both bodies at once, deadlines, places, what becomes of the
//! connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign::config::Target;
use countersign::live;
use countersign::metrics::Metrics;
use countersign::upstream::{
    AnswerBody, BoxError, Deadlines, Error, Outgoing, Pool, Repeat, Terms,
};
use http_body_util::{BodyExt as _, channel::Channel};
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::*;

const SHORT: Duration = Duration::from_millis(100);

/// Long before anybody's patience is over.
const TERMS: Terms = Terms {
    repeat: Repeat::Never,
    deadlines: Deadlines { whole: None, head: Some(PATIENCE), idle: Some(PATIENCE) },
    client: None,
};

/// Accepts connections one after the other and does this with each.
async fn server<F>(act: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(act(stream));
        }
    });
    address
}

fn pool_of(upstream: &live::Upstream) -> Arc<Pool> {
    let Target::Http(url) = &upstream.target else { panic!("nobody to send to") };
    Arc::new(Pool::new(url, upstream, Metrics::new().unwrap().upstream("shop")))
}

fn pool(address: SocketAddr) -> Arc<Pool> {
    pool_of(&upstream(Target::Http(format!("http://{address}"))))
}

fn get(path: &str) -> Request<Outgoing> {
    Request::get(path).body(Bytes::new().into()).unwrap()
}

/// A request whose body comes from the channel.
fn upload() -> (http_body_util::channel::Sender<Bytes, BoxError>, Request<Outgoing>) {
    let (sender, body) = Channel::new(1);
    (sender, Request::post("/up").body(Outgoing::streaming(body)).unwrap())
}

async fn text(response: Response<AnswerBody>) -> Result<String, Error> {
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Reads until this has come.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        if text.contains(end) {
            return text;
        }
        let read = timeout(PATIENCE, stream.read_buf(&mut bytes)).await.unwrap().unwrap();
        assert!(read > 0, "the end comes after {text}");
    }
}

#[tokio::test]
async fn an_answer_comes_through_while_the_request_is_still_going_up() {
    let address = server(|mut stream| async move {
        until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        for part in ["one", "two", "three"] {
            let line = format!("{:x}\r\n{part}\r\n", part.len());
            until(&mut stream, &line).await;
            stream.write_all(line.as_bytes()).await.unwrap();
        }
        until(&mut stream, "0\r\n\r\n").await;
        stream.write_all(b"0\r\nx-sum: 11\r\n\r\n").await.unwrap();
    })
    .await;
    let (mut sender, request) = upload();
    let response = timeout(PATIENCE, pool(address).send(request, TERMS)).await.unwrap().unwrap();
    let mut body = response.into_body();
    for part in ["one", "two", "three"] {
        sender.send_data(part.into()).await.unwrap();
        let frame = timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(sender);
    let trailers = timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(trailers.into_trailers().unwrap()["x-sum"], "11");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_request_goes_up_although_nobody_reads_the_answer() {
    const PARTS: usize = 200;
    let (heard, mut all) = tokio::sync::mpsc::channel(1);
    let address = server(move |mut stream| {
        let heard = heard.clone();
        async move {
            until(&mut stream, "\r\n\r\n").await;
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut read, mut write) = stream.split();
            let endless = async { while write.write_all(&[b'x'; 8192]).await.is_ok() {} };
            let mut got = Vec::new();
            let upload = async {
                while !got.ends_with(b"\r\n0\r\n\r\n") {
                    assert!(read.read_buf(&mut got).await.unwrap() > 0);
                    got.drain(..got.len().saturating_sub(8));
                }
                heard.send(()).await.unwrap();
            };
            tokio::join!(endless, upload);
        }
    })
    .await;
    let (mut sender, request) = upload();
    let response = pool(address).send(request, TERMS).await.unwrap();
    for _ in 0..PARTS {
        let part = Bytes::from(vec![b'y'; 65536]);
        timeout(PATIENCE, sender.send_data(part)).await.expect("it goes on").unwrap();
    }
    drop(sender);
    timeout(PATIENCE, all.recv()).await.expect("all of it has come");
    drop(response);
}

#[tokio::test]
async fn a_request_that_breaks_is_not_the_upstreams_fault() {
    let address = server(|mut stream| async move {
        until(&mut stream, "part\r\n").await;
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 0, "it is not made to look whole");
    })
    .await;
    let (mut sender, request) = upload();
    let pool = pool(address);
    let sent = tokio::spawn(async move { pool.send(request, TERMS).await.map(drop) });
    sender.send_data("part".into()).await.unwrap();
    sender.abort("the client went away".into());
    assert_eq!(sent.await.unwrap(), Err(Error::RequestBody));
}

#[tokio::test]
async fn a_request_that_breaks_after_the_answer_has_begun_breaks_the_answer() {
    let address = server(|mut stream| async move {
        until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    })
    .await;
    let (sender, request) = upload();
    let response = pool(address).send(request, TERMS).await.unwrap();
    sender.abort("the client went away".into());
    assert_eq!(text(response).await, Err(Error::RequestBody));
}

#[tokio::test]
async fn an_answer_that_does_not_wait_for_the_request_is_heard_although_the_line_is_cut() {
    let address = server(|mut stream| async move {
        until(&mut stream, "\r\n\r\n").await;
        let no = "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
        stream.write_all(no.as_bytes()).await.unwrap();
    })
    .await;
    let (mut sender, request) = upload();
    let pool = pool(address);
    let sent = tokio::spawn(async move { pool.send(request, TERMS).await });
    // Until nobody takes it any more.
    while sender.send_data(vec![b'x'; 65536].into()).await.is_ok() && !sent.is_finished() {}
    let response = timeout(PATIENCE, sent).await.unwrap().unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text(response).await.unwrap(), "no");
}

#[tokio::test]
async fn an_answer_that_ends_before_the_request_ends_both() {
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let address = server(move |mut stream| {
        let ended = ended.clone();
        async move {
            until(&mut stream, "\r\n\r\n").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.ok();
            ended.send(()).await.unwrap();
        }
    })
    .await;
    let pool = pool(address);
    let (mut sender, request) = upload();
    let response = pool.send(request, TERMS).await.unwrap();
    assert_eq!(text(response).await.unwrap(), "OK");
    timeout(PATIENCE, end.recv()).await.expect("the connection is closed");
    eventually("nobody takes more of it", async || sender.send_data("x".into()).await.is_err())
        .await;
}

#[tokio::test]
async fn an_upstream_that_asks_for_the_body_gets_it() {
    let address = server(|mut stream| async move {
        let got = until(&mut stream, "\r\n\r\n").await;
        assert!(!got.contains("expect"), "{got}");
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        until(&mut stream, "0\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n").await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await.unwrap();
    })
    .await;
    let (mut sender, mut request) = upload();
    request.headers_mut().insert("expect", "100-continue".parse().unwrap());
    let (heard, mut interim) = tokio::sync::mpsc::unbounded_channel();
    hyper::ext::on_informational(&mut request, move |answer| {
        heard.send(answer.status().as_u16()).unwrap();
    });
    let pool = pool(address);
    let sent = tokio::spawn(async move { pool.send(request, TERMS).await });
    assert_eq!(interim.recv().await, Some(100));
    sender.send_data("part".into()).await.unwrap();
    drop(sender);
    let response = sent.await.unwrap().unwrap();
    assert_eq!(interim.recv().await, Some(103));
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await.unwrap(), "OK");
}

#[tokio::test]
async fn whoever_holds_up_the_bytes_is_to_blame_when_the_idle_deadline_is_over() {
    let deadlines = Deadlines { whole: None, head: Some(PATIENCE), idle: Some(SHORT) };
    let terms = Terms { deadlines, ..TERMS };
    let silent = server(|mut stream| async move {
        stream.read_to_end(&mut Vec::new()).await.ok();
    })
    .await;
    let (_sender, request) = upload();
    assert_eq!(pool(silent).send(request, terms).await.map(drop), Err(Error::RequestBody));

    let stuck = server(|mut stream| async move {
        until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").await.unwrap();
        sleep(PATIENCE).await;
    })
    .await;
    let response = pool(stuck).send(get("/"), terms).await.unwrap();
    assert_eq!(text(response).await, Err(Error::Timeout));

    let deaf = server(|stream| async move {
        sleep(PATIENCE).await;
        drop(stream);
    })
    .await;
    let (mut sender, request) = upload();
    let pool = pool(deaf);
    let sent = tokio::spawn(async move { pool.send(request, terms).await.map(drop) });
    while sender.send_data(vec![b'x'; 65536].into()).await.is_ok() {}
    assert_eq!(sent.await.unwrap(), Err(Error::Timeout));
}

#[tokio::test]
async fn a_slow_answer_is_no_late_one_while_bytes_come() {
    let address = server(|mut stream| async move {
        until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await.unwrap();
        for byte in b"slow!" {
            sleep(SHORT / 2).await;
            stream.write_all(&[*byte]).await.unwrap();
        }
    })
    .await;
    let terms = |whole| {
        let deadlines = Deadlines { whole, head: Some(PATIENCE), idle: Some(SHORT * 3 / 2) };
        Terms { deadlines, ..TERMS }
    };
    let response = pool(address).send(get("/"), terms(None)).await.unwrap();
    assert_eq!(text(response).await.unwrap(), "slow!");
    let response = pool(address).send(get("/"), terms(Some(SHORT))).await.unwrap();
    assert_eq!(text(response).await, Err(Error::Timeout));
}

#[tokio::test]
async fn the_deadline_for_the_head_begins_when_the_request_has_gone() {
    let address = server(|mut stream| async move {
        until(&mut stream, "0\r\n\r\n").await;
        sleep(PATIENCE).await;
    })
    .await;
    let deadlines = Deadlines { whole: None, head: Some(SHORT), idle: Some(PATIENCE) };
    let (mut sender, request) = upload();
    let pool = pool(address);
    let terms = Terms { deadlines, ..TERMS };
    let sent = tokio::spawn(async move { pool.send(request, terms).await.map(drop) });
    for _ in 0..4 {
        sleep(SHORT / 2).await;
        sender.send_data("part".into()).await.unwrap();
        assert!(!sent.is_finished());
    }
    drop(sender);
    assert_eq!(timeout(SHORT * 10, sent).await.unwrap().unwrap(), Err(Error::Timeout));
}

#[tokio::test]
async fn an_answer_holds_its_place_until_it_has_ended_or_is_dropped() {
    let stub = Stub::start(&[OK]).await;
    let pool = pool_of(&live::Upstream { in_flight_max: 1, ..upstream(stub.target()) });
    let response = pool.send(get("/1"), TERMS).await.unwrap();
    assert_eq!(pool.send(get("/2"), TERMS).await.map(drop), Err(Error::Busy));
    assert_eq!(text(response).await.unwrap(), "OK");
    let response = pool.send(get("/3"), TERMS).await.unwrap();
    drop(response);
    let response = pool.send(get("/4"), TERMS).await.unwrap();
    assert_eq!(text(response).await.unwrap(), "OK");
    // What was read to its end is used again, what was dropped is not.
    let connections: Vec<_> = stub.got().iter().map(|got| got.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[tokio::test]
async fn a_body_without_a_length_goes_in_chunks_whatever_the_method() {
    let stub = server(|mut stream| async move {
        let got = until(&mut stream, "0\r\n\r\n").await;
        assert!(got.contains("transfer-encoding: chunked\r\n"), "{got}");
        assert!(!got.contains("content-length"), "{got}");
        assert!(got.contains("host: shop.example\r\n"), "{got}");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    })
    .await;
    let (mut sender, request) = upload();
    let (mut head, body) = request.into_parts();
    head.method = hyper::Method::GET;
    head.headers.insert("content-length", "3".parse().unwrap());
    head.headers.insert("host", "shop.example".parse().unwrap());
    sender.send_data("abc".into()).await.unwrap();
    drop(sender);
    let response = pool(stub).send(Request::from_parts(head, body), TERMS).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn after_101_bytes_go_both_ways_and_the_place_is_held() {
    let address = server(|mut stream| async move {
        let got = until(&mut stream, "\r\n\r\n").await;
        assert!(got.contains("connection: upgrade\r\n"), "{got}");
        let early =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello";
        stream.write_all(early.as_bytes()).await.unwrap();
        let heard = until(&mut stream, "ping").await;
        stream.write_all(format!(" {heard} pong").as_bytes()).await.unwrap();
    })
    .await;
    let target = Target::Http(format!("http://{address}"));
    let pool = pool_of(&live::Upstream { in_flight_max: 1, ..upstream(target) });
    let mut request = get("/ws");
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "x".parse().unwrap());
    let response = pool.send(request, TERMS).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut tunnel = response.into_body().into_tunnel().unwrap();
    tunnel.write_all(b"ping").await.unwrap();
    assert_eq!(pool.send(get("/"), TERMS).await.map(drop), Err(Error::Busy));
    let mut heard = String::new();
    timeout(PATIENCE, tunnel.read_to_string(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, "hello ping pong");
    drop(tunnel);
    assert_ne!(pool.send(get("/"), TERMS).await.map(drop), Err(Error::Busy));
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_no_answer() {
    let stub = Stub::start(&[Act::Say("HTTP/1.1 101 Switching Protocols\r\n\r\n")]).await;
    let sent = pool(stub.address).send(get("/"), TERMS).await.map(drop);
    assert_eq!(sent, Err(Error::Broken));
}

#[tokio::test]
async fn an_answer_that_says_in_two_ways_where_it_ends_is_none() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nOK",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ] {
        let stub = Stub::start(&[Act::SayAndClose(answer)]).await;
        let sent = pool(stub.address).send(get("/"), TERMS).await.map(drop);
        assert_eq!(sent, Err(Error::Broken), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_broken_and_one_that_never_begins_is_unanswered() {
    let cut =
        Stub::start(&[Act::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nOK")]).await;
    let response = pool(cut.address).send(get("/"), TERMS).await.unwrap();
    assert_eq!(text(response).await, Err(Error::Broken));
    let silent = Stub::start(&[Act::SayAndClose("")]).await;
    let sent = pool(silent.address).send(get("/"), TERMS).await.map(drop);
    assert_eq!(sent, Err(Error::Unanswered));
    let Target::Http(nowhere) = nobody() else { unreachable!() };
    let pool = pool_of(&upstream(Target::Http(nowhere)));
    assert_eq!(pool.send(get("/"), TERMS).await.map(drop), Err(Error::ConnectFailed));
}
