//! What passes through: all of it, as it came, while it comes; and nothing that belongs to a webhook.

use countersign::app::Running;

use crate::support::passing::{ALL, End, Played, count, passed, site};
use crate::support::*;

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn nothing_passes_unless_it_is_configured() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = site(stub.address, "").await;
    let told = tell(running.addresses[0], get("/", "")).await.unwrap();
    assert_eq!((told.status, told.body.as_str()), (404, "refused\n"));
    assert!(stub.got().is_empty());
}

#[tokio::test]
async fn path_and_query_pass_byte_for_byte() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = site(stub.address, ALL).await;
    let targets = [
        "/",
        "/index.php?a=b&a=%2F&c=%zz",
        "//double//slash",
        "/a/../b/./c",
        "/%D0%BE%d0%bf/%7e~;x=1,2!$&'()*+:@=",
        "/?",
        "/x?y?z=/../",
        "/a%2Fb%5Cc",
    ];
    for target in targets {
        let told = tell(running.addresses[0], get(target, "")).await.unwrap();
        assert_eq!((told.status, told.body.as_str()), (200, "OK"), "{target}");
        assert_eq!(stub.take()[0].line, format!("GET {target} HTTP/1.1"));
    }
    let absolute = "GET http://shop.example/a%2Fb?c HTTP/1.1\r\nHost: shop.example\r\n\
                    Connection: close\r\n\r\n";
    assert_eq!(tell(running.addresses[0], absolute).await.unwrap().status, 200);
    let got = stub.take().remove(0);
    assert_eq!(
        (got.line.as_str(), got.header("host")),
        ("GET /a%2Fb?c HTTP/1.1", Some("shop.example"))
    );
    assert_eq!(passed(&running, "2xx"), targets.len() as u64 + 1);
}

#[tokio::test]
async fn a_webhook_is_not_reached_by_another_spelling_of_it() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = site(stub.address, ALL).await;
    let spellings = [
        "/billing/payment/liqpay",
        "//billing/payment/liqpay/",
        "/billing//payment/liqpay/",
        "/./billing/payment/liqpay/",
        "/x/../billing/payment/liqpay/",
        "/BILLING/payment/LiqPay/",
        "/billing/payment/liq%70ay/",
        "/billing%2fpayment%2Fliqpay/",
        "/billing/payment/%256ciqpay/",
        "/billing\\payment\\liqpay/",
        "/billing/payment/liqpay;x/",
        "/billing/payment/liqpay/;jsessionid=1",
        "/billing/payment/liqpay/.",
        "/billing/payment/liqpay./",
        "/billing/payment/liqpay/%3Fa=b",
        "/billing/payment/liqpay/%23",
        "/billing/%2e/payment/liqpay/",
        "/x/%2e%2e/billing/payment/liqpay/",
        "/billing%c0%afpayment/liqpay/",
        "/billing/payment/liqpay/%00",
        "/billing/payment/liqpay/%00.png",
        "/billing/payment/liqpay%20/",
        "/x/..;/billing/payment/liqpay/",
        "http://shop.example/billing/payment//liqpay/",
        // What takes verified events at the upstream is nobody else's either.
        "/billing/payment/canonical/",
        "/billing/payment/canonical",
        "/billing/payment/Canonical/?x",
        "/billing/payment/%63anonical/",
    ];
    for spelling in spellings {
        for method in ["GET", "POST"] {
            let request = format!(
                "{method} {spelling} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\
                 Content-Length: 0\r\n\r\n"
            );
            let told = tell(running.addresses[0], request).await.unwrap();
            assert_eq!((told.status, told.body.as_str()), (404, "refused\n"), "{spelling}");
        }
    }
    assert!(stub.got().is_empty(), "{:?}", stub.got());
    let counted = callbacks(&running, "none", "rejected", "protected_path");
    assert_eq!(format!("{counted}"), format!("{}", 2 * spellings.len()));
    // Nor by a header that some frameworks take for the path.
    let said = "X-Original-URL: /billing/payment/canonical/\r\nX-Rewrite-URL: /billing/payment/liqpay/\r\n";
    assert_eq!(tell(running.addresses[0], get("/", said)).await.unwrap().status, 200);
    let got = stub.take().remove(0);
    assert_eq!((got.header("x-original-url"), got.header("x-rewrite-url")), (None, None));
}

#[tokio::test]
async fn the_callback_itself_is_still_judged() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = site(stub.address, ALL).await;
    let forged = post(
        "/billing/payment/liqpay/",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "data=eyJ9&signature=AAAA",
    );
    assert_eq!(tell(running.addresses[0], forged).await.unwrap().status, 401);
    assert!(stub.got().is_empty());
}

#[tokio::test]
async fn denied_paths_do_not_pass_nor_what_is_below_them() {
    let stub = Stub::start(&[OK]).await;
    let top = "proxy: [{ name: site, upstream: smarty, deny: [/internal/, /cron.php] }]\n";
    let (_folder, running) = site(stub.address, top).await;
    for path in
        ["/internal", "/internal/x", "/Internal/%78", "/cron.php", "/cron.php/x", "/a/../cron.PHP"]
    {
        assert_eq!(tell(running.addresses[0], get(path, "")).await.unwrap().status, 404, "{path}");
    }
    assert!(stub.got().is_empty());
    assert_eq!(tell(running.addresses[0], get("/internals", "")).await.unwrap().status, 200);
}

#[tokio::test]
async fn the_part_of_a_site_is_found_by_host_and_longest_prefix() {
    let stubs = [Stub::start(&[OK]).await, Stub::start(&[OK]).await, Stub::start(&[OK]).await];
    let (_folder, running) = {
        let route = shop::Wired { path: Some("/pay/"), ..shop::Wired::usual("liqpay") };
        let text = shop::config(&format!("http://{}", stubs[0].address), &[route]);
        let more = format!(
            "upstreams:\n  files: {{ url: \"http://{}\" }}\n  admin: {{ url: \"http://{}\" }}\n",
            stubs[1].address, stubs[2].address
        );
        let text = text.replace("upstreams:\n", &more)
            + "proxy:\n  - { name: all, upstream: smarty }\n\
               \x20 - { name: files, prefix: /static/, upstream: files }\n\
               \x20 - { name: admin, hosts: [admin.example, \"*.admin.example\"], upstream: admin }\n";
        let folder = shop::folder(&text);
        let running = shop::open(&folder).await;
        (folder, running)
    };
    for (host, path, want) in [
        ("shop.example", "/", 0),
        ("shop.example", "/statics", 0),
        ("shop.example", "/static", 1),
        ("shop.example", "/Static/x.css", 1),
        ("admin.example", "/static/x", 2),
        ("ADMIN.example:8080", "/", 2),
        ("a.b.admin.example", "/", 2),
        ("notadmin.example", "/", 0),
        (".admin.example", "/", 0),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        tell(running.addresses[0], request).await.unwrap();
        let got: Vec<usize> = stubs.iter().map(|stub| stub.take().len()).collect();
        let mut wanted = vec![0; 3];
        wanted[want] = 1;
        assert_eq!(got, wanted, "{host} {path}");
    }
}

#[tokio::test]
async fn headers_of_the_connection_stay_and_who_called_is_said_by_us() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = site(stub.address, ALL).await;
    let spoofed = "Cookie: a=b\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\nTE: gzip\r\n\
                   X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 10.0.0.1\r\n\
                   Forwarded: for=10.0.0.1\r\nX-Forwarded-Host: evil.example\r\n\
                   webhook-id: evt_1\r\nX-Countersign-Verified: 1\r\n";
    tell(running.addresses[0], get("/x", spoofed)).await.unwrap();
    let names = |got: &Got| -> Vec<String> {
        got.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect()
    };
    assert_eq!(
        names(&stub.take()[0]),
        [
            "cookie: a=b",
            "forwarded: for=127.0.0.1;proto=http;host=\"shop.example\"",
            "host: shop.example",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: shop.example",
            "x-forwarded-proto: http",
            "x-real-ip: 127.0.0.1",
        ]
    );
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_whom_it_speaks_for_as_far_as_it_is_trusted() {
    let stub = Stub::start(&[OK]).await;
    let top = format!("trusted_proxies: [127.0.0.1, 10.0.0.0/8]\n{ALL}");
    let (_folder, running) = site(stub.address, &top).await;
    for (said, client) in [
        ("198.51.100.1", "198.51.100.1"),
        ("192.0.2.66, 198.51.100.1", "198.51.100.1"),
        ("192.0.2.66, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        // Nobody knows who that is.
        ("198.51.100.1, unknown", "127.0.0.1"),
    ] {
        let said = format!("X-Forwarded-For: {said}\r\nX-Forwarded-Proto: https\r\n");
        tell(running.addresses[0], get("/x", &said)).await.unwrap();
        let got = stub.take().remove(0);
        assert_eq!(got.header("x-real-ip"), Some(client), "{said}");
        assert_eq!(got.header("x-forwarded-proto"), Some("https"), "{said}");
        let chain = got.header("x-forwarded-for").unwrap();
        assert!(chain.ends_with(", 127.0.0.1"), "{chain}");
    }
}

#[tokio::test]
async fn a_request_is_passed_on_while_it_comes_and_an_answer_too() {
    let (upstream, address) = Played::start().await;
    let (_folder, running) = site(address, ALL).await;
    let mut client = End::to(running.addresses[0]).await;
    client
        .say("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .await;
    let mut server = upstream.accept().await;
    let head = server.head().await.to_lowercase();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    server.until("first").await;
    // The answer begins before the request has ended, and comes in parts, too.
    server.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    client.until("one").await;
    client.say("6\r\nsecond\r\n0\r\n\r\n").await;
    server.until("second").await;
    server.until("0\r\n\r\n").await;
    server.say("3\r\ntwo\r\n").await;
    client.until("two").await;
    server.say("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    // The client's connection goes on. The upstream's, whose answer came early, need not.
    client.say("GET /again HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    assert!(server.head().await.starts_with("GET /again "));
    server.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
    client.until("\r\n\r\nOK").await;
}

#[tokio::test]
async fn an_upstreams_connection_is_used_again() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = site(stub.address, ALL).await;
    for _ in 0..3 {
        let request = post("/x", "", "a=1");
        assert_eq!(tell(running.addresses[0], request).await.unwrap().status, 200);
    }
    let connections: Vec<usize> = stub.got().iter().map(|got| got.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let (upstream, address) = Played::start().await;
    let (_folder, running) = site(address, ALL).await;
    let mut client = End::to(running.addresses[0]).await;
    client
        .say(
            "POST /up HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sum\r\n\
             Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n",
        )
        .await;
    let mut server = upstream.accept().await;
    let head = server.head().await.to_lowercase();
    assert!(head.contains("trailer: x-sum") && head.contains("te: trailers"), "{head}");
    assert_eq!(server.until("\r\n\r\n").await.to_lowercase(), "3\r\nabc\r\n0\r\nx-sum: 3\r\n\r\n");
    let answer = "HTTP/1.1 200 OK\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n\
                  2\r\nOK\r\n0\r\nX-End: yes\r\n\r\n";
    server.say(answer).await;
    let head = client.head().await.to_lowercase();
    assert!(head.contains("trailer: x-end"), "{head}");
    assert_eq!(client.until("\r\n\r\n").await.to_lowercase(), "2\r\nok\r\n0\r\nx-end: yes\r\n\r\n");
}

#[tokio::test]
async fn who_waits_for_100_gets_it_when_the_upstream_is_ready_for_the_body() {
    let (upstream, address) = Played::start().await;
    let (_folder, running) = site(address, ALL).await;
    let mut client = End::to(running.addresses[0]).await;
    client
        .say("PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 100 "));
    client.say("body").await;
    let mut server = upstream.accept().await;
    let head = server.head().await.to_lowercase();
    assert!(!head.contains("expect") && head.contains("content-length: 4"), "{head}");
    server.until("body").await;
    server.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn who_would_send_too_much_is_told_before_he_sends_it() {
    let stub = Stub::start(&[OK]).await;
    let top = "proxy: [{ name: site, upstream: smarty, body: 10B }]\n";
    let (_folder, running) = site(stub.address, top).await;
    let request =
        "PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n";
    let told = tell(running.addresses[0], request).await.unwrap();
    assert_eq!(told.status, 413, "and no 100 before it: {told:?}");
    assert!(stub.got().is_empty());
    assert_eq!(passed(&running, "too_large"), 1);
}

#[tokio::test]
async fn a_body_one_byte_too_long_is_cut_off_even_if_it_does_not_say_so() {
    let (upstream, address) = Played::start().await;
    let top = "proxy: [{ name: site, upstream: smarty, body: 10B }]\n";
    let (_folder, running) = site(address, top).await;
    let mut client = End::to(running.addresses[0]).await;
    client
        .say("PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n")
        .await;
    let mut server = upstream.accept().await;
    server.until("0123456789").await;
    client.say("1\r\nx\r\n0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 413 "));
    let rest = server.rest().await;
    assert!(!rest.contains("0\r\n\r\n"), "what was cut off is no whole request: {rest:?}");
}

#[tokio::test]
async fn a_client_whose_body_breaks_is_at_fault_and_the_upstream_is_not() {
    let (upstream, address) = Played::start().await;
    let (_folder, running) = site(address, ALL).await;
    let mut client = End::to(running.addresses[0]).await;
    client
        .say("PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    let mut server = upstream.accept().await;
    server.until("abc").await;
    client.say("zz\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 400 "));
    server.rest().await;
    assert_eq!((passed(&running, "bad_http"), passed(&running, "upstream_broken")), (1, 0));
}

#[tokio::test]
async fn an_upstream_that_is_down_or_silent_is_a_5xx_of_ours() {
    let top = "proxy: [{ name: site, upstream: smarty, idle_timeout: 50ms }]\n";
    let (_folder, running) = site(free_address(), top).await;
    let told = tell(running.addresses[0], get("/", "")).await.unwrap();
    assert_eq!((told.status, told.body.as_str()), (502, "refused\n"));
    assert_eq!(passed(&running, "upstream_down"), 1);
    let stub = Stub::start(&[Act::Silence]).await;
    let (_folder, running) = site(stub.address, top).await;
    assert_eq!(tell(running.addresses[0], get("/", "")).await.unwrap().status, 504);
    assert_eq!(passed(&running, "upstream_timeout"), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_made_whole() {
    let (upstream, address) = Played::start().await;
    let (_folder, running) = site(address, ALL).await;
    let mut client = End::to(running.addresses[0]).await;
    client.say(get("/", "")).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n").await;
    client.until("part").await;
    drop(server);
    assert!(!client.rest().await.contains("0\r\n\r\n"));
}

#[tokio::test]
async fn an_answer_that_frames_itself_in_two_ways_does_not_pass() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nOKK",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ] {
        let stub = Stub::start(&[Act::SayAndClose(answer)]).await;
        let (_folder, running) = site(stub.address, ALL).await;
        let told = tell(running.addresses[0], get("/", "")).await.unwrap();
        assert_eq!(told.status, 502, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_passes_and_that_to_head_says_how_long_it_would_be() {
    for (method, answer, wanted) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "content-length: 1234"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: x\r\n\r\n", "etag: x"),
        ("GET", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", "x-a: b"),
    ] {
        let stub = Stub::start(&[Act::Say(answer)]).await;
        let (_folder, running) = site(stub.address, ALL).await;
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let told = tell(running.addresses[0], request).await.unwrap();
        assert!(told.has(wanted) && told.body.is_empty(), "{told:?}");
    }
}

#[tokio::test]
async fn a_crowd_of_visitors_takes_no_place_from_a_callback() {
    let (upstream, address) = Played::start().await;
    let route = shop::Wired {
        path: Some("/watch/"),
        forward: "{ as: original }".into(),
        mode: "observe",
        ..shop::Wired::usual("liqpay")
    };
    let text = shop::config_with(&format!("http://{address}"), ALL, &[route]);
    let folder = shop::folder(&text.replace("timeout: 500ms,", "timeout: 500ms, in_flight: 2,"));
    let running = shop::open(&folder).await;
    let mut visitors = Vec::new();
    for _ in 0..2 {
        let mut visitor = End::to(running.addresses[0]).await;
        visitor.say(get("/", "")).await;
        let mut server = upstream.accept().await;
        server.head().await;
        visitors.push((visitor, server));
    }
    assert_eq!(tell(running.addresses[0], get("/", "")).await.unwrap().status, 503);
    assert_eq!(passed(&running, "busy"), 1);
    let mut gateway = End::to(running.addresses[0]).await;
    gateway.say(post("/watch/", "", "a=1")).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
    assert!(gateway.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_large_upload_needs_no_memory() {
    const BYTES: usize = 64 * 1024 * 1024;
    let (upstream, address) = Played::start().await;
    let (_folder, running) = site(address, ALL).await;
    let before = resident(std::process::id());
    let sender = tokio::spawn(async move {
        let mut client = End::to(running.addresses[0]).await;
        client.say(format!("PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n")).await;
        let part = vec![b'x'; 256 * 1024];
        for _ in 0..BYTES / part.len() {
            client.say(&part).await;
        }
        let head = client.head().await;
        (running, head)
    });
    let mut server = upstream.accept().await;
    server.head().await;
    let mut most = 0;
    let mut left = BYTES;
    while left > 0 {
        left -= server.some().await.len();
        most = most.max(resident(std::process::id()));
    }
    server.say("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    let (running, head) = sender.await.unwrap();
    assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
    assert!(most < before + 16 * 1024, "{before} KiB, then {most} KiB");
    assert_eq!(bytes(&running, "in"), BYTES as u64);
}

fn bytes(running: &Running, direction: &str) -> u64 {
    count(running, &format!("proxy_bytes_total{{direction=\"{direction}\",proxy=\"site\"}}"))
}
