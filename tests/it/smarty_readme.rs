//! `examples/smarty/README.md`, followed line by line.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::child::Daemon;
use crate::support::gateways::{forged, genuine};
use crate::support::shop::*;
use crate::support::site::*;
use crate::support::*;

const README: &str = include_str!("../../examples/smarty/README.md");

/// The blocks of this kind, in their order.
fn blocks(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}\n");
    README.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What is said stands for what is written, where `…` is whatever there may be.
fn matches(written: &str, said: &str) -> bool {
    let mut rest = said;
    let mut parts = written.split('…');
    let Some(after) = rest.strip_prefix(parts.next().unwrap()) else { return false };
    rest = after;
    let parts: Vec<&str> = parts.collect();
    for (n, part) in parts.iter().enumerate() {
        if *part == "\n" && rest.is_empty() {
            continue;
        }
        // What is written last is said last.
        if n + 1 == parts.len() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// Runs the commands of a block in one shell, and compares what they say with what is written.
fn follow(site: &Site, block: &str) {
    let mut script = String::new();
    let mut written: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => {
                let command_here = command
                    .replace("http://127.0.0.1/", &format!("http://{}/", site.front))
                    .replace("127.0.0.1:8081", &site.inner.to_string());
                script += &format!("printf '\\036'\n{command_here}\n");
                written.push((command, String::new()));
            }
            None => written.last_mut().unwrap().1 += &format!("{line}\n"),
        }
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(site.folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<_> = said.split('\u{1e}').skip(1).collect();
    assert_eq!(said.len(), written.len(), "{said:?}");
    for ((command, written), said) in written.iter().zip(said) {
        assert!(matches(written, said), "$ {command}\n{said}\nThe README says:\n{written}");
    }
}

#[test]
fn what_is_said_is_compared_with_what_is_written() {
    for (written, said, same) in [
        ("a\n", "a\n", true),
        ("a\n", "a\nb\n", false),
        ("a…\n", "ab\n", true),
        ("a…c\n", "ab\n", false),
        ("…\nb\n…\n", "a\na\nb\nc\n", true),
        ("…\nb\n…\n", "a\nb\nc\nd\n", true),
        ("…\nb\n…\n", "a\nbc\n", false),
        ("", "a\n", false),
    ] {
        assert_eq!(matches(written, said), same, "{written:?} {said:?}");
    }
}

#[tokio::test]
async fn the_walk_ends_with_one_payment_booked_and_a_forgery_refused() {
    let mut site = Site::copy();
    let consoles = blocks("console");
    let [secrets, check, walk @ ..] = &consoles[..] else { panic!("{consoles:?}") };
    assert_eq!(walk.len(), 3);
    follow(&site, secrets);
    for name in ["upstream", "liqpay_private_key"] {
        let mode = std::fs::metadata(site.folder.at("secrets").join(name)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let config = site.config();
    site.configure(&config);
    follow(&site, check);
    for line in [
        "nginx -p \"$PWD\" -c nginx.conf -g 'daemon off;'",
        "uwsgi --ini billing/uwsgi.ini",
        "countersign run --config countersign.yaml",
    ] {
        assert!(README.contains(line), "what this test does is what the README says: {line}");
    }
    let daemon = Daemon::start(&site.folder).await;
    site.start_nginx(daemon.address).await;
    site.start_uwsgi().await;
    for block in walk {
        follow(&site, block);
    }
    let logged = blocks("json");
    eventually("the refusal is in the log", async || {
        daemon.stderr.text().lines().any(|line| matches(logged[0].trim_end(), line))
    })
    .await;
    let ledger = site.ledger().await;
    assert_eq!(ledger.len(), 1);
    assert_eq!((&ledger[0]["booked"], &ledger[0]["amount"]), (&json!(true), &json!("100.10")));
}

#[tokio::test]
async fn while_observing_the_handler_of_before_gets_everything_and_answers() {
    let mut site = Site::clocked();
    let observed: Value = serde_yaml::from_str(blocks("yaml")[0]).unwrap();
    let observed = &observed[0];
    let mut config = site.config();
    let route = config["routes"].as_array_mut().unwrap().iter_mut();
    let enforced = route.filter(|route| route["path"] == observed["path"]).last().unwrap();
    assert_eq!(enforced["gateway"], observed["gateway"]);
    enforced.clone_from(observed);
    site.configure(&config);
    let handlers = "location ^~ /billing/payment/ {";
    site.change("nginx.conf", &format!("# {handlers}"), handlers);
    site.behind_a_load_balancer();
    site.folder.write("secrets/stripe_signing_secret", gateways::secret("stripe").1);
    let running = open(&site.folder).await;
    site.start_nginx(running.addresses[0]).await;
    site.start_uwsgi().await;
    let path = observed["path"].as_str().unwrap();
    for callback in [genuine("stripe", 1), forged("stripe", 2)] {
        let callback = callback.with("X-Forwarded-For", "203.0.113.7");
        let told = tell(site.front, callback.once(path)).await.unwrap();
        let page = format!("Smarty: POST {path} from 203.0.113.7\n");
        assert_eq!((told.status, told.body), (200, page));
    }
    let counts = counts::Counts::of(&running);
    assert_eq!(counts.ended(["stripe", "observed_accepted", "ok", path]), 1);
    assert_eq!(counts.ended(["stripe", "observed_rejected", "signature_mismatch", path]), 1);
    assert!(site.ledger().await.is_empty(), "nothing was booked by events");
}

/// Every file of secrets that the configuration names.
fn named(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => into.extend(text.strip_prefix("file:secrets/").map(str::to_owned)),
        Value::Array(values) => values.iter().for_each(|value| named(value, into)),
        Value::Object(values) => values.values().for_each(|value| named(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn the_list_of_secrets_is_that_of_the_configuration_and_none_is_committed() {
    let mut files = BTreeSet::new();
    named(&example_config(), &mut files);
    assert!(files.len() > 15, "{files:?}");
    let listed = std::fs::read_to_string(example("secrets/README.md")).unwrap();
    let listed: BTreeSet<_> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(listed, files);
    let ignored = std::fs::read_to_string(example("secrets/.gitignore")).unwrap();
    let rules: Vec<_> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules, ["*", "!.gitignore", "!README.md"]);
}

#[test]
fn countersign_waits_longer_than_uwsgi_and_nginx_waits_longer_than_both() {
    let seconds = |file: &str, key: &str| {
        let text = std::fs::read_to_string(example(file)).unwrap();
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key).map(str::to_owned));
        let line = line.unwrap_or_else(|| panic!("{file} has no `{key}`"));
        let digits = line.trim_start_matches([' ', '=']).split(|c: char| !c.is_ascii_digit());
        digits.map(str::to_owned).next().unwrap().parse::<u32>().unwrap()
    };
    let application = seconds("billing/uwsgi.ini", "harakiri");
    let countersign = seconds("countersign.yaml", "timeout: ");
    let inner = seconds("nginx.conf", "uwsgi_read_timeout");
    let front = seconds("nginx.conf", "proxy_read_timeout");
    assert!(application < countersign && countersign < inner && inner < front);
}
