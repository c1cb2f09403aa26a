//! While a gateway waits: what is sent at once, what is not sent again, and what is kept of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign::config::{Delivery, Target};
use countersign::deliver::{Handed, HandoverError};
use countersign::engine::event::{Event, Status};
use countersign::store::{Duplicate, Filter, Order, Page, State};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::outbox::{SHOP, euros, paid, said};
use crate::support::post::Post;
use crate::support::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const NO: Act = Act::Say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");

fn spilling(target: Target) -> Post {
    let mut post = Post::new(target, DAY);
    post.route.delivery = Delivery::Spill;
    post
}

/// Hands over an event, does this while the upstream has it, and lets the upstream say so.
async fn meanwhile(
    post: &Post,
    upstream: &TcpListener,
    event: Event,
    act: impl Future<Output = ()>,
    says: &str,
) -> Result<Handed, HandoverError> {
    let upstream = async {
        let (mut stream, _) = upstream.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0);
        }
        act.await;
        let answer = format!("HTTP/1.1 {says}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    };
    tokio::join!(post.hand(vec![event], false), upstream).0
}

async fn ids(post: &Post) -> Vec<String> {
    let store = post.outbox.store();
    let entries = store.entries(&Filter::default(), Page::After(0), 1000).await.unwrap();
    entries.into_iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn a_gateway_that_waits_for_the_upstream_hears_it_of_what_it_has_and_of_nothing_else() {
    let stub = Stub::start(&[OK, OK, NO, OK]).await;
    let post = spilling(stub.target());
    for times in 1..=2 {
        let handed = post.hand(vec![paid("a")], true).await;
        assert!(matches!(handed, Ok(Handed::Delivered(Some(_)))), "{handed:?}");
        assert_eq!(stub.got().len(), times, "the upstream is asked each time");
    }
    let forged = || vec![Event { amount: Some(euros("99.00")), ..paid("a") }];
    let known = |handed: &Result<Handed, HandoverError>, wanted| {
        assert!(matches!(handed, Ok(Handed::Duplicate(by)) if *by == wanted), "{handed:?}");
    };
    let handed = post.hand(forged(), true).await;
    assert!(matches!(handed, Ok(Handed::Held)), "{handed:?}");
    known(&post.hand(forged(), true).await, Duplicate::Delivery);
    let filter = Filter { state: Some(State::Held), ..Filter::default() };
    let held = post.outbox.store().entries(&filter, Page::After(0), 10).await.unwrap();
    let drop = Order::Drop { why: "forged".into() };
    assert_eq!(post.outbox.store().order(vec![held[0].seq], drop, NOW).await, Ok(1));
    known(&post.hand(forged(), true).await, Duplicate::Delivery);
    let other = Event { id: "evt_other".into(), ..paid("a") };
    known(&post.hand(vec![other], true).await, Duplicate::Credit);
    assert_eq!(stub.got().len(), 2, "neither what is held nor what was dropped nor credited");
    let handed = post.hand(vec![paid("b")], true).await;
    assert!(matches!(handed, Ok(Handed::Kept)), "{handed:?}");
    known(&post.hand(vec![paid("b")], true).await, Duplicate::Delivery);
    assert_eq!(stub.got().len(), 3, "what waits goes in its turn");
    post.drain(&post.outlet()).await;
    assert_eq!(stub.got().len(), 4);
}

#[tokio::test]
async fn what_went_with_a_lost_file_while_it_was_sent_is_kept_anew() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let post = spilling(Target::Http(url));
    let lose = async {
        for name in ["outbox.db", "outbox.db-wal", "outbox.db-shm"] {
            std::fs::rename(post.folder.at(name), post.folder.at(&format!("away-{name}"))).ok();
        }
        eventually("another file is there", async || {
            let queued = post.outbox.queue(vec![]).await;
            let other = post.hand(vec![said("x", "", "", Status::Pending)], false);
            drop(timeout(Duration::from_millis(1), other).await);
            queued.is_ok() && post.folder.at("outbox.db").exists()
        })
        .await;
        assert!(!ids(&post).await.contains(&paid("a").id));
    };
    let handed = Box::pin(meanwhile(&post, &upstream, paid("a"), lose, "503 No")).await;
    assert!(matches!(handed, Ok(Handed::Kept)), "{handed:?}");
    assert!(ids(&post).await.contains(&paid("a").id), "a success is only what is on disk");
}

#[tokio::test]
async fn what_somebody_else_took_over_meanwhile_is_safe_with_him() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let post = spilling(Target::Http(url));
    let sleep_over = async {
        post.clock.fetch_add(3600, Ordering::Relaxed);
        let now = NOW + 3600;
        let claimed = post.outbox.store().claim(SHOP, 1, now, now + 60).await.unwrap();
        assert_eq!(claimed.parcels.len(), 1);
    };
    let handed = meanwhile(&post, &upstream, paid("a"), sleep_over, "503 No").await;
    assert!(matches!(handed, Ok(Handed::Duplicate(_))), "{handed:?}");
    assert_eq!(post.count(State::Waiting).await, 1);
}

#[tokio::test]
async fn what_waits_for_what_is_being_sent_is_looked_at_when_that_is_over() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let post = spilling(Target::Http(url));
    let another = async {
        let handed = post.hand(vec![said("b", "order-a", "", Status::Refunded)], false).await;
        assert!(matches!(handed, Ok(Handed::Kept)), "{handed:?}");
        timeout(PATIENCE, post.outbox.woken()).await.expect("it was kept");
    };
    let handed = Box::pin(meanwhile(&post, &upstream, paid("a"), another, "200 OK")).await;
    assert!(matches!(handed, Ok(Handed::Delivered(_))), "{handed:?}");
    timeout(PATIENCE, post.outbox.woken()).await.expect("it is due now");
}
