//! `examples/prometheus`: Prometheus takes the alerts, they speak of metrics that there are, fire when
//! they must and keep silent when they must not, and each says what to run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use countersign::engine::event::Amount;
use countersign::metrics::{
    Class, Contents, ExchangeOutcome, Handling, Metrics, Outcome, Passed, RouteLabels, Stage,
};
use serde_json::Value;

const README: &str = include_str!("../../examples/prometheus/README.md");

const RULES: &str = "countersign.rules.yml";
const TESTS: [&str; 2] = ["countersign.rules.test.yml", "countersign.long.test.yml"];

/// What Prometheus says of every target.
const OF_PROMETHEUS: [(&str, &[&str]); 1] = [("up", &["instance", "job"])];

struct Alert {
    name: String,
    severity: String,
    expr: String,
    summary: String,
    description: String,
}

/// One expectation of a test.
struct Case {
    alert: String,
    /// The labels of each alert that is to fire.
    fires: Vec<BTreeSet<String>>,
    /// The metrics that the test is given.
    given: BTreeSet<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/prometheus")
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn alerts() -> Vec<Alert> {
    let rules = yaml(RULES);
    let groups = rules["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .map(|rule| Alert {
            name: word(&rule["alert"]),
            severity: word(&rule["labels"]["severity"]),
            expr: word(&rule["expr"]),
            summary: word(&rule["annotations"]["summary"]),
            description: word(&rule["annotations"]["description"]),
        })
        .collect()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for file in TESTS {
        for test in yaml(file)["tests"].as_array().unwrap() {
            let series = test["input_series"].as_array().unwrap().iter();
            let given: BTreeSet<_> = series
                .map(|series| word(&series["series"]).split('{').next().unwrap().to_owned())
                .collect();
            for case in test["alert_rule_test"].as_array().unwrap() {
                let fires = case.get("exp_alerts").map_or(&[][..], |all| all.as_array().unwrap());
                let labels = |fires: &Value| {
                    fires["exp_labels"].as_object().unwrap().keys().cloned().collect()
                };
                cases.push(Case {
                    alert: word(&case["alertname"]),
                    fires: fires.iter().map(labels).collect(),
                    given: given.clone(),
                });
            }
        }
    }
    cases
}

/// Runs it in the folder of the example; what it says, if it ends badly.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install prometheus"));
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    if output.status.success() { Ok(said) } else { Err(said) }
}

#[track_caller]
fn promtool(arguments: &[&str]) {
    if let Err(said) = run("promtool", arguments) {
        panic!("promtool {}\n{said}", arguments.join(" "));
    }
}

#[test]
fn prometheus_takes_the_alerts_and_the_configuration() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", RULES]);
    promtool(&["check", "config", "prometheus.yml"]);
}

#[test]
fn alerts_fire_when_they_must_and_keep_silent_when_they_must_not() {
    promtool(&["test", "rules", TESTS[0]]);
}

#[test]
fn alerts_that_look_back_for_hours_or_days_do_so_too() {
    promtool(&["test", "rules", TESTS[1]]);
}

/// Every sample that the daemon can show, with the names of its labels.
fn samples() -> BTreeMap<String, BTreeSet<String>> {
    let metrics = Metrics::new().unwrap();
    let keys = ["secrets.0".to_owned()];
    metrics.published(std::iter::once(RouteLabels {
        route: "pay",
        gateway: "acme",
        upstream: "shop",
        ready: true,
        strength: Some("strong"),
        keys: &keys,
    }));
    let route = metrics.route("pay", "acme", &keys);
    route.callback(Outcome::Rejected, "signature_mismatch");
    route.took(Stage::Total, Duration::from_millis(1));
    metrics.upstream("shop").answered(Class::Success, Duration::from_millis(1));
    metrics.proxy("site").passed(Passed::Success, Duration::from_millis(1));
    let exchanges = metrics.exchanges();
    exchanges.ended("acme", "state", ExchangeOutcome::Answered);
    exchanges.took("acme", "state", Duration::from_millis(1));
    exchanges.breaker("api.acme.example", true);
    let outbox = metrics.outbox().unwrap();
    outbox.published(&HashSet::from(["shop"]), &HashSet::from(["acme"]));
    outbox.handled("shop", Handling::Delivered);
    outbox.contents(&Contents {
        entries: vec![("shop".to_owned(), "waiting", 1)],
        oldest: vec![("shop".to_owned(), 1_700_000_000)],
        money: vec![("waiting", Amount { value: "1".into(), currency: "UAH".into() })],
        bytes: 1,
    });
    outbox.store(true, Some(1));
    metrics.store().failed("full");
    metrics.store().salvaged(1, 1);
    metrics.captures().now(1, 1, None, 1);
    metrics.tls().shown(std::iter::once(("pay.example", 1_800_000_000)));
    let text = String::from_utf8(metrics.text().unwrap()).unwrap();
    let mut samples: BTreeMap<_, BTreeSet<_>> = OF_PROMETHEUS
        .map(|(name, labels)| (name.into(), labels.iter().map(ToString::to_string).collect()))
        .into();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.split(',').filter_map(|label| label.split_once('='));
        let labels = labels.map(|(label, _)| label.to_owned());
        let known = samples.entry(name.to_owned()).or_default();
        known.extend(labels.chain(["instance", "job"].map(str::to_owned)));
    }
    samples
}

/// The metrics of an expression, each with what stands in braces behind it.
fn selectors(expr: &str) -> Vec<(&str, &str)> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expr;
    while let Some(at) = rest.find(is_of_name) {
        rest = &rest[at..];
        let (name, after) = rest.split_at(rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()));
        let is_metric = name == "up"
            || ["countersign_", "process_"].iter().any(|prefix| name.starts_with(prefix));
        let matchers = after.strip_prefix('{').map(|inside| inside.split_once('}').unwrap());
        let (matchers, after) = matchers.unwrap_or(("", after));
        if is_metric {
            found.push((name, matchers));
        }
        rest = after;
    }
    found
}

/// Labels and the words that they are compared with.
fn matchers(text: &str) -> Vec<(&str, Vec<&str>)> {
    let matchers = text.split("\",").filter(|matcher| !matcher.trim().is_empty());
    matchers
        .map(|matcher| {
            let (label, words) = matcher.trim().trim_end_matches('"').split_once('"').unwrap();
            (label.trim_end_matches(['=', '!', '~']), words.split('|').collect())
        })
        .collect()
}

#[test]
fn selectors_of_an_expression_are_found_with_their_words() {
    let expr = r#"sum by (le) (rate(countersign_a_total{b=~"c|d_.*", e!="f"}[5m])) > up offset 1m"#;
    let found = selectors(expr);
    assert_eq!(found, [("countersign_a_total", r#"b=~"c|d_.*", e!="f""#), ("up", "")]);
    assert_eq!(matchers(found[0].1), [("b", vec!["c", "d_.*"]), ("e", vec!["f"])]);
}

#[test]
fn every_metric_and_label_of_the_alerts_and_their_tests_is_one_that_there_is() {
    let samples = samples();
    let known = |place: &str, name: &str, matchers: &str| {
        let labels = samples.get(name).unwrap_or_else(|| panic!("{place}: no metric {name}"));
        for (label, _) in self::matchers(matchers) {
            assert!(labels.contains(label), "{place}: {name} has no label {label}");
        }
    };
    for alert in alerts() {
        let found = selectors(&alert.expr);
        assert!(!found.is_empty(), "{}: of what?", alert.name);
        for (name, matchers) in found {
            known(&alert.name, name, matchers);
        }
    }
    for file in TESTS {
        for test in yaml(file)["tests"].as_array().unwrap() {
            for series in test["input_series"].as_array().unwrap() {
                for (name, matchers) in selectors(&word(&series["series"])) {
                    known(file, name, matchers);
                }
            }
        }
    }
}

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *into += &fs::read_to_string(path).unwrap();
        }
    }
}

#[test]
fn every_word_that_a_label_is_compared_with_is_one_that_the_daemon_says() {
    let mut said = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut said);
    for alert in alerts() {
        for (name, inside) in selectors(&alert.expr) {
            for (label, words) in matchers(inside).into_iter().filter(|(label, _)| *label != "job")
            {
                for word in words {
                    // Behind any name that an upstream may have.
                    let word = match word.strip_prefix(".*") {
                        Some(" [(]site[)]") => " (site)",
                        Some(_) | None => word,
                    };
                    let quoted = match word.strip_suffix(".*") {
                        Some(beginning) => format!("\"{beginning}"),
                        None => format!("\"{word}\""),
                    };
                    assert!(said.contains(&quoted), "{}: {name}: {label} {word}", alert.name);
                }
            }
        }
    }
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_keeps_silent() {
    let (alerts, cases) = (alerts(), cases());
    let names: BTreeSet<_> = alerts.iter().map(|alert| alert.name.as_str()).collect();
    assert_eq!(names.len(), alerts.len(), "names are unique");
    for case in &cases {
        // A name that nobody has keeps silent, too.
        assert!(names.contains(case.alert.as_str()), "no alert {}", case.alert);
    }
    for Alert { name, expr, .. } in &alerts {
        let of_it = || cases.iter().filter(|case| case.alert == *name);
        assert!(of_it().any(|case| !case.fires.is_empty()), "{name} never fires");
        // Silence says nothing where there is nothing to be heard.
        let heard =
            |case: &Case| selectors(expr).iter().any(|(name, _)| case.given.contains(*name));
        let silent = of_it().any(|case| case.fires.is_empty() && heard(case));
        assert!(silent, "{name} never keeps silent");
    }
}

#[test]
fn every_label_that_an_alert_speaks_of_is_there_when_it_fires() {
    let cases = cases();
    for Alert { name, summary, description, .. } in alerts() {
        let text = format!("{summary}\n{description}");
        for (at, _) in text.match_indices("$labels.") {
            let rest = &text[at + "$labels.".len()..];
            let label =
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
            for labels in
                cases.iter().filter(|case| case.alert == name).flat_map(|case| &case.fires)
            {
                assert!(labels.contains(label), "{name} has no label {label}");
            }
        }
    }
}

#[test]
fn the_readme_lists_every_alert_with_its_severity_and_no_others() {
    let listed: Vec<_> = README
        .lines()
        .filter_map(|line| line.strip_prefix("| `Countersign"))
        .map(|line| {
            let (name, rest) = line.split_once("` | ").unwrap();
            (format!("Countersign{name}"), rest.split(" |").next().unwrap().to_owned())
        })
        .collect();
    let alerts: Vec<_> =
        alerts().into_iter().map(|Alert { name, severity, .. }| (name, severity)).collect();
    assert_eq!(listed, alerts);
    for (name, severity) in alerts {
        assert!(["critical", "warning", "info"].contains(&severity.as_str()), "{name}: {severity}");
    }
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_alert_says_what_to_run_and_it_can_be_run() {
    let program = env!("CARGO_BIN_EXE_countersign");
    let mut helps: BTreeMap<Vec<&str>, String> = BTreeMap::new();
    let alerts = alerts();
    for Alert { name, description, .. } in &alerts {
        let runs = quoted(description).filter(|command| {
            let program = command.split(' ').next().unwrap();
            ["countersign", "curl", "df", "dmesg", "iostat", "promtool", "ss"].contains(&program)
        });
        let runs: Vec<_> = runs.collect();
        assert!(!runs.is_empty(), "{name} says nothing to run");
        for command in runs.into_iter().filter_map(|run| run.strip_prefix("countersign ")) {
            // `events list --state dead`: two verbs; `check --config …`: one.
            let verbs: Vec<_> =
                command.split(' ').take_while(|word| !word.starts_with("--")).collect();
            let help = helps.entry(verbs.clone()).or_insert_with(|| {
                run(program, &[verbs.as_slice(), &["--help"]].concat())
                    .unwrap_or_else(|said| panic!("{name}: countersign {command}\n{said}"))
            });
            for flag in command.split(' ').filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{name}: countersign {command}: no {flag}");
            }
        }
    }
}
