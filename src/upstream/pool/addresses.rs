//! The addresses of an upstream as they come and go, and whether they are well.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use tokio::time::timeout;

use super::{Pool, lock};
use crate::config::{ADDRESSES_MAX, HealthCheck};
use crate::upstream::endpoint::Endpoint;
use crate::upstream::line::Lost;
use crate::upstream::resolve::{Known, Spot};
use crate::upstream::way::Way;
use crate::upstream::wellness::Wellness;
use crate::upstream::{Deadlines, Error, Outgoing};

/// After a name was looked up in vain by a request, for so long others are told so at once.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// What we call ourselves when we ask whether an address is well.
const AGENT: HeaderValue = HeaderValue::from_static("countersign-health");

impl Pool {
    /// All addresses; only while none is known they are looked up now.
    pub(super) async fn endpoints(&self) -> Result<Arc<[Arc<Endpoint>]>, Error> {
        let endpoints = self.known_endpoints();
        if !endpoints.is_empty() {
            return Ok(endpoints);
        }
        let look_up = async {
            let mut known = self.known.lock().await;
            // Somebody else may have been faster, or have failed just now.
            let waits = lock(&self.look_at).is_some_and(|at| Instant::now() < at);
            if self.known_endpoints().is_empty() && !waits {
                *lock(&self.look_at) = Some(Instant::now() + UNKNOWN_FOR);
                self.look_up(&mut known).await;
            }
        };
        // Whatever becomes of it is seen below.
        timeout(self.settings.connect_timeout, look_up).await.ok();
        let endpoints = self.known_endpoints();
        if endpoints.is_empty() { Err(Error::ConnectFailed) } else { Ok(endpoints) }
    }

    async fn look_up(&self, known: &mut [Known]) {
        for known in known.iter_mut() {
            if let Err(error) = known.look_up().await {
                self.metrics.dns_failed();
                tracing::warn!(
                    upstream = self.metrics.upstream(), name = %known.address, %error, kept = known.spots.len(),
                    "the name of an upstream has no address now"
                );
            }
        }
        if known.iter().any(|known| !known.spots.is_empty()) {
            *lock(&self.look_at) = Some(Instant::now() + self.settings.reach.resolve_every);
        }
        self.publish(known);
    }

    /// What is known now is used from now on. An address that stays keeps its connections.
    pub(super) fn publish(&self, known: &[Known]) {
        let before = self.known_endpoints();
        let mut spots = Vec::new();
        for spot in known.iter().flat_map(|known| &known.spots) {
            if !spots.contains(&spot) {
                spots.push(spot);
            }
        }
        let unused = spots.len().saturating_sub(ADDRESSES_MAX);
        spots.truncate(ADDRESSES_MAX);
        // At the beginning none has to catch up with others.
        let wellness = || {
            if before.is_empty() { Wellness::default() } else { Wellness::joined(Instant::now()) }
        };
        let endpoint = |spot: &Spot| {
            let same = before.iter().find(|endpoint| endpoint.spot == *spot).cloned();
            same.unwrap_or_else(|| Arc::new(Endpoint::new(spot.clone(), wellness(), &self.metrics)))
        };
        let endpoints: Arc<[_]> = spots.into_iter().map(endpoint).collect();
        // Also those of another pool, from before a reload.
        self.metrics.retain(&endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect());
        // Nothing is half done when this panics.
        *self.endpoints.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&endpoints);
        self.metrics.addresses(endpoints.len(), unused);
        self.count_usable(&endpoints);
    }

    fn count_usable(&self, endpoints: &[Arc<Endpoint>]) {
        let now = Instant::now();
        let usable = endpoints.iter().filter(|endpoint| endpoint.standing(now, Duration::ZERO).0);
        self.metrics.usable(usable.count());
    }

    fn known_endpoints(&self) -> Arc<[Arc<Endpoint>]> {
        Arc::clone(&self.endpoints.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// To be called about once a second: closes connections that have been idle for too long,
    /// looks up names and asks addresses whether they are well where that is due.
    pub fn sweep(self: &Arc<Self>) {
        let now = Instant::now();
        let endpoints = self.known_endpoints();
        endpoints.iter().for_each(|endpoint| endpoint.sweep());
        self.count_usable(&endpoints);
        if let Some(check) = &self.settings.reach.health {
            for endpoint in endpoints.iter().filter(|it| it.is_due(check.interval, now)) {
                let (pool, endpoint) = (Arc::clone(self), Arc::clone(endpoint));
                tokio::spawn(async move { pool.probe(&endpoint).await });
            }
        }
        if lock(&self.look_at).is_some_and(|at| at <= now) {
            let pool = Arc::clone(self);
            tokio::spawn(async move {
                // Otherwise somebody is at it already.
                if let Ok(mut known) = pool.known.try_lock() {
                    *lock(&pool.look_at) = Some(Instant::now() + UNKNOWN_FOR);
                    pool.look_up(&mut known).await;
                }
            });
        }
    }

    /// Asks one address whether it is well.
    async fn probe(&self, endpoint: &Endpoint) {
        let (Some(way), Some(check)) = (&self.way, &self.settings.reach.health) else { return };
        let asked = timeout(check.timeout, self.ask_health(endpoint, way, check)).await;
        let good = matches!(asked, Ok(Ok(status)) if check.status.contains(&status.as_u16()));
        endpoint.probed(good, if good { check.healthy } else { check.unhealthy });
    }

    async fn ask_health(
        &self,
        endpoint: &Endpoint,
        way: &Way,
        check: &HealthCheck,
    ) -> Result<StatusCode, Error> {
        let request = Request::get(&check.path).header(USER_AGENT, AGENT);
        let mut request =
            request.body(Outgoing::from(Bytes::new())).map_err(|_| Error::NotConfigured)?;
        way.frame(&mut request)?;
        let connection = endpoint.connect(way, None, &self.metrics).await?;
        match connection.ask(request, &Deadlines::default()).await {
            Ok(answered) => Ok(answered.response.status()),
            Err(Lost::Unsent(_)) => Err(Error::Unsent),
            Err(Lost::For(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::{Address, Reach, Retry, Target};
    use crate::live;
    use crate::metrics::Metrics;

    fn pool() -> Pool {
        let second = Duration::from_secs(1);
        let upstream = live::Upstream {
            name: "shop".into(),
            target: Target::Print,
            connect_timeout: second,
            timeout: second,
            in_flight_max: 1,
            secret: None,
            retry: Retry { first: second, longest: second, horizon: second },
            reach: Reach::default(),
            tls: live::UpstreamTls::default(),
        };
        let metrics = Metrics::new().unwrap().upstream("shop");
        Pool::new("http://shop.invalid", &upstream, metrics)
    }

    fn found(last: impl IntoIterator<Item = u8>) -> Vec<Known> {
        let address = Address::Name { host: "shop.invalid".into(), port: 80 };
        let spots = last.into_iter().map(|n| Spot::Tcp((Ipv4Addr::new(10, 0, 0, n), 80).into()));
        vec![Known { spots: spots.collect(), ..Known::new(address) }]
    }

    #[test]
    fn an_address_that_stays_is_the_same_and_a_new_one_starts_slowly() {
        let pool = pool();
        let share =
            |endpoint: &Endpoint| endpoint.standing(Instant::now(), Duration::from_secs(9)).1;
        pool.publish(&found([1, 2]));
        let before = pool.known_endpoints();
        assert_eq!(before.iter().map(|it| share(it)).collect::<Vec<_>>(), [1000, 1000]);
        pool.publish(&found([3, 2, 2]));
        let after = pool.known_endpoints();
        assert_eq!(after.len(), 2);
        assert!(Arc::ptr_eq(&after[1], &before[1]));
        assert!(share(&after[0]) < 200);
    }

    #[test]
    fn one_address_more_than_are_used_is_left_out() {
        let pool = pool();
        pool.publish(&found(0..64));
        assert_eq!(pool.known_endpoints().len(), ADDRESSES_MAX);
        pool.publish(&found(0..65));
        assert_eq!(pool.known_endpoints().len(), ADDRESSES_MAX);
    }

    #[tokio::test]
    async fn what_was_known_stays_while_names_cannot_be_looked_up() {
        let pool = pool();
        let mut known = found([1]);
        pool.publish(&known);
        pool.look_up(&mut known).await;
        assert_eq!(pool.known_endpoints().len(), 1);
    }
}
