//! Answers that are made of the callback, and questions that are answered and say nothing.

use std::sync::Arc;

use crate::engine::asking::{self, Stop};
use crate::engine::exchange::Answered;
use crate::engine::guard;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::engine::plan::{Condition, Plan, Question, QuestionAt, Ref, ReplyPlan};
use crate::engine::reason::Reject;
use crate::engine::request;
use crate::engine::scope::{Room, Scope};
use crate::engine::secret::Secret;
use crate::engine::tag::BoundTag;
use crate::engine::verdict::{Accepted, Reply};

/// An answer for a callback that can be seen as `scope`.
pub(crate) fn make<'s>(
    plan: &'s ReplyPlan,
    tag: Option<&'s BoundTag>,
    scope: Scope<'s>,
) -> Result<Arc<Reply>, Reject> {
    let body = match plan {
        ReplyPlan::Fixed(reply) | ReplyPlan::Relayed(reply) => return Ok(Arc::clone(reply)),
        ReplyPlan::Made(body) => body,
    };
    let tag = match tag {
        Some(tag) => tag.sign(scope)?,
        None => None,
    };
    let Ref::Joined(parts) = &body.body.source else {
        return Ok(Arc::new(body.head.clone()));
    };
    let mut filled = Vec::new();
    for part in parts {
        match (&part.source, &tag) {
            (Ref::ReplyTag, Some(tag)) => filled.extend_from_slice(tag.as_bytes()),
            // What the callback does not say is left out of the answer.
            _ => filled.extend_from_slice(scope.bytes(part)?.as_deref().unwrap_or_default()),
        }
    }
    Ok(Arc::new(Reply { body: filled, ..body.head.clone() }))
}

/// Answers a request that is a handshake from the start.
pub(crate) fn handshake(
    plan: &Plan,
    tags: &[Option<BoundTag>],
    params: &[Vec<Secret>],
    inbound: &Inbound<'_>,
    now: UnixSeconds,
) -> Result<Option<Accepted>, Stop> {
    for (question, tag) in plan.questions.iter().zip(tags) {
        let QuestionAt::Handshake(wanted) = &question.at else { continue };
        let methods = &wanted.methods;
        if !methods.iter().any(|method| method == inbound.method)
            || request::media_type(wanted.body, inbound).is_err()
        {
            continue;
        }
        let reading = request::read(wanted, params, inbound)?;
        let room = Room::new(0);
        let scope = Scope { reading: &reading, params, room: &room, item: None, now };
        return answer(plan, question, tag.as_ref(), scope, &[]).map(Some);
    }
    Ok(None)
}

/// Answers what looks like a callback and is a question; `which` picks the kind of condition.
pub(crate) fn question<'s>(
    plan: &'s Plan,
    tags: &'s [Option<BoundTag>],
    which: impl Fn(&'s QuestionAt) -> Option<&'s Condition>,
    scope: Scope<'s>,
    answers: &'s [Answered],
) -> Result<Option<Accepted>, Stop> {
    for (question, tag) in plan.questions.iter().zip(tags) {
        if which(&question.at).is_some_and(|when| scope.holds(when)) {
            return answer(plan, question, tag.as_ref(), scope, answers).map(Some);
        }
    }
    Ok(None)
}

fn answer<'s>(
    plan: &'s Plan,
    question: &'s Question,
    tag: Option<&'s BoundTag>,
    scope: Scope<'s>,
    answers: &'s [Answered],
) -> Result<Accepted, Stop> {
    for check in &question.guards {
        guard::check(check, scope)?;
    }
    if let Some(exchange) = question.ask {
        asking::answered(plan, exchange, scope, answers)?;
    }
    let reply = make(&question.reply, tag, scope)?;
    Ok(Accepted { events: Vec::new(), reply, relayed: false })
}
