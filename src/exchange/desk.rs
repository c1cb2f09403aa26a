//! Where equal questions meet: what is kept is given again, and what is under way is waited for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::watch;

use super::cache::{Cache, Keep, Key};
use super::{Failure, Given, lock};

/// What the gateway said to whoever asked; `None`: nothing yet.
type Landed = Option<Result<Given, Failure>>;

#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cache: Cache,
    /// As many as there are exchanges under way.
    flights: HashMap<Key, watch::Receiver<Landed>>,
}

/// Whose turn it is.
pub(super) enum Turn<'a> {
    /// Nobody's: this is the answer.
    Kept(Given),
    /// Somebody else's.
    Wait(Waiting),
    /// Ours.
    Ask(Flight<'a>),
}

/// The wait for somebody else's answer.
pub(super) struct Waiting(watch::Receiver<Landed>);

/// The one question on its way. Dropped before it has landed, it leaves those who wait to
/// themselves.
pub(super) struct Flight<'a> {
    desk: &'a Desk,
    key: Key,
    sender: watch::Sender<Landed>,
    begun: Instant,
}

impl Desk {
    /// `refresh`: what is kept will not do, unless it was asked for anew a moment ago. What is under
    /// way will: it comes from the gateway.
    pub(super) fn turn(&self, key: Key, refresh: bool, now: Instant) -> Turn<'_> {
        let mut state = self.state();
        let kept = if refresh { state.cache.renewed(key, now) } else { state.cache.get(key, now) };
        if let Some(given) = kept {
            return Turn::Kept(given);
        }
        if let Some(flight) = state.flights.get(&key) {
            return Turn::Wait(Waiting(flight.clone()));
        }
        let (sender, receiver) = watch::channel(None);
        state.flights.insert(key, receiver);
        Turn::Ask(Flight { desk: self, key, sender, begun: now })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Waiting {
    /// What the gateway said, or `None` where whoever asked has gone away without an answer.
    pub(super) async fn landed(mut self) -> Landed {
        let landed = self.0.wait_for(Option::is_some).await;
        landed.ok().and_then(|landed| landed.clone())
    }
}

impl Flight<'_> {
    /// Hands the answer to all who wait, and keeps it for those to come if it is one of status
    /// 200. A failure leaves what is kept as it is.
    pub(super) fn land(self, result: Result<Given, Failure>, keep: Keep) {
        if let Ok(given) = result.as_ref()
            && given.status == 200
        {
            self.desk.state().cache.put(self.key, given.clone(), self.begun, keep);
        }
        self.sender.send_replace(Some(result));
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.desk.state().flights.remove(&self.key);
    }
}
