//! What makes the daemon do something other than answer requests: signals, and a successor.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use super::notify::{self, Told};
use super::sockets::Sockets;
use super::upgrade::{Predecessor, Stage, Successor};
use super::{Running, Setup, start_on};

/// How the daemon ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// All that was begun was finished.
    Drained,
    /// Something took too long.
    CutOff,
}

/// Why it ends.
enum End {
    /// It was asked to.
    Asked,
    /// Another process takes over.
    Replaced(Successor, Stage),
}

/// Those that are heard.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    upgrade: Signal,
}

/// Until a signal ends it: SIGTERM and SIGINT drain (a second one does not wait), SIGHUP reloads,
/// SIGUSR2 has a new process take over.
pub(super) async fn until_signal(
    setup: Setup,
    sockets: Sockets,
    predecessor: Option<Predecessor>,
) -> io::Result<Ended> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hang_up: signal(SignalKind::hangup())?,
        upgrade: signal(SignalKind::user_defined2())?,
    };
    let running = tokio::select! {
        running = serve(setup, sockets, predecessor) => running?,
        _ = signals.terminate.recv() => return Ok(Ended::Drained),
        _ = signals.interrupt.recv() => return Ok(Ended::Drained),
    };
    let mut helpers = JoinSet::new();
    if let Some(watchdog) = notify::watchdog() {
        helpers.spawn(notify::feed(watchdog));
    }
    let end = serving(&running, &mut signals).await;
    let outbox = running.outbox.clone();
    let (drain, successor) = match end {
        End::Asked => {
            notify::tell(Told::Stopping);
            tracing::info!("draining");
            (running.drain(), None)
        }
        End::Replaced(successor, stage) => {
            tracing::info!("draining: a successor takes over");
            // Its accepting is over before anything else is done; what waits is the successor's.
            (running.leave().await.drain(), Some((successor, stage)))
        }
    };
    let drained = tokio::select! {
        drained = drain => drained,
        _ = signals.terminate.recv() => false,
        _ = signals.interrupt.recv() => false,
    };
    if !drained {
        tracing::warn!("requests that were not finished in time are cut off");
    }
    if let Some(outbox) = outbox {
        // Whatever holds the store open: it may be a successor's now.
        outbox.errands().cut_off().await;
    }
    if let Some((successor, Stage::Prepared)) = successor {
        successor.hand_over().await?;
    }
    Ok(if drained { Ended::Drained } else { Ended::CutOff })
}

async fn serve(
    setup: Setup,
    sockets: Sockets,
    mut predecessor: Option<Predecessor>,
) -> io::Result<Running> {
    let running = start_on(setup, sockets, predecessor.as_mut()).await?;
    for address in &running.addresses {
        tracing::info!(%address, "callbacks are served");
    }
    if let Some(address) = running.admin {
        tracing::info!(%address, "metrics and health are served");
    }
    notify::tell(Told::Serving);
    if let Some(predecessor) = predecessor {
        predecessor.let_go().await;
    }
    Ok(running)
}

/// Reloads and tries to upgrade, until it is to end.
async fn serving(running: &Running, signals: &mut Signals) -> End {
    let mut successors = JoinSet::new();
    let mut reloads = JoinSet::new();
    loop {
        tokio::select! {
            _ = signals.hang_up.recv() => {
                notify::tell(Told::Reloading);
                reloads.spawn(running.reloads.ask());
            }
            Some(_) = reloads.join_next() => if reloads.is_empty() { notify::tell(Told::Reloaded) },
            _ = signals.upgrade.recv() => match running.sockets.more() {
                Ok(sockets) if successors.is_empty() => {
                    notify::tell(Told::Upgrading);
                    successors.spawn(Successor::start(sockets));
                }
                Ok(_) => tracing::info!("a successor is being started already"),
                Err(error) => not_upgraded(running, &error.to_string()),
            },
            Some(started) = successors.join_next() => match started {
                Ok(Ok((successor, stage))) => return End::Replaced(successor, stage),
                Ok(Err(reason)) => not_upgraded(running, &reason),
                // A panic has been printed where it happened.
                Err(error) => not_upgraded(running, &error.to_string()),
            },
            _ = signals.terminate.recv() => return End::Asked,
            _ = signals.interrupt.recv() => return End::Asked,
        }
    }
}

fn not_upgraded(running: &Running, reason: &str) {
    running.metrics.upgrade_failed();
    tracing::error!(reason, "the successor has failed; this process goes on");
    notify::tell(Told::NotUpgraded);
}
