//! One compiled rule judges one inbound. No async, no clock, no environment, no disk, no log, no
//! YAML: everything that a verdict depends on is an argument.

mod asking;
pub mod bind;
pub mod canonical;
pub mod certificate;
pub mod charset;
pub mod cipher;
pub mod digest;
mod document;
pub mod encoding;
pub mod event;
pub mod exchange;
pub mod form;
mod guard;
pub mod http_signature;
pub mod inbound;
pub mod json;
pub mod jws;
pub mod money;
mod mtls;
pub mod net;
mod normalize;
pub mod pan;
pub mod params;
mod parts;
pub mod pattern;
pub mod pem;
pub mod plan;
mod proof;
pub mod reason;
mod reply;
mod request;
pub(crate) mod scope;
pub mod secret;
pub(crate) mod sign;
pub mod signature;
mod step;
mod tag;
pub mod time;
mod token;
pub mod value;
pub mod verdict;
pub mod xml;

use std::sync::Arc;

use asking::Stop;
use bind::CompiledRule;
use event::Strength;
use exchange::Answered;
use inbound::{Inbound, UnixSeconds};
use params::{BindError, Params};
use plan::{Plan, QuestionAt, ReplyPlan, ReplyPlans};
use reason::Reject;
use scope::{Room, Scope};
use secret::Secret;
use verdict::{Accepted, Verdict};

/// A rule with the parameters of one route: ready to judge.
pub struct Bound {
    gateway: Arc<str>,
    rule_hash: Arc<str>,
    plan: Arc<Plan>,
    params: Vec<Vec<Secret>>,
    proofs: Vec<proof::BoundProof>,
    max_ages: Vec<Option<i64>>,
    reply_tag: Option<tag::BoundTag>,
    question_tags: Vec<Option<tag::BoundTag>>,
    strength: Strength,
    keys: Vec<String>,
    judges_by: bind::JudgesBy,
}

impl Bound {
    /// Binds a rule to parameters, or says everything that is wrong with them.
    pub fn new(rule: &CompiledRule, params: &Params) -> Result<Self, Vec<BindError>> {
        Ok(Self::from_parts(rule, bind::bind(rule, params, bind::Taken::Fit)?))
    }

    /// Binds secrets that are empty, to see what a forger makes of them.
    pub(crate) fn with_empty_secrets(
        rule: &CompiledRule,
        params: &Params,
    ) -> Result<Self, Vec<BindError>> {
        Ok(Self::from_parts(rule, bind::bind(rule, params, bind::Taken::Empty)?))
    }

    /// Binds secrets that somebody has published, whatever they are.
    pub(crate) fn with_published_secrets(
        rule: &CompiledRule,
        params: &Params,
    ) -> Result<Self, Vec<BindError>> {
        Ok(Self::from_parts(rule, bind::bind(rule, params, bind::Taken::Published)?))
    }

    fn from_parts(rule: &CompiledRule, parts: bind::Parts) -> Self {
        let bind::Parts {
            plan,
            params,
            proofs,
            max_ages,
            reply_tag,
            question_tags,
            strength,
            keys,
            judges_by,
        } = parts;
        let (gateway, rule_hash) = (rule.gateway.as_str().into(), rule.hash.as_str().into());
        Self {
            gateway,
            rule_hash,
            plan,
            params,
            proofs,
            max_ages,
            reply_tag,
            question_tags,
            strength,
            keys,
            judges_by,
        }
    }

    /// Judges one inbound, with what the gateway has answered so far. Where the verdict is a
    /// question, ask it and judge again with the answer added.
    pub fn judge(&self, inbound: &Inbound<'_>, now: UnixSeconds, answers: &[Answered]) -> Verdict {
        match self.accept(inbound, now, answers) {
            Ok(accepted) => Verdict::Accepted(accepted),
            Err(Stop::Ask(exchange)) => Verdict::Ask(*exchange),
            Err(Stop::Reject(reject)) => Verdict::Rejected(reject),
        }
    }

    /// Whether it judges senders by certificates, which a listener must then ask for.
    pub fn wants_certificates(&self) -> bool {
        self.proofs.iter().any(|proof| matches!(proof, proof::BoundProof::Mtls(_)))
    }

    /// The straight line of a judgement.
    fn accept(
        &self,
        inbound: &Inbound<'_>,
        now: UnixSeconds,
        answers: &[Answered],
    ) -> Result<Accepted, Stop> {
        let Self { plan, params, proofs, max_ages, question_tags: tags, .. } = self;
        if let Some(answer) = reply::handshake(plan, tags, params, inbound, now)? {
            return Ok(answer);
        }
        let reading = request::read(&plan.request, params, inbound)?;
        let room = Room::new(plan.documents.len() + plan.exchanges.len());
        let scope = Scope { reading: &reading, params, room: &room, item: None, now };
        self.open_early(scope)?;
        if let Some(answer) = reply::question(plan, tags, unproved, scope, answers)? {
            return Ok(answer);
        }
        let verified = proof::check(proof::Proving { plan, proofs, max_ages, answers }, scope)?;
        if let Some(answer) = reply::question(plan, tags, proved, verified.scope(), answers)? {
            return Ok(answer);
        }
        let identity = normalize::Identity { gateway: &self.gateway, rule_hash: &self.rule_hash };
        let events = normalize::events(plan, &verified, &identity)?;
        let accepted = &plan.replies.accepted;
        let reply = reply::make(accepted, self.reply_tag.as_ref(), verified.scope())?;
        Ok(Accepted { events, reply, relayed: matches!(accepted, ReplyPlan::Relayed(_)) })
    }

    /// Opens the documents that a proof looks into.
    fn open_early<'s>(&'s self, scope: Scope<'s>) -> Result<(), Reject> {
        let documents = self.plan.documents.iter().enumerate();
        for (index, document) in documents.filter(|(_, document)| document.early) {
            document::open(document, index, scope)?;
        }
        Ok(())
    }

    /// What the gateway gets, per outcome.
    pub fn replies(&self) -> &ReplyPlans {
        &self.plan.replies
    }

    /// Every key that can match (`signing_secrets.0`), so that metrics know them from the start.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// What the proofs are worth for what money hangs on.
    pub fn strength(&self) -> Strength {
        self.strength
    }

    /// `sha256:` and the hex digest of the rule's text.
    pub fn rule_hash(&self) -> &str {
        &self.rule_hash
    }
}

fn unproved(at: &QuestionAt) -> Option<&plan::Condition> {
    match at {
        QuestionAt::Unproved(when) => Some(when),
        QuestionAt::Handshake(_) | QuestionAt::Proved(_) => None,
    }
}

fn proved(at: &QuestionAt) -> Option<&plan::Condition> {
    match at {
        QuestionAt::Proved(when) => Some(when),
        QuestionAt::Handshake(_) | QuestionAt::Unproved(_) => None,
    }
}
