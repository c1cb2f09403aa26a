//! One request, one straight line: snapshot, route, head, body, verdict (perhaps with a question to
//! the gateway), delivery, reply.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tokio::time::timeout;

use super::record::{Limiter, Record};
use super::refusal::Refusal;
use super::wiring::{Wired, Wiring};
use super::{Service, respond, vet};
use crate::config::{Forward, Limits, Mode};
use crate::deliver::{Answer, DeliverError, Original, read};
use crate::engine::Bound;
use crate::engine::exchange::Answered;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::engine::reason::{Reason, Reject};
use crate::engine::verdict::{Accepted, Reply, Verdict};
use crate::exchange::Exchanger;
use crate::live::Live;
use crate::metrics::{Metrics, Outcome};

/// Questions to the gateway about one callback. Rules have two, and one may be asked again.
const QUESTIONS_MAX: usize = 8;

/// Answers callbacks.
pub struct Ingress {
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    limits: Limits,
    clock: fn() -> UnixSeconds,
    /// Follows from the snapshot in `live`; made anew when that is another one.
    wiring: ArcSwap<Wiring>,
    rewiring: Mutex<()>,
    limiter: Limiter,
}

/// How a request ended well.
enum Success {
    /// The upstream has it.
    Accepted(Arc<Reply>),
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
        Self(error.into(), String::new())
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
    ) -> Self {
        let wiring = Wiring::new(live.load(), None, &metrics);
        Self {
            live,
            metrics,
            limits,
            clock,
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
        let wiring = Arc::new(Wiring::new(snapshot, Some(&before), &self.metrics));
        self.wiring.store(Arc::clone(&wiring));
        wiring
    }

    /// To be called about once a second: closes idle connections to upstreams, and logs how many
    /// refusals were not logged one by one.
    pub fn housekeeping(&self) {
        self.wiring().sweep();
        self.limiter.report(Instant::now(), &self.metrics);
    }

    async fn receive(
        &self,
        route: Option<&Wired>,
        exchanger: &Exchanger,
        request: Request<Incoming>,
        record: &mut Record<'_>,
    ) -> Result<Success, Failure> {
        let route = route.ok_or(Refusal::NoRoute)?;
        let (head, body) = request.into_parts();
        vet::head(&head, self.limits.body_bytes_max)?;
        if route.route.bound.is_err() && route.route.mode == Mode::Enforce {
            return Err(Refusal::NotReady.into());
        }
        let body = self.body(body).await?;
        record.received(body.len());
        let now = (self.clock)();
        let verdict = judge(route, &head, &body, record.peer, now, exchanger).await;
        record.judged(verdict.as_ref().map_or(&[], |accepted| &accepted.events), now);
        match route.route.mode {
            Mode::Enforce => {
                let accepted = verdict?;
                let answer = deliver(route, &head, body, &accepted, now).await?;
                record.delivered();
                match answer.filter(|answer| accepted.relayed && !answer.body.is_empty()) {
                    Some(answer) => Ok(Success::Relayed(answer)),
                    None => Ok(Success::Accepted(accepted.reply)),
                }
            }
            Mode::Observe => {
                let answer = pass_on(route, &head, body, verdict.as_ref().ok(), now).await;
                record.delivered();
                let verdict = verdict.map(drop).map_err(|Failure(refusal, at)| {
                    record.at = at;
                    refusal
                });
                Ok(Success::Observed(verdict, answer?))
            }
        }
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
    async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let wiring = self.wiring();
        let route = wiring.route(request.uri().path());
        let mut record = Record::open(&self.metrics, &self.limiter, route, peer);
        match self.receive(route, &wiring.exchanger, request, &mut record).await {
            Ok(Success::Accepted(reply)) => {
                let response = respond::reply(&reply);
                record.close(Outcome::Accepted, "ok", response.status());
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
                let bound = route.and_then(|route| route.route.bound.as_ref().ok());
                let response = respond::refused(refusal, bound.map(Bound::replies));
                if !at.is_empty() {
                    record.at = at;
                }
                record.close(respond::outcome(refusal), refusal.as_str(), response.status());
                response
            }
        }
    }

    fn bad_connection(&self, error: &hyper::Error) {
        if error.is_parse_too_large() {
            self.metrics.refused_before_route(Outcome::Rejected, Refusal::TooLarge.as_str());
        } else if error.is_parse() {
            self.metrics.refused_before_route(Outcome::Rejected, Refusal::BadHttp.as_str());
        }
    }
}

/// Judges, asks what must be asked, and judges again with the answer. One question more than a rule
/// can have good reason for is no usable answer.
async fn judge(
    route: &Wired,
    head: &Parts,
    body: &[u8],
    peer: SocketAddr,
    now: UnixSeconds,
    exchanger: &Exchanger,
) -> Result<Accepted, Failure> {
    let bound = route.route.bound.as_ref().map_err(|_| Refusal::NotReady)?;
    let headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let inbound = Inbound {
        method: head.method.as_str(),
        target: target(head),
        headers: &headers,
        body,
        remote_addr: Some(peer.ip().to_canonical()),
    };
    let mut answers = Vec::new();
    loop {
        let exchange = match bound.judge(&inbound, now, &answers) {
            Verdict::Accepted(accepted) => return Ok(accepted),
            Verdict::Rejected(reject) => return Err(reject.into()),
            Verdict::Ask(exchange) => exchange,
        };
        if answers.len() == QUESTIONS_MAX {
            let at = format!("exchange.{}", exchange.name);
            return Err(Reject::new(Reason::ConfirmationUnavailable, at).into());
        }
        let answer = exchanger.ask(&route.route.gateway, &exchange).await;
        answers.push(Answered { name: exchange.name, answer });
    }
}

/// Hands over what was accepted, in the form of the route: what the upstream has said to it.
/// Nothing said, nothing sent.
async fn deliver(
    route: &Wired,
    head: &Parts,
    body: Bytes,
    accepted: &Accepted,
    now: UnixSeconds,
) -> Result<Option<Answer>, DeliverError> {
    if accepted.events.is_empty() {
        return Ok(None);
    }
    match &route.route.forward {
        Forward::Canonical { to } => route.outlet.events(&accepted.events, to, now).await,
        Forward::Original { .. } if route.outlet.prints() => {
            route.outlet.events(&accepted.events, "/", now).await
        }
        Forward::Original { .. } => {
            route.outlet.original(original(route, head, body)).await.map(Some)
        }
    }
}

/// Hands over what was received, whatever the verdict.
async fn pass_on(
    route: &Wired,
    head: &Parts,
    body: Bytes,
    accepted: Option<&Accepted>,
    now: UnixSeconds,
) -> Result<Answer, DeliverError> {
    if let (true, Some(accepted)) = (route.outlet.prints(), accepted) {
        route.outlet.events(&accepted.events, "/", now).await?;
    }
    route.outlet.original(original(route, head, body)).await
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
