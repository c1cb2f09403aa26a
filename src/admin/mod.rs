//! For the operator, on a listener of its own: `/metrics`, `/livez`, `/readyz`, and under `/v1/` the
//! verbs of [`api`], which `/openapi.json` describes.
//!
//! `/livez` answers 200 as long as the process can answer. `/readyz` answers 200 from the first
//! snapshot to the beginning of the drain, as long as the store takes events; a route that cannot
//! judge does not change that, because the others must go on, but it is named in the body.

pub mod api;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::deliver::read;
use crate::live::Live;
use crate::metrics::{self, Metrics};
use crate::server::{Body, Caller, Phase, Service};
use api::{Answer, Api, Asked, BODY_BYTES_MAX, Gate, no_body, no_store};

/// Answers operators and their tools.
pub struct Admin {
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    phase: watch::Receiver<Phase>,
    api: Option<Arc<Api>>,
    gate: Gate,
}

/// What `/v1/` takes and answers, in the words of `OpenAPI` 3.1.
pub const OPENAPI: &str = include_str!("openapi.json");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// How long the body of a verb may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

impl Admin {
    /// Shows what is active in `live`, and does the verbs of `api`; `None`: there is no store that
    /// they could work on.
    pub fn new(
        live: Arc<Live>,
        metrics: Arc<Metrics>,
        phase: watch::Receiver<Phase>,
        api: Option<Arc<Api>>,
    ) -> Self {
        Self { live, metrics, phase, api, gate: Gate::default() }
    }

    fn metrics(&self) -> Response<Body> {
        match self.metrics.text() {
            Ok(text) => {
                let mut response = Response::new(Body::from(Bytes::from(text)));
                let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
                response.headers_mut().insert(CONTENT_TYPE, content_type);
                response
            }
            Err(error) => {
                tracing::error!(%error, "cannot write metrics");
                text(StatusCode::INTERNAL_SERVER_ERROR, "cannot write metrics\n")
            }
        }
    }

    fn ready(&self) -> Response<Body> {
        if *self.phase.borrow() != Phase::Serving {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        if let Some(Err(error)) = self.api.as_ref().map(|api| api.outbox.store().health()) {
            let body = format!("the store takes no events: {}\n", error.as_str());
            return text(StatusCode::SERVICE_UNAVAILABLE, body);
        }
        let snapshot = self.live.load();
        let mut waiting: Vec<_> = snapshot
            .routes
            .values()
            .filter(|route| route.bound.is_err())
            .map(|route| route.name.as_str())
            .collect();
        waiting.sort_unstable();
        let mut body = format!("ready, generation {}\n", snapshot.generation);
        for route in waiting {
            // Why is in the log: what is missing is nobody's business here.
            let _infallible = writeln!(body, "route not ready: {route}");
        }
        text(StatusCode::OK, body)
    }

    /// One verb, done to its end even if nobody waits for the answer any more.
    async fn operate(&self, peer: SocketAddr, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let peer = peer.ip().to_canonical();
        if let Err(answer) = self.gate.admit(peer, &head, &self.live.load().token).await {
            return answer;
        }
        let Some(api) = self.api.clone() else { return no_store() };
        let body = match timeout(BODY_TIMEOUT, read(body, BODY_BYTES_MAX)).await {
            Ok(Ok(read)) if !read.cut => read.bytes,
            Ok(Ok(_)) => return no_body("the body is too long"),
            Ok(Err(_)) | Err(_) => return no_body("the body did not come"),
        };
        let outbox = Arc::clone(&api.outbox);
        let verb = async move {
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            let (by, method) = (peer.to_string(), head.method.as_str());
            api.answer(Asked { by: &by, method, target, body: &body }).await
        };
        outbox.errands().see_through(verb).await.unwrap_or_else(Answer::broken)
    }
}

impl Service for Admin {
    async fn answer(&self, caller: &Caller, request: Request<Incoming>) -> Response<Body> {
        let answer = match request.uri().path() {
            "/metrics" => Self::metrics,
            "/readyz" => Self::ready,
            "/livez" => |_: &Self| text(StatusCode::OK, "alive\n"),
            "/openapi.json" => |_: &Self| json(StatusCode::OK, OPENAPI),
            path if path.starts_with("/v1/") => {
                let Answer { status, body } = self.operate(caller.peer, request).await;
                let mut response = json(status, body.to_string());
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
                }
                return response;
            }
            _ => return text(StatusCode::NOT_FOUND, "not found\n"),
        };
        if request.method() != Method::GET {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return response;
        }
        answer(self)
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    response(status, TEXT, body.into())
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    response(status, JSON, body.into())
}

fn response(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}
