//! Observe mode with real rules: the genuine and the forged both go on, and it is known which.

use crate::support::counts::{Counts, ended};
use crate::support::gateways::{GATEWAYS, forged, genuine};
use crate::support::lines::Lines;
use crate::support::shop::*;
use crate::support::*;

const LEGACY: Act =
    Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nlegacy");

#[tokio::test]
async fn genuine_and_forged_go_on_byte_for_byte_and_are_told_apart() {
    let (lines, _catching) = Lines::catch();
    let stub = Stub::start(&[LEGACY]).await;
    let routes = usual_routes().into_iter().map(|route| Wired {
        mode: "observe",
        forward: "{ as: original, headers: [stripe-signature] }".into(),
        ..route
    });
    let routes: Vec<_> = routes.collect();
    let folder = folder(&config(&format!("http://{}", stub.address), &routes));
    let running = open(&folder).await;
    for gateway in GATEWAYS {
        let path = format!("/{gateway}/");
        for (callback, outcome, reason) in [
            (genuine(gateway, 1), "observed_accepted", "ok"),
            (forged(gateway, 2), "observed_rejected", "signature_mismatch"),
        ] {
            lines.take_callbacks();
            let before = Counts::of(&running);
            let told = tell(running.addresses[0], callback.once(&path)).await.unwrap();
            assert_eq!((told.status, told.body.as_str()), (200, "legacy"), "{gateway}");
            let got = stub.take();
            assert_eq!(got.len(), 1);
            assert_eq!(
                got[0].line,
                format!("{} {path}{} HTTP/1.1", callback.method, callback.query)
            );
            assert_eq!(got[0].body.as_bytes(), callback.body);
            let counted = Counts::of(&running).callbacks_since(&before);
            assert_eq!(counted, [(ended([gateway, outcome, reason, gateway]), 1)]);
            let lines = lines.take_callbacks();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert_eq!(
                (&lines[0]["outcome"], &lines[0]["reason"]),
                (&outcome.into(), &reason.into())
            );
            let named = lines[0]["events"].as_str().unwrap().starts_with("evt_");
            assert_eq!(named, reason == "ok", "an event is named where there is one");
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_yet_keeps_nothing_from_the_legacy_site() {
    let stub = Stub::start(&[LEGACY]).await;
    let route = Wired {
        mode: "observe",
        forward: "{ as: original }".into(),
        params: "{ signing_secrets: \"file:secrets/not yet\" }".into(),
        ..Wired::usual("stripe")
    };
    let folder = folder(&config(&format!("http://{}", stub.address), &[route]));
    let running = open(&folder).await;
    let callback = genuine("stripe", 1);
    let told = tell(running.addresses[0], callback.once("/stripe/")).await.unwrap();
    assert_eq!((told.status, told.body.as_str()), (200, "legacy"));
    assert_eq!(stub.got()[0].body.as_bytes(), callback.body);
    let counts = Counts::of(&running);
    assert_eq!(counts.ended(["stripe", "observed_rejected", "not_ready", "stripe"]), 1);
    assert_eq!(counts.whole("countersign_route_ready{route=\"stripe\"}"), 0);
}

#[tokio::test]
async fn what_the_transport_cannot_read_is_refused_also_while_observing() {
    let stub = Stub::start(&[LEGACY]).await;
    let route =
        Wired { mode: "observe", forward: "{ as: original }".into(), ..Wired::usual("stripe") };
    let folder = folder(&config(&format!("http://{}", stub.address), &[route]));
    let running = open(&folder).await;
    for (callback, status) in [
        (genuine("stripe", 1).with("content-encoding", "gzip"), 415),
        (genuine("stripe", 1).with("transfer-encoding", "gzip, chunked"), 400),
        (genuine("stripe", 1).with("x_signature", "1"), 400),
    ] {
        let told = tell(running.addresses[0], callback.once("/stripe/")).await.unwrap();
        assert_eq!(told.status, status);
    }
    assert!(stub.got().is_empty());
}
