//! Countersign stands in front of existing middleware and answers one question about every payment
//! callback: is this really from the gateway, and what does it say?
//!
//! Read the modules in this order; each may use only those above it. `tests/it/tidy.rs` holds the
//! order, and the purity of the first four.

pub mod config;
pub mod engine;
pub mod live;
pub mod text;
pub mod rule;
