//! The daemon through real sockets.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

mod edge_admin;
mod edge_deliver;
mod edge_drain;
mod edge_ingress;
mod edge_observe;
mod edge_reload;
mod support;
