//! WebSocket: allowed where it is said, a tunnel after 101 and not before, no way around a refusal.

use crate::support::passing::{ALL, End, Played, passed, site};
use crate::support::*;

const SOCKETS: &str = "proxy: [{ name: site, upstream: smarty, upgrade: websocket }]\n";

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\n\r\n";

const GRANT: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[tokio::test]
async fn a_websocket_is_a_tunnel_in_both_directions() {
    let (upstream, address) = Played::start().await;
    let (_folder, running) = site(address, SOCKETS).await;
    let mut client = End::to(running.addresses[0]).await;
    client.say(ASK).await;
    let mut server = upstream.accept().await;
    let head = server.head().await.to_lowercase();
    assert!(
        head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"),
        "{head}"
    );
    assert!(head.contains("sec-websocket-key: "), "{head}");
    // The first frame comes with the answer.
    server.say([GRANT.as_bytes(), b"\x01\x05hello"].concat()).await;
    let head = client.head().await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: websocket"), "{head}");
    assert!(head.contains("sec-websocket-accept: "), "{head}");
    client.until("\u{5}hello").await;
    // Bytes that are no HTTP, and bytes that are, go through alike.
    for said in
        ["GET / HTTP/1.1\r\n\r\n", "\u{1}\u{2}\n\n bare", "POST /x HTTP/9\r\nA_b: c\r\n\r\n"]
    {
        client.say(said).await;
        assert_eq!(server.until(said).await, said);
        server.say(said).await;
        assert_eq!(client.until(said).await, said);
    }
    let open = "countersign_proxy_tunnels_open{proxy=\"site\"}";
    assert_eq!(series(&running, open).map(f64::to_bits), Some(1.0_f64.to_bits()));
    // One side ends; what the other still has to say arrives.
    client.finish().await;
    assert_eq!(server.rest().await, "");
    server.say("last words").await;
    drop(server);
    assert_eq!(client.rest().await, "last words");
    eventually("the tunnel is gone", async || {
        series(&running, open).map(f64::to_bits) == Some(0.0_f64.to_bits())
    })
    .await;
    assert_eq!(passed(&running, "1xx"), 1);
}

#[tokio::test]
async fn what_is_not_allowed_is_asked_as_if_nobody_had_asked_for_it() {
    for (top, ask) in [
        (ALL, ASK.to_owned()),
        (SOCKETS, ASK.replace("Upgrade: websocket", "Upgrade: h2c")),
        (SOCKETS, ASK.replace("keep-alive, Upgrade", "keep-alive")),
        (SOCKETS, ASK.replace("GET", "OPTIONS")),
    ] {
        let stub = Stub::start(&[OK]).await;
        let (_folder, running) = site(stub.address, top).await;
        // It is the last request of its connection: what follows could be the other protocol.
        let told = tell(running.addresses[0], format!("{ask}GET /smuggled HTTP/1.1\r\n\r\n")).await;
        let told = told.unwrap();
        assert_eq!((told.status, told.body.as_str()), (200, "OK"), "{ask}");
        assert!(told.has("connection: close"), "{told:?}");
        let got = stub.take();
        assert_eq!(got.len(), 1, "{got:?}");
        assert_eq!((got[0].header("upgrade"), got[0].header("connection")), (None, None));
    }
}

#[tokio::test]
async fn an_upgrade_with_a_body_is_refused() {
    let stub = Stub::start(&[OK]).await;
    let (_folder, running) = site(stub.address, SOCKETS).await;
    for body in ["Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        let ask = ASK.replace("\r\n\r\n", &format!("\r\n{body}"));
        assert_eq!(tell(running.addresses[0], ask).await.unwrap().status, 400, "{body}");
    }
    assert!(stub.got().is_empty());
}

#[tokio::test]
async fn an_upstream_that_refuses_the_upgrade_is_heard() {
    let stub =
        Stub::start(&[Act::Say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")]).await;
    let (_folder, running) = site(stub.address, SOCKETS).await;
    let told = tell(running.addresses[0], ASK).await.unwrap();
    assert_eq!((told.status, told.body.as_str()), (403, "no"));
}

#[tokio::test]
async fn a_silent_tunnel_is_closed() {
    let (upstream, address) = Played::start().await;
    let top = SOCKETS.replace("upgrade:", "idle_timeout: 100ms, upgrade:");
    let (_folder, running) = site(address, &top).await;
    let mut client = End::to(running.addresses[0]).await;
    client.say(ASK).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.say(GRANT).await;
    client.head().await;
    assert_eq!(client.rest().await, "");
    assert_eq!(server.rest().await, "");
}

#[tokio::test]
async fn a_drain_waits_for_tunnels_and_then_cuts_them_off() {
    let (upstream, address) = Played::start().await;
    let top = format!("limits: {{ drain_timeout: 200ms }}\n{SOCKETS}");
    let (_folder, running) = site(address, &top).await;
    let mut client = End::to(running.addresses[0]).await;
    client.say(ASK).await;
    let mut server = upstream.accept().await;
    server.head().await;
    server.say(GRANT).await;
    client.head().await;
    let drain = tokio::spawn(running.drain());
    client.say("still here").await;
    server.until("still here").await;
    assert!(!drain.await.unwrap(), "it was not finished in time");
    assert_eq!(client.rest().await, "");
}
