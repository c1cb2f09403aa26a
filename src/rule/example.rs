//! `examples:` of a rule: callbacks and what must become of them. They run whenever it is loaded.

use crate::engine::Bound;
use crate::engine::bind::CompiledRule;
use crate::engine::event::{Amount, Event};
use crate::engine::inbound::UnixSeconds;
use crate::engine::params::Params;
use crate::engine::pem;
use crate::engine::plan::BodyKind;
use crate::engine::reason::Reason;
use crate::engine::secret::Secret;
use crate::engine::verdict::{Accepted, Verdict};
use crate::rule::canned::{self, Canned};
use crate::rule::request::{Body, Request};
use crate::text::node::{Kind, Node};
use crate::text::problem::{Place, Problems, did_you_mean};

/// A callback and what must become of it.
#[derive(Clone)]
pub struct Example {
    /// What it shows.
    pub name: String,
    /// Its parameters. Made up, or published by the gateway.
    pub params: Params,
    /// The time to assume.
    pub at: UnixSeconds,
    /// The request.
    pub request: Request,
    /// What the gateway would answer.
    pub canned: Vec<Canned>,
    /// What must become of it.
    pub expect: Expect,
    /// Where it stands in the file.
    pub place: Place,
}

/// What must become of an example.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Accepted, with an event of these facts each, and answered with this body.
    Accept(Vec<Vec<ExpectedFact>>, Option<String>),
    /// A question: answered with this body, and no event.
    Answer(String),
    /// Rejected for one of these reasons.
    Reject(Vec<Reason>),
}

/// A fact that an event must say.
#[derive(Clone, Debug)]
pub struct ExpectedFact {
    /// Its name.
    pub name: String,
    /// What it must be.
    pub value: FactValue,
    /// Where it stands in the file.
    pub place: Place,
}

/// The value of a fact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FactValue {
    /// The fact must not be said.
    Absent,
    /// An amount.
    Amount(Amount),
    /// `true` or `false`.
    Truth(bool),
    /// Text.
    Text(String),
}

/// The names that facts have in examples and vectors.
pub const FACTS: [&str; 14] = [
    "account",
    "amount",
    "credit",
    "event_id",
    "fee",
    "id",
    "occurred_at",
    "order_id",
    "raw_type",
    "refunded_amount",
    "settlement_amount",
    "status",
    "test",
    "transaction_id",
];

/// The fact of that name; `None`: there is no such name.
pub fn fact(event: &Event, name: &str) -> Option<FactValue> {
    let text = |text: &Option<String>| text.clone().map_or(FactValue::Absent, FactValue::Text);
    let amount =
        |amount: &Option<Amount>| amount.clone().map_or(FactValue::Absent, FactValue::Amount);
    Some(match name {
        "account" => text(&event.account),
        "amount" => amount(&event.amount),
        "credit" => FactValue::Truth(event.credit),
        "event_id" => text(&event.event_id),
        "fee" => amount(&event.fee),
        "id" => FactValue::Text(event.id.clone()),
        "occurred_at" => text(&event.occurred_at),
        "order_id" => text(&event.order_id),
        "raw_type" => text(&event.raw_type),
        "refunded_amount" => amount(&event.refunded_amount),
        "settlement_amount" => amount(&event.settlement_amount),
        "status" => FactValue::Text(event.status.as_str().to_owned()),
        "test" => event.test.map_or(FactValue::Absent, FactValue::Truth),
        "transaction_id" => text(&event.transaction_id),
        _ => return None,
    })
}

impl std::fmt::Display for FactValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing"),
            Self::Amount(Amount { value, currency }) => write!(f, "{value} {currency}"),
            Self::Truth(truth) => write!(f, "{truth}"),
            Self::Text(text) => write!(f, "`{text}`"),
        }
    }
}

/// Reads the examples of a rule whose shape has been checked.
pub(crate) fn read(root: &Node, rule: &CompiledRule, problems: &mut Problems) -> Vec<Example> {
    let nodes = root.get("examples").map_or(&[][..], Node::items);
    nodes.iter().filter_map(|node| example(node, rule, problems)).collect()
}

fn example(node: &Node, rule: &CompiledRule, problems: &mut Problems) -> Option<Example> {
    let mut params = Params::new();
    for (key, value) in node.get("params").map_or(&[][..], Node::entries) {
        for value in value.one_or_many() {
            params.push(key.text.clone(), Secret::from(value.as_text()?));
        }
    }
    let name = node.get("name")?;
    Some(Example {
        name: name.as_text()?.to_owned(),
        params,
        at: node.get("at").and_then(Node::as_integer).unwrap_or(0),
        request: request(node.get("request")?, rule, problems)?,
        canned: canned::read(node),
        expect: expect(node.get("expect")?, problems)?,
        place: name.place,
    })
}

fn request(node: &Node, rule: &CompiledRule, problems: &mut Problems) -> Option<Request> {
    let plan = &rule.variants.first()?.plan.request;
    let text = |key| node.get(key).and_then(Node::as_text).map(str::to_owned);
    let pairs = |key| -> Vec<(Vec<u8>, Vec<u8>)> {
        let entries = node.get(key).map_or(&[][..], Node::entries);
        let pair = |(key, value): &(_, Node)| {
            let key: &crate::text::node::Key = key;
            (key.text.clone().into_bytes(), value.as_text().unwrap_or_default().as_bytes().to_vec())
        };
        entries.iter().map(pair).collect()
    };
    let mut headers: Vec<(String, Vec<u8>)> = pairs("headers")
        .into_iter()
        .filter_map(|(name, value)| Some((String::from_utf8(name).ok()?, value)))
        .collect();
    let body = match node.get("form") {
        Some(_) => Body::Form(pairs("form")),
        None => Body::Raw(text("body").unwrap_or_default().into_bytes()),
    };
    let method = text("method").or_else(|| {
        // A rule that takes GET and POST: a body says which.
        let sends = node.get("form").or(node.get("body")).is_some();
        let preferred = if sends { "POST" } else { "GET" };
        let known = plan.methods.iter().find(|method| *method == preferred);
        known.or(plan.methods.first()).cloned()
    });
    let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let media_type: Option<&[u8]> = match plan.body {
        BodyKind::FormOrJson if node.get("form").is_none() => Some(b"application/json"),
        BodyKind::Form | BodyKind::FormOrJson => Some(b"application/x-www-form-urlencoded"),
        BodyKind::Json => Some(b"application/json"),
        BodyKind::Any => None,
    };
    if let (false, Some(media_type)) = (has_type, media_type) {
        headers.push(("content-type".to_owned(), media_type.to_vec()));
    }
    let peer = match node.get("from") {
        None => None,
        Some(node) => {
            let peer = node.as_text()?.parse().ok();
            if peer.is_none() {
                problems.add(node.place, "expected an address such as 192.0.2.1");
            }
            Some(peer?)
        }
    };
    let certificates = match node.get("client_certificate") {
        None => Vec::new(),
        Some(node) => {
            let blocks = pem::blocks(node.as_text()?.as_bytes());
            if blocks.is_none() {
                problems.add(node.place, "expected PEM: -----BEGIN CERTIFICATE-----");
            }
            blocks?.into_iter().map(|block| block.der).collect()
        }
    };
    Some(Request {
        peer,
        certificates,
        method: method?,
        path: text("path").unwrap_or_else(|| "/".to_owned()),
        query: pairs("query"),
        headers,
        body,
    })
}

fn expect(node: &Node, problems: &mut Problems) -> Option<Expect> {
    if let Some(reasons) = node.get("reject") {
        let mut known = Vec::new();
        for node in reasons.one_or_many() {
            let word = node.as_text()?;
            if let Some(reason) = Reason::from_word(word) {
                known.push(reason);
            } else {
                let words = Reason::ALL.map(Reason::as_str);
                let help = match did_you_mean(word, words) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("expected one of {}", words.join(", ")),
                };
                problems.add_with_help(node.place, format!("no such reason: `{word}`"), help);
            }
        }
        return Some(Expect::Reject(known));
    }
    let reply = node.get("reply").and_then(Node::as_text).map(str::to_owned);
    match (node.get("accept"), reply) {
        (Some(accept), reply) => {
            let events = accept.one_or_many().iter().map(|node| facts(node, problems)).collect();
            Some(Expect::Accept(events, reply))
        }
        (None, Some(reply)) => Some(Expect::Answer(reply)),
        (None, None) => {
            problems.add(node.place, "expected `accept`, `reject`, or only `reply`");
            None
        }
    }
}

/// The facts of one event.
fn facts(node: &Node, problems: &mut Problems) -> Vec<ExpectedFact> {
    let mut facts = Vec::new();
    for (key, node) in node.entries() {
        if !FACTS.contains(&key.text.as_str()) {
            let help = match did_you_mean(&key.text, FACTS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}", FACTS.join(", ")),
            };
            problems.add_with_help(key.place, format!("no such fact: `{}`", key.text), help);
            continue;
        }
        let text = |key| node.get(key).and_then(Node::as_text).map(str::to_owned);
        let value = match &node.kind {
            Kind::Null => Some(FactValue::Absent),
            Kind::Bool(truth) => Some(FactValue::Truth(*truth)),
            Kind::Map(_) => match (text("value"), text("currency")) {
                (Some(value), Some(currency)) => {
                    Some(FactValue::Amount(Amount { value, currency }))
                }
                _ => None,
            },
            Kind::Number(_) | Kind::Text(_) => {
                node.as_text().map(|text| FactValue::Text(text.to_owned()))
            }
            Kind::List(_) => None,
        };
        match value {
            Some(value) => {
                facts.push(ExpectedFact { name: key.text.clone(), value, place: node.place });
            }
            None => problems.add(node.place, "a fact is text, true, false, null or an amount"),
        }
    }
    facts
}

/// Runs an example under its own parameters. `Err` where these do not fit the rule.
pub(crate) fn bind(
    rule: &CompiledRule,
    example: &Example,
    problems: &mut Problems,
) -> Option<Bound> {
    match Bound::new(rule, &example.params) {
        Ok(bound) => Some(bound),
        Err(errors) => {
            for error in errors {
                problems.add(example.place, format!("example `{}`: {error}", example.name));
            }
            None
        }
    }
}

/// Whether an example comes out as it says; what was accepted where it does.
pub(crate) fn run(bound: &Bound, example: &Example, problems: &mut Problems) -> Option<Accepted> {
    let Example { name, at, canned, .. } = example;
    let wire = example.request.encode();
    let outcome = wire.with(|inbound| canned::judge(bound, inbound, *at, canned));
    let mut wrong = |what: String| problems.add(example.place, format!("example `{name}` {what}"));
    if let Some(question) = outcome.unexpected {
        wrong(format!("asks what is not among its exchanges: {question}"));
    }
    match (outcome.verdict, &example.expect) {
        (Verdict::Ask(exchange), _) => {
            wrong(format!("asks more than {} questions: {exchange:?}", canned::ROUNDS_MAX));
            None
        }
        (Verdict::Rejected(reject), Expect::Reject(reasons)) => {
            if !reasons.contains(&reject.reason) {
                let word = reject.reason.as_str();
                wrong(format!("was rejected for another reason: {word} ({})", reject.at));
            }
            None
        }
        (Verdict::Rejected(reject), Expect::Accept(..) | Expect::Answer(_)) => {
            let word = reject.reason.as_str();
            wrong(format!("must be accepted, and was rejected: {word} ({})", reject.at));
            None
        }
        (Verdict::Accepted(_), Expect::Reject(_)) => {
            wrong("must be rejected, and was accepted".to_owned());
            None
        }
        (Verdict::Accepted(accepted), Expect::Answer(body)) => {
            if !accepted.events.is_empty() {
                wrong("must yield no event, and does".to_owned());
            }
            if outcome.given.len() < canned.len() {
                wrong("did not ask all of its exchanges".to_owned());
            }
            check_reply(&accepted, body, &mut wrong);
            None
        }
        (Verdict::Accepted(accepted), Expect::Accept(events, reply)) => {
            if outcome.given.len() < canned.len() {
                wrong("did not ask all of its exchanges".to_owned());
            }
            if let Some(body) = reply {
                check_reply(&accepted, body, &mut wrong);
            }
            if accepted.events.len() != events.len() {
                wrong(format!("says {} events, not {}", accepted.events.len(), events.len()));
            }
            for (event, facts) in accepted.events.iter().zip(events) {
                let says_amount = facts.iter().any(|fact| fact.name == "amount");
                if let Some(amount) = event.amount.as_ref().filter(|_| event.credit && !says_amount)
                {
                    let Amount { value, currency } = amount;
                    // A wrong unit would go unnoticed: a hundred times the money.
                    problems.add_with_help(
                        example.place,
                        format!("example `{name}` shows money, and does not say how much"),
                        format!(
                            "the rule makes {value} {currency} of it: if that is what the gateway \
                             means, say `amount: {{ value: \"{value}\", currency: {currency} }}`"
                        ),
                    );
                }
                for ExpectedFact { name: wanted, value, place } in facts {
                    let found = fact(event, wanted);
                    if found.as_ref() != Some(value) {
                        let found = found.map_or_else(String::new, |found| found.to_string());
                        let message =
                            format!("example `{name}`: `{wanted}` is {found}, not {value}");
                        problems.add(*place, message);
                    }
                }
            }
            Some(accepted)
        }
    }
}

fn check_reply(accepted: &Accepted, body: &str, wrong: &mut impl FnMut(String)) {
    if accepted.reply.body != body.as_bytes() {
        let found = accepted.reply.body.escape_ascii();
        wrong(format!("is answered with `{found}`, not `{}`", body.escape_debug()));
    }
}
