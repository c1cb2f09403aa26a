//! For the operator, on a listener of its own: `/metrics`, `/livez`, `/readyz`.
//!
//! `/livez` answers 200 as long as the process can answer. `/readyz` answers 200 from the first
//! snapshot to the beginning of the drain; a route that cannot judge does not change that, because
//! the others must go on, but it is named in the body.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::watch;

use crate::live::Live;
use crate::metrics::{self, Metrics};
use crate::server::{Phase, Service};

/// Answers operators and their tools.
pub struct Admin {
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    phase: watch::Receiver<Phase>,
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Admin {
    /// Shows what is active in `live`.
    pub fn new(live: Arc<Live>, metrics: Arc<Metrics>, phase: watch::Receiver<Phase>) -> Self {
        Self { live, metrics, phase }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match self.metrics.text() {
            Ok(text) => {
                let mut response = Response::new(Full::from(text));
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

    fn ready(&self) -> Response<Full<Bytes>> {
        if *self.phase.borrow() != Phase::Serving {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
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
}

impl Service for Admin {
    async fn answer(&self, _peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let answer = match request.uri().path() {
            "/metrics" => Self::metrics,
            "/readyz" => Self::ready,
            "/livez" => |_: &Self| text(StatusCode::OK, "alive\n"),
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

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
