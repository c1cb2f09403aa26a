//! A real nginx on both sides: sender → nginx → countersign → nginx, the legacy site.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::support::counts::Counts;
use crate::support::gateways::{GATEWAYS, forged, genuine};
use crate::support::nginx::{Call, Nginx, TAKEN};
use crate::support::shop::*;
use crate::support::wire::Line;
use crate::support::*;

/// The legacy site's own endpoint for Stripe, now guarded.
const STRIPE: &str = "/billing/payment/stripe/validate_notify";

fn shop(legacy: &Nginx, routes: &[Wired]) -> Folder {
    folder(&config(&format!("http://{}", legacy.address), routes))
}

fn guarded_stripe(mode: &'static str) -> Wired {
    let forward = "{ as: original, headers: [stripe-signature] }".to_owned();
    Wired { path: Some(STRIPE), forward, mode, ..Wired::usual("stripe") }
}

#[track_caller]
fn signed(call: &Call) -> Value {
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_KEY).unwrap();
    mac.update(format!("{}.{}.{}", call.id, call.time, call.body).as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(call.signature, signature);
    let event: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(event["id"], *call.id);
    event
}

#[tokio::test]
async fn between_two_nginx_the_genuine_pass_and_the_forged_do_not() {
    let legacy = Nginx::legacy().await;
    let folder = shop(&legacy, &usual_routes());
    let running = open(&folder).await;
    let front = Nginx::in_front_of(running.addresses[0]).await;
    for gateway in GATEWAYS {
        let path = format!("/{gateway}/");
        let told = tell(front.address, forged(gateway, 1).once(&path)).await.unwrap();
        assert_eq!((told.status, told.body.as_str()), (401, "refused\n"), "{gateway}");
        let told = tell(front.address, genuine(gateway, 1).once(&path)).await.unwrap();
        let own = if gateway == "paysera" { "OK" } else { "" };
        assert_eq!((told.status, told.body.as_str()), (200, own), "{gateway}");
        let told = tell(front.address, forged(gateway, 1).once(&path)).await.unwrap();
        assert_eq!(told.status, 401, "{gateway}");
    }
    let calls = legacy.called(4).await;
    for (call, gateway) in calls.iter().zip(GATEWAYS) {
        assert_eq!(call.line, "POST /billing/payment/canonical/ HTTP/1.1");
        assert_eq!(call.media_type, "application/json");
        let event = signed(call);
        assert_eq!((&event["gateway"], &event["order_id"]), (&gateway.into(), &"order-1".into()));
    }
    let counts = Counts::of(&running);
    for gateway in GATEWAYS {
        assert_eq!(counts.ended([gateway, "accepted", "ok", gateway]), 1);
        assert_eq!(counts.ended([gateway, "rejected", "signature_mismatch", gateway]), 2);
    }
}

#[tokio::test]
async fn a_legacy_endpoint_gets_the_very_bytes_that_were_verified() {
    let legacy = Nginx::legacy().await;
    let folder = shop(&legacy, &[guarded_stripe("enforce")]);
    let running = open(&folder).await;
    let front = Nginx::in_front_of(running.addresses[0]).await;
    let callback = genuine("stripe", 1).with("Cookie", "a=b");
    let told = tell(front.address, callback.once(STRIPE)).await.unwrap();
    assert_eq!((told.status, told.body.as_str()), (200, ""), "the gateway's own reply");
    let told = tell(front.address, forged("stripe", 2).once(STRIPE)).await.unwrap();
    assert_eq!(told.status, 401);
    let calls = legacy.called(1).await;
    assert_eq!(calls[0].line, format!("POST {STRIPE} HTTP/1.1"));
    assert_eq!(calls[0].body.as_bytes(), callback.body);
    assert_eq!(calls[0].stripe.as_bytes(), callback.headers[1].1);
    assert_eq!(calls[0].signature, "", "nothing was counter-signed");
}

#[tokio::test]
async fn while_observing_the_legacy_site_sees_and_answers_everything() {
    let legacy = Nginx::legacy().await;
    let folder = shop(&legacy, &[guarded_stripe("observe")]);
    let running = open(&folder).await;
    let front = Nginx::in_front_of(running.addresses[0]).await;
    let sent = [genuine("stripe", 1), forged("stripe", 2), genuine("stripe", 3)];
    for callback in &sent {
        let told = tell(front.address, callback.once(STRIPE)).await.unwrap();
        assert_eq!((told.status, told.body.as_str()), (200, TAKEN));
    }
    let calls = legacy.called(3).await;
    for (call, callback) in calls.iter().zip(&sent) {
        assert_eq!(call.body.as_bytes(), callback.body);
        assert_eq!(call.stripe.as_bytes(), callback.headers[1].1);
    }
    let counts = Counts::of(&running);
    assert_eq!(counts.ended(["stripe", "observed_accepted", "ok", "stripe"]), 2);
    assert_eq!(counts.ended(["stripe", "observed_rejected", "signature_mismatch", "stripe"]), 1);
}

#[tokio::test]
async fn while_the_legacy_site_is_down_gateways_are_asked_to_come_again_and_then_it_is_told() {
    let mut legacy = Nginx::legacy().await;
    let folder = shop(&legacy, &usual_routes());
    let running = open(&folder).await;
    let front = Nginx::in_front_of(running.addresses[0]).await;
    let liqpay = |n| genuine("liqpay", n).once("/liqpay/");
    assert_eq!(tell(front.address, liqpay(1)).await.unwrap().status, 200);
    legacy.called(1).await;
    legacy.process.signal("TERM");
    legacy.process.ended().await;
    for _ in 0..2 {
        let told = tell(front.address, liqpay(2)).await.unwrap();
        assert_eq!((told.status, told.body.as_str()), (502, "refused\n"));
        assert!(told.has("retry-after: 60"), "{told:?}");
    }
    let counts = Counts::of(&running);
    assert_eq!(counts.ended(["liqpay", "undelivered", "upstream_down", "liqpay"]), 2);
    let legacy = Nginx::legacy_at(legacy.address).await;
    assert_eq!(tell(front.address, liqpay(2)).await.unwrap().status, 200);
    assert_eq!(signed(&legacy.called(1).await[0])["order_id"], "order-2");
}

#[tokio::test]
async fn a_legacy_site_that_reloads_costs_no_callback() {
    let legacy = Nginx::legacy().await;
    let folder = shop(&legacy, &usual_routes());
    let running = open(&folder).await;
    let front = Nginx::in_front_of(running.addresses[0]).await;
    let mut line = Line::to(front.address);
    for n in 0..200 {
        if n % 20 == 10 {
            legacy.process.signal("HUP");
        }
        let told = line.say(&genuine("smartexpay", n).keep("/smartexpay/")).await.unwrap();
        assert_eq!(told.status, 200, "{n}: {told:?}");
    }
    // nginx writes a call down after it has answered it.
    eventually("each of them was taken", async || {
        let calls = legacy.calls();
        let orders: BTreeSet<_> =
            calls.iter().map(|call| signed(call)["order_id"].to_string()).collect();
        orders.len() == 200
    })
    .await;
}
