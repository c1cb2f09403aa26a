//! The edge between real programs: `HAProxy` and nginx before it, nginx and a site behind it, curl and
//! Chromium before all of them.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use crate::support::child::Guarded;
use crate::support::free_address;
use crate::support::nginx::Nginx;
use crate::support::passing::{ALL, End, Played, count, passed};
use crate::support::shop::{Folder, Wired};
use crate::support::*;

/// The daemon before that upstream, with these keys and this listener beside the usual route.
async fn site_with(
    upstream: SocketAddr,
    top: &str,
    listener: &str,
) -> (Folder, countersign::app::Running) {
    let route = Wired { path: Some("/billing/payment/liqpay/"), ..Wired::usual("liqpay") };
    let text = shop::config_with(&format!("http://{upstream}"), top, &[route]);
    let text = text
        .replace("address: \"127.0.0.1:0\" }]", &format!("address: \"127.0.0.1:0\"{listener} }}]"));
    let folder = shop::folder(&text);
    let running = shop::open(&folder).await;
    (folder, running)
}

/// `HAProxy` on a port of its own, with this configuration of the server behind it.
async fn haproxy(server: &str) -> (Folder, Guarded, SocketAddr) {
    let (folder, address) = (Folder::new(), free_address());
    let config = format!(
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n\
         frontend front\n  bind {address}\n  default_backend back\n\
         backend back\n  server daemon {server}\n"
    );
    folder.write("haproxy.cfg", config);
    let process = Guarded::start(
        Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(folder.at("haproxy.cfg"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
        "haproxy",
    );
    eventually("haproxy serves", async || tokio::net::TcpStream::connect(address).await.is_ok())
        .await;
    (folder, process, address)
}

/// Runs a program beside the daemon in this process.
async fn run(mut command: Command) -> Output {
    let done = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap());
    tokio::time::timeout(PATIENCE * 3, done).await.expect("it ends").unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_says_whom_a_connection_is_for_in_both_versions() {
    for version in ["send-proxy", "send-proxy-v2"] {
        let stub = Stub::start(&[OK]).await;
        let top = format!("trusted_proxies: 127.0.0.1\n{ALL}");
        let (_folder, running) = site_with(stub.address, &top, ", proxy_protocol: true").await;
        // That haproxy is asked from another address than its own shows whose address arrives.
        let server = format!("{} {version}", running.addresses[0]);
        let (_haproxy_folder, _haproxy, front) = haproxy(&server).await;
        let mut command = Command::new("curl");
        command.args(["-sS", "--interface", "127.0.0.77", &format!("http://{front}/x")]);
        let output = run(command).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"OK", "{version}");
        assert_eq!(stub.got()[0].header("x-real-ip"), Some("127.0.0.77"), "{version}");
    }
}

#[tokio::test]
async fn nobody_else_says_whom_a_connection_is_for() {
    let said = format!("PROXY TCP4 192.0.2.7 127.0.0.1 1 80\r\n{}", get("/x"));
    for (trusted, bytes, is_closed) in [
        ("127.0.0.1", said.clone(), false),
        ("192.0.2.1", said, true),
        ("127.0.0.1", get("/x"), true),
    ] {
        let stub = Stub::start(&[OK]).await;
        let top = format!("trusted_proxies: {trusted}\n{ALL}");
        let (_folder, running) = site_with(stub.address, &top, ", proxy_protocol: true").await;
        let told = tell(running.addresses[0], &bytes).await;
        assert_eq!(told.is_none(), is_closed, "{trusted}: {told:?}");
        let refused = count(&running, "connections_refused_total{limit=\"proxy_protocol\"}");
        assert_eq!(refused, u64::from(is_closed), "{trusted}");
        let seen: Vec<_> =
            stub.got().iter().map(|got| got.header("x-real-ip").map(str::to_owned)).collect();
        let want = if is_closed { vec![] } else { vec![Some("192.0.2.7".to_owned())] };
        assert_eq!(seen, want, "{trusted}");
    }
}

#[tokio::test]
async fn behind_nginx_the_client_is_whom_nginx_says() {
    let stub = Stub::start(&[OK]).await;
    let top = format!("trusted_proxies: 127.0.0.1\n{ALL}");
    let (_folder, running) = site_with(stub.address, &top, "").await;
    let address = free_address();
    let servers = format!(
        "server {{ listen {address}; location / {{ proxy_pass http://{}; proxy_http_version 1.1; \
         proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto https; \
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}\n",
        running.addresses[0]
    );
    let nginx = Nginx::start(address, &servers).await;
    let spoofed = get("/x").replace("\r\n\r\n", "\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
    assert_eq!(tell(nginx.address, spoofed).await.unwrap().status, 200);
    let got = stub.take().remove(0);
    // nginx adds whom it was called by, 127.0.0.1, which is trusted here; beyond that stands what the
    // client says of itself. Whoever trusts the network that clients are in believes clients.
    assert_eq!(got.header("x-forwarded-for"), Some("203.0.113.9, 127.0.0.1, 127.0.0.1"));
    assert_eq!(got.header("x-forwarded-proto"), Some("https"));
    assert_eq!(got.header("host"), Some("shop.example"));
}

/// A page of the legacy site, its parts, and its chat.
async fn legacy() -> Nginx {
    let address = free_address();
    let servers = format!(
        "server {{ listen {address}; root html; types {{ text/html html; text/css css; text/javascript js; }} gzip on; gzip_min_length 1; \
         location = /moved {{ return 302 /index.html; }} \
         location /internal/ {{ return 200 secret; }} }}\n"
    );
    let nginx = Nginx::start(address, &servers).await;
    let page = "<!doctype html><title>shop</title><link rel=stylesheet href=/style.css>\
                <p id=said>not yet</p><script src=/page.js></script>";
    nginx.folder.write("html/index.html", page);
    nginx.folder.write("html/style.css", "p { color: rgb(1, 2, 3) }");
    let script = "const p = document.getElementById('said');\
                  const s = new WebSocket(`ws://${location.host}/chat`);\
                  s.onmessage = (m) => fetch('/large.txt').then(r => r.text()).then(t => {\
                  p.textContent = `${getComputedStyle(p).color} ${m.data} ${t.length}`; s.close(); });\
                  s.onopen = () => s.send('hello');";
    nginx.folder.write("html/page.js", script);
    nginx.folder.write("html/large.txt", "x".repeat(3_000_000));
    nginx
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_pages_ranges_redirects_and_headers_of_a_site_behind() {
    let nginx = legacy().await;
    let (_folder, running) = site_with(nginx.address, ALL, "").await;
    let base = format!("http://{}", running.addresses[0]);
    let curl = async |arguments: &[&str], path: &str| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "20"]).args(arguments).arg(format!("{base}{path}"));
        let output = run(command).await;
        assert!(output.status.success(), "{arguments:?} {path}: {output:?}");
        output.stdout
    };
    let large = curl(&[], "/large.txt").await;
    assert_eq!(large.len(), 3_000_000);
    assert_eq!(curl(&["-r", "10-19"], "/large.txt").await, b"xxxxxxxxxx");
    assert_eq!(curl(&["--compressed"], "/large.txt").await, large);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().to_lowercase();
    let head = text(curl(&["-I"], "/large.txt").await);
    assert!(head.contains("200 ok") && head.contains("content-length: 3000000"), "{head}");
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let same = text(curl(&["-i", "-H", &format!("If-None-Match: {tag}")], "/large.txt").await);
    assert!(same.starts_with("http/1.1 304 "), "{same}");
    assert!(text(curl(&["-L"], "/moved").await).contains("<title>shop</title>"));
    assert!(text(curl(&["-0", "-i"], "/style.css").await).contains("color"), "HTTP/1.0");
    assert_eq!(passed(&running, "5xx"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_shows_a_page_of_the_site_with_its_parts_and_its_websocket() {
    let nginx = legacy().await;
    let (chat, chat_address) = Played::start().await;
    let echo = tokio::spawn(async move {
        let mut end: End = chat.accept().await;
        let head = end.head().await;
        end.say(websocket_grant(&head)).await;
        // One masked text frame: `hello`.
        let frame = end.exactly(6 + 5).await;
        let said: Vec<u8> =
            frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(b, m)| b ^ m).collect();
        end.say([b"\x81\x05".as_slice(), &said].concat()).await;
        // The browser closes the conversation, then the connection.
        while !end.some().await.is_empty() {}
    });
    let top = "proxy:\n- { name: site, upstream: smarty }\n\
               - { name: chat, prefix: /chat, upstream: chat, upgrade: websocket }\n";
    let route = Wired { path: Some("/billing/payment/liqpay/"), ..Wired::usual("liqpay") };
    let text = shop::config_with(&format!("http://{}", nginx.address), top, &[route]);
    let more = format!("upstreams:\n  chat: {{ url: \"http://{chat_address}\" }}\n");
    let folder = shop::folder(&text.replace("upstreams:\n", &more));
    let running = shop::open(&folder).await;
    let profile = Folder::new();
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-background-networking", "--virtual-time-budget=10000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &format!("http://{}/index.html", running.addresses[0])]);
    let output = run(command).await;
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("rgb(1, 2, 3) hello 3000000"), "{page}");
    echo.await.unwrap();
}

/// The answer to a client's handshake (RFC 6455 §4.2.2).
fn websocket_grant(head: &str) -> String {
    use base64::Engine as _;
    use sha1::Digest as _;
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value)
    });
    let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.unwrap());
    let accept = base64::engine::general_purpose::STANDARD.encode(sha1::Sha1::digest(key));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}
