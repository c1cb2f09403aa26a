//! `reply:` and `questions:` of a rule.

use std::sync::Arc;

use crate::engine::plan::{
    BodyKind, Question, QuestionAt, ReplyBody, ReplyPlan, ReplyPlans, RequestPlan,
};
use crate::engine::verdict::Reply;
use crate::rule::compile::condition::condition_of;
use crate::rule::compile::event::EventCompiler;
use crate::rule::compile::exchange::escape_for;
use crate::rule::compile::guards::guards;
use crate::rule::compile::names::Names;
use crate::rule::compile::proofs::made;
use crate::rule::compile::request::flag;
use crate::rule::compile::variants::Choices;
use crate::text::node::Node;

/// What the gateway is answered, per outcome.
pub(super) fn replies(root: &Node, names: &mut Names<'_>) -> ReplyPlans {
    let node = |key: &str| root.get("reply").and_then(|reply| reply.get(key));
    let empty = || Reply { status: 200, content_type: None, body: Vec::new() };
    let accepted = match node("accepted") {
        Some(node) => reply(node, 200, names),
        None => ReplyPlan::Fixed(Arc::new(empty())),
    };
    let mut plain = |key: &str, default: u16| {
        let node = node(key)?;
        let found = fixed(node, default);
        let is_success = (200..300).contains(&found.status);
        match key {
            "duplicate" if !is_success => {
                let message = "a callback that is known already is answered by a 2xx status";
                names.problems.add(node.place, message);
            }
            "duplicate" => {}
            _ if is_success && found.body.is_empty() => {
                let message = "a 2xx status without a body would be taken for success";
                names.problems.add(node.place, message);
            }
            _ => {}
        }
        for part in ["template", "sign", "relayed"] {
            if let Some(node) = node.get(part) {
                let message = format!("`{part}` has no place in `{key}`, which is always the same");
                names.problems.add(node.place, message);
            }
        }
        Some(Arc::new(found))
    };
    let duplicate = plain("duplicate", 200);
    let refused = plain("refused", 400);
    let try_again = plain("try_again", 503);
    ReplyPlans { accepted, duplicate, refused, try_again }
}

/// An answer to a callback that was accepted, or to a question.
fn reply(node: &Node, default: u16, names: &mut Names<'_>) -> ReplyPlan {
    let head = fixed(node, default);
    if !(200..300).contains(&head.status) {
        names.problems.add(node.place, "an accepted callback is answered by a 2xx status");
    }
    if flag(node, "relayed") {
        return ReplyPlan::Relayed(Arc::new(head));
    }
    let Some(template) = node.get("template") else { return ReplyPlan::Fixed(Arc::new(head)) };
    let escape = escape_for(head.content_type.as_deref().unwrap_or_default());
    let signer = node.get("sign").and_then(|node| node.entries().first());
    let tag = signer.and_then(|(kind, node)| made(&kind.text, node, None, names));
    names.has_signature = tag.is_some();
    let text = template.as_text().unwrap_or_default();
    let body = names.template(text, template.place, escape);
    names.has_signature = false;
    match body {
        Some(body) => ReplyPlan::Made(Box::new(ReplyBody { head, body, tag })),
        None => ReplyPlan::Fixed(Arc::new(head)),
    }
}

fn fixed(node: &Node, default: u16) -> Reply {
    let text = |key| node.get(key).and_then(Node::as_text);
    let status = node.get("status").and_then(Node::as_integer);
    Reply {
        status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or(default),
        content_type: text("content_type").map(str::to_owned),
        body: text("body").unwrap_or_default().as_bytes().to_vec(),
    }
}

/// A question that is read as a callback.
pub(super) fn question(
    node: &Node,
    choices: &Choices<'_>,
    events: &mut EventCompiler<'_, '_>,
) -> Option<Question> {
    let when = condition_of(node, "when", events.names);
    if when.is_none() && node.get("when").is_none() {
        let help = "`when: { field.PREREQUEST: '1' }`, or a `request` of its own";
        events.names.problems.add_with_help(node.place, "when is this a question?", help);
    }
    let at =
        if flag(node, "proved") { QuestionAt::Proved(when?) } else { QuestionAt::Unproved(when?) };
    finish(node, at, choices, events)
}

/// A question that looks like no callback from the start. Its own request has been read.
pub(super) fn handshake(
    node: &Node,
    request: RequestPlan,
    callback: &RequestPlan,
    choices: &Choices<'_>,
    events: &mut EventCompiler<'_, '_>,
) -> Option<Question> {
    if looks_like(&request, callback) {
        let message = "such a question cannot be told from a callback";
        let help = "give it another method or another `body`";
        events.names.problems.add_with_help(node.place, message, help);
    }
    if flag(node, "proved") {
        let message = "a question with a request of its own is not proved";
        events.names.problems.add(node.place, message);
    }
    finish(node, QuestionAt::Handshake(Box::new(request)), choices, events)
}

/// Whether something may be both. A GET without a body has no content type to tell it by.
fn looks_like(question: &RequestPlan, callback: &RequestPlan) -> bool {
    let told_by_type = matches!(
        (question.body, callback.body),
        (BodyKind::Form, BodyKind::Json) | (BodyKind::Json, BodyKind::Form)
    );
    let mut shared = question.methods.iter().filter(|method| callback.methods.contains(method));
    shared.any(|method| method == "GET" || !told_by_type)
}

fn finish(
    node: &Node,
    at: QuestionAt,
    choices: &Choices<'_>,
    events: &mut EventCompiler<'_, '_>,
) -> Option<Question> {
    let name = node.get("name").and_then(Node::as_text)?.to_owned();
    let guards = guards(node, choices, events).into_iter().map(|(guard, _)| guard).collect();
    let ask = match (node.get("ask"), &at) {
        (None, _) => None,
        (Some(asked), QuestionAt::Proved(_)) => Some(events.names.exchange(asked)?),
        (Some(asked), QuestionAt::Handshake(_) | QuestionAt::Unproved(_)) => {
            let message = "nobody makes us ask who has not proved himself";
            events.names.problems.add_with_help(asked.place, message, "add `proved: true`");
            None
        }
    };
    let reply = reply(node.get("reply")?, 200, events.names);
    Some(Question { name, at, guards, ask, reply })
}
