//! Genuine callbacks that the upstream does not take: the gateway is asked to come again, the
//! metric says why, and what was acknowledged is there.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::support::counts::{Counts, ended};
use crate::support::gateways::{GATEWAYS, genuine};
use crate::support::shop::*;
use crate::support::wire::Line;
use crate::support::*;

const NO: Act = Act::Say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
const BUSY: Act = Act::Say("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
const ELSEWHERE: Act = Act::Say("HTTP/1.1 302 No\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
const GONE: Act = Act::SayAndClose("");
const HALF: Act = Act::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nO");

async fn asked_to_retry(upstream: SocketAddr, status: u16, reason: &str, class: &str) {
    let (_folder, running) = usual(upstream).await;
    for gateway in GATEWAYS {
        let bytes = genuine(gateway, 1).once(&format!("/{gateway}/"));
        let told = tell(running.addresses[0], bytes).await.unwrap();
        assert_eq!((told.status, told.body.as_str()), (status, "refused\n"), "{gateway} {reason}");
        assert!(told.has("retry-after: 60"), "{told:?}");
        let counts = Counts::of(&running);
        assert_eq!(counts.ended([gateway, "undelivered", reason, gateway]), 1, "{counts:?}");
        assert_eq!(counts.ended([gateway, "accepted", "ok", gateway]), 0);
    }
    let answers =
        format!("countersign_upstream_responses_total{{class=\"{class}\",upstream=\"smarty\"}}");
    assert_eq!(Counts::of(&running).whole(&answers), 4);
}

#[tokio::test]
async fn an_upstream_that_does_not_take_it_makes_every_gateway_come_again() {
    for (act, status, reason, class) in [
        (NO, 502, "upstream_refused", "5xx"),
        (BUSY, 502, "upstream_refused", "5xx"),
        (ELSEWHERE, 502, "upstream_refused", "3xx"),
        (GONE, 502, "upstream_broken", "broken"),
        (HALF, 502, "upstream_broken", "broken"),
        (Act::Silence, 504, "upstream_timeout", "timeout"),
    ] {
        let stub = Stub::start(&[act]).await;
        asked_to_retry(stub.address, status, reason, class).await;
        assert_eq!(stub.got().len(), 4, "{reason}: one attempt each");
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_makes_every_gateway_come_again() {
    asked_to_retry(free_address(), 502, "upstream_down", "connect_failed").await;
}

/// A pattern that looks like chance and is the same in every run (`SplitMix64`).
fn chance(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_an_upstream_that_fails_at_random() {
    const CALLBACKS: usize = 200;
    let mut seed = 20_261_124;
    // The upstream took what it answered 2xx in full; of the other answers nobody may be sure.
    let mut taking = Vec::new();
    let acts: Vec<_> = (0..2000)
        .map(|_| {
            let roll = chance(&mut seed) % 100;
            taking.push(roll < 50);
            match roll {
                0..50 => OK,
                50..70 => NO,
                70..80 => GONE,
                80..90 => HALF,
                90..98 => ELSEWHERE,
                _ => Act::Silence,
            }
        })
        .collect();
    let stub = Stub::start(&acts).await;
    let (_folder, running) = usual(stub.address).await;
    let mut line = Line::to(running.addresses[0]);
    let mut acknowledged = BTreeSet::new();
    let mut told_to_retry = 0;
    let mut waiting: Vec<usize> = (0..CALLBACKS).collect();
    while let Some(n) = waiting.pop() {
        let gateway = GATEWAYS[n % 4];
        let bytes = genuine(gateway, n).keep(&format!("/{gateway}/"));
        let told = line.say(&bytes).await.expect("an answer");
        match told.status {
            200 => assert!(acknowledged.insert((gateway, format!("order-{n}"))), "{n}"),
            502 | 504 => {
                told_to_retry += 1;
                waiting.insert(0, n);
            }
            _ => panic!("{told:?}"),
        }
        assert!(told_to_retry < 1500, "the pattern is not that bad");
    }
    let taken: Vec<_> = stub
        .got()
        .iter()
        .zip(&taking)
        .filter(|(_, taken)| **taken)
        .map(|(got, _)| {
            let event: serde_json::Value = serde_json::from_str(&got.body).unwrap();
            (event["gateway"].as_str().unwrap().to_owned(), event["order_id"].clone())
        })
        .collect();
    for (gateway, order) in &acknowledged {
        let times = taken.iter().filter(|(by, of)| by == gateway && of == order).count();
        assert!(times >= 1, "{gateway} {order} was acknowledged and is not there");
    }
    assert_eq!(acknowledged.len(), CALLBACKS, "in the end all arrive");
    assert!(told_to_retry > 50, "the upstream did fail: {told_to_retry}");
    let counts = Counts::of(&running);
    let accepted: i64 =
        GATEWAYS.iter().map(|gateway| counts.ended([gateway, "accepted", "ok", gateway])).sum();
    assert_eq!(accepted, 200, "counted as often as acknowledged");
    assert!(counts.has(&ended(["liqpay", "undelivered", "upstream_refused", "liqpay"])));
}
