//! Upstreams that want to be spoken to in a certain way: TLS with certificates of both sides,
//! HTTP/2, the PROXY protocol. Against a real nginx and a real `HAProxy`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign::config::{Address, Http, ProxyProtocol, Reach, Target, TlsVersion};
use countersign::live::loader::Loader;
use countersign::live::sources::Sources;
use countersign::live::{self, UpstreamTls};
use countersign::metrics::Metrics;
use countersign::upstream::{Deadlines, Ends, Error, Outgoing, Pool, Repeat, Terms};
use http_body_util::BodyExt as _;
use hyper::Request;
use tokio::net::TcpStream;

use crate::support::authority::Authority;
use crate::support::child::Guarded;
use crate::support::free_address;
use crate::support::nginx::Nginx;
use crate::support::shop::Folder;
use crate::support::*;

const TERMS: Terms = Terms {
    repeat: Repeat::Never,
    deadlines: Deadlines { whole: Some(PATIENCE), head: None, idle: None },
    client: None,
};

fn pool(url: &str, at: SocketAddr, reach: Reach, tls: UpstreamTls) -> Arc<Pool> {
    let reach = Reach { addresses: vec![Address::Ip(at)], ..reach };
    let connect_timeout = Duration::from_secs(5);
    let target = Target::Http(url.to_owned());
    let upstream =
        live::Upstream { reach, tls, connect_timeout, in_flight_max: 100, ..upstream(target) };
    Arc::new(Pool::new(url, &upstream, Metrics::new().unwrap().upstream("shop")))
}

async fn get(pool: &Arc<Pool>, path: &str, client: Option<Ends>) -> Result<String, Error> {
    let request = Request::get(path).body(Outgoing::from(Bytes::new())).unwrap();
    let response = pool.send(request, Terms { client, ..TERMS }).await?;
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// It shows us who it is, and wants to know the same of us.
async fn guarded(authority: &Authority, more: &str) -> Nginx {
    let address = free_address();
    let (ssl, ca) = (authority.certify("shop.example"), authority.file("ca.pem"));
    let servers = format!(
        "server {{ listen {address} ssl {more}; {ssl} ssl_client_certificate {ca};\n\
         ssl_verify_client on; ssl_protocols TLSv1.2;\n\
         location / {{ return 200 \"$ssl_client_s_dn $ssl_protocol $host $server_protocol\"; }} }}\n"
    );
    Nginx::start(address, &servers).await
}

/// A configuration whose upstream shows a certificate, in the authority's folder.
fn configured(authority: &Authority) -> Loader {
    authority.certify("us");
    authority.certify("other");
    let text = "listen: [{ address: 127.0.0.1:1 }]\nrules: []\nupstreams:\n  app:\n    url: \
                \"https://shop.example\"\n    addresses: [\"unix:app.sock\"]\n    tls:\n      \
                roots: file:ca.pem\n      client_certificate: { chain: file:us.pem, key: \
                file:us.key }\nroutes:\n  - { path: /a, gateway: github, upstream: app, params: { secrets: env:PATH }, \
                mode: observe, forward: { as: original } }\n";
    std::fs::write(authority.file("c.yaml"), text).unwrap();
    Loader::new(PathBuf::from(authority.file("c.yaml")), Sources::of_process())
}

#[test]
fn certificates_and_keys_are_read_with_the_configuration_and_again_with_each_reload() {
    let authority = Authority::new();
    let mut loader = configured(&authority);
    let mut load = || loader.load().map(|loaded| loaded.snapshot.routes["/a"].upstream.clone());
    let read = load().ok().unwrap();
    assert_eq!(read.tls.roots.len(), 1);
    assert_eq!(read.tls.client.as_ref().unwrap().chain.len(), 1);
    let socket = Address::Unix(authority.file("app.sock").into());
    assert_eq!(read.reach.addresses, [socket]);
    let again = load().ok().unwrap();
    let serves = |upstream: &live::Upstream| {
        let metrics = Metrics::new().unwrap().upstream("app");
        Pool::new("https://shop.example", &read, metrics).serves("https://shop.example", upstream)
    };
    assert!(serves(&again), "nothing has changed");
    std::fs::copy(authority.file("other.pem"), authority.file("us.pem")).unwrap();
    std::fs::copy(authority.file("other.key"), authority.file("us.key")).unwrap();
    assert!(!serves(&load().ok().unwrap()), "a new certificate is a new way");
}

#[test]
fn a_key_that_is_not_that_of_the_certificate_is_named_with_its_place() {
    let authority = Authority::new();
    let mut loader = configured(&authority);
    let mut said = |file: &str, text: &[u8]| {
        let before = std::fs::read(authority.file(file)).unwrap();
        std::fs::write(authority.file(file), text).unwrap();
        let failure = loader.load().err().unwrap();
        std::fs::write(authority.file(file), before).unwrap();
        failure.render().concat()
    };
    let other = std::fs::read(authority.file("other.key")).unwrap();
    let mismatch = said("us.key", &other);
    assert!(
        mismatch.contains("c.yaml:9:54: error: the key is not that of the certificate"),
        "{mismatch}"
    );
    let none = said("us.key", b"hunter2");
    assert!(none.contains("c.yaml:9:54: error: `key`: there is no key in PEM"), "{none}");
    assert!(!none.contains("hunter2"), "{none}");
    let none = said("us.pem", b"hunter2");
    assert!(none.contains("`chain`: there is no certificate in PEM"), "{none}");
}

#[tokio::test]
async fn both_sides_show_their_certificates() {
    let authority = Authority::new();
    let nginx = guarded(&authority, "").await;
    let url = "https://shop.example";
    let ask = async |tls| get(&pool(url, nginx.address, Reach::default(), tls), "/", None).await;
    let ours = authority.tls(Some("countersign"));
    let said = ask(ours.clone()).await.unwrap();
    assert_eq!(said, "CN=countersign TLSv1.2 shop.example HTTP/1.1");

    let nobody = ask(authority.tls(None)).await.unwrap();
    assert!(nobody.contains("No required SSL certificate was sent"), "{nobody}");
    let stranger = UpstreamTls { roots: Authority::new().tls(None).roots, ..ours.clone() };
    assert_eq!(ask(stranger).await, Err(Error::ConnectFailed), "an authority we do not trust");
    let system = UpstreamTls { roots: Vec::new(), ..ours.clone() };
    assert_eq!(ask(system).await, Err(Error::ConnectFailed), "nor does the system");
    let modern = UpstreamTls { min_version: TlsVersion::V13, ..ours.clone() };
    assert_eq!(ask(modern).await, Err(Error::ConnectFailed), "it speaks TLS 1.2 only");
    let other = UpstreamTls { server_name: Some("other.example".into()), ..ours.clone() };
    assert_eq!(ask(other).await, Err(Error::ConnectFailed), "it is not whom we want");

    let by_name = UpstreamTls { server_name: Some("shop.example".into()), ..ours };
    let inner = pool("https://10.0.0.1", nginx.address, Reach::default(), by_name);
    let said = get(&inner, "/", None).await.unwrap();
    assert_eq!(said, "CN=countersign TLSv1.2 10.0.0.1 HTTP/1.1");
}

#[tokio::test]
async fn over_http_2_all_requests_share_a_connection() {
    let authority = Authority::new();
    let (clear, secret) = (free_address(), free_address());
    let location = "keepalive_requests 10000; location / { return 200 \
                    \"$connection $server_protocol $host $request_length\"; }";
    let ssl = authority.certify("shop.example");
    let nginx = Nginx::start(
        clear,
        &format!(
            "server {{ listen {clear} http2; {location} }}\n\
             server {{ listen {secret} ssl http2; {ssl} {location} }}\n"
        ),
    )
    .await;
    for (url, address) in [("http://shop.example", clear), ("https://shop.example", secret)] {
        let two = Reach { http: Http::Two, ..Reach::default() };
        let pool = pool(url, address, two, authority.tls(None));
        let asked = (0..50).map(|_| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { get(&pool, "/x", None).await.unwrap() })
        });
        let mut said = Vec::new();
        for asked in asked.collect::<Vec<_>>() {
            let answer = asked.await.unwrap();
            assert!(answer.contains(" HTTP/2.0 shop.example "), "{answer}");
            said.push(answer.split(' ').next().unwrap().to_owned());
        }
        said.dedup();
        assert_eq!(said.len(), 1, "{url}: {said:?}");
    }
    drop(nginx);
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_2_is_none_that_is_spoken_to() {
    let authority = Authority::new();
    let nginx = guarded(&authority, "").await;
    let two = Reach { http: Http::Two, ..Reach::default() };
    let tls = authority.tls(Some("countersign"));
    let pool = pool("https://shop.example", nginx.address, two, tls);
    assert_eq!(get(&pool, "/", None).await, Err(Error::ConnectFailed));
}

#[tokio::test]
async fn an_upload_over_http_2_streams() {
    let address = free_address();
    let nginx = Nginx::start(
        address,
        &format!(
            "server {{ listen {address} http2; location / {{ proxy_pass http://unix:app.sock:/; }} }}\n\
             server {{ listen unix:app.sock; location / {{ return 200 $http_content_length; }} }}\n"
        ),
    )
    .await;
    let two = Reach { http: Http::Two, ..Reach::default() };
    let pool = pool("http://shop.example", address, two, UpstreamTls::default());
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, std::io::Error>::new(1);
    let request = Request::post("/up").body(Outgoing::streaming(body)).unwrap();
    let second = Arc::clone(&pool);
    let sent = tokio::spawn(async move { pool.send(request, TERMS).await });
    for _ in 0..10 {
        sender.send_data(Bytes::from(vec![b'x'; 50_000])).await.unwrap();
    }
    drop(sender);
    let response = sent.await.unwrap().unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "500000");

    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, std::io::Error>::new(1);
    let request = Request::post("/up").body(Outgoing::streaming(body)).unwrap();
    let sent = tokio::spawn(async move { second.send(request, TERMS).await.map(drop) });
    sender.send_data(Bytes::from_static(b"part")).await.unwrap();
    sender.abort(std::io::Error::other("the client went away"));
    assert_eq!(sent.await.unwrap(), Err(Error::RequestBody));
    drop(nginx);
}

#[expect(clippy::unnecessary_wraps, reason = "as the terms of a request have it")]
fn ends(source: &str) -> Option<Ends> {
    let destination = "198.51.100.1:443".parse().unwrap();
    Some(Ends { source: source.parse().unwrap(), destination })
}

#[tokio::test]
async fn the_server_is_told_whom_a_connection_is_for_and_no_two_clients_share_one() {
    let address = free_address();
    let servers = format!(
        "server {{ listen {address} proxy_protocol; location / {{ return 200 \
         \"$connection $proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr\"; }} }}\n"
    );
    let nginx = Nginx::start(address, &servers).await;
    for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
        let reach = Reach { proxy_protocol: Some(version), ..Reach::default() };
        let pool = pool("http://shop.example", address, reach, UpstreamTls::default());
        let mut connections = Vec::new();
        for (client, told) in [
            (ends("192.0.2.1:1001"), "192.0.2.1 1001 198.51.100.1"),
            (ends("192.0.2.2:1002"), "192.0.2.2 1002 198.51.100.1"),
            (ends("192.0.2.1:1001"), "192.0.2.1 1001 198.51.100.1"),
            (ends("[2001:db8::1]:7"), "2001:db8::1 7 ::ffff:198.51.100.1"),
        ] {
            let said = get(&pool, "/", client).await.unwrap();
            let (connection, said) = said.split_once(' ').unwrap();
            assert_eq!(said.replace("::ffff:c633:6401", "::ffff:198.51.100.1"), told);
            connections.push(connection.to_owned());
        }
        assert_eq!(connections[0], connections[2], "the same client has its connection again");
        connections.remove(2);
        connections.dedup();
        assert_eq!(connections.len(), 3);
        // For ourselves.
        get(&pool, "/", None).await.unwrap();
    }
    drop(nginx);
}

#[tokio::test]
async fn haproxy_believes_the_proxy_protocol_too() {
    let (front, back) = (free_address(), Stub::start(&[OK]).await);
    let folder = Folder::new();
    folder.write(
        "haproxy.cfg",
        format!(
            "defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n\
             frontend f\n bind {front} accept-proxy\n http-request set-header x-client %[src]\n\
             default_backend b\n\
             backend b\n server s {}\n",
            back.address
        ),
    );
    let mut haproxy = Guarded::start(
        Command::new("haproxy")
            .arg("-db")
            .arg("-f")
            .arg(folder.at("haproxy.cfg"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
        "haproxy",
    );
    eventually("HAProxy serves", async || {
        assert!(haproxy.0.try_wait().unwrap().is_none());
        TcpStream::connect(front).await.is_ok()
    })
    .await;
    for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
        let reach = Reach { proxy_protocol: Some(version), ..Reach::default() };
        let pool = pool("http://shop.example", front, reach, UpstreamTls::default());
        for client in ["192.0.2.7:1", "[2001:db8::7]:1"] {
            assert_eq!(get(&pool, "/", ends(client)).await.unwrap(), "OK");
            let got = back.take().pop().unwrap();
            let told: SocketAddr = client.parse().unwrap();
            assert_eq!(got.header("x-client"), Some(told.ip().to_string().as_str()));
        }
    }
}
