//! One compiled rule judges one inbound. No async, no clock, no environment, no disk, no log, no
//! YAML: everything that a verdict depends on is an argument.

pub mod bind;
pub mod canonical;
pub mod certificate;
pub mod cipher;
pub mod digest;
pub mod encoding;
pub mod event;
pub mod exchange;
pub mod form;
pub mod http_signature;
pub mod inbound;
pub mod json;
pub mod jws;
pub mod money;
mod normalize;
pub mod pan;
pub mod params;
pub mod pattern;
pub mod pem;
pub mod plan;
mod proof;
pub mod reason;
mod request;
mod scope;
pub mod secret;
mod sign;
pub mod signature;
pub mod time;
pub mod value;
pub mod verdict;

use std::sync::Arc;

use bind::CompiledRule;
use inbound::{Inbound, UnixSeconds};
use params::{BindError, Params};
use plan::{Freshness, Plan};
use reason::Reject;
use secret::Secret;
use verdict::{Accepted, Replies, Verdict};

/// A rule with the parameters of one route: ready to judge.
pub struct Bound {
    gateway: Arc<str>,
    rule_hash: Arc<str>,
    plan: Arc<Plan>,
    params: Vec<Vec<Secret>>,
    proofs: Vec<proof::BoundProof>,
    fresh: Vec<(Freshness, i64)>,
    keys: Vec<String>,
    needs: Vec<usize>,
}

impl Bound {
    /// Binds a rule to parameters, or says everything that is wrong with them.
    pub fn new(rule: &CompiledRule, params: &Params) -> Result<Self, Vec<BindError>> {
        Ok(Self::from_parts(rule, bind::bind(rule, params, bind::Empty::Refused)?))
    }

    /// Binds secrets that are empty, to see what a forger makes of them.
    pub(crate) fn with_empty_secrets(
        rule: &CompiledRule,
        params: &Params,
    ) -> Result<Self, Vec<BindError>> {
        Ok(Self::from_parts(rule, bind::bind(rule, params, bind::Empty::Taken)?))
    }

    fn from_parts(rule: &CompiledRule, parts: bind::Parts) -> Self {
        let bind::Parts { plan, params, proofs, max_ages, keys, needs } = parts;
        let fresh = plan.fresh.iter().cloned().zip(max_ages);
        let fresh = fresh.filter_map(|(fresh, max_age)| Some((fresh, max_age?))).collect();
        let (gateway, rule_hash) = (rule.gateway.as_str().into(), rule.hash.as_str().into());
        Self { gateway, rule_hash, plan, params, proofs, fresh, keys, needs }
    }

    /// Judges one inbound.
    pub fn judge(&self, inbound: &Inbound<'_>, now: UnixSeconds) -> Verdict {
        match self.accept(inbound, now) {
            Ok(accepted) => Verdict::Accepted(accepted),
            Err(reject) => Verdict::Rejected(reject),
        }
    }

    /// The straight line of a judgement.
    fn accept(&self, inbound: &Inbound<'_>, now: UnixSeconds) -> Result<Accepted, Reject> {
        let reading = request::read(&self.plan.request, inbound)?;
        let verified = proof::check(&self.proofs, &self.params, reading)?;
        normalize::check_fresh(&self.fresh, &self.params, &verified, now)?;
        let identity = normalize::Identity { gateway: &self.gateway, rule_hash: &self.rule_hash };
        let event = normalize::event(&self.plan, &self.params, &verified, &identity)?;
        Ok(Accepted { events: vec![event], reply: Arc::clone(&self.plan.replies.accepted) })
    }

    /// What the gateway gets, per outcome.
    pub fn replies(&self) -> &Replies {
        &self.plan.replies
    }

    /// Every key that can match (`signing_secrets.0`), so that metrics know them from the start.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// `sha256:` and the hex digest of the rule's text.
    pub fn rule_hash(&self) -> &str {
        &self.rule_hash
    }
}
