//! The command line through the real binary: its names, its last lines and its exit codes are a
//! contract.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use countersign::engine::event;
use countersign::engine::plan::{Proof, Scheme, TagProof};
use serde_json::Value;

use crate::support::child::Daemon;
use crate::support::eventually;
use crate::support::gateways::GATEWAYS;
use crate::support::shop::Folder;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn countersign(args: &[&str]) -> Output {
    countersign_with(args, b"")
}

fn countersign_with(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(args)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone before it is written.
    child.stdin.take().unwrap().write_all(input).ok();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Exit code, standard output, standard error.
fn said(output: &Output) -> (i32, &str, &str) {
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn check_shows_what_covers_each_fact_of_the_shipped_rules_and_of_a_folder() {
    for args in [&["check"][..], &["check", "rules", "examples"]] {
        let output = countersign(args);
        let (code, out, err) = said(&output);
        assert_eq!((code, err), (0, ""), "{args:?}");
        for (gateway, _) in countersign::rule::shipped() {
            let file =
                if args.len() == 1 { "shipped rule" } else { &format!("rules/{gateway}.yaml") };
            assert!(out.contains(&format!("{file}: {gateway}")), "{out}");
        }
        assert!(out.contains("    amount             payload.amount"), "{out}");
        assert!(out.contains("forgeries refused"), "{out}");
    }
    let output = countersign(&["check", "examples/quickstart"]);
    let (code, out, _) = said(&output);
    assert_eq!(code, 0);
    assert!(out.contains("examples/quickstart/countersign.yaml: 4 routes"), "{out}");
    assert!(out.contains("ready") && !out.contains("OUT OF SERVICE"), "{out}");
}

#[test]
fn check_names_every_problem_of_every_file_with_its_place_and_what_to_do() {
    let folder = Folder::new();
    let rule = std::fs::read_to_string(root().join("rules/stripe.yaml")).unwrap();
    let rule = rule
        .replace("title: Stripe", "titel: Stripe")
        .replace("algorithm: sha256", "algorithm: sha265")
        .replace("tag: header.stripe-signature.v1", "tag: header.stripe-signatur.v1");
    folder.write("stripe.yaml", &rule);
    folder.write(
        "countersign.yaml",
        "listen: [ { address: 127.0.0.1:0 } ]\nroutes:\n  - { path: here, gateway: stripe, upstream: nobody, forward: { as: original } }\n",
    );
    let at = |name: &str| folder.at(name).display().to_string();
    let (rule, config) = (at("stripe.yaml"), at("countersign.yaml"));
    let output = countersign(&["check", "/nowhere.yaml", &rule, &rule, &config]);
    let (code, _, err) = said(&output);
    assert_eq!(code, 2);
    for wanted in [
        ":4:1: error: unknown key `titel`",
        "4 | titel: Stripe\n  | ^^^^^",
        "did you mean `title`?",
        "no such algorithm: `sha265`",
        "no header `stripe-signatur` is declared",
        "did you mean `stripe-signature`?",
        "countersign.yaml:3:",
        "nobody",
        "cannot read /nowhere.yaml",
    ] {
        assert!(err.contains(wanted), "expected {wanted:?} in:\n{err}");
    }
    assert!(!err.contains("whsec_5Wb"), "an example's secret in:\n{err}");
    assert_eq!(err.matches("unknown key `titel`").count(), 1, "a file named twice:\n{err}");
}

#[test]
fn check_and_the_daemon_take_the_same_files_of_a_folder_for_rules() {
    let folder = Folder::new();
    let rule = std::fs::read_to_string(root().join("rules/stripe.yaml")).unwrap();
    folder.write("rules/stripe.yml", rule.replace("title: Stripe", "title: Ours"));
    folder.write("rules/.stripe.yaml", "broken: [");
    folder.write(
        "countersign.yaml",
        "listen: [ { address: 127.0.0.1:0 } ]\nrules: [ rules ]\nupstreams: { shop: { print: events } \
         }\nroutes:\n  - path: /s\n    gateway: stripe\n    params: { signing_secrets: env:PATH }\n    \
         upstream: shop\n    forward: { as: canonical, to: / }\n",
    );
    let at = |name: &str| folder.at(name).display().to_string();
    let table = format!("{}: stripe (Ours)", at("rules/stripe.yml"));
    for args in
        [["check", &at("rules")].as_slice(), &["check", "--config", &at("countersign.yaml")]]
    {
        let output = countersign(args);
        let (code, out, err) = said(&output);
        assert_eq!((code, err), (0, ""), "{args:?}");
        assert!(out.contains(&table), "{args:?}: {out}");
    }
}

#[test]
fn check_of_a_file_that_is_nothing_fails_where_it_was_named() {
    let folder = Folder::new();
    folder.write("empty.yaml", "");
    folder.write("other.yaml", "apiVersion: v1\n");
    for name in ["empty.yaml", "other.yaml"] {
        let output = countersign(&["check", folder.at(name).to_str().unwrap()]);
        let (code, out, err) = said(&output);
        assert_eq!((code, out), (2, ""), "{name}");
        let what = format!("{name}: neither a rule nor a configuration: it has no `gateway`");
        assert!(err.contains(&what), "{err}");
    }
    let output = countersign(&["check", folder.path().to_str().unwrap()]);
    let (code, out, err) = said(&output);
    assert_eq!((code, err), (0, ""));
    assert_eq!(out.matches("neither a rule nor a configuration; not checked").count(), 2, "{out}");
}

#[test]
fn check_of_a_configuration_shows_its_rules_and_names_the_secret_that_is_missing() {
    let folder = Folder::new();
    folder.write(
        "countersign.yaml",
        "listen: [ { address: 127.0.0.1:0 } ]\nupstreams: { shop: { print: events } }\nroutes:\n  \
         - path: /s\n    gateway: stripe\n    params: { signing_secrets: env:NOT_SET_ANYWHERE }\n    \
         upstream: shop\n    forward: { as: canonical, to: / }\n",
    );
    let output =
        countersign(&["check", "--config", folder.at("countersign.yaml").to_str().unwrap()]);
    let (code, out, _) = said(&output);
    assert_eq!(code, 1, "nothing is wrong, but a route is out of service");
    assert!(out.contains("shipped rule: stripe (Stripe)"), "{out}");
    assert!(out.contains("OUT OF SERVICE: parameter `signing_secrets`: environment variable NOT_SET_ANYWHERE is not set"), "{out}");
    let output = countersign(&["check", folder.path().to_str().unwrap()]);
    let (code, again, _) = said(&output);
    assert_eq!((code, again), (0, out), "a file in a folder");
}

#[test]
fn check_says_what_of_a_site_does_not_pass_through() {
    let folder = Folder::new();
    folder.write(
        "countersign.yaml",
        "listen: [ { address: 127.0.0.1:0 } ]\nupstreams:\n  shop: { print: events }\n  \
         site: { url: \"http://127.0.0.1:9\", secret: env:NOT_SET_ANYWHERE }\nroutes:\n  \
         - path: /s\n    gateway: stripe\n    params: { signing_secrets: env:NOT_SET_ANYWHERE }\n    \
         upstream: shop\n    forward: { as: canonical, to: /?a=b }\nproxy: [ { upstream: site } ]\n",
    );
    let output =
        countersign(&["check", "--config", folder.at("countersign.yaml").to_str().unwrap()]);
    let (_, out, err) = said(&output);
    let lines: Vec<String> =
        out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in ["/ passes through to site", "/ does not: there the events of /s arrive"] {
        assert!(lines.iter().any(|found| found == line), "{line:?} in\n{out}\n{err}");
    }
}

/// Ends with the exit code, its output going to a reader that has left.
fn unheard(args: &[&str], input: &[u8]) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).ok();
    child.wait().unwrap().code()
}

#[test]
fn a_rejection_that_nobody_hears_is_no_acceptance() {
    let request = printed(&["stripe"]);
    let args = ["verify", "stripe", "--request", "-", "--param", "signing_secrets=whsec_another"];
    assert_eq!(unheard(&args, &request), Some(2));
}

#[test]
fn verify_refuses_a_request_that_is_too_large_or_that_the_daemon_would_not_read() {
    let request = text(&printed(&["stripe"])).to_owned();
    let twice = request.replace("Connection: close", "Content-Length: 1");
    let spaced = request.replace("stripe-signature:", "stripe-signature :");
    let large = format!("POST / HTTP/1.1\n\n{}", "a".repeat(16 * 1024 * 1024));
    for (request, wanted) in [
        (twice, "Content-Length comes twice"),
        (spaced, "white space in, or instead of, the name of a header"),
        (large, "more than 16777216 bytes"),
    ] {
        let args = ["verify", "stripe", "--request", "-", "--param", SECRET];
        let output = countersign_with(&args, request.as_bytes());
        let (code, out, err) = said(&output);
        assert_eq!((code, out), (2, ""));
        assert!(err.contains(wanted), "expected {wanted:?} in:\n{err}");
    }
}

#[test]
fn what_send_prints_verify_accepts_for_every_example_that_can_be_signed() {
    let mut round_trips = 0;
    for (gateway, source) in countersign::rule::shipped() {
        let Ok(rule) = countersign::rule::compile(gateway, source) else { panic!("{gateway}") };
        for example in rule.accepted_examples() {
            let params: Vec<String> = example
                .params
                .names()
                .flat_map(|name| example.params.values(name).iter().map(move |value| (name, value)))
                .flat_map(|(name, value)| {
                    ["--param".to_owned(), format!("{name}={}", text(value.expose()))]
                })
                .collect();
            let params: Vec<&str> = params.iter().map(String::as_str).collect();
            // Under parameters that are given nothing is sent but what was signed anew.
            let send = [
                "send",
                gateway,
                "--example",
                &example.name,
                "--print",
                "--to",
                "http://pay.example/hook",
            ];
            let output = countersign(&[&send[..], &params].concat());
            let (code, _, err) = said(&output);
            if code == 2 {
                assert!(err.contains("only the gateway can sign this"), "{gateway}: {err}");
                assert!(is_signed_by_others(&rule), "a shared secret is enough: {gateway}: {err}");
                continue;
            }
            let peer = example.request.peer.map(|peer| peer.to_string());
            let peer: Vec<&str> = peer.iter().flat_map(|peer| ["--remote-addr", peer]).collect();
            let verify = ["verify", gateway, "--request", "-", "--json"];
            let args = [&verify[..], &params, &peer].concat();
            let verified = countersign_with(&args, &output.stdout);
            let (code, out, err) = said(&verified);
            if !example.canned.is_empty() {
                // Nothing speaks against it, and nobody is asked.
                let exchange = json(out)["exchange"].clone();
                assert_eq!((code, exchange.is_string()), (1, true), "{gateway}: {out}{err}");
                continue;
            }
            assert_eq!(code, 0, "{gateway}, {}: {out}{err}", example.name);
            jsonschema::validate(&json(event::SCHEMA), &json(out)["event"]).unwrap();
            round_trips += 1;
        }
    }
    assert!(round_trips > 10, "{round_trips}");
}

#[test]
fn send_passes_over_what_only_the_gateway_can_sign_and_says_so() {
    let args = ["--param", "mode=both", "--to", "http://pay.example/hook", "--print"];
    let output = countersign(&[&["send", "paysera"], &args[..]].concat());
    let (code, _, err) = said(&output);
    assert_eq!(code, 2, "there is no other");
    assert!(err.contains("not sent: example `all three signatures, both kinds demanded`"), "{err}");
    assert!(err.contains("only the gateway can sign this"), "{err}");

    let args = ["--param", "signature_in=query", "--to", "http://pay.example/hook", "--print"];
    let output = countersign(&[&["send", "smartexpay"], &args[..]].concat());
    let (code, out, err) = said(&output);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("not genuine under these parameters: signature_missing"), "{err}");
    assert!(out.starts_with("POST /hook?hash="), "the example that fits: {out}");
}

#[test]
fn send_to_nobody_is_a_no() {
    // The discard port: nobody listens there.
    let output = countersign(&["send", "stripe", "--to", "http://127.0.0.1:9/"]);
    let (code, out, err) = said(&output);
    assert_eq!((code, out), (1, ""));
    assert!(err.contains("cannot connect to 127.0.0.1:9"), "{err}");
}

#[test]
fn run_with_a_broken_configuration_names_the_problems_and_ends_with_2() {
    let folder = Folder::new();
    folder.write("countersign.yaml", "listen: []\nruotes: []\n");
    let output = countersign(&["run", "--config", folder.at("countersign.yaml").to_str().unwrap()]);
    let (code, out, err) = said(&output);
    assert_eq!((code, out), (2, ""));
    assert!(err.contains("did you mean `routes`?") && err.contains(":1:9: error"), "{err}");
    let output = countersign(&["run", "--config", "/nowhere/countersign.yaml"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn test_counts_on_its_last_line_and_names_what_fails() {
    let vectors = |file: &str| root().join("tests/vectors").join(file).display().to_string();
    let output =
        countersign(&["test", "--vectors", &vectors("stripe.jsonl"), &vectors("liqpay.jsonl")]);
    let (code, out, _) = said(&output);
    assert_eq!(code, 0, "{out}");
    let last = out.lines().last().unwrap();
    assert!(last.ends_with(" passed, 0 failed"), "{last}");

    let folder = Folder::new();
    let good = std::fs::read_to_string(vectors("stripe.jsonl")).unwrap();
    let line = good.lines().next().unwrap();
    let wrong = line.replace("\"status\": \"succeeded\"", "\"status\": \"failed\"");
    assert_ne!(line, wrong);
    folder.write(
        "bad.jsonl",
        format!("{wrong}\n{line}\n{}\n", line.replace("\"stripe\"", "\"acme\"")),
    );
    let output = countersign(&["test", "--vectors", folder.at("bad.jsonl").to_str().unwrap()]);
    let (code, out, _) = said(&output);
    assert_eq!(code, 1);
    assert!(
        out.contains("bad.jsonl:1: stripe/age_299: `status` is `succeeded`, not `failed`"),
        "{out}"
    );
    assert!(out.contains("bad.jsonl:3: acme/age_299: no rule for this gateway"), "{out}");
    assert!(out.lines().last().unwrap().ends_with(" passed, 2 failed"), "{out}");

    folder.write("mixed.jsonl", format!("{line}\n\nno JSON\n"));
    let mixed = folder.at("mixed.jsonl").display().to_string();
    for args in [
        &["test", "--vectors", "/nowhere.jsonl", &mixed],
        &["test", "/nowhere.yaml", "--vectors", &mixed],
    ] {
        let output = countersign(args);
        let (code, out, err) = said(&output);
        assert_eq!(code, 2, "what cannot be read was not tested");
        assert!(err.contains("cannot read /nowhere"), "{err}");
        assert!(err.contains("mixed.jsonl:3: "), "{err}");
        assert!(out.lines().last().unwrap().ends_with(" passed, 0 failed"), "the rest runs: {out}");
    }
}

const SECRET: &str = "signing_secrets=whsec_5WbX2kqnHnb1ZK9uT0cQeR7vLyAj3Dp4";

/// What `send --print` gives for an example of a gateway.
fn printed(args: &[&str]) -> Vec<u8> {
    let all = [&["send"], args, &["--to", "http://pay.example/hook", "--print"]].concat();
    let output = countersign(&all);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    output.stdout
}

#[test]
fn verify_accepts_rejects_and_complains_by_its_exit_code() {
    let request = printed(&["stripe"]);
    let verify = |extra: &[&str]| {
        countersign_with(&[&["verify", "stripe", "--request", "-"], extra].concat(), &request)
    };
    let output = verify(&["--param", SECRET, "--json"]);
    let (code, out, err) = said(&output);
    assert_eq!(code, 0, "{err}");
    let verdict = json(out);
    assert_eq!(verdict["verdict"], "accepted");
    assert_eq!(
        verdict["event"]["amount"],
        serde_json::json!({"currency": "USD", "value": "19.99"})
    );
    assert_eq!(verdict["reply"]["status"], 200);
    let schema = json(event::SCHEMA);
    jsonschema::validate(&schema, &verdict["event"]).unwrap();

    let output = verify(&["--param", "signing_secrets=whsec_another", "--json"]);
    let (code, out, _) = said(&output);
    assert_eq!(code, 1);
    assert_eq!(json(out)["reason"], "signature_mismatch");
    assert_eq!(json(out)["reply"]["status"], 401);
    assert_eq!(json(out)["reply"]["body"], "refused\n");

    let output = verify(&["--param", SECRET, "--at", "1760000000"]);
    let (code, out, _) = said(&output);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("rejected: timestamp_in_future (at header.stripe-signature.t)"),
        "{out}"
    );

    for (params, wanted) in [
        (&[][..], "parameter `signing_secrets` is missing"),
        (&["--param", "signing_secret=x"][..], "did you mean `signing_secrets`?"),
        (
            &["--param", "signing_secrets=@/nowhere"][..],
            "parameter `signing_secrets`: file /nowhere: it does not exist",
        ),
        (&["--param", "whsec_5Wb_that_lost_its_name"][..], "expected NAME=VALUE"),
        (&["--param", "=whsec_5Wb"][..], "expected NAME=VALUE"),
        (&["--param", SECRET, "--param", "max_age=soon"][..], "expected a whole number of seconds"),
    ] {
        let output = verify(params);
        let (code, _, err) = said(&output);
        assert_eq!(code, 2, "{params:?}");
        assert!(err.contains(wanted), "expected {wanted:?} in:\n{err}");
        assert!(!err.contains("whsec_5Wb"), "a secret in:\n{err}");
    }
    let output = countersign(&["verify", "strip", "--request", "-"]);
    let (code, _, err) = said(&output);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `stripe`?"), "{err}");
}

#[test]
fn verify_of_a_file_says_where_its_parameters_are() {
    for (rule, see) in [
        ("rules/stripe.yaml", "see `params` in rules/stripe.yaml"),
        ("stripe", "see `countersign rules stripe` for its parameters"),
    ] {
        let output = countersign(&["verify", rule, "--request", "-"]);
        let (code, _, err) = said(&output);
        assert_eq!(code, 2);
        assert!(err.contains(see), "{err}");
    }
}

#[test]
fn verify_says_when_only_a_line_break_stands_between_a_capture_and_its_signature() {
    let mut request = text(&printed(&["stripe"])).to_owned();
    let start = request.find("Content-Length").unwrap();
    let end = request.find("Connection").unwrap();
    request.replace_range(start..end, "");
    request.push('\n');
    let args = ["verify", "stripe", "--request", "-", "--param", SECRET];
    let output = countersign_with(&args, request.as_bytes());
    let (code, out, _) = said(&output);
    assert_eq!(code, 1);
    assert!(out.contains("hint: the file has a line break (LF) after the body"), "{out}");
}

/// Whether some of its callbacks are signed with a key that only the gateway has, or item by item.
fn is_signed_by_others(rule: &countersign::rule::Rule) -> bool {
    let is_public = |tag: &TagProof| matches!(tag.scheme, Scheme::Signature { .. });
    rule.compiled().variants.iter().any(|variant| {
        variant.plan.batch.is_some()
            || variant.plan.proofs.iter().any(|proof| match proof {
                Proof::Tag(tag) => is_public(tag),
                Proof::FirstPresent(tags) => tags.iter().any(is_public),
                Proof::HttpSignature(_) | Proof::Jws(_) | Proof::Mtls(_) => true,
                Proof::Basic { .. }
                | Proof::Confirm { .. }
                | Proof::Decrypt { .. }
                | Proof::Source { .. }
                | Proof::Token { .. } => false,
            })
    })
}

/// The parameters of an example as arguments.
fn params_of(gateway: &str) -> Vec<String> {
    let secret = |name: &str| {
        format!("@{}", root().join("examples/quickstart/secrets").join(name).display())
    };
    let pairs = match gateway {
        "liqpay" => vec![
            ("public_key", "i00000000001".to_owned()),
            ("private_key", secret("liqpay_private_key")),
        ],
        "paysera" => vec![
            ("project_id", "123456".to_owned()),
            ("sign_password", secret("paysera_sign_password")),
            ("public_keys", secret("paysera_public_key.pem")),
        ],
        "smartexpay" => vec![("secret", secret("smartexpay_secret"))],
        _ => vec![("signing_secrets", secret("stripe_signing_secret"))],
    };
    pairs
        .into_iter()
        .flat_map(|(name, value)| ["--param".to_owned(), format!("{name}={value}")])
        .collect()
}

#[test]
fn what_send_prints_verify_accepts_for_every_gateway() {
    for gateway in GATEWAYS {
        let request = printed(&[gateway]);
        let params = params_of(gateway);
        let params: Vec<&str> = params.iter().map(String::as_str).collect();
        let args = [&["verify", gateway, "--request", "-", "--json"], &params[..]].concat();
        let output = countersign_with(&args, &request);
        let (code, out, err) = said(&output);
        assert_eq!(code, 0, "{gateway}: {out}{err}");
        jsonschema::validate(&json(event::SCHEMA), &json(out)["event"]).unwrap();
    }
}

#[test]
fn send_signs_for_another_shop_with_its_own_keys() {
    let own = ["--param", "public_key=i99", "--param", "private_key=a-key-of-my-own"];
    let request = printed(&[&["liqpay"], &own[..]].concat());
    let args = [&["verify", "liqpay", "--request", "-", "--json"], &own[..]].concat();
    let output = countersign_with(&args, &request);
    let (code, out, err) = said(&output);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(json(out)["event"]["account"], "i99");

    let own = [
        "--param",
        "mode=encrypted",
        "--param",
        "sign_password=0123456789abcdef",
        "--param",
        "project_id=77",
    ];
    let request = printed(&[&["paysera", "--example", "an encrypted project"], &own[..]].concat());
    let args = [&["verify", "paysera", "--request", "-", "--json"], &own[..]].concat();
    let output = countersign_with(&args, &request);
    let (code, out, err) = said(&output);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(json(out)["event"]["account"], "77");
}

#[test]
fn rules_shows_what_is_shipped_and_where_its_parameters_are_found() {
    let output = countersign(&["rules"]);
    let (code, out, _) = said(&output);
    assert_eq!(code, 0);
    let listed: Vec<&str> = out.lines().filter_map(|line| line.split(' ').next()).collect();
    let shipped: Vec<&str> = countersign::rule::shipped().iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, shipped);
    let output = countersign(&["rules", "stripe"]);
    assert!(text(&output.stdout).contains("Signing secret: the whole text, whsec_ included"));
    let output = countersign(&["rules", "stripe", "--yaml"]);
    assert_eq!(
        text(&output.stdout),
        std::fs::read_to_string(root().join("rules/stripe.yaml")).unwrap()
    );
}

/// A YAML file as JSON, by the reader that the schemas are for.
fn yaml(path: &Path) -> Value {
    fn value(node: &countersign::text::node::Node) -> Value {
        use countersign::text::node::Kind;
        match &node.kind {
            Kind::Null => Value::Null,
            Kind::Bool(truth) => Value::Bool(*truth),
            Kind::Number(digits) => serde_json::from_str(digits).unwrap(),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(value).collect()),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|(key, node)| (key.text.clone(), value(node))).collect(),
            ),
        }
    }
    let text = std::fs::read_to_string(path).unwrap();
    let Ok(node) = countersign::text::node::Node::parse("", &text) else {
        panic!("{}", path.display())
    };
    value(&node)
}

#[test]
fn schemas_are_schemas_and_fit_what_we_ship() {
    for (of, files) in [
        (
            "rule",
            vec![
                "rules/liqpay.yaml",
                "rules/paysera.yaml",
                "rules/smartexpay.yaml",
                "rules/stripe.yaml",
            ],
        ),
        ("config", vec!["examples/quickstart/countersign.yaml"]),
        ("event", vec![]),
    ] {
        let output = countersign(&["schema", of]);
        let schema = json(text(&output.stdout));
        jsonschema::meta::validate(&schema).unwrap();
        for file in files {
            let document = yaml(&root().join(file));
            if let Err(error) = jsonschema::validate(&schema, &document) {
                panic!("{file}: {error} at {}", error.instance_path());
            }
        }
        let mut wrong = serde_json::json!({ "gatewey": "x" });
        assert!(jsonschema::validate(&schema, &wrong).is_err(), "{of}");
        wrong.as_object_mut().unwrap().clear();
        assert!(jsonschema::validate(&schema, &wrong).is_err(), "{of}");
    }
}

const COMMANDS: [&str; 10] =
    ["run", "check", "new", "test", "verify", "send", "rules", "schema", "completions", "man"];

#[test]
fn every_command_explains_itself_with_examples() {
    let help = countersign(&["--help"]);
    for command in COMMANDS {
        assert!(text(&help.stdout).contains(command), "{command}");
        let output = countersign(&[command, "--help"]);
        let (code, out, _) = said(&output);
        assert_eq!(code, 0);
        assert!(out.contains("Examples:\n  countersign "), "{command}: {out}");
    }
    let version = countersign(&["--version"]);
    assert_eq!(text(&version.stdout), format!("countersign {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(countersign(&["serve"]).status.code(), Some(2));
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = countersign(&["completions", shell]);
        for command in COMMANDS {
            assert!(text(&output.stdout).contains(command), "{shell}: {command}");
        }
    }
    let output = countersign(&["man"]);
    for command in COMMANDS {
        assert!(text(&output.stdout).contains(command), "{command}");
    }
    let folder = Folder::new();
    let output = countersign(&["man", "--out", folder.at("").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for page in ["countersign.1", "countersign-verify.1"] {
        assert!(std::fs::read_to_string(folder.at(page)).unwrap().contains(".TH"), "{page}");
    }
}

#[tokio::test]
async fn the_quickstart_shows_a_canonical_event_of_each_gateway_and_ends_well() {
    let folder = Folder::new();
    let quickstart = root().join("examples/quickstart");
    let config = std::fs::read_to_string(quickstart.join("countersign.yaml")).unwrap();
    let config = config
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:9464", "127.0.0.1:0")
        .replace("format: pretty", "format: json")
        .replace("file:secrets/", &format!("file:{}/secrets/", quickstart.display()));
    folder.write("countersign.yaml", &config);
    let mut daemon = Daemon::start(&folder).await;
    let schema = json(event::SCHEMA);
    for gateway in GATEWAYS {
        let to = format!("http://{}/{gateway}", daemon.address);
        let output = countersign(&["send", gateway, "--to", &to]);
        let (code, out, err) = said(&output);
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.starts_with("HTTP/1.1 200"), "{out}");
        eventually("the event is shown", async || {
            daemon.stdout.text().contains(&format!("\"gateway\":\"{gateway}\""))
        })
        .await;
    }
    for line in daemon.stdout.text().lines() {
        jsonschema::validate(&schema, &json(line)).unwrap();
    }
    let to = format!("http://{}/stripe", daemon.address);
    let forged = ["send", "stripe", "--to", &to, "--param", "signing_secrets=whsec_forged"];
    let output = countersign(&forged);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("HTTP/1.1 401"), "{}", text(&output.stdout));
    assert_eq!(daemon.stdout.text().lines().count(), 4);
    daemon.process.signal("TERM");
    assert_eq!(daemon.process.ended().await.code(), Some(0));
}
