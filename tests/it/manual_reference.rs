//! The reference in `rules/README.md`: every construct has an example, and every example and every
//! row of a table is what the code says.

use std::collections::BTreeSet;
use std::path::Path;

use countersign::engine::event::{Event, Strength};
use countersign::engine::pattern::Pattern;
use countersign::engine::plan::ReplyPlans;
use countersign::engine::reason::Reason;
use countersign::engine::verdict::Verdict;
use countersign::rule::{self, Rule};
use countersign::server::refusal;
use countersign::text::node::{Kind as NodeKind, Node};
use countersign::text::problem::Problems;
use countersign::text::shape::print::{self, Section};
use countersign::text::shape::{self, Key, Kind, Shape};
use serde_json::{Value, json};

use crate::manual::{Piece, README, pieces};

fn node(text: &str) -> Node {
    match Node::parse("README.md", text) {
        Ok(node) => node,
        Err(problems) => panic!("{}", problems.render(text)),
    }
}

fn shapes() -> Vec<&'static Shape> {
    print::sections(rule::grammar()).into_iter().map(|Section { shape, .. }| shape).collect()
}

/// An example of the reference: below which heading, of which shape, and its text.
struct Fragment {
    section: String,
    shape: &'static Shape,
    text: String,
}

fn fragments() -> Vec<Fragment> {
    let shapes = shapes();
    let mut section = String::new();
    let mut fragments = Vec::new();
    for piece in pieces() {
        match piece {
            Piece::Line(line) => {
                if let Some(heading) = line.strip_prefix("### ") {
                    heading.clone_into(&mut section);
                }
            }
            Piece::Block { info, text } => {
                let name = info.strip_prefix("yaml ").unwrap_or_default();
                let name = if name == "whole" { "rule" } else { name };
                if let Some(shape) = shapes.iter().find(|shape| shape.name == name) {
                    fragments.push(Fragment { section: section.clone(), shape, text });
                }
            }
            Piece::Generated { .. } => {}
        }
    }
    fragments
}

#[test]
fn every_construct_has_a_table_and_an_example_below_its_own_heading() {
    let mut tables = Vec::new();
    let mut heading = String::new();
    for piece in pieces() {
        match piece {
            Piece::Line(line) if line.starts_with('#') => heading = line,
            Piece::Generated { name } if name != "charsets" => {
                assert_eq!(heading, format!("### {name}"), "the table of `{name}` stands there");
                tables.push(name);
            }
            _ => {}
        }
    }
    let fragments = fragments();
    for Shape { name, .. } in shapes() {
        let count = tables.iter().filter(|table| table == name).count();
        assert_eq!(
            count, 1,
            "rules/README.md needs one section `### {name}` with `<!-- generated: {name} -->`, \
             `<!-- end -->` and an example"
        );
        let shown = fragments.iter().any(|fragment| {
            let mut found = Found::default();
            found.shape(&node(&fragment.text), fragment.shape);
            fragment.section == *name && found.shapes.contains(name)
        });
        assert!(shown, "no example of `{name}` in its section of rules/README.md");
    }
}

/// What a node holds, by the grammar.
#[derive(Default)]
struct Found {
    shapes: BTreeSet<&'static str>,
    references: Vec<String>,
}

impl Found {
    fn shape(&mut self, node: &Node, shape: &'static Shape) {
        self.shapes.insert(shape.name);
        for (key, value) in node.entries() {
            let Some(Key { name, kind, .. }) =
                shape.keys.iter().find(|known| known.name == key.text)
            else {
                continue;
            };
            // Places that are the names of a map.
            let named = ["when", "unless", "holds", "among"].contains(name)
                || (*name == "fields" && shape.name != "request");
            if named {
                for map in value.one_or_many() {
                    self.references.extend(map.entries().iter().map(|(key, _)| key.text.clone()));
                }
            }
            if *name == "template" {
                let inserts = value.as_text().unwrap().split("${").skip(1);
                self.references
                    .extend(inserts.map(|rest| rest.split('}').next().unwrap().to_owned()));
            }
            self.value(value, kind);
        }
    }

    fn value(&mut self, node: &Node, kind: &Kind) {
        match kind {
            Kind::AnyOf(kinds) => {
                let fits = |kind: &&Kind| {
                    let mut problems = Problems::new("");
                    shape::check_kind(node, kind, &mut problems);
                    problems.is_empty()
                };
                let kind = kinds.iter().find(fits);
                self.value(node, kind.unwrap_or_else(|| panic!("{node:?} is none of {kinds:?}")));
            }
            Kind::Expr(_) => self.references.push(node.as_text().unwrap().to_owned()),
            Kind::List(kind) | Kind::NonEmptyList(kind) => {
                node.items().iter().for_each(|item| self.value(item, kind));
            }
            Kind::Map(shape) => self.shape(node, shape),
            Kind::Named(kind) => {
                node.entries().iter().for_each(|(_, value)| self.value(value, kind));
            }
            Kind::OneOrMany(kind) => {
                node.one_or_many().iter().for_each(|item| self.value(item, kind));
            }
            Kind::Any
            | Kind::Bool
            | Kind::Choice(_)
            | Kind::Duration { .. }
            | Kind::Integer { .. }
            | Kind::Size { .. }
            | Kind::Text
            | Kind::TextOrEmpty => {}
        }
    }
}

#[test]
fn every_example_fits_the_grammar_and_its_references_can_be_read() {
    let fragments = fragments();
    assert!(fragments.len() > 60, "{}", fragments.len());
    for Fragment { shape, text, section } in fragments {
        let root = node(&text);
        let mut problems = Problems::new("rules/README.md");
        shape::check(&root, shape, &mut problems);
        // A piece of a construct: what is not shown stands around it.
        problems.list.retain(|problem| {
            problem.place != root.place || !problem.message.starts_with("the key `")
        });
        assert!(problems.is_empty(), "{section}:\n{}", problems.render(&text));
        let mut found = Found::default();
        found.shape(&root, shape);
        for reference in found.references {
            // What a set is written of.
            if !["name", "value", "signature"].contains(&reference.as_str()) {
                let said = about(&reference);
                assert!(said.is_empty(), "{section}: `{reference}`: {said:?}");
            }
        }
    }
}

/// What is wrong with a reference, other than that nobody has declared it.
fn about(reference: &str) -> Vec<String> {
    let exchange = json!({ "method": "GET", "url": { "text": "https://a.example" }, "answer": { "as": "json" } });
    let rule = json!({
        "gateway": "probe", "title": "Probe", "docs": "none",
        "params": { "secret": { "type": "secret" } },
        "request": { "method": "POST", "body": "any" },
        "proofs": [{ "hmac": {
            "algorithm": "sha256", "key": "param.secret", "over": ["body"], "tag": "payload.a",
            "encoding": "hex",
        } }],
        "payload": [{ "from": "body", "as": "json" }, { "name": "inner", "from": "payload.a", "as": "json" }],
        "exchanges": { "state": exchange },
        "each": "payload.items",
        "event": { "status": { "from": "body", "map": {} }, "dedupe": reference },
        "examples": [],
    });
    let text = rule.to_string();
    let Err(problems) = rule::compile("probe", &text) else { panic!("a rule without examples") };
    let messages = problems.list.into_iter().map(|problem| problem.message);
    let spoken =
        ["no such place", "no such step", "cannot read", "expected a reference", "a step is"];
    messages.filter(|message| spoken.iter().any(|word| message.starts_with(word))).collect()
}

#[test]
fn what_is_no_reference_is_noticed() {
    for reference in ["payload.a | basee64", "palyoad.a", "payload[a", "payload.a |", "a b"] {
        assert!(!about(reference).is_empty(), "{reference}");
    }
}

#[test]
fn the_shortest_rule_proves_itself() {
    let whole: Vec<String> = pieces()
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Block { info, text } if info == "yaml whole" => Some(text),
            _ => None,
        })
        .collect();
    let [text] = whole.as_slice() else { panic!("{}", whole.len()) };
    let rule =
        rule::compile("tiny.yaml", text).unwrap_or_else(|found| panic!("{}", found.render(text)));
    assert!(rule.forgeries() > 50);
}

/// The rows of the table below a heading, each as its cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let (_, text) = README.split_once(&format!("\n{heading}\n")).unwrap();
    let text = text.split("\n#").next().unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<String>> = rows
        .map(|line| {
            let line = line.replace("\\|", "\u{1f}");
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('\u{1f}', "|")).collect()
        })
        .collect();
    assert!(rows.len() > 2, "no table below {heading}");
    rows
}

/// What stands in a cell as code.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// A rule for JSON of a sender who knows a word, with more of an event, or other parts.
fn probe(body: &str, more: &Value) -> Result<Rule, String> {
    let mut rule = json!({
        "gateway": "probe", "title": "Probe", "docs": "none",
        "params": { "secret": { "type": "secret" } },
        "request": {
            "method": "POST", "body": "any", "headers": { "x-token": {} },
            "fields": { "q": { "in": "query", "optional": true, "pattern": ".*" } },
        },
        "proofs": [{ "token": { "place": "header.x-token", "secret": "param.secret", "weak": "a test" } }],
        "payload": { "from": "body", "as": "json" },
        "event": { "status": { "from": "header.x-token", "map": {} }, "dedupe": "header.x-token" },
        "examples": [{
            "name": "one", "params": { "secret": "made-up-key" },
            "request": { "headers": { "x-token": "made-up-key" }, "body": body },
            "expect": { "accept": {} },
        }],
    });
    merge(&mut rule, more);
    let text = rule.to_string();
    rule::compile("probe", &text).map_err(|problems| problems.render(&text))
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => into.clone_from(from),
    }
}

/// The event of a body under a rule that says more.
fn event(body: &str, more: &Value) -> Event {
    let rule = probe(body, more).unwrap_or_else(|said| panic!("{said}"));
    let example = &rule.examples()[0];
    let Ok(bound) = rule.bind(&example.params) else { panic!("it does not bind") };
    match example.request.encode().with(|inbound| bound.judge(inbound, 0, &[])) {
        Verdict::Accepted(mut accepted) => accepted.events.remove(0),
        Verdict::Ask(_) | Verdict::Rejected(_) => panic!("it was accepted a moment ago"),
    }
}

/// The words that the compiler offers where it knows no such step.
fn steps() -> BTreeSet<String> {
    let more = json!({ "event": { "raw_type": "payload.a | ??????????" } });
    let Err(said) = probe("{}", &more) else { panic!("a step of this name") };
    let (_, words) = said.split_once("help: expected one of ").unwrap();
    words.lines().next().unwrap().split(", ").map(str::to_owned).collect()
}

#[test]
fn every_step_makes_of_its_example_what_the_table_says() {
    let rows = table("### Steps");
    let listed: BTreeSet<String> = rows.iter().map(|row| code(&row[0])[0].to_owned()).collect();
    assert_eq!(listed, steps());
    for row in rows {
        let [value, steps, wanted] = code(&row[2])[..] else { panic!("{row:?}") };
        let word = code(&row[0])[0].split(' ').next().unwrap();
        assert!(steps.split('|').any(|step| step.trim().starts_with(word)), "{row:?}");
        let body = json!({ "v": value.replace("\\n", "\n") }).to_string();
        let more = json!({ "event": { "raw_type": format!("payload.v | {steps}") } });
        assert_eq!(event(&body, &more).raw_type.as_deref(), Some(wanted), "{row:?}");
    }
}

#[test]
fn every_path_finds_what_the_table_says() {
    let document = pieces().into_iter().find_map(|piece| match piece {
        Piece::Block { info, text } if info == "json document" => Some(text),
        _ => None,
    });
    let document = document.unwrap();
    for row in table("### Paths") {
        let more = json!({ "event": { "raw_type": code(&row[0])[0] } });
        let wanted = code(&row[1]).first().map(|wanted| (*wanted).to_owned());
        assert_eq!(event(document.trim(), &more).raw_type, wanted, "{row:?}");
    }
}

/// A node as JSON, numbers as they are.
fn as_json(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Null => Value::Null,
        NodeKind::Bool(truth) => (*truth).into(),
        NodeKind::Number(digits) => serde_json::from_str(digits).unwrap(),
        NodeKind::Text(text) => text.as_str().into(),
        NodeKind::List(items) => items.iter().map(as_json).collect(),
        NodeKind::Map(entries) => {
            entries.iter().map(|(key, node)| (key.text.clone(), as_json(node))).collect()
        }
    }
}

#[test]
fn every_condition_holds_for_what_the_table_says_and_for_nothing_else() {
    for row in table("## Conditions") {
        let condition = as_json(&node(code(&row[0])[0]));
        let more = json!({ "event": { "status": null, "cases": [{ "when": condition, "status": "failed" }] } });
        for (cell, wanted) in [(&row[1], "failed"), (&row[2], "unknown")] {
            let found = event(code(cell)[0], &more).status.as_str();
            assert_eq!(found, wanted, "{row:?}: {cell}");
        }
    }
}

#[test]
fn every_pattern_matches_what_the_table_says_and_nothing_else() {
    for row in table("## Patterns") {
        let [pattern, yes, no] = [0, 1, 2].map(|at| code(&row[at])[0]);
        let pattern = Pattern::new(pattern).unwrap();
        assert!(pattern.matches(yes.as_bytes()) && !pattern.matches(no.as_bytes()), "{row:?}");
    }
    for text in ["^a$", "\\ba"] {
        assert!(Pattern::new(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_put_into_a_template_is_escaped_as_the_table_says() {
    let (_, text) = README.split_once("\n## Templates\n").unwrap();
    let rows: Vec<Vec<&str>> = text
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| a ") || line.starts_with("| the "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let (value, wanted) = (code(row[2])[0], code(row[3])[0]);
        let query = json!({ "q": value });
        let types: Vec<&str> = match code(row[0])[..] {
            [] => vec!["text/plain"],
            ["url" | "body"] => vec![""],
            ref types => types.to_vec(),
        };
        for media_type in types {
            let mut example = json!({
                "name": "one", "params": { "secret": "made-up-key" }, "expect": { "accept": {} },
                "request": { "query": query, "headers": { "x-token": "made-up-key" }, "body": "{}" },
            });
            let mut more = json!({});
            if media_type.is_empty() {
                let body =
                    json!({ "type": "application/json", "of": { "template": "${field.q}" } });
                let is_url = code(row[0]) == ["url"];
                let url =
                    if is_url { "https://a.example/${field.q}" } else { "https://a.example/" };
                let mut state = json!({ "method": "POST", "url": { "template": url }, "answer": { "as": "json", "fields": { "state.a": {} } } });
                if !is_url {
                    state["body"] = body;
                }
                more["exchanges"] = json!({ "state": state });
                more["proofs"] = json!([{ "confirm": { "by": "state" } }]);
                more["event"] = json!({
                    "status": { "from": "state.a", "map": {} }, "dedupe": "state.a",
                });
                let sent = if is_url { "" } else { wanted };
                let url =
                    if is_url { format!("https://a.example/{wanted}") } else { url.to_owned() };
                example["exchanges"] =
                    json!([{ "method": "POST", "url": url, "body": sent, "answer": "{\"a\":1}" }]);
            } else {
                more["reply"] =
                    json!({ "accepted": { "content_type": media_type, "template": "${field.q}" } });
                example["expect"]["reply"] = json!(wanted);
            }
            more["examples"] = json!([example]);
            if let Err(said) = probe("{}", &more) {
                panic!("{row:?}, {media_type}:\n{said}");
            }
        }
    }
}

#[test]
fn every_root_is_listed() {
    let names = include_str!("../../src/rule/compile/names.rs");
    let (_, source) = names.split_once("    fn source(").unwrap();
    let source = source.split("\n    fn ").next().unwrap();
    let mut known: BTreeSet<&str> = source
        .split("(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .filter(|word| word.chars().all(|c| c.is_ascii_lowercase()) && *word != "parameter")
        .collect();
    known.extend(["payload", "EXCHANGE"]);
    assert!(known.len() > 10, "{known:?}");
    let mut listed = BTreeSet::new();
    let rows = table("## References");
    for row in &rows {
        for reference in code(&row[0]) {
            listed.insert(reference.split(['.', '…']).next().unwrap());
        }
    }
    assert_eq!(listed, known);
}

#[test]
fn every_reason_is_listed_with_its_status() {
    let rows = table("## Why a callback is refused");
    let listed: Vec<&str> = rows.iter().map(|row| code(&row[0])[0]).collect();
    assert_eq!(listed, Reason::ALL.map(Reason::as_str));
    let Ok(rule) = probe("{}", &json!({})) else { panic!("the probe") };
    let replies: &ReplyPlans = &rule.compiled().variants[0].plan.replies;
    for (row, reason) in rows.iter().zip(Reason::ALL) {
        assert_eq!(row[2], refusal(reason, replies).status.to_string(), "{row:?}");
    }
}

#[test]
fn every_strength_is_listed() {
    let rows = table("## What a proof is worth");
    let listed: Vec<&str> = rows.iter().map(|row| code(&row[0])[0]).collect();
    assert_eq!(listed, Strength::ALL.map(Strength::as_str));
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut anchors = BTreeSet::new();
    let mut prose = String::new();
    for piece in pieces() {
        if let Piece::Line(line) = piece {
            if line.starts_with('#') {
                let heading = line.trim_start_matches('#').trim().to_owned();
                assert!(anchors.insert(anchor(&heading)), "two headings `{heading}`");
            }
            prose += &format!("{line}\n");
        }
    }
    prose.extend(print::sections(rule::grammar()).into_iter().map(|section| section.text));
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut links = 0;
    for link in prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        links += 1;
        match link.strip_prefix('#') {
            Some(to) => assert!(anchors.contains(to), "no heading #{to}"),
            None => assert!(link.starts_with("https://") || rules.join(link).exists(), "{link}"),
        }
    }
    assert!(links > 100, "{links}");
}
