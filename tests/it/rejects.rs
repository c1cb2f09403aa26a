//! Everything that the four gateways' rules refuse, over the socket: the status of its class, one
//! constant body, one count, one line, and not a byte for the upstream.

use std::collections::BTreeSet;

use countersign::app::Running;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::cases::own;
use crate::support::counts::{Counts, ended};
use crate::support::gateways::{forged, genuine};
use crate::support::lines::{Catching, Lines};
use crate::support::shop::*;
use crate::support::wire::Callback;
use crate::support::*;

/// The table of `security.md`, once more: what a sender learns is the class, not the reason.
fn status(reason: &str) -> u16 {
    match reason {
        "signature_missing" | "signature_malformed" | "signature_mismatch" => 401,
        "account_mismatch" | "test_in_live" | "timestamp_too_old" | "timestamp_in_future" => 403,
        "bad_http" | "duplicate_field" | "duplicate_header" | "field_malformed"
        | "field_missing" | "payload_malformed" | "unexpected_field" => 400,
        "no_route" => 404,
        "method_not_allowed" => 405,
        "body_timeout" => 408,
        "too_large" => 413,
        "unsupported_encoding" | "unsupported_media_type" => 415,
        "not_ready" => 503,
        other => panic!("no such reason: {other}"),
    }
}

/// A daemon before an upstream, with its log caught.
struct Watched {
    stub: Stub,
    running: Running,
    lines: Lines,
    _catching: Catching,
    _folder: Folder,
}

impl Watched {
    async fn open(make: impl FnOnce(&Folder) -> Vec<Wired>, top: &str) -> Self {
        let (lines, catching) = Lines::catch();
        let stub = Stub::start(&[OK]).await;
        let folder = folder("");
        let routes = make(&folder);
        let upstream = format!("http://{}", stub.address);
        folder.write("countersign.yaml", config_with(&upstream, top, &routes));
        let running = open(&folder).await;
        Self { stub, running, lines, _catching: catching, _folder: folder }
    }

    /// Says it and is refused; the reason.
    async fn refused(&self, what: &str, bytes: Vec<u8>, [gateway, route]: [&str; 2]) -> String {
        self.lines.take_callbacks();
        let before = Counts::of(&self.running);
        let is_head = bytes.starts_with(b"HEAD ");
        let mut stream = TcpStream::connect(self.running.addresses[0]).await.unwrap();
        // The daemon may refuse before it has read everything.
        stream.write_all(&bytes).await.ok();
        let told = told(&mut stream).await.unwrap_or_else(|| panic!("{what}: no answer"));
        let lines = self.lines.take_callbacks();
        assert_eq!(lines.len(), 1, "{what}: {lines:?}");
        let reason = lines[0]["reason"].as_str().unwrap().to_owned();
        let outcome = if reason == "not_ready" { "unavailable" } else { "rejected" };
        assert_eq!(told.status, status(&reason), "{what}: {reason}");
        assert_eq!(told.body, if is_head { "" } else { "refused\n" }, "{what}: {reason}");
        let counted = Counts::of(&self.running).callbacks_since(&before);
        assert_eq!(counted, [(ended([gateway, outcome, &reason, route]), 1)], "{what}");
        let line = &lines[0];
        assert_eq!(line["status"], told.status, "{what}");
        assert_eq!((&line["route"], &line["gateway"]), (&route.into(), &gateway.into()), "{what}");
        assert_eq!(line["outcome"], outcome, "{what}");
        assert!(self.stub.got().is_empty(), "{what}: {:?}", self.stub.got());
        reason
    }
}

#[tokio::test]
async fn every_rejected_vector_is_refused_counted_and_logged_once_and_goes_nowhere() {
    let cases = own("reject");
    let watched =
        Watched::open(|folder| cases.iter().map(|case| case.route(folder)).collect(), "").await;
    let mut reasons = BTreeSet::new();
    for case in &cases {
        set_clock(case.now.unwrap_or(NOW));
        let bytes = case.callback.once(&format!("/{}/", case.name));
        let reason = watched.refused(&case.name, bytes, [&case.gateway, &case.name]).await;
        let wanted = case.expect["reasons"].as_array().unwrap();
        assert!(wanted.iter().any(|wanted| *wanted == *reason), "{}: {reason}", case.name);
        reasons.insert(reason);
    }
    // The others come from the transport (below) or from gateways that are not of these four.
    let seen: Vec<_> = reasons.iter().map(String::as_str).collect();
    let wanted = [
        "account_mismatch",
        "duplicate_field",
        "duplicate_header",
        "field_malformed",
        "field_missing",
        "method_not_allowed",
        "payload_malformed",
        "signature_malformed",
        "signature_mismatch",
        "signature_missing",
        "test_in_live",
        "timestamp_too_old",
        "unsupported_media_type",
    ];
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn reasons_that_no_vector_gives_are_given_too() {
    let watched = Watched::open(
        |_| {
            let encrypted = "{ project_id: \"123456\", mode: encrypted, \
                             sign_password: \"file:secrets/paysera\" }";
            let encrypted = Wired {
                name: "sealed".into(),
                params: encrypted.into(),
                ..Wired::usual("paysera")
            };
            [usual_routes(), vec![encrypted]].concat()
        },
        "",
    )
    .await;
    set_clock(NOW - 301);
    let bytes = genuine("stripe", 1).once("/stripe/");
    let reason = watched.refused("a time to come", bytes, ["stripe"; 2]).await;
    assert_eq!(reason, "timestamp_in_future");
    set_clock(NOW);
    let bytes = genuine("paysera", 1).once("/sealed/");
    let reason = watched.refused("a signature where none is", bytes, ["paysera", "sealed"]).await;
    assert_eq!(reason, "unexpected_field");
    for gateway in ["liqpay", "paysera", "smartexpay", "stripe"] {
        let bytes = forged(gateway, 1).once(&format!("/{gateway}/"));
        assert_eq!(watched.refused("forged", bytes, [gateway; 2]).await, "signature_mismatch");
    }
}

#[tokio::test]
async fn a_path_that_is_nearly_a_route_is_logged_with_that_route_and_not_as_it_came() {
    let watched = Watched::open(|_| usual_routes(), "").await;
    for (path, at) in [
        ("/stripe", "nearly /stripe/"),
        ("/Stripe/", "nearly /stripe/"),
        ("/stripes/", ""),
        ("/stripe/4111111111111111", ""),
    ] {
        let bytes = genuine("stripe", 1).once(path);
        assert_eq!(tell(watched.running.addresses[0], bytes).await.unwrap().status, 404);
        let lines = watched.lines.take_callbacks();
        assert_eq!(
            (lines[0]["reason"].as_str(), lines[0]["at"].as_str()),
            (Some("no_route"), Some(at))
        );
    }
}

#[tokio::test]
async fn what_the_transport_refuses_is_counted_and_logged_like_the_rest() {
    let watched = Watched::open(
        |folder| {
            std::fs::remove_file(folder.at("secrets/liqpay")).unwrap();
            usual_routes()
        },
        "limits: { body: 4KiB, body_timeout: 300ms }\n",
    )
    .await;
    let stripe = || genuine("stripe", 1);
    let mut long = stripe();
    long.body.resize(5000, b' ');
    let mut typed = stripe();
    typed.headers[0].1 = b"text/plain".to_vec();
    let mut got = stripe();
    (got.method, got.body) = ("GET".into(), vec![]);
    let cut = {
        let mut bytes = stripe().once("/stripe/");
        bytes.truncate(bytes.len() - 10);
        bytes
    };
    let of_stripe = ["stripe"; 2];
    for (what, bytes, labels, reason) in [
        ("longer than allowed", long.once("/stripe/"), of_stripe, "too_large"),
        (
            "compressed",
            stripe().with("content-encoding", "gzip").once("/stripe/"),
            of_stripe,
            "unsupported_encoding",
        ),
        ("by GET", got.once("/stripe/"), of_stripe, "method_not_allowed"),
        ("of another type", typed.once("/stripe/"), of_stripe, "unsupported_media_type"),
        ("to nobody", stripe().once("/stripe"), ["none"; 2], "no_route"),
        ("without a secret", genuine("liqpay", 1).once("/liqpay/"), ["liqpay"; 2], "not_ready"),
        ("never finished", cut, of_stripe, "body_timeout"),
        (
            "with a second framing",
            stripe().with("transfer-encoding", "gzip, chunked").once("/stripe/"),
            ["none"; 2],
            "bad_http",
        ),
    ] {
        assert_eq!(watched.refused(what, bytes, labels).await, reason, "{what}");
    }
}

#[tokio::test]
async fn a_flood_of_forgeries_fills_no_disk() {
    let watched = Watched::open(|_| usual_routes(), "").await;
    let forgery: Callback = forged("stripe", 1);
    for _ in 0..100 {
        let bytes = forgery.once("/stripe/");
        assert_eq!(tell(watched.running.addresses[0], bytes).await.unwrap().status, 401);
    }
    let lines = watched.lines.take_callbacks().len();
    assert!((10..100).contains(&lines), "{lines} lines");
    let count = Counts::of(&watched.running);
    assert_eq!(count.ended(["stripe", "rejected", "signature_mismatch", "stripe"]), 100);
    assert!(watched.stub.got().is_empty());
}
