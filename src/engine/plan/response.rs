//! What the gateway is answered, and requests that are answered and say nothing.

use std::sync::Arc;

use crate::engine::plan::{Condition, Expr, Guard, RequestPlan, TagProof};
use crate::engine::verdict::Reply;

/// A handshake, a prerequest, a challenge: it must be answered and yields no event.
#[derive(Clone, Debug)]
pub struct Question {
    /// What logs call it.
    pub name: String,
    /// When it is one.
    pub at: QuestionAt,
    /// What must hold, or it is refused.
    pub guards: Vec<Guard>,
    /// The exchange that must be answered before it is. Only of a proved question: nobody else
    /// makes us ask.
    pub ask: Option<usize>,
    /// The answer.
    pub reply: ReplyPlan,
}

/// When a request is a question.
#[derive(Clone, Debug)]
pub enum QuestionAt {
    /// It looks so from the start; nothing of it is proved.
    Handshake(Box<RequestPlan>),
    /// It is read as a callback and this holds; nothing of it is proved.
    Unproved(Condition),
    /// It is a proved callback and this holds.
    Proved(Condition),
}

/// The answers of a rule.
#[derive(Clone, Debug)]
pub struct ReplyPlans {
    /// The events are safe: do not send this again.
    pub accepted: ReplyPlan,
    /// The events were safe before: the gateway repeats itself. `None`: as accepted.
    pub duplicate: Option<Arc<Reply>>,
    /// Refused. `None`: the status of the reason's class and the constant body.
    pub refused: Option<Arc<Reply>>,
    /// Not now: send it again. `None`: 503 with `Retry-After`.
    pub try_again: Option<Arc<Reply>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub enum ReplyPlan {
    /// Always the same.
    Fixed(Arc<Reply>),
    /// Made of the callback.
    Made(Box<ReplyBody>),
    /// What the upstream has answered; this, where it has not said anything.
    Relayed(Arc<Reply>),
}

/// How an answer is made.
#[derive(Clone, Debug)]
pub struct ReplyBody {
    /// Status and content type; its body is not looked at.
    pub head: Reply,
    /// The body; its inserts are escaped for the content type.
    pub body: Expr,
    /// What [`crate::engine::plan::Ref::ReplyTag`] is.
    pub tag: Option<TagProof>,
}
