//! Asks gateways what rules must know: a certificate, a token, the state of a payment. Whatever
//! goes wrong, the callback is not lost: its gateway is asked to send it again.

mod address;
mod breaker;
mod cache;
mod desk;
mod judge;
mod lines;
mod place;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::time::{self, timeout_at};

use self::breaker::Breakers;
use self::cache::{Keep, Key};
use self::desk::{Desk, Turn};
use self::lines::Lines;
use self::place::Place;
use self::wire::Wire;
use crate::config::Host;
use crate::engine::exchange::{Answer, Exchange};
use crate::live::Exchanges;
use crate::metrics::{ExchangeMetrics, ExchangeOutcome, Metrics};

/// Asks, for one daemon. It holds what is cached and which hosts fail, so it is kept over reloads
/// that leave its settings as they were.
pub struct Exchanger {
    settings: Exchanges,
    wire: Wire,
    permits: Semaphore,
    desk: Desk,
    breakers: Mutex<Breakers>,
    lines: Mutex<Lines>,
    metrics: ExchangeMetrics,
}

/// What a gateway has answered.
#[derive(Clone)]
struct Given {
    status: u16,
    body: Arc<[u8]>,
}

/// Why there is no answer. Its text holds nothing that was sent or received.
#[derive(Clone, Debug, thiserror::Error)]
enum Failure {
    #[error("the host has failed too often and is left alone for a while")]
    BreakerOpen,
    #[error("{0}")]
    Broken(String),
    #[error("as many exchanges as are allowed are under way")]
    Busy,
    #[error("{0}")]
    ConnectFailed(String),
    #[error("{0}")]
    Refused(String),
    #[error("no answer in time")]
    Timeout,
    #[error("{0}")]
    TlsFailed(String),
    #[error("the answer is longer than `exchanges.answer_bytes_max`")]
    TooLarge,
}

impl Exchanger {
    /// Reads the system's trust anchors, which takes some milliseconds. Breakers begin closed and
    /// the cache empty.
    pub fn new(settings: &Exchanges, metrics: &Metrics) -> Self {
        Self {
            settings: settings.clone(),
            wire: Wire::new(settings),
            permits: Semaphore::new(settings.in_flight_max.min(Semaphore::MAX_PERMITS)),
            desk: Desk::default(),
            breakers: Mutex::default(),
            lines: Mutex::default(),
            metrics: metrics.exchanges(),
        }
    }

    /// Whether it asks just so already.
    pub fn serves(&self, settings: &Exchanges) -> bool {
        self.settings == *settings
    }

    /// Asks a gateway, or gives again what it has answered to an equal question. Takes no longer
    /// than `exchanges.timeout`. Dropped, it gives up.
    pub async fn ask(&self, gateway: &str, exchange: &Exchange) -> Answer {
        let begun = Instant::now();
        let (host, told) = match Place::of(&exchange.url, &self.settings) {
            Ok(place) => (Some(place.host.clone()), self.tell(gateway, exchange, &place).await),
            Err(failure) => (None, Err(failure)),
        };
        let (outcome, answer) = match told {
            Ok(Told { given: Given { status, body }, cached }) => {
                let outcome =
                    if cached { ExchangeOutcome::Cached } else { ExchangeOutcome::Answered };
                (outcome, Answer::Given { status, body, cached })
            }
            Err(failure) => {
                let outcome = failure.outcome();
                self.log(gateway, exchange, host.as_ref(), &failure);
                (outcome, Answer::Unavailable)
            }
        };
        self.metrics.ended(gateway, &exchange.name, outcome);
        if has_asked(outcome) {
            self.metrics.took(gateway, &exchange.name, begun.elapsed());
        }
        answer
    }

    async fn tell(
        &self,
        gateway: &str,
        exchange: &Exchange,
        place: &Place,
    ) -> Result<Told, Failure> {
        let deadline = time::Instant::now() + self.settings.timeout;
        let fresh = |given| Told { given, cached: false };
        let Some(cache_seconds) = exchange.cache_seconds else {
            return self.fetch(exchange, place, deadline).await.map(fresh);
        };
        let key = Key::new(gateway, exchange);
        loop {
            match self.desk.turn(key, exchange.refresh, Instant::now()) {
                // Given to one who wanted it anew, it is as new as it gets.
                Turn::Kept(given) => return Ok(Told { given, cached: !exchange.refresh }),
                Turn::Ask(flight) => {
                    let result = self.fetch(exchange, place, deadline).await;
                    let keep = Keep { seconds: cache_seconds, renewed: exchange.refresh };
                    flight.land(result.clone(), keep);
                    return result.map(fresh);
                }
                Turn::Wait(waiting) => {
                    let landed = timeout_at(deadline, waiting.landed()).await;
                    if let Some(result) = landed.map_err(|_| Failure::Timeout)? {
                        return result.map(fresh);
                    }
                }
            }
        }
    }

    /// Asks the gateway itself.
    async fn fetch(
        &self,
        exchange: &Exchange,
        place: &Place,
        deadline: time::Instant,
    ) -> Result<Given, Failure> {
        let request = wire::request(place, exchange)?;
        let _permit = self.permits.try_acquire().map_err(|_| Failure::Busy)?;
        let host = place.host.to_string();
        if !self.breakers(|breakers| breakers.admits(&host, Instant::now())) {
            return Err(Failure::BreakerOpen);
        }
        let asked = timeout_at(deadline, self.wire.ask(place, request)).await;
        let result = asked.unwrap_or(Err(Failure::Timeout));
        if let Some(worked) = has_worked(&result) {
            self.note(&host, worked);
        }
        result
    }

    fn note(&self, host: &str, worked: bool) {
        self.breakers(|breakers| {
            let noted = breakers.note(host, worked, Instant::now());
            // Under the lock, so that the last word is the last one here too.
            self.metrics.breaker(host, noted.open);
            if let Some(forgotten) = noted.forgotten {
                self.metrics.breaker_forgotten(&forgotten);
            }
        });
    }

    fn breakers<T>(&self, with: impl FnOnce(&mut Breakers) -> T) -> T {
        with(&mut lock(&self.breakers))
    }

    /// URL, headers and bodies carry secrets; the host alone does not.
    fn log(&self, gateway: &str, exchange: &Exchange, host: Option<&Host>, failure: &Failure) {
        let outcome = failure.outcome().as_str();
        let admitted = lock(&self.lines).admit(gateway, outcome, Instant::now());
        let Some(held_back) = admitted else { return };
        let (name, host) = (&*exchange.name, host.map(Host::to_string).unwrap_or_default());
        tracing::warn!(
            gateway,
            exchange = name,
            host,
            outcome,
            why = %failure,
            held_back,
            "exchange failed"
        );
    }
}

/// No step of a change to what is locked here can panic and leave it half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What we were told.
struct Told {
    given: Given,
    /// It is not the first time.
    cached: bool,
}

impl Failure {
    fn outcome(&self) -> ExchangeOutcome {
        match self {
            Self::BreakerOpen => ExchangeOutcome::BreakerOpen,
            Self::Broken(_) => ExchangeOutcome::Broken,
            Self::Busy => ExchangeOutcome::Busy,
            Self::ConnectFailed(_) => ExchangeOutcome::ConnectFailed,
            Self::Refused(_) => ExchangeOutcome::RefusedAddress,
            Self::Timeout => ExchangeOutcome::Timeout,
            Self::TlsFailed(_) => ExchangeOutcome::TlsFailed,
            Self::TooLarge => ExchangeOutcome::TooLarge,
        }
    }
}

/// Whether the host has done its part; `None`: it was not its turn.
fn has_worked(result: &Result<Given, Failure>) -> Option<bool> {
    match result {
        Ok(given) => Some(given.status < 500),
        Err(Failure::BreakerOpen | Failure::Busy | Failure::Refused(_)) => None,
        Err(
            Failure::Broken(_)
            | Failure::ConnectFailed(_)
            | Failure::Timeout
            | Failure::TlsFailed(_)
            | Failure::TooLarge,
        ) => Some(false),
    }
}

/// Whether a gateway was asked: the others took no time of anybody's.
fn has_asked(outcome: ExchangeOutcome) -> bool {
    match outcome {
        ExchangeOutcome::BreakerOpen
        | ExchangeOutcome::Busy
        | ExchangeOutcome::Cached
        | ExchangeOutcome::RefusedAddress => false,
        ExchangeOutcome::Answered
        | ExchangeOutcome::Broken
        | ExchangeOutcome::ConnectFailed
        | ExchangeOutcome::Timeout
        | ExchangeOutcome::TlsFailed
        | ExchangeOutcome::TooLarge => true,
    }
}
