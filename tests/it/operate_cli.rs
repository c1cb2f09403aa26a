//! The command line of an operator: over the API of a running daemon, and over the files of one that
//! does not run.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::operate_api::fill;
use crate::support::child::{Caught, Guarded};
use crate::support::gateways::{LIQPAY_KEY, genuine};
use crate::support::operate::*;
use crate::support::outbox::{paid, queue};
use crate::support::shop::{Wired, set_clock};
use crate::support::*;

fn routes() -> [Wired; 1] {
    [Wired::usual("liqpay")]
}

async fn filled() -> Office {
    let office = Office::open(&routes()).await;
    fill(office.store()).await;
    office
}

#[tokio::test]
async fn events_are_listed_alike_by_the_daemon_and_from_its_files() {
    let mut office = filled().await;
    let mut said = Vec::new();
    for way in ["asking the daemon at", "the daemon does not run; using its files in"] {
        let (code, out, err) = office.cli(&["events", "list"]).await;
        assert_eq!(code, 0, "{err}");
        assert!(err.starts_with(way), "{err}");
        let list = office.cli_json(&["events", "list", "--state", "waiting"]).await;
        assert_eq!(list.len(), 3);
        assert!(list.iter().all(|event| event["state"] == "waiting"));
        let two = office.cli_json(&["events", "list", "--limit", "2"]).await;
        assert_eq!(two.len(), 2);
        let held = office.cli_json(&["events", "list", "--state", "held"]).await;
        let seq = held[0]["seq"].to_string();
        let shown = office.cli_json(&["events", "show", &seq]).await;
        assert_eq!(shown[0]["message"]["event"]["amount"]["value"], "99.50");
        let (code, text, _) = office.cli(&["events", "show", &seq]).await;
        assert_eq!(code, 0);
        assert!(text.contains("\namount          99.50 EUR\n"), "{text}");
        said.push((out, list, shown));
        if office.running.is_some() {
            office.stop().await;
        }
    }
    assert_eq!(said[0], said[1]);
    let out = &said[0].0;
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("SEQ  RECEIVED              STATE    ROUTE"), "{out}");
    assert!(lines[1].contains("99.50 EUR") && lines[1].ends_with("(equivocation)"), "{out}");
    assert_eq!(
        lines[6], "5 events, credits: dead 10.00 EUR, held 99.50 EUR, waiting 30.00 EUR",
        "{out}"
    );
}

#[tokio::test]
async fn a_name_that_finds_nothing_and_is_none_is_an_error_that_names_the_nearest() {
    let office = filled().await;
    for (args, near) in [
        (
            &["events", "list", "--route", "/liqpay/"][..],
            "did you mean `liqpay`?\n  help: there are `liqpay`",
        ),
        (&["events", "list", "--gateway", "liqpya", "--json"], "no gateway `liqpya` is known"),
        (&["events", "tail", "--route", "lipqay"], "did you mean `liqpay`?"),
        (&["events", "retry", "--all", "--yes", "--reason", "upstream_dwon"], "`upstream_down`?"),
        (&["captures", "list", "--outcome", "rejcted"], "did you mean `rejected`?"),
        (&["captures", "rejudge", "--reason", "signature_mismtach"], "`signature_mismatch`?"),
    ] {
        let (code, _, err) = office.cli(args).await;
        assert_eq!(code, 1, "{args:?}: {err}");
        assert!(err.contains("and nothing of it is kept") && err.contains(near), "{args:?}: {err}");
    }
    for args in [
        &["captures", "list", "--route", "liqpay", "--outcome", "aborted"][..],
        &["events", "list", "--payment", "nobody's"],
        &["captures", "rejudge", "--gateway", "liqpay"],
    ] {
        let (code, _, err) = office.cli(args).await;
        assert_eq!(code, 0, "{args:?}: {err}");
    }
    // Events outlive their route, and their gateway.
    let old = office.cli_json(&["events", "list", "--route", "route", "--gateway", "acme"]).await;
    assert!(!old.is_empty());
}

#[tokio::test]
async fn events_are_retried_and_dropped_alike_by_the_daemon_and_in_its_files() {
    for runs in [true, false] {
        let mut office = filled().await;
        if !runs {
            office.stop().await;
        }
        let dead = office.cli_json(&["events", "list", "--state", "dead"]).await;
        let dead = dead[0]["seq"].to_string();
        let (code, out, _) = office.cli(&["events", "retry", &dead]).await;
        assert_eq!((code, out.as_str()), (0, "retry: 1 of 1 events\n"));
        let (code, out, err) = office.cli(&["events", "retry", "999999"]).await;
        assert_eq!((code, out.as_str()), (1, "retry: 0 of 1 events\n"));
        assert!(err.contains("the others are not there"), "{err}");
        let drop = ["events", "drop", "--all", "--state", "waiting", "--why", "test shop"];
        let (code, _, err) = office.cli(&drop).await;
        assert_eq!(code, 2);
        let question = "drop 4 events (4 waiting, credits: 40.00 EUR)?";
        assert!(err.contains(question) && err.contains("--yes"), "{err}");
        let done = office.cli_json(&[&drop[..], &["--yes"]].concat()).await;
        assert_eq!(done, [json!({ "matched": 4, "changed": 4 })]);
        let (code, _, err) = office.cli(&[&drop[..], &["--yes"]].concat()).await;
        assert_eq!(code, 1);
        assert!(err.contains("no event fits"), "{err}");
        if !runs {
            office.start().await;
        }
        let acts = office.well("GET", "/v1/audit", &Value::Null).await["acts"].clone();
        let by = if runs { "127.0.0.1" } else { "local" };
        assert_eq!(acts.as_array().unwrap().len(), 3, "{acts}");
        assert!(acts.as_array().unwrap().iter().all(|act| act["by"] == by), "{acts}");
        assert_eq!(acts[0]["what"], "state=waiting: test shop");
    }
}

#[tokio::test]
async fn captures_are_judged_and_released_alike_by_the_daemon_and_in_its_files() {
    // The command line has the clock of the machine.
    set_clock(countersign::app::wall_clock());
    for runs in [true, false] {
        let mut office = Office::closed(&routes()).await;
        office.folder.write("secrets/liqpay", "not what LiqPay signs with");
        office.start().await;
        for n in 1..=3 {
            assert_eq!(office.call("liqpay", &genuine("liqpay", n)).await, 401);
        }
        office.captured(3).await;
        office.folder.write("secrets/liqpay", LIQPAY_KEY);
        if !runs {
            office.stop().await;
        }
        let (code, out, _) = office.cli(&["captures", "list", "--outcome", "rejected"]).await;
        assert_eq!(code, 0);
        assert!(out.contains("signature_mismatch") && out.contains("3 captures"), "{out}");
        let (code, out, _) = office.cli(&["captures", "show", "1"]).await;
        assert_eq!(code, 0);
        assert!(out.contains("POST /liqpay/"), "{out}");
        let (code, out, err) = office.cli(&["captures", "rejudge", "--route", "liqpay"]).await;
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("now_accepted  3         1 2 3\n"), "{out}");
        assert!(out.contains("signature_mismatch  ok          3\n"), "{out}");
        assert!(out.contains("credits gained: 30.00 UAH\ncredits lost:   none\n"), "{out}");
        let (code, _, err) = office.cli(&["captures", "rejudge", "--release"]).await;
        assert_eq!(code, 2);
        assert!(err.contains("release 3 captures, 3 events (credits: 30.00 UAH)?"), "{err}");
        let (code, out, err) = office.cli(&["captures", "rejudge", "--release", "--yes"]).await;
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("queued:     3 messages, 3 events (credits: 30.00 UAH)\n"), "{out}");
        let again = office.cli_json(&["captures", "rejudge", "--release", "--yes"]).await;
        assert_eq!(again[0]["released"]["queued"]["count"], 0);
        assert_eq!(again[0]["released"]["duplicates"]["count"], 3);
        if !runs {
            assert!(office.stub.got().is_empty(), "nobody was there to deliver");
            office.start().await;
        }
        eventually("they are delivered", async || office.stub.got().len() == 3).await;
    }
}

#[tokio::test]
async fn tail_shows_events_as_they_come() {
    let office = filled().await;
    let mut tail = Guarded::start(
        Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["events", "tail", "--json", "--last", "2"])
            .current_dir(office.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()),
        "nothing: cargo builds it",
    );
    let out = Caught::from(tail.0.stdout.take().unwrap());
    let orders = || -> Vec<Value> {
        let text = out.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|event| event["order_id"].clone()).collect()
    };
    eventually("the last two are shown", async || orders() == ["order-c", "order-a"]).await;
    queue(office.store(), paid("later")).await;
    eventually("and the next", async || orders().last().unwrap() == "order-later").await;
    drop(tail);
    let mut office = office;
    office.stop().await;
    let (code, out, err) = office.cli(&["events", "tail", "--last", "1"]).await;
    assert_eq!((code, out.lines().count()), (0, 2), "{out}");
    assert!(err.contains("nothing comes while the daemon does not run"), "{err}");
}

#[tokio::test]
async fn whoever_cannot_be_asked_is_explained() {
    let mut office = Office::closed(&routes()).await;
    let config = office.folder.read("countersign.yaml");
    let list = ["events", "list"];
    let (code, _, err) = office.cli(&list).await;
    assert_eq!(code, 2);
    assert!(
        err.contains("nobody answers at") && err.contains("nothing has been kept yet"),
        "{err}"
    );
    let (code, _, err) = office.cli(&["events", "list", "--config", "nowhere.yaml"]).await;
    assert_eq!(code, 2);
    assert!(err.contains("nowhere.yaml") && err.contains("cannot be read"), "{err}");

    office.start().await;
    let shut = config.replace(", token: \"file:secrets/token\"", "");
    office.folder.write("countersign.yaml", &shut);
    let (code, _, err) = office.cli(&list).await;
    assert_eq!(code, 2);
    assert!(err.contains("no `token` is configured") && err.contains("token: file:PATH"), "{err}");
    office.folder.write("countersign.yaml", &config);
    office.folder.write("secrets/token", "another-token-than-the-daemon-has");
    let (code, _, err) = office.cli(&list).await;
    assert_eq!(code, 2);
    assert!(err.contains("the token is wrong"), "{err}");
    assert!(!err.contains("another-token"), "{err}");
    let start = config.find("admin:").unwrap();
    let end = start + config[start..].find('\n').unwrap() + 1;
    office.folder.write("countersign.yaml", format!("{}{}", &config[..start], &config[end..]));
    let (code, _, err) = office.cli(&list).await;
    assert_eq!(code, 2);
    assert!(err.contains("a daemon runs, since") && err.contains("`admin.address`"), "{err}");
    let elsewhere = free_address().to_string();
    let moved = config.replace(&office.admin.to_string(), &elsewhere);
    office.folder.write("countersign.yaml", moved);
    let (code, _, err) = office.cli(&list).await;
    assert_eq!(code, 2);
    assert!(err.contains("a daemon runs, since") && err.contains("needs a restart"), "{err}");

    office.folder.write("countersign.yaml", config.replace("gateway:", "gatewya:"));
    let (code, _, err) = office.cli(&list).await;
    assert_eq!(code, 2);
    assert!(err.contains("countersign.yaml:"), "{err}");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anybody_is_asked() {
    let office = Office::closed(&routes()).await;
    for args in [
        &["events", "retry"][..],
        &["events", "retry", "1", "--all"],
        &["events", "retry", "1", "--state", "dead"],
        &["events", "drop", "1"],
        &["events", "list", "--state", "lost"],
        &["events", "list", "--status", "paid"],
        &["events", "show", "x"],
        &["captures", "show"],
        &["events"],
    ] {
        let (code, out, err) = office.cli(args).await;
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        assert!(!err.contains("asking"), "{err}");
    }
    let office = filled().await;
    for time in ["soon", "2x", "2026-13-01"] {
        let (code, _, err) = office.cli(&["events", "list", "--since", time]).await;
        assert_eq!(code, 2);
        assert!(err.contains("expected `2h` (ago), `2026-11-27`,"), "{err}");
    }
    let none = office.cli_json(&["events", "list", "--since", "2h"]).await;
    assert!(none.is_empty(), "they came years ago");
    assert_eq!(office.cli(&["events", "show", "999"]).await.0, 1);
    assert_eq!(office.cli(&["captures", "show", "999"]).await.0, 1);
}

#[tokio::test]
async fn every_verb_explains_itself_by_examples() {
    let office = Office::closed(&routes()).await;
    for (of, verbs) in [
        ("events", &["list", "show", "tail", "retry", "drop"][..]),
        ("captures", &["list", "show", "rejudge"]),
    ] {
        for verb in verbs {
            let (code, out, _) = office.cli(&[of, verb, "--help"]).await;
            assert_eq!(code, 0);
            assert!(out.contains(&format!("Examples:\n  countersign {of} {verb}")), "{out}");
            assert!(out.contains("--config <FILE>") && out.contains("--json"), "{out}");
        }
    }
}
