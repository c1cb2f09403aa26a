//! What is drained where: after a reload, beside a message that is stuck, and when the store fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign::app::Running;
use countersign::store::{Filter, Page, State};
use tokio::task::JoinHandle;

use crate::support::gateways::genuine;
use crate::support::shop::*;
use crate::support::*;

/// A durable route to `billing`, which is one of these, by name and URL.
fn config_of(upstream: &str, upstreams: &[(&str, std::net::SocketAddr)]) -> String {
    let mut route = Wired::usual("stripe");
    "{ as: canonical, to: /in }, delivery: durable".clone_into(&mut route.forward);
    let text = config_with("URL", "store: { path: state }\n", &[route]);
    let line = text.lines().find(|line| line.contains("URL")).unwrap().to_owned();
    let lines: Vec<_> = upstreams
        .iter()
        .map(|(name, address)| {
            line.replace("smarty:", &format!("{name}:"))
                .replace("URL", &format!("http://{address}"))
                .replace("timeout: 500ms, ", "timeout: 20s, retry: { first: 1s, longest: 1s }, ")
        })
        .collect();
    text.replace(&line, &lines.join("\n"))
        .replace("upstream: smarty,", &format!("upstream: {upstream},"))
}

async fn say(running: &Running, n: usize) -> u16 {
    tell(running.addresses[0], genuine("stripe", n).once("/stripe/")).await.unwrap().status
}

/// Callbacks one after the other, until told to stop.
fn steadily(running: &Running, stop: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let (address, stop) = (running.addresses[0], Arc::clone(stop));
    tokio::spawn(async move {
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            let told = tell(address, genuine("stripe", n).once("/stripe/")).await.unwrap();
            assert_eq!(told.status, 200);
            n += 1;
        }
        n
    })
}

async fn reloaded(running: &Running, folder: &Folder, text: &str) {
    let before = running.live.load().generation;
    folder.write("countersign.yaml", text);
    running.reload();
    eventually("it reloads", async || running.live.load().generation > before).await;
}

#[tokio::test]
async fn after_a_reload_events_go_where_the_upstream_is_now_however_steadily_they_come() {
    let late = Act::SayLate("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (old, new) = (
        Stub::start(std::slice::from_ref(&late)).await,
        Stub::start(std::slice::from_ref(&late)).await,
    );
    let folder = folder(&config_of("smarty", &[("smarty", old.address)]));
    let running = open(&folder).await;
    let stop = Arc::<AtomicBool>::default();
    let sender = steadily(&running, &stop);
    eventually("the load is on", async || old.got().len() > 20).await;
    reloaded(&running, &folder, &config_of("smarty", &[("smarty", new.address)])).await;
    eventually("the new one gets them", async || new.got().len() > 20).await;
    let then = old.got().len();
    eventually("still", async || new.got().len() > 60).await;
    assert_eq!(old.got().len(), then, "what was under way has been finished long since");
    stop.store(true, Ordering::Relaxed);
    let sent = sender.await.unwrap();
    eventually("all arrive", async || old.got().len() + new.got().len() == sent).await;
}

#[tokio::test]
async fn what_waits_for_an_upstream_that_no_route_leads_to_any_more_is_delivered_to_it() {
    let (away, other) = (free_address(), Stub::start(&[OK]).await);
    let both = [("away", away), ("other", other.address)];
    let folder = folder(&config_of("away", &both));
    let running = open(&folder).await;
    assert_eq!(say(&running, 1).await, 200);
    reloaded(&running, &folder, &config_of("other", &both)).await;
    assert_eq!(say(&running, 2).await, 200);
    eventually("the other gets its own", async || other.got().len() == 1).await;
    let back = Stub::at(away, &[OK]).await;
    eventually("what waited arrives", async || back.got().len() == 1).await;
    assert!(back.got()[0].body.contains("order-1"));
}

#[tokio::test]
async fn a_message_that_the_upstream_is_slow_to_take_holds_up_no_other() {
    let stub = Stub::start(&[Act::Silence, OK]).await;
    let folder = folder(&config_of("smarty", &[("smarty", stub.address)]));
    let running = open(&folder).await;
    assert_eq!(say(&running, 0).await, 200);
    eventually("the first is under way", async || stub.got().len() == 1).await;
    for n in 1..=6 {
        assert_eq!(say(&running, n).await, 200);
        eventually("it arrives", async || stub.got().len() > n).await;
    }
    let store = running.outbox.as_ref().unwrap().store();
    let filter = Filter { state: Some(State::Waiting), ..Filter::default() };
    let waiting = store.entries(&filter, Page::After(0), 10).await.unwrap();
    assert!(waiting.iter().any(|entry| entry.attempts == 0), "the first is under way still");
}
