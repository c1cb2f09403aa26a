//! Countersign stands in front of existing middleware and answers one question about every payment
//! callback: is this really from the gateway, and what does it say?
//!
//! Read the modules in this order; each may use only those above it. `tests/it/tidy.rs` holds the
//! order, and the purity of the first four.

/// For the operator: metrics and health.
pub mod admin;
/// The composition root.
pub mod app;
/// The daemon's own settings. Pure.
pub mod config;
/// The way to an upstream, and the counter-signature.
pub mod deliver;
/// One compiled rule judges one inbound. Pure.
pub mod engine;
/// The one cell that changes, and the only reader of disk and environment.
pub mod live;
/// What is counted.
pub mod metrics;
/// Listeners, and the straight line of one callback.
pub mod server;
/// YAML with a place for every value, and the problems that come of it. Pure.
pub mod text;
