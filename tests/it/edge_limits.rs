//! Each limit of the edge, one past it: what it does, what it does not, and what counts it.

use countersign::app::Running;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::passing::{ALL, End, Played, count, passed, site};
use crate::support::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn refused(running: &Running, limit: &str) -> u64 {
    count(running, &format!("connections_refused_total{{limit=\"{limit}\"}}"))
}

fn ended(running: &Running, limit: &str) -> u64 {
    count(running, &format!("connections_ended_total{{limit=\"{limit}\"}}"))
}

async fn with(limits: &str) -> (shop::Folder, Running) {
    let stub = Stub::start(&[OK]).await;
    site(stub.address, &format!("limits: {{ {limits} }}\n{ALL}")).await
}

/// Whether the daemon has closed it without a word.
async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(timeout(PATIENCE, stream.read(&mut [0; 1])).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let (_folder, running) = with("connections_per_address: 3").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut end = End::to(running.addresses[0]).await;
        end.say(GET).await;
        end.until("\r\n\r\nOK").await;
        held.push(end);
    }
    let mut fourth = TcpStream::connect(running.addresses[0]).await.unwrap();
    assert!(is_closed(&mut fourth).await);
    assert_eq!(
        (refused(&running, "connections_per_address"), refused(&running, "connections")),
        (1, 0)
    );
    held.pop();
    eventually("there is a place again", async || {
        tell(running.addresses[0], GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
            .await
            .is_some()
    })
    .await;
}

#[tokio::test]
async fn a_trusted_proxy_brings_as_many_connections_as_there_are() {
    let stub = Stub::start(&[OK]).await;
    let top =
        format!("limits: {{ connections_per_address: 1 }}\ntrusted_proxies: 127.0.0.1\n{ALL}");
    let (_folder, running) = site(stub.address, &top).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut end = End::to(running.addresses[0]).await;
        end.say(GET).await;
        end.until("\r\n\r\nOK").await;
        held.push(end);
    }
    assert_eq!(refused(&running, "connections_per_address"), 0);
}

#[tokio::test]
async fn a_connection_has_so_many_requests_and_is_told_of_the_last() {
    let (_folder, running) = with("requests_per_connection: 2").await;
    let mut end = End::to(running.addresses[0]).await;
    end.say(GET).await;
    let first = end.until("\r\n\r\nOK").await.to_lowercase();
    assert!(!first.contains("connection: close"), "{first}");
    end.say(format!("{GET}{GET}")).await;
    let second = end.rest().await.to_lowercase();
    assert!(second.contains("connection: close"), "{second}");
    assert_eq!(second.matches("http/1.1").count(), 1, "the third is not answered: {second}");
    eventually("it is counted", async || ended(&running, "requests_per_connection") == 1).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let (_folder, running) = with("header_timeout: 50ms, idle_timeout: 1h").await;
    let mut silent = TcpStream::connect(running.addresses[0]).await.unwrap();
    assert!(is_closed(&mut silent).await);
    eventually("it is counted", async || ended(&running, "header_timeout") == 1).await;
}

#[tokio::test]
async fn a_head_that_does_not_end_in_time_is_refused() {
    let (_folder, running) = with("header_timeout: 50ms, idle_timeout: 1h").await;
    let mut slow = End::to(running.addresses[0]).await;
    slow.say("GET / HTTP/1.1\r\nHost: a\r\nX-").await;
    let told = slow.rest().await;
    assert!(told.starts_with("HTTP/1.1 408 ") && told.ends_with("refused\n"), "{told}");
    let counted = callbacks(&running, "none", "rejected", "head_timeout");
    assert_eq!(counted.to_bits(), 1.0_f64.to_bits());
    // Also behind another request, and whatever the idle time.
    let mut slow = End::to(running.addresses[0]).await;
    slow.say(format!("{GET}GET /second HT")).await;
    slow.until("\r\n\r\nOK").await;
    assert!(slow.rest().await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_connection_waits_so_long_for_its_next_request() {
    let (_folder, running) = with("header_timeout: 20ms, idle_timeout: 300ms").await;
    let mut end = End::to(running.addresses[0]).await;
    for _ in 0..3 {
        end.say(GET).await;
        end.until("\r\n\r\nOK").await;
        // Longer than a head may take, shorter than a connection may rest.
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    assert_eq!(end.rest().await, "");
    eventually("it is counted", async || ended(&running, "idle_timeout") == 1).await;
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off_and_one_that_flows_is_not() {
    let (upstream, address) = Played::start().await;
    let top = format!("limits: {{ body_timeout: 200ms, bytes_per_second: 100B }}\n{ALL}");
    let (_folder, running) = site(address, &top).await;
    let ask = "PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
    let mut client = End::to(running.addresses[0]).await;
    client.say(ask).await;
    let trickle = tokio::spawn(async move {
        let mut server = upstream.accept().await;
        server.head().await;
        (upstream, server.rest().await)
    });
    client.say("x").await;
    assert!(client.head().await.starts_with("HTTP/1.1 408 "));
    let (upstream, _) = trickle.await.unwrap();
    assert_eq!(passed(&running, "body_timeout"), 1);
    // Twice the time in all, at twice the rate.
    let mut client = End::to(running.addresses[0]).await;
    client.say(ask).await;
    let mut server = upstream.accept().await;
    server.head().await;
    for _ in 0..10 {
        client.say("0123456789").await;
        server.until("0123456789").await;
        tokio::time::sleep(std::time::Duration::from_millis(45)).await;
    }
    server.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
    client.until("\r\n\r\nOK").await;
}

#[tokio::test]
async fn what_the_upstream_keeps_waiting_is_not_the_fault_of_the_client() {
    let (upstream, address) = Played::start().await;
    let top = format!("limits: {{ body_timeout: 50ms, bytes_per_second: 64KiB }}\n{ALL}");
    let (_folder, running) = site(address, &top).await;
    let body = vec![b'x'; 8 * 1024 * 1024];
    let length = body.len();
    let sender = tokio::spawn(async move {
        let mut client = End::to(running.addresses[0]).await;
        client
            .say(format!("PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"))
            .await;
        client.say(body).await;
        (client.head().await, running)
    });
    let mut server = upstream.accept().await;
    server.head().await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let mut left = length;
    while left > 0 {
        left -= server.some().await.len();
    }
    server.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
    let (head, _running) = sender.await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn who_does_not_take_his_answer_is_cut_off() {
    let (upstream, address) = Played::start().await;
    let top = format!("limits: {{ body_timeout: 100ms, bytes_per_second: 64KiB }}\n{ALL}");
    let (_folder, running) = site(address, &top).await;
    let mut client = End::to(running.addresses[0]).await;
    client.say(GET).await;
    let mut server = upstream.accept().await;
    server.head().await;
    let sender = tokio::spawn(async move {
        server.say("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n").await;
        let part = vec![b'x'; 64 * 1024];
        while server.try_say(&part).await {}
    });
    eventually("it is counted", async || ended(&running, "bytes_per_second") == 1).await;
    sender.await.unwrap();
    drop(client);
}

#[tokio::test]
async fn one_call_too_many_is_told_when_to_come_again() {
    let stub = Stub::start(&[OK]).await;
    let top = "trusted_proxies: 127.0.0.1\n\
               proxy: [{ name: site, upstream: smarty, rate: { requests: 2, per: 1h } }]\n";
    let (_folder, running) = site(stub.address, top).await;
    let of = |client: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: {client}\r\n\r\n"
        )
    };
    for _ in 0..2 {
        assert_eq!(tell(running.addresses[0], of("192.0.2.1")).await.unwrap().status, 200);
    }
    let told = tell(running.addresses[0], of("192.0.2.1")).await.unwrap();
    assert_eq!((told.status, told.body.as_str()), (429, "refused\n"));
    assert!(told.has("retry-after: 1800"), "{told:?}");
    assert_eq!(tell(running.addresses[0], of("192.0.2.2")).await.unwrap().status, 200);
    assert_eq!((passed(&running, "rate_limited"), stub.got().len()), (1, 3));
}

#[tokio::test]
async fn a_route_has_its_own_rate_and_its_own_networks() {
    let stub = Stub::start(&[OK]).await;
    let forged = || {
        post("/pay/", "Content-Type: application/x-www-form-urlencoded\r\n", "data=a&signature=b")
    };
    for (key, statuses, reason) in [
        ("rate: { requests: 1, per: 1h }", [401, 429], "rate_limited"),
        ("allow: 192.0.2.0/24", [403, 403], "source_denied"),
        ("allow: [127.0.0.0/8]", [401, 401], "signature_m"),
    ] {
        let route = shop::Wired { path: Some("/pay/"), ..shop::Wired::usual("liqpay") };
        let text = shop::config(&format!("http://{}", stub.address), &[route]);
        let folder = shop::folder(&text.replace("mode: enforce", &format!("mode: enforce, {key}")));
        let running = shop::open(&folder).await;
        for status in statuses {
            let told = tell(running.addresses[0], forged()).await.unwrap();
            assert_eq!((told.status, told.body.as_str()), (status, "refused\n"), "{key}");
        }
        let text = String::from_utf8(running.metrics.text().unwrap()).unwrap();
        let is_counted = |line: &str| {
            line.starts_with("countersign_callbacks_total")
                && line.contains("route=\"liqpay\"")
                && line.contains(&format!("reason=\"{reason}"))
                && !line.ends_with(" 0")
        };
        assert!(text.lines().any(is_counted), "{key}: {text}");
    }
}

#[tokio::test]
async fn a_part_of_the_site_may_be_for_some_networks_only() {
    let stub = Stub::start(&[OK]).await;
    let top = "trusted_proxies: 127.0.0.1\n\
               proxy: [{ name: site, upstream: smarty, allow: [192.0.2.0/24, \"2001:db8::/32\"] }]\n";
    let (_folder, running) = site(stub.address, top).await;
    for (said, status) in [
        ("192.0.2.7", 200),
        ("2001:db8::7", 200),
        ("::ffff:192.0.2.7", 200),
        ("198.51.100.1", 403),
        ("192.0.2.7, 198.51.100.1", 403),
        // Nobody knows who that is, so he is not one of them.
        ("192.0.2.7, nobody", 403),
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: {said}\r\n\r\n"
        );
        assert_eq!(tell(running.addresses[0], request).await.unwrap().status, status, "{said}");
    }
    assert_eq!(passed(&running, "source_denied"), 3);
}

/// What ten thousand take of a release build, `tests/bench/idle.py` measures.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_takes_little_memory() {
    const IDLE: u64 = 1000;
    let stub = Stub::start(&[OK]).await;
    let top = format!("limits: {{ connections: 2000, idle_timeout: 10m }}\n{ALL}");
    let routes = [shop::Wired::usual("liqpay")];
    let folder =
        shop::folder(&shop::config_with(&format!("http://{}", stub.address), &top, &routes));
    let daemon = child::Daemon::start(&folder).await;
    let before = resident(daemon.id());
    let mut held = Vec::new();
    for _ in 0..IDLE {
        let mut end = End::to(daemon.address).await;
        end.say(GET).await;
        end.until("\r\n\r\nOK").await;
        held.push(end);
    }
    let after = resident(daemon.id());
    assert!(after < before + 30 * IDLE, "{before} KiB, then {after} KiB");
    // All of them are still there.
    for end in held.iter_mut().step_by(100) {
        end.say(GET).await;
        end.until("\r\n\r\nOK").await;
    }
}

#[tokio::test]
async fn five_hundred_slow_connections_keep_nobody_else_waiting() {
    let (_folder, running) = with("connections_per_address: 2000").await;
    let mut held = Vec::new();
    for n in 0..500 {
        let mut slow = End::to(running.addresses[0]).await;
        let said = ["", "GET / HT", "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"];
        slow.say(said[n % said.len()]).await;
        held.push(slow);
    }
    let good = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let second = std::time::Duration::from_secs(1);
    let told = timeout(second, tell(running.addresses[0], good)).await.expect("within a second");
    assert_eq!(told.unwrap().status, 200);
    assert_eq!(held.len(), 500);
}
