//! One request, one straight line: snapshot, route, head, body, verdict (perhaps with a question to
//! the gateway), delivery, reply.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tokio::time::timeout;

use super::head::Bad;
use super::record::{Limiter, Record};
use super::refusal::Refusal;
use super::sender::Sender;
use super::wiring::{Wired, Wiring};
use super::{Body, Caller, Service, pass, respond, vet};
use crate::config::{Forward, Limits, Mode};
use crate::deliver::{
    self, Answer, DeliverError, Handed, HandoverError, Original, Outbox, Outlet, read,
};
use crate::engine::Bound;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::engine::reason::Reject;
use crate::engine::verdict::{Accepted, Reply};
use crate::exchange::Exchanger;
use crate::live::Live;
use crate::metrics::{Metrics, Outcome};
use crate::store::captures::Captures;

/// Answers callbacks.
pub struct Ingress {
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    limits: Limits,
    clock: fn() -> UnixSeconds,
    keeping: Keeping,
    /// Follows from the snapshot in `live`; made anew when that is another one.
    wiring: ArcSwap<Wiring>,
    rewiring: Mutex<()>,
    limiter: Limiter,
}

/// What outlives a restart, where anything does.
#[derive(Clone, Default)]
pub struct Keeping {
    /// Events.
    pub outbox: Option<Arc<Outbox>>,
    /// Inbounds.
    pub captures: Option<Arc<Captures>>,
}

/// How a request ended well.
enum Success {
    /// It is safe; the word says how.
    Accepted(Arc<Reply>, &'static str),
    /// The upstream has it, and what it said is what the gateway gets.
    Relayed(Answer),
    /// The upstream has it whatever the verdict was, and this is what it said.
    Observed(Result<(), Refusal>, Answer),
}

/// Why it did not, and for the operator where in the rule.
struct Failure(Refusal, String);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(refusal, String::new())
    }
}

impl From<DeliverError> for Failure {
    fn from(error: DeliverError) -> Self {
        HandoverError::from(error).into()
    }
}

impl From<HandoverError> for Failure {
    fn from(error: HandoverError) -> Self {
        let at = match error {
            // Whose fault it is: a wrong path, a wrong secret, a page instead of an endpoint.
            HandoverError::Deliver(DeliverError::Refused(status)) => {
                format!("upstream said {}", status.as_u16())
            }
            HandoverError::Deliver(_) | HandoverError::InFlight | HandoverError::Store(_) => {
                String::new()
            }
        };
        Self(error.into(), at)
    }
}

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Self {
        Self(Refusal::Judged(reject.reason), reject.at)
    }
}

impl Ingress {
    /// Answers with whatever snapshot is in `live` when a request arrives.
    pub fn new(
        live: Arc<Live>,
        metrics: Arc<Metrics>,
        limits: Limits,
        clock: fn() -> UnixSeconds,
        keeping: Keeping,
    ) -> Self {
        let wiring = Wiring::new(live.load(), None, &metrics, keeping.outbox.as_deref());
        Self {
            live,
            metrics,
            limits,
            clock,
            keeping,
            wiring: ArcSwap::from_pointee(wiring),
            rewiring: Mutex::default(),
            limiter: Limiter::default(),
        }
    }

    /// The active snapshot, made ready to serve.
    fn wiring(&self) -> Arc<Wiring> {
        let wiring = self.wiring.load_full();
        if Arc::ptr_eq(&wiring.snapshot, &self.live.load()) { wiring } else { self.rewire() }
    }

    /// Makes the active snapshot ready to serve now, not when the first request comes.
    pub fn refresh(&self) {
        drop(self.wiring());
    }

    fn rewire(&self) -> Arc<Wiring> {
        // Nothing is half done when this panics.
        let _one_at_a_time = self.rewiring.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, snapshot) = (self.wiring.load_full(), self.live.load());
        if Arc::ptr_eq(&before.snapshot, &snapshot) {
            return before;
        }
        let outbox = self.keeping.outbox.as_deref();
        let wiring = Arc::new(Wiring::new(snapshot, Some(&before), &self.metrics, outbox));
        self.wiring.store(Arc::clone(&wiring));
        if let Some(outbox) = outbox {
            // What rests because of how an upstream was may go elsewhere now.
            outbox.wake();
        }
        wiring
    }

    /// The ways to all upstreams.
    pub fn outlets(&self) -> Vec<Arc<Outlet>> {
        self.wiring().outlets().cloned().collect()
    }

    /// The way to the upstream of this name, as it is configured now.
    pub fn outlet(&self, upstream: &str) -> Option<Arc<Outlet>> {
        self.wiring().outlet(upstream).cloned()
    }

    /// To be called about once a second: closes idle connections to upstreams, and logs how many
    /// refusals were not logged one by one.
    pub fn housekeeping(&self) {
        self.wiring().sweep();
        self.limiter.report(Instant::now(), &self.metrics);
    }

    async fn receive(
        &self,
        route: &Wired,
        exchanger: &Exchanger,
        sender: &Sender<'_>,
        request: Request<Incoming>,
        record: &mut Record<'_>,
    ) -> Result<Success, Failure> {
        let allow = route.route.allow.as_deref();
        sender.may_call(allow, route.meter.as_deref(), Instant::now())?;
        let (head, body) = request.into_parts();
        vet::headers(&head.headers, self.limits.body_bytes_max)?;
        if route.route.bound.is_err() && route.route.mode == Mode::Enforce {
            return Err(Refusal::NotReady.into());
        }
        let body = self.body(body).await?;
        record.received(body.len());
        let headers: Vec<_> =
            head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let certificates: Vec<_> = sender.caller.client_certificates().collect();
        let inbound = Inbound {
            method: head.method.as_str(),
            target: target(&head),
            headers: &headers,
            body: &body,
            remote_addr: sender.client,
            client_certificates: &certificates,
        };
        let result = self.decide(route, exchanger, &head, &inbound, &body, record).await;
        record.keep(&inbound, matches!(result, Ok(Success::Accepted(..) | Success::Relayed(_))));
        result
    }

    /// What becomes of a request that is all there.
    async fn decide(
        &self,
        route: &Wired,
        exchanger: &Exchanger,
        head: &Parts,
        inbound: &Inbound<'_>,
        body: &Bytes,
        record: &mut Record<'_>,
    ) -> Result<Success, Failure> {
        let now = (self.clock)();
        let verdict = judge(route, inbound, now, exchanger).await;
        record.judged(verdict.as_ref().map_or(&[], |accepted| &accepted.events), now);
        match route.route.mode {
            Mode::Enforce => {
                let Accepted { events, reply, relayed } = verdict?;
                let accepted = deliver::Accepted {
                    route: &route.route,
                    inbound,
                    body,
                    events,
                    received_at: now,
                };
                let handed = match &self.keeping.outbox {
                    Some(outbox) => outbox.hand_over(&route.outlet, accepted, relayed, now).await,
                    None => deliver::send(&route.outlet, accepted, now).await,
                };
                record.delivered();
                Ok(match handed? {
                    Handed::Delivered(Some(answer)) if relayed && !answer.body.is_empty() => {
                        Success::Relayed(answer)
                    }
                    Handed::Delivered(_) => Success::Accepted(reply, "ok"),
                    Handed::Duplicate(_) => {
                        let bound = route.route.bound.as_ref().ok();
                        let own = bound.and_then(|bound| bound.replies().duplicate.clone());
                        Success::Accepted(own.unwrap_or(reply), "duplicate")
                    }
                    Handed::Kept => Success::Accepted(reply, "kept"),
                    Handed::Held => Success::Accepted(reply, "held"),
                })
            }
            Mode::Observe => {
                let observed = verdict.as_ref().ok();
                let answer = pass_on(route, head, inbound, body, observed, now).await;
                record.delivered();
                let verdict = verdict.map(drop).map_err(|Failure(refusal, at)| {
                    record.at = at;
                    refusal
                });
                Ok(Success::Observed(verdict, answer?))
            }
        }
    }

    /// What belongs to no route.
    fn refuse_unrouted(&self, sender: &Sender<'_>, refusal: Refusal, at: &str) -> Response<Body> {
        let client = sender.known();
        let mut record = Record::open(&self.metrics, &self.limiter, None, None, client);
        record.at = at.into();
        let response = respond::refused(refusal, None);
        record.close(respond::outcome(refusal), refusal.as_str(), response.status());
        response
    }

    /// The whole body, within its limits of size and time.
    async fn body(&self, body: Incoming) -> Result<Bytes, Refusal> {
        let read = timeout(self.limits.body_timeout, read(body, self.limits.body_bytes_max))
            .await
            .map_err(|_| Refusal::BodyTimeout)?
            .map_err(|_| Refusal::BadHttp)?;
        if read.cut { Err(Refusal::TooLarge) } else { Ok(read.bytes) }
    }
}

impl Service for Ingress {
    async fn answer(&self, caller: &Caller, request: Request<Incoming>) -> Response<Body> {
        let wiring = self.wiring();
        let trusted = &wiring.snapshot.site.trusted_proxies;
        let sender = Sender::new(caller, request.headers(), trusted);
        let Some(route) = wiring.route(request.uri().path()) else {
            return match wiring.passages.find(&request) {
                Ok(passage) => {
                    pass::answer(passage, &sender, &self.limits, &self.limiter, request).await
                }
                Err(refusal) => {
                    // What was called may hold anything; what it should have been is ours.
                    let nearly = wiring.nearly(request.uri().path());
                    let at = nearly.map_or_else(String::new, |path| format!("nearly {path}"));
                    self.refuse_unrouted(&sender, refusal, &at)
                }
            };
        };
        let captures = self.keeping.captures.as_deref();
        let (metrics, limiter) = (&self.metrics, &self.limiter);
        let mut record = Record::open(metrics, limiter, captures, Some(route), sender.known());
        match self.receive(route, &wiring.exchanger, &sender, request, &mut record).await {
            Ok(Success::Accepted(reply, how)) => {
                let response = respond::reply(&reply);
                record.close(Outcome::Accepted, how, response.status());
                response
            }
            Ok(Success::Relayed(answer)) => {
                let response = respond::passed_on(answer);
                record.close(Outcome::Accepted, "ok", response.status());
                response
            }
            Ok(Success::Observed(verdict, answer)) => {
                let response = respond::passed_on(answer);
                let (outcome, reason) = match verdict {
                    Ok(()) => (Outcome::ObservedAccepted, "ok"),
                    Err(refusal) => (Outcome::ObservedRejected, refusal.as_str()),
                };
                record.close(outcome, reason, response.status());
                response
            }
            Err(Failure(refusal, at)) => {
                let bound = route.route.bound.as_ref().ok();
                let response = respond::refused(refusal, bound.map(Bound::replies));
                if !at.is_empty() {
                    record.at = at;
                }
                record.close(respond::outcome(refusal), refusal.as_str(), response.status());
                response
            }
        }
    }

    fn is_trusted(&self, peer: IpAddr) -> bool {
        let trusted = &self.wiring().snapshot.site.trusted_proxies;
        trusted.iter().any(|network| network.contains(peer))
    }

    fn refuse(&self, caller: &Caller, bad: Bad) -> Response<Body> {
        let sender = Sender { caller, client: None, is_trusted: false };
        self.refuse_unrouted(&sender, bad.refusal(), bad.as_str())
    }
}

async fn judge(
    route: &Wired,
    inbound: &Inbound<'_>,
    now: UnixSeconds,
    exchanger: &Exchanger,
) -> Result<Accepted, Failure> {
    let bound = route.route.bound.as_ref().map_err(|_| Refusal::NotReady)?;
    Ok(exchanger.judge(bound, &route.route.gateway, inbound, now).await?)
}

/// Hands over what was received, whatever the verdict.
async fn pass_on(
    route: &Wired,
    head: &Parts,
    inbound: &Inbound<'_>,
    body: &Bytes,
    accepted: Option<&Accepted>,
    now: UnixSeconds,
) -> Result<Answer, Failure> {
    if let (true, Some(accepted)) = (route.outlet.prints(), accepted) {
        let events = accepted.events.clone();
        let accepted =
            deliver::Accepted { route: &route.route, inbound, body, events, received_at: now };
        deliver::send(&route.outlet, accepted, now).await?;
    }
    Ok(route.outlet.original(original(route, head, body.clone())).await?)
}

fn original<'a>(route: &'a Wired, head: &'a Parts, body: Bytes) -> Original<'a> {
    let to = match &route.route.forward {
        // That path takes events; what is no event goes where it would have gone without us.
        Forward::Canonical { .. } | Forward::Original { to: None, .. } => target(head),
        Forward::Original { to: Some(to), .. } => to,
    };
    Original {
        method: &head.method,
        target: to,
        headers: &head.headers,
        allowed: &route.allowed,
        body,
    }
}

/// Path and query as they came.
fn target(head: &Parts) -> &str {
    head.uri.path_and_query().map_or("/", |target| target.as_str())
}
