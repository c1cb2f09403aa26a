//! A store that cannot do as it is told: readiness and the API say why.

use std::sync::{Arc, Mutex};

use countersign::admin::Admin;
use countersign::admin::api::{Api, Asked};
use countersign::deliver::{Clocks, Outbox};
use countersign::engine::inbound::UnixSeconds;
use countersign::live::Live;
use countersign::metrics::Metrics;
use countersign::server::{Listening, Manner, Phase};
use countersign::store::captures::{Captures, Settings};
use countersign::store::{
    Act, Admission, Answer, Claimed, Deposit, Entry, Filter, Intake, Message, Order, Page, Settled,
    Settlement, Store, StoreError, Ticket, Totals,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::support::shop::Folder;
use crate::support::*;

/// Its disk is full; nothing can be asked of it.
#[derive(Default)]
struct Sick {
    health: Mutex<Option<StoreError>>,
}

fn full<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(async { Err(StoreError::Full) })
}

impl Store for Sick {
    fn admit(&self, _: Vec<Deposit>, _: Intake, _: UnixSeconds) -> Answer<'_, Vec<Admission>> {
        full()
    }
    fn claim(&self, _: &str, _: usize, _: UnixSeconds, _: UnixSeconds) -> Answer<'_, Claimed> {
        full()
    }
    fn settle(&self, _: Ticket, _: Settlement, _: UnixSeconds) -> Answer<'_, Settled> {
        full()
    }
    fn entries(&self, _: &Filter, _: Page, _: usize) -> Answer<'_, Vec<Entry>> {
        full()
    }
    fn entry(&self, _: i64) -> Answer<'_, Option<(Entry, Option<Message>)>> {
        full()
    }
    fn order(&self, seqs: Vec<i64>, _: Order, _: UnixSeconds) -> Answer<'_, u64> {
        // The second part of many is too much.
        if seqs.len() < 1000 { full() } else { Box::pin(async { Ok(1000) }) }
    }
    fn totals(&self) -> Answer<'_, Totals> {
        full()
    }
    fn prune(&self, _: UnixSeconds) -> Answer<'_, u64> {
        full()
    }
    fn record(&self, _: Act) -> Answer<'_, ()> {
        full()
    }
    fn acts(&self, _: usize) -> Answer<'_, Vec<Act>> {
        full()
    }
    fn health(&self) -> Result<(), StoreError> {
        self.health.lock().unwrap().map_or(Ok(()), Err)
    }
}

struct Ward {
    _folder: Folder,
    store: Arc<Sick>,
    api: Arc<Api>,
    metrics: Arc<Metrics>,
}

fn ward() -> Ward {
    let (folder, metrics) = (Folder::new(), Arc::new(Metrics::new().unwrap()));
    let store = Arc::new(Sick::default());
    let clocks = Clocks { wall: Box::new(|| NOW), steady: Box::new(|| NOW) };
    let kept = Arc::clone(&store) as Arc<dyn Store>;
    let outbox = Arc::new(Outbox::new(kept, metrics.outbox().unwrap(), clocks));
    let captures = Captures::open(Settings {
        path: folder.at("captures.db"),
        bytes_max: 1 << 20,
        age_max: PATIENCE,
        seal: Arc::default(),
    });
    let rules = Arc::new(|| Ok(snapshot(vec![])));
    let captures = Arc::new(captures.unwrap());
    let api = Api::new(outbox, captures, rules, Arc::clone(&metrics), || NOW);
    Ward { _folder: folder, store, api: Arc::new(api), metrics }
}

#[tokio::test]
async fn readiness_says_why_the_store_takes_nothing() {
    let Ward { _folder, store, api, metrics } = ward();
    let (_phase, phases) = watch::channel(Phase::Serving);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let live = Arc::new(Live::new(snapshot(vec![])));
    let admin = Admin::new(live, Arc::clone(&metrics), phases.clone(), Some(api));
    let listening = Listening::new(limits(), metrics, phases);
    tokio::spawn(listening.serve(listener, Manner::default(), Arc::new(admin)));
    let ready = async || {
        let ask = "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let told = tell(address, ask).await.unwrap();
        (told.status, told.body)
    };
    assert_eq!(ready().await, (200, "ready, generation 1\n".to_owned()));
    for error in StoreError::ALL {
        *store.health.lock().unwrap() = Some(error);
        let body = format!("the store takes no events: {}\n", error.as_str());
        assert_eq!(ready().await, (503, body));
    }
    *store.health.lock().unwrap() = None;
    assert_eq!(ready().await.0, 200, "recovery needs no hand");
}

#[tokio::test]
async fn what_the_store_cannot_do_is_said_with_what_was_done_before() {
    let ward = ward();
    let ask = async |method: &str, target: &str, body: &str| -> (u16, Value) {
        let asked = Asked { by: "local", method, target, body: body.as_bytes() };
        let answer = ward.api.answer(asked).await;
        (answer.status.as_u16(), answer.body)
    };
    for target in ["/v1/events", "/v1/events/1", "/v1/events/sums", "/v1/totals", "/v1/audit"] {
        let (status, answer) = ask("GET", target, "").await;
        assert_eq!((status, &answer["error"]), (503, &"the store is full".into()), "{target}");
        assert!(answer["hint"].as_str().unwrap().contains("make room"), "{answer}");
    }
    let (status, answer) = ask("POST", "/v1/events/retry", r#"{"seqs":[1]}"#).await;
    assert_eq!((status, &answer["error"]), (503, &"0 were changed; then the store is full".into()));
    let seqs: Vec<String> = (0..1500).map(|seq| seq.to_string()).collect();
    let body = format!("{{\"seqs\":[{}]}}", seqs.join(","));
    let (status, answer) = ask("POST", "/v1/events/retry", &body).await;
    assert_eq!(status, 503);
    let says =
        "it was done and logged, but not recorded in the audit trail; then the store is full";
    assert_eq!(answer["error"], says);
}
