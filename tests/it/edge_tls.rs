//! TLS: which certificate is shown to whom, how handshakes end, and renewals that nobody notices.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign::app::Running;
use countersign::live::loader::Loader;
use countersign::live::sources::Sources;
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::support::authority::*;
use crate::support::gateways::genuine;
use crate::support::shop::*;
use crate::support::tls::*;
use crate::support::*;

const NAME: &str = "pay.example";

/// A shop whose listener speaks TLS with these certificates, which lie in `tls/`.
fn shop(upstream: &Stub, tls: &str) -> Folder {
    let text = config(&format!("http://{}", upstream.address), &usual_routes());
    let plain = "listen: [{ address: \"127.0.0.1:0\" }]";
    assert!(text.contains(plain));
    let limits = "limits: { handshake_timeout: 300ms, header_timeout: 5s }";
    folder(&text.replace(
        plain,
        &format!("listen: [{{ address: \"127.0.0.1:0\", tls: true }}]\ntls: {tls}\n{limits}"),
    ))
}

/// YAML of one certificate.
fn pair(name: &str) -> String {
    format!("{{ chain: \"file:tls/{name}.pem\", key: \"file:tls/{name}.key\" }}")
}

fn pairs(names: &[&str]) -> String {
    let pairs: Vec<_> = names.iter().map(|name| pair(name)).collect();
    format!("{{ certificates: [{}] }}", pairs.join(", "))
}

fn install(folder: &Folder, authority: &Authority, names: &[&str]) {
    for name in names {
        for kind in ["pem", "key"] {
            let file = format!("{name}.{kind}");
            folder.replace(&format!("tls/{file}"), authority.read(&file));
        }
    }
}

fn issued(names: &[(&str, &str, &[&str])]) -> Authority {
    let authority = Authority::new();
    for (file, names, kind) in names {
        authority.issue(file, &format!("subjectAltName = {names}"), kind);
    }
    authority
}

/// One certificate for `pay.example`, and a daemon that shows it.
async fn usual() -> (Authority, Stub, Folder, Running) {
    let authority = issued(&[("a", "DNS:pay.example", EC)]);
    let stub = Stub::start(&[OK]).await;
    let folder = shop(&stub, &pairs(&["a"]));
    install(&folder, &authority, &["a"]);
    let running = open(&folder).await;
    (authority, stub, folder, running)
}

#[track_caller]
fn counted(running: &Running, outcome: &str, want: f64) {
    let series_of = format!("countersign_tls_handshakes_total{{outcome=\"{outcome}\"}}");
    assert_eq!(series(running, &series_of).unwrap().to_bits(), want.to_bits(), "{outcome}");
}

#[tokio::test]
async fn curl_delivers_a_callback_over_tls_of_both_versions() {
    let (authority, stub, folder, running) = usual().await;
    let callback = genuine("liqpay", 1);
    folder.write("body", &callback.body);
    let body = format!("@{}", folder.at("body").display());
    for (version, label) in [("1.2", "1.2"), ("1.3", "1.3")] {
        let address = running.addresses[0];
        let url = format!("https://{NAME}:{}/liqpay/", address.port());
        let arguments = [
            "--http1.1",
            &format!("--tlsv{version}"),
            "--tls-max",
            version,
            "--data-binary",
            &body,
            "-w",
            " %{http_code} %{http_version}",
            &url,
        ];
        let (well, said) = curl_at(address, authority.at("ca.pem"), &arguments).await;
        assert!(well && said.ends_with(" 200 1.1"), "{version}: {said}");
        let labels =
            format!("countersign_tls_sessions_total{{protocol=\"http/1.1\",version=\"{label}\"}}");
        assert_eq!(series(&running, &labels).map(f64::to_bits), Some(1.0_f64.to_bits()));
    }
    assert_eq!(stub.got().len(), 2);
    counted(&running, "done", 2.0);
}

#[tokio::test]
async fn each_client_is_shown_the_certificate_for_the_name_that_it_asks_for() {
    let names: &[(&str, &str, &[&str])] = &[
        ("first", "DNS:first.example", EC),
        ("wild", "DNS:*.shop.example,DNS:shop.example", EC),
        ("exact", "DNS:pay.shop.example", ED25519),
        ("rsa", "DNS:both.example", RSA),
        ("ec", "DNS:both.example", EC),
    ];
    let authority = issued(names);
    let all: Vec<_> = names.iter().map(|(file, ..)| *file).collect();
    let stub = Stub::start(&[OK]).await;
    let folder = shop(&stub, &pairs(&all));
    install(&folder, &authority, &all);
    let running = open(&folder).await;
    let port = running.addresses[0].port();
    for (asked, options, want) in [
        ("first.example", &[][..], "first"),
        ("shop.example", &[], "wild"),
        ("SHOP.example", &[], "wild"),
        ("any.shop.example", &[], "wild"),
        ("pay.shop.example", &[], "exact"),
        ("a.b.shop.example", &[], "first"),
        ("other.example", &[], "first"),
        ("", &[], "first"),
        ("both.example", &[], "rsa"),
        ("both.example", &["-sigalgs", "ECDSA+SHA256"], "ec"),
        ("both.example", &["-sigalgs", "RSA-PSS+SHA256"], "rsa"),
        ("both.example", &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "rsa"),
    ] {
        let to = format!("127.0.0.1:{port}");
        let mut arguments = vec!["s_client", "-connect", &to, "-CAfile"];
        let ca = authority.at("ca.pem").display().to_string();
        arguments.extend([&*ca, "-verify_return_error"]);
        if asked.is_empty() {
            arguments.push("-noservername");
        } else {
            arguments.extend(["-servername", asked]);
        }
        arguments.extend(options);
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        let (well, said) = run("openssl", arguments).await;
        assert!(well, "{asked} {options:?}: {said}");
        let subject = format!("subject=CN = {want}");
        assert!(said.contains(&subject), "{asked} {options:?} is shown another: {said}");
    }
}

#[tokio::test]
async fn every_end_of_a_handshake_is_counted() {
    let (authority, stub, folder, running) = usual().await;
    let address = running.addresses[0];

    // What is no TLS.
    assert!(tell(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.is_none());
    counted(&running, "not_tls", 1.0);

    // Somebody who goes away.
    drop(TcpStream::connect(address).await.unwrap());
    eventually("it is noticed", async || {
        series(&running, "countersign_tls_handshakes_total{outcome=\"closed\"}") == Some(1.0)
    })
    .await;

    // Somebody who says nothing is not waited for.
    let begun = Instant::now();
    assert!(told(&mut TcpStream::connect(address).await.unwrap()).await.is_none());
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    counted(&running, "timeout", 1.0);

    // Somebody who does not trust us.
    let stranger = Client::of(&Authority::new());
    assert!(stranger.connect(address, NAME).await.is_err());
    eventually("it is noticed", async || {
        series(&running, "countersign_tls_handshakes_total{outcome=\"refused_by_peer\"}")
            == Some(1.0)
    })
    .await;

    // Somebody who speaks another protocol in it.
    let other = Client::of(&authority).speaking("imap");
    assert!(other.connect(address, NAME).await.is_err());
    counted(&running, "no_agreement", 1.0);

    let bytes = genuine("liqpay", 1).once("/liqpay/");
    let told = Client::of(&authority).tell(address, NAME, bytes).await.unwrap();
    assert_eq!(told.status, 200, "{told:?}");
    counted(&running, "done", 1.0);
    assert_eq!(stub.got().len(), 1);
    drop(folder);
}

#[tokio::test]
async fn a_version_that_is_too_old_is_not_spoken_after_a_reload_that_says_so() {
    let (authority, _stub, folder, running) = usual().await;
    let address = running.addresses[0];
    let of_version = async |version: &str| {
        let arguments =
            ["s_client", "-connect", &address.to_string(), version].map(str::to_owned).to_vec();
        run("openssl", arguments).await.0
    };
    assert!(of_version("-tls1_2").await && of_version("-tls1_3").await);
    let text = folder.read("countersign.yaml");
    folder.replace("countersign.yaml", text.replace("}] }", "}], min_version: \"1.3\" }"));
    eventually("TLS 1.2 is refused", async || !of_version("-tls1_2").await).await;
    assert!(of_version("-tls1_3").await);
    assert!(Client::of(&authority).connect(address, NAME).await.is_ok());
    let refused = series(&running, "countersign_tls_handshakes_total{outcome=\"no_agreement\"}");
    assert!(refused > Some(0.0), "{refused:?}");
    for old in ["-tls1", "-tls1_1"] {
        assert!(!of_version(old).await, "{old}");
    }
}

/// Handshakes one after the other until it is told to stop.
struct Visitors {
    over: Arc<AtomicBool>,
    seen: [Arc<AtomicUsize>; 2],
    all: Vec<tokio::task::JoinHandle<()>>,
}

impl Visitors {
    /// Each one must be shown one of these two, and be answered.
    fn to(running: &Running, client: &Client, certificates: &[Vec<u8>; 2]) -> Self {
        let (over, seen) = (Arc::<AtomicBool>::default(), <[Arc<AtomicUsize>; 2]>::default());
        let all = (0..3)
            .map(|_| {
                let (over, seen, client) = (Arc::clone(&over), seen.clone(), client.clone());
                let (address, certificates) = (running.addresses[0], certificates.clone());
                tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        let mut stream = client.connect(address, NAME).await.expect("a handshake");
                        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
                        let which = certificates.iter().position(|one| *one == shown);
                        let request = "GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                        stream.write_all(request.as_bytes()).await.unwrap();
                        let mut answer = Vec::new();
                        stream.read_to_end(&mut answer).await.unwrap();
                        assert!(answer.starts_with(b"HTTP/1.1 404"), "{answer:?}");
                        seen[which.expect("the old or the new one")]
                            .fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        Self { over, seen, all }
    }

    fn count(&self, which: usize) -> usize {
        self.seen[which].load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        for visitor in self.all {
            visitor.await.expect("no handshake fails");
        }
    }
}

fn value(running: &Running, name: &str) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "whole numbers")]
    series(running, name).map_or(-1, |value| value as i64)
}

const RELOADED: &str = "countersign_config_last_reload_successful";

#[tokio::test]
async fn a_renewal_file_by_file_goes_unnoticed_even_while_only_half_of_it_is_there() {
    let (authority, _stub, folder, running) = usual().await;
    authority.issue("b", "subjectAltName = DNS:pay.example", RSA);
    let client = Client::of(&authority);
    let old = client.shown(running.addresses[0], NAME).await.unwrap();
    let new = der(&authority.read("b.pem"));
    let visitors = Visitors::to(&running, &client, &[old, new]);
    eventually("they come", async || visitors.count(0) > 20).await;

    // The chain first, and for long enough that it is looked at without its key.
    folder.replace("tls/a.pem", authority.read("b.pem"));
    eventually("half of it is noticed", async || value(&running, RELOADED) == 0).await;
    let before = visitors.count(0);
    eventually("the old pair is still shown", async || visitors.count(0) > before + 20).await;
    assert_eq!(visitors.count(1), 0);

    folder.replace("tls/a.key", authority.read("b.key"));
    eventually("the new one is shown", async || visitors.count(1) > 20).await;
    assert_eq!(value(&running, RELOADED), 1);
    let before = visitors.count(0);
    eventually("time passes", async || visitors.count(1) > 50).await;
    assert!(visitors.count(0) <= before + 3, "the old one is not shown any more");
    visitors.stop().await;
    counted(&running, "closed", 0.0);
    counted(&running, "failed", 0.0);
}

#[tokio::test]
async fn a_renewal_by_a_symlink_goes_unnoticed() {
    let authority =
        issued(&[("a", "DNS:pay.example", EC), ("b", "DNS:pay.example,DNS:new.example", EC)]);
    let stub = Stub::start(&[OK]).await;
    let folder = shop(
        &stub,
        "{ certificates: [{ chain: \"file:live/pay.pem\", key: \"file:live/pay.key\" }] }",
    );
    for (version, name) in [("1", "a"), ("2", "b")] {
        folder.write(&format!("archive/{version}/pay.pem"), authority.read(&format!("{name}.pem")));
        folder.write(&format!("archive/{version}/pay.key"), authority.read(&format!("{name}.key")));
    }
    symlink("archive/1", folder.at("live")).unwrap();
    let running = open(&folder).await;
    let client = Client::of(&authority);
    let certificates = ["a.pem", "b.pem"].map(|file| der(&authority.read(file)));
    let visitors = Visitors::to(&running, &client, &certificates);
    for (version, which) in [("2", 1), ("1", 0), ("2", 1)] {
        symlink(format!("archive/{version}"), folder.at("next")).unwrap();
        std::fs::rename(folder.at("next"), folder.at("live")).unwrap();
        let before = visitors.count(which);
        eventually("the other one is shown", async || visitors.count(which) > before + 10).await;
        assert_eq!(value(&running, RELOADED), 1);
    }
    visitors.stop().await;
    counted(&running, "failed", 0.0);
}

fn der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[tokio::test]
async fn a_ticket_of_before_a_renewal_still_shortens_the_handshake() {
    let (authority, _stub, folder, running) = usual().await;
    let client = Client::that_resumes(&authority);
    let visit = async || {
        let mut stream = client.connect(running.addresses[0], NAME).await.unwrap();
        let request = "GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        stream.get_ref().1.handshake_kind().unwrap()
    };
    assert_eq!(visit().await, HandshakeKind::Full);
    assert_eq!(visit().await, HandshakeKind::Resumed);
    authority.issue("b", "subjectAltName = DNS:pay.example", EC);
    folder.replace("tls/a.pem", authority.read("b.pem"));
    folder.replace("tls/a.key", authority.read("b.key"));
    let (fresh, new) = (Client::of(&authority), der(&authority.read("b.pem")));
    eventually("it is renewed", async || {
        fresh.shown(running.addresses[0], NAME).await.unwrap() == new
    })
    .await;
    assert_eq!(visit().await, HandshakeKind::Resumed);
}

#[tokio::test]
async fn when_each_certificate_ends_is_known_by_its_name() {
    let (authority, _stub, folder, running) = usual().await;
    let ends = |name: &str| {
        let series =
            format!("countersign_tls_certificate_expiry_timestamp_seconds{{name=\"{name}\"}}");
        value(&running, &series)
    };
    let expected = async |file: &str| {
        let arguments = ["x509", "-enddate", "-noout", "-dateopt", "iso_8601", "-in"];
        let mut arguments = arguments.map(str::to_owned).to_vec();
        arguments.push(authority.at(file).display().to_string());
        let (well, said) = run("openssl", arguments).await;
        assert!(well, "{said}");
        let text = said.trim().strip_prefix("notAfter=").unwrap().replace(' ', "T");
        text.parse::<jiff::Timestamp>().unwrap().as_second()
    };
    assert_eq!(ends("pay.example"), expected("a.pem").await);
    authority.issue("b", "subjectAltName = DNS:new.example", EC);
    install(&folder, &authority, &["b"]);
    let text = folder.read("countersign.yaml");
    folder.replace("countersign.yaml", text.replace(&pairs(&["a"]), &pairs(&["b"])));
    eventually("the new one is known", async || ends("new.example") > 0).await;
    assert_eq!(ends("new.example"), expected("b.pem").await);
    assert_eq!(ends("pay.example"), -1, "what is not shown any more is forgotten");
}

#[tokio::test]
async fn a_pair_that_is_no_pair_is_a_problem_at_its_place() {
    let authority = issued(&[("a", "DNS:pay.example", EC), ("b", "DNS:pay.example", EC)]);
    let text = |name: &str| authority.read(name);
    authority.issue("ip", "subjectAltName = IP:127.0.0.1", EC);
    let stub = Stub::start(&[OK]).await;
    let folder = shop(&stub, &pairs(&["c"]));
    let (chain, key) =
        ("2:32: error: certificate file:tls/c.pem: ", "2:55: error: key file:tls/c.key: ");
    let cut = text("a.pem").replace("-----END CERTIFICATE-----\n", "");
    for (pem, with, said) in [
        (cut, text("a.key"), format!("{chain}it is not PEM, or cut off in the middle")),
        (String::new(), text("a.key"), format!("{chain}file ")),
        (
            text("a.pem") + &text("a.key"),
            text("a.key"),
            format!("{chain}there is a `PRIVATE KEY` in it, and only certificates belong here"),
        ),
        (
            text("a.pem") + &text("b.pem"),
            text("a.key"),
            format!("{chain}its certificate 2 is not the issuer of number 1"),
        ),
        (
            text("a.pem"),
            text("b.key"),
            format!("{key}it is not the key of the certificate file:tls/c.pem"),
        ),
        (text("a.pem"), text("a.pem"), format!("{key}there is no private key in PEM in it")),
        (
            "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n".into(),
            text("a.key"),
            format!("{chain}its certificate 1 is not X.509"),
        ),
    ] {
        folder.write("tls/c.pem", pem);
        folder.write("tls/c.key", with);
        let mut loader = Loader::new(folder.at("countersign.yaml"), Sources::of_process());
        let shown = loader.load().err().expect("it is no pair").render().concat();
        assert!(shown.contains(&format!("countersign.yaml:{said}")), "{said}\n{shown}");
        assert!(shown.contains("= help: "), "{shown}");
        let secret = text("a.key").lines().nth(1).unwrap().to_owned();
        assert!(!shown.contains(&secret[..20]), "{shown}");
    }
    // With its whole chain it is one.
    folder.write("tls/c.pem", text("a.pem") + &text("ca.pem"));
    folder.write("tls/c.key", text("a.key"));
    load(&folder);
    // One that nobody can ask for stands first or nowhere.
    install(&folder, &authority, &["a", "ip"]);
    folder.write(
        "countersign.yaml",
        folder.read("countersign.yaml").replace(&pairs(&["c"]), &pairs(&["ip", "a"])),
    );
    load(&folder);
    folder.write(
        "countersign.yaml",
        folder.read("countersign.yaml").replace(&pairs(&["ip", "a"]), &pairs(&["a", "ip"])),
    );
    let mut loader = Loader::new(folder.at("countersign.yaml"), Sources::of_process());
    let shown = loader.load().err().expect("nobody can ask for it").render().concat();
    assert!(shown.contains("this certificate has no DNS name"), "{shown}");
}

#[tokio::test]
async fn a_new_certificate_that_is_broken_keeps_the_whole_new_configuration_out() {
    let (authority, _stub, folder, running) = usual().await;
    folder.write("tls/c.pem", "nothing");
    folder.write("tls/c.key", "nothing");
    let text = folder.read("countersign.yaml");
    folder.replace("countersign.yaml", text.replace(&pairs(&["a"]), &pairs(&["a", "c"])));
    eventually("it is noticed", async || value(&running, RELOADED) == 0).await;
    assert_eq!(value(&running, "countersign_config_generation"), 1);
    let told = Client::of(&authority)
        .tell(running.addresses[0], NAME, genuine("liqpay", 1).once("/liqpay/"))
        .await
        .unwrap();
    assert_eq!(told.status, 200);
}

#[tokio::test]
async fn a_configuration_without_certificates_leaves_those_that_listen_with_theirs() {
    let (authority, _stub, folder, running) = usual().await;
    let text = folder.read("countersign.yaml");
    let without = text.replace(", tls: true", "").replace(&format!("tls: {}\n", pairs(&["a"])), "");
    assert!(!without.contains("tls"), "{without}");
    folder.replace("countersign.yaml", without);
    eventually("it is taken but for that", async || {
        value(&running, "countersign_config_generation") == 2 && value(&running, RELOADED) == 0
    })
    .await;
    assert!(Client::of(&authority).connect(running.addresses[0], NAME).await.is_ok());
    folder.replace("countersign.yaml", text);
    eventually("it is as it was", async || value(&running, RELOADED) == 1).await;
    assert!(Client::of(&authority).connect(running.addresses[0], NAME).await.is_ok());
}

#[tokio::test]
async fn check_says_until_when_each_certificate_holds() {
    let (authority, _stub, folder, running) = usual().await;
    drop(running);
    let config = folder.at("countersign.yaml").display().to_string();
    let arguments = vec!["check".to_owned(), "--config".into(), config];
    let (well, said) = run(env!("CARGO_BIN_EXE_countersign"), arguments).await;
    assert!(well, "{said}");
    let line = said.lines().find(|line| line.contains("certificate of pay.example"));
    // OpenSSL was told two days: they are over at once, or with the next second.
    let left = line.and_then(|line| line.split_once("Z: ")).map(|(_, left)| left);
    assert!(matches!(left, Some("1 days" | "2 days")), "{said}");
    drop(authority);
}

#[tokio::test]
async fn a_peer_that_stalls_the_handshake_is_cut_off_and_a_drain_does_not_wait_for_it() {
    let (authority, _stub, _folder, running) = usual().await;
    let address = running.addresses[0];
    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck.write_all(b"\x16\x03\x01\x02\x00").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    let idle = Client::of(&authority).connect(address, NAME).await.unwrap();
    assert!(running.drain().await, "all was finished");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(idle);
    assert!(told(&mut stuck).await.is_none());
}
