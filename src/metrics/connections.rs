//! What is counted of the connections of all listeners.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::Held;

/// See the module.
pub struct ConnectionMetrics {
    open: IntGauge,
    refused: IntCounterVec,
    ended: IntCounterVec,
}

impl ConnectionMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            open: IntGauge::new("connections_open", "Open connections of all listeners.")?,
            refused: IntCounterVec::new(
                Opts::new("connections_refused_total", "Connections closed at once, by the limit."),
                &["limit"],
            )?,
            ended: IntCounterVec::new(
                Opts::new("connections_ended_total", "Connections ended by a limit."),
                &["limit"],
            )?,
        };
        registry.register(Box::new(metrics.open.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.ended.clone()))?;
        // Known from the start, so that the first one is an increase.
        for limit in Crowd::ALL {
            metrics.refused.with_label_values(&[limit.as_str()]);
        }
        for limit in Ending::ALL {
            metrics.ended.with_label_values(&[limit.as_str()]);
        }
        Ok(metrics)
    }

    /// One is open until the guard is dropped.
    pub fn opened(&self) -> Held {
        Held::new(&self.open)
    }

    /// One was closed at once.
    pub fn refused(&self, limit: Crowd) {
        self.refused.with_label_values(&[limit.as_str()]).inc();
    }

    /// One was ended by a limit.
    pub fn ended(&self, limit: Ending) {
        self.ended.with_label_values(&[limit.as_str()]).inc();
    }
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Crowd {
    /// Its address has as many as one may have.
    Address,
    /// It does not begin as one of a trusted proxy does.
    ProxyProtocol,
    /// As many are open as may be.
    Total,
}

impl Crowd {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Address, Self::ProxyProtocol, Self::Total];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "connections_per_address",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Total => "connections",
        }
    }
}

/// Which limit has ended a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// Its next request did not come.
    Idle,
    /// It has had as many requests as one may have.
    Requests,
    /// Not a byte came.
    Silent,
    /// What was sent to it was not taken.
    SlowReader,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Requests, Self::Silent, Self::SlowReader];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle_timeout",
            Self::Requests => "requests_per_connection",
            Self::Silent => "header_timeout",
            Self::SlowReader => "bytes_per_second",
        }
    }
}
