//! Senders of genuine callbacks that keep their connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinHandle;

use super::gateways::{GATEWAYS, genuine};
use super::wire::Line;

/// Until they are told to stop.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    /// One for each gateway.
    pub(crate) fn on(address: SocketAddr) -> Self {
        let (over, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let senders = GATEWAYS.map(|gateway| {
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut line = Line::to(address);
                let mut n = 0;
                while !over.load(Ordering::Relaxed) {
                    let bytes = genuine(gateway, n).keep(&format!("/{gateway}/"));
                    let told = line.say(&bytes).await;
                    let told = told.unwrap_or_else(|| panic!("{gateway} {n}: no answer"));
                    assert_eq!(told.status, 200, "{gateway} {n}: {told:?}");
                    assert!(!told.has("connection: close"), "{gateway} {n}: {told:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    n += 1;
                }
            })
        });
        Self { over, answered, senders: senders.into() }
    }

    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// How many requests were answered; fails where one was not answered well.
    pub(crate) async fn stop(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.unwrap();
        }
        self.answered.load(Ordering::Relaxed)
    }
}
