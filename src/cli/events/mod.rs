//! `countersign events`: what is in the outbox, and what to do with it. One file per verb.

mod act;
mod drop;
mod list;
mod retry;
mod show;
mod tail;

use std::io::Write;

use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

use crate::cli::Exit;
use crate::cli::operate::{Table, cell};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List events, the newest first.
    List(list::Args),
    /// Show one event and its message.
    Show(show::Args),
    /// Show events as they come.
    Tail(tail::Args),
    /// Send events again, soon.
    Retry(retry::Args),
    /// Throw events away.
    Drop(drop::Args),
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    match &args.verb {
        Verb::List(args) => list::run(args, out),
        Verb::Show(args) => show::run(args, out),
        Verb::Tail(args) => tail::run(args, out),
        Verb::Retry(args) => retry::run(args, out),
        Verb::Drop(args) => drop::run(args, out),
    }
}

fn table() -> Table {
    Table::new(&[
        "SEQ",
        "RECEIVED",
        "STATE",
        "ROUTE",
        "STATUS",
        "ORDER",
        "TRANSACTION",
        "AMOUNT",
        "TRIES",
        "WHY",
    ])
}

fn row(event: &Value) -> Vec<String> {
    let mut why = cell(&event["why"]);
    for mark in ["equivocation", "regressive"] {
        if event[mark] == true {
            why = format!("{why} ({mark})");
        }
    }
    let keys = ["seq", "received_at", "state", "route", "status", "order_id", "transaction_id"];
    let mut row: Vec<String> = keys.iter().map(|key| cell(&event[key])).collect();
    row.extend([cell(&event["amount"]), cell(&event["attempts"]), why]);
    row
}
