//! What the filter of a connection, those who answer on it and the connection itself tell each other.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::head::Bad;

/// What a connection does when it speaks HTTP no more.
pub(super) type Tunnel = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Of one HTTP/1 connection.
#[derive(Default)]
pub(super) struct Switch {
    refused: OnceLock<Bad>,
    is_tunnel: AtomicBool,
    tunnel: Mutex<Option<Tunnel>>,
}

impl Switch {
    /// What came is no request. The first word counts.
    pub(super) fn refuse(&self, bad: Bad) {
        self.refused.set(bad).ok();
    }

    /// Why the connection ends, once that is known.
    pub(super) fn refused(&self) -> Option<Bad> {
        self.refused.get().copied()
    }

    /// After the answer of now, 101, nothing more is HTTP; then comes this.
    pub(super) fn go_over(&self, tunnel: Tunnel) {
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
        self.is_tunnel.store(true, Ordering::Release);
    }

    /// Whether nothing more is HTTP.
    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Acquire)
    }

    /// What comes after HTTP, if anything does.
    pub(super) fn take(&self) -> Option<Tunnel> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl std::fmt::Debug for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switch").finish_non_exhaustive()
    }
}
