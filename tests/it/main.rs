//! One binary of integration tests: one link, tests in parallel.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "a test that cannot go on must say where, and stop"
)]

mod accepted;
mod alerts;
mod bench_rules;
mod cli;
mod crash;
mod drain;
mod edge_addresses;
mod edge_admin;
mod edge_deliver;
mod edge_drain;
mod edge_exchange;
mod edge_head;
mod edge_http2;
mod edge_ingress;
mod edge_limits;
mod edge_mtls;
mod edge_observe;
mod edge_pass;
mod edge_peers;
mod edge_reload;
mod edge_tls;
mod edge_upgrade;
mod edge_upstream;
mod edge_upstream_kinds;
mod editor;
mod exchange;
mod faults;
mod handover;
mod keeping;
mod lifecycle;
mod lifecycle_notify;
mod lifecycle_systemd;
mod lifecycle_upgrade;
mod manual;
mod manual_reference;
mod new;
mod nginx;
mod observe;
mod operate_api;
mod operate_cli;
mod operate_rejudge;
mod operate_sick;
mod outage;
mod outbox;
mod prometheus;
mod properties;
mod properties_money;
mod readme;
mod rejects;
mod reload;
mod reload_storm;
mod repetitions;
mod secrets;
mod smarty;
mod smarty_billing;
mod smarty_readme;
mod store_captures;
mod store_contract;
mod store_model;
mod store_sqlite;
mod support;
mod tidy;
mod undelivered;
mod vectors;
