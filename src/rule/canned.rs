//! Canned answers of a gateway: what examples and vectors are judged with instead of a network.

use std::sync::Arc;

use crate::engine::Bound;
use crate::engine::exchange::{Answer, Answered, Exchange};
use crate::engine::form;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::engine::verdict::Verdict;
use crate::text::node::Node;

/// Questions that one callback may raise, at most.
pub const ROUNDS_MAX: usize = 8;

/// A question to the gateway, and its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Canned {
    /// `GET`, `POST`.
    pub method: String,
    /// The whole address; scheme and host are compared without regard to case.
    pub url: String,
    /// Lines that must be among those sent.
    pub headers: Vec<(String, String)>,
    /// The body that is sent. A form may differ in its percent-encoding.
    pub body: Vec<u8>,
    /// What comes back.
    pub answer: Answer,
}

/// What judging with canned answers comes to.
pub struct Outcome {
    /// The verdict, after all questions.
    pub verdict: Verdict,
    /// Positions of the canned answers that were given, in order.
    pub given: Vec<usize>,
    /// A question that nobody expected: `POST api.example.com`.
    pub unexpected: Option<String>,
}

/// Judges an inbound, answering from `canned` and only from there.
pub fn judge(bound: &Bound, inbound: &Inbound<'_>, now: UnixSeconds, canned: &[Canned]) -> Outcome {
    let mut answers: Vec<Answered> = Vec::new();
    let mut given = Vec::new();
    let mut unexpected = None;
    loop {
        let verdict = bound.judge(inbound, now, &answers);
        let asked = match verdict {
            Verdict::Ask(exchange) if answers.len() < ROUNDS_MAX => exchange,
            verdict => return Outcome { verdict, given, unexpected },
        };
        let found = position(canned, &asked);
        let answer = if let Some(canned) = found.and_then(|index| canned.get(index)) {
            canned.answer.clone()
        } else {
            unexpected.get_or_insert(format!("{} {}", asked.method, asked.host()));
            Answer::Unavailable
        };
        given.extend(found);
        answers.push(Answered { name: Arc::clone(&asked.name), answer });
    }
}

/// The answer to a question, if it is expected.
pub fn answer(canned: &[Canned], asked: &Exchange) -> Option<Answer> {
    position(canned, asked).and_then(|index| canned.get(index)).map(|found| found.answer.clone())
}

fn position(canned: &[Canned], asked: &Exchange) -> Option<usize> {
    canned.iter().position(|canned| canned.fits(asked))
}

impl Canned {
    /// Whether this is the answer to that question.
    fn fits(&self, asked: &Exchange) -> bool {
        let sent = |name: &str| asked.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        self.method == asked.method
            && same_url(&self.url, &asked.url)
            && self
                .headers
                .iter()
                .all(|(name, value)| sent(name).is_some_and(|(_, found)| found.as_str() == value))
            && (self.body == *asked.body || same_form(&self.body, &asked.body))
    }
}

fn same_url(one: &str, other: &str) -> bool {
    let parts = |url: &str| {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        (format!("{scheme}://{host}").to_ascii_lowercase(), path.to_owned())
    };
    parts(one) == parts(other)
}

/// A postback must be the same bytes: there is nothing else in its body than what came.
fn same_form(one: &[u8], other: &[u8]) -> bool {
    // PayPal's `cmd=_notify-validate`, told by its beginning.
    let postback = b"cmd=_";
    if one.starts_with(postback) || other.starts_with(postback) {
        return false;
    }
    let read = |bytes: &[u8]| -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let pair = |pair: Result<form::Pair<'_>, form::FormError>| {
            pair.ok().map(|(name, value)| (name.into_owned(), value.into_owned()))
        };
        form::pairs(bytes).map(pair).collect()
    };
    !one.is_empty() && read(one).is_some() && read(one) == read(other)
}

/// Reads the `exchanges:` of an example.
pub(crate) fn read(node: &Node) -> Vec<Canned> {
    let nodes = node.get("exchanges").map_or(&[][..], Node::items);
    nodes.iter().filter_map(one).collect()
}

fn one(node: &Node) -> Option<Canned> {
    let text = |key| node.get(key).and_then(Node::as_text);
    let pairs = |key| -> Vec<(String, String)> {
        let entries = node.get(key).map_or(&[][..], Node::entries);
        let value = |node: &Node| node.as_text().unwrap_or_default().to_owned();
        entries.iter().map(|(key, node)| (key.text.clone(), value(node))).collect()
    };
    let form = pairs("form");
    let form: Vec<(&[u8], &[u8])> =
        form.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let sends = node.get("form").or(node.get("body")).is_some();
    let fails = node.get("fails").and_then(Node::as_bool).unwrap_or(false);
    let status = node.get("status").and_then(Node::as_integer);
    let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    Some(Canned {
        method: text("method").unwrap_or(if sends { "POST" } else { "GET" }).to_owned(),
        url: text("url")?.to_owned(),
        headers: pairs("headers"),
        body: match text("body") {
            Some(body) => body.as_bytes().to_vec(),
            None => form::encode_pairs(&form),
        },
        answer: if fails {
            Answer::Unavailable
        } else {
            let body = text("answer").unwrap_or_default().as_bytes().into();
            Answer::Given { status, body, cached: false }
        },
    })
}
