//! The log, on standard error: standard output belongs to events.

use std::io::IsTerminal as _;

use tracing::Level;

use crate::config::{Log, LogFormat, LogLevel};

/// From now on. A second call changes nothing.
pub(super) fn begin(log: &Log) {
    let level = match log.level {
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Error => Level::ERROR,
        LogLevel::Info => Level::INFO,
        LogLevel::Warn => Level::WARN,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    // Fails only where a subscriber is there already, which then is the one to be used.
    drop(match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Pretty => {
            builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
        }
    });
}
