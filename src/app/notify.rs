//! What the service manager is told, where there is one (`NOTIFY_SOCKET`); see `sd_notify(3)`.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// What has become of the daemon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Told {
    /// It serves; it is the main process, whoever was before.
    Serving,
    /// It was asked to reload.
    Reloading,
    /// It has reloaded, well or not.
    Reloaded,
    /// Another process is started, to replace it.
    Upgrading,
    /// That process has not come up; everything is as it was.
    NotUpgraded,
    /// It drains, and nobody replaces it.
    Stopping,
}

/// Tells it. That nobody listens is no reason to serve no callbacks.
pub(super) fn tell(told: Told) {
    let sent = match told {
        Told::Serving => sd_notify::notify(&[
            NotifyState::MainPid(std::process::id()),
            NotifyState::Ready,
            NotifyState::Status("serving"),
        ]),
        Told::Reloading => NotifyState::monotonic_usec_now().and_then(|now| {
            sd_notify::notify(&[NotifyState::Reloading, now, NotifyState::Status("reloading")])
        }),
        Told::Reloaded => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status("serving")]),
        Told::Upgrading => sd_notify::notify(&[NotifyState::Status("starting a successor")]),
        Told::NotUpgraded => {
            sd_notify::notify(&[NotifyState::Status("serving; the successor has failed")])
        }
        Told::Stopping => {
            sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status("draining")])
        }
    };
    if let Err(error) = sent {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// How often the service manager wants to hear that the daemon is well, if it does.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|every| !every.is_zero())
}

/// Says twice in that time that the daemon is well. To be run where requests are: a runtime that is
/// stuck then says nothing.
pub(super) async fn feed(watchdog: Duration) {
    let mut ticks = interval(watchdog / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = sd_notify::notify(&[NotifyState::Watchdog]) {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }
}
