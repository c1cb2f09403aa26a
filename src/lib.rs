//! Countersign stands in front of existing middleware and answers one question about every payment
//! callback: is this really from the gateway, and what does it say?
//!
//! Read the modules in this order; each may use only those above it. `tests/it/tidy.rs` holds the
//! order, and the purity of the first four: no async, clock, environment, disk or log.
//!
//! | module | what it does |
//! |---|---|
//! | [`engine`] | one compiled rule judges one inbound: request → proofs → payload → event |
//! | [`text`] | YAML with a place for every value, the shapes of files, the problems in them |
//! | [`rule`] | a rule file → a compiled rule that has proved itself, or every problem at once |
//! | [`config`] | `countersign.yaml` → settings, the same way |
//! | [`metrics`] | what is counted; the only layer that names `prometheus` |
//! | [`live`] | the one cell that changes; the only reader of disk and environment; reload |
//! | [`exchange`] | asks gateways what rules must know: deadlines, guarded addresses, cache, breaker |
//! | [`store`] | what outlives a restart: the outbox, what was delivered, captures |
//! | [`upstream`] | the way to an upstream: connections, deadlines, answers as streams |
//! | [`deliver`] | events on their way to an upstream, and the counter-signature |
//! | [`server`] | listeners, limits, the straight line of one request, the one table of answers |
//! | [`admin`] | metrics, health and the operators' verbs over HTTP |
//! | [`app`] | the composition root |
//! | [`cli`] | one file per subcommand, and the exit codes |

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod deliver;
pub mod engine;
pub mod exchange;
pub mod live;
pub mod metrics;
pub mod rule;
pub mod server;
pub mod store;
pub mod text;
pub mod upstream;
