//! A rule meets the parameters of one route: the variant is chosen, keys are parsed and absorbed.
//! Whatever can be wrong with a key is found here, never while a request waits.

mod keys;
mod tokens;

use std::sync::Arc;

use crate::engine::event::Strength;
use crate::engine::params::{BindError, BindFault, ParamSpec, Params};
use crate::engine::plan::{Freshness, Limit, Plan, ReplyPlan};
use crate::engine::proof::BoundProof;
use crate::engine::secret::Secret;
use crate::engine::tag::BoundTag;

use keys::Binder;

/// A compiled rule: its parameters, and a plan for each way that choices among them can turn out.
#[derive(Clone, Debug)]
pub struct CompiledRule {
    /// Name of the rule.
    pub gateway: String,
    /// `sha256:` and the hex digest of the rule's text.
    pub hash: String,
    /// What an operator configures.
    pub params: Vec<ParamSpec>,
    /// Never empty.
    pub variants: Vec<Variant>,
}

/// The plan for some choices.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Index of a choice parameter, and its word here.
    pub choices: Vec<(usize, String)>,
    /// Indices of the parameters that this plan reads.
    pub needs: Vec<usize>,
    /// Those of them that a verdict hangs on, and not only the words of an answer.
    pub judges_by: JudgesBy,
    /// The plan.
    pub plan: Arc<Plan>,
    /// What its proofs are worth for what money hangs on.
    pub strength: StrengthPlan,
}

/// What the proofs of a variant are worth.
#[derive(Clone, Debug)]
pub struct StrengthPlan {
    /// The least, whatever the route configures.
    pub least: Strength,
    /// The parameter that chooses an algorithm, and what each of its words is worth.
    pub by_algorithm: Option<(usize, Vec<(String, Strength)>)>,
}

impl StrengthPlan {
    /// With the algorithms that a route allows.
    fn with(&self, params: &[Vec<Secret>]) -> Strength {
        let Some((index, words)) = &self.by_algorithm else { return self.least };
        let allowed = params.get(*index).map_or(&[][..], Vec::as_slice);
        let worth = |value: &Secret| {
            let found = words.iter().find(|(word, _)| word.as_bytes() == value.expose());
            found.map_or(self.least, |(_, strength)| *strength)
        };
        allowed.iter().map(worth).min().unwrap_or(self.least)
    }
}

/// Indices of the parameters that a verdict hangs on.
#[derive(Clone, Debug, Default)]
pub struct JudgesBy {
    /// Whatever the callback says.
    pub always: Vec<usize>,
    /// Only where the gateway is asked: they are read by its questions and by nothing else.
    pub asking: Vec<usize>,
}

/// The parts of a bound rule; `engine::Bound` wraps them.
pub(crate) struct Parts {
    pub(crate) plan: Arc<Plan>,
    pub(crate) params: Vec<Vec<Secret>>,
    pub(crate) proofs: Vec<BoundProof>,
    pub(crate) max_ages: Vec<Option<i64>>,
    pub(crate) reply_tag: Option<BoundTag>,
    pub(crate) question_tags: Vec<Option<BoundTag>>,
    pub(crate) strength: Strength,
    pub(crate) keys: Vec<String>,
    pub(crate) judges_by: JudgesBy,
}

/// Which secrets are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    /// Also empty ones: what a forger makes of them who hopes that ours is empty.
    Empty,
    /// Those that an operator may configure.
    Fit,
    /// Also placeholders: published test values are signed with words such as `secret`.
    Published,
}

/// Binds a rule, or says everything that is wrong with the parameters.
pub(crate) fn bind(
    rule: &CompiledRule,
    given: &Params,
    taken: Taken,
) -> Result<Parts, Vec<BindError>> {
    let mut errors = unknown(rule, given);
    let mut params: Vec<Vec<Secret>> = Vec::with_capacity(rule.params.len());
    for spec in &rule.params {
        params.push(resolve(spec, given, taken, &mut errors));
    }
    let Some(variant) = choose(rule, &params, &mut errors) else { return Err(errors) };
    for &index in &variant.needs {
        if let Some(spec) = rule.params.get(index)
            && params.get(index).is_none_or(Vec::is_empty)
            && !spec.optional
        {
            errors.push(BindError { param: spec.name.clone(), what: BindFault::Missing });
        }
    }
    errors.dedup();
    if !errors.is_empty() {
        return Err(errors);
    }
    let plan = Arc::clone(&variant.plan);
    let binder = Binder { specs: &rule.params, params: &params, exchanges: &plan.exchanges };
    let mut proofs = Vec::with_capacity(plan.proofs.len());
    for proof in &plan.proofs {
        match binder.proof(proof) {
            Ok(proof) => proofs.push(proof),
            Err(error) => errors.push(error),
        }
    }
    let mut tag_of = |reply: &ReplyPlan| match reply {
        ReplyPlan::Made(body) => body
            .tag
            .as_ref()
            .and_then(|tag| binder.tag(tag).inspect_err(|error| errors.push(error.clone())).ok()),
        ReplyPlan::Fixed(_) | ReplyPlan::Relayed(_) => None,
    };
    let reply_tag = tag_of(&plan.replies.accepted);
    let question_tags =
        plan.questions.iter().map(|question| tag_of(&question.reply)).collect::<Vec<_>>();
    if !errors.is_empty() {
        return Err(errors);
    }
    let seconds = |index: usize| {
        let text = params.get(index)?.first()?.expose();
        std::str::from_utf8(text).ok()?.parse().ok()
    };
    let max_age = |fresh: &Freshness| match fresh.limit {
        Limit::Within(index) => seconds(index),
        Limit::Ahead | Limit::Behind => None,
    };
    let max_ages = plan.fresh.iter().map(max_age).collect();
    let keys = key_names(&proofs);
    let judges_by = variant.judges_by.clone();
    let strength = variant.strength.with(&params);
    Ok(Parts {
        plan,
        params,
        proofs,
        max_ages,
        reply_tag,
        question_tags,
        strength,
        keys,
        judges_by,
    })
}

fn unknown(rule: &CompiledRule, given: &Params) -> Vec<BindError> {
    let known = |name: &str| rule.params.iter().any(|spec| spec.name == name);
    given
        .names()
        .filter(|name| !known(name))
        .map(|name| {
            let near = rule
                .params
                .iter()
                .map(|spec| (strsim::damerau_levenshtein(name, &spec.name), &spec.name))
                .min()
                .filter(|(distance, _)| *distance <= 3)
                .map(|(_, near)| near.clone());
            BindError { param: name.to_owned(), what: BindFault::Unknown(near) }
        })
        .collect()
}

fn resolve(
    spec: &ParamSpec,
    given: &Params,
    taken: Taken,
    errors: &mut Vec<BindError>,
) -> Vec<Secret> {
    let error = |what| BindError { param: spec.name.clone(), what };
    let values = given.values(&spec.name);
    if values.is_empty() {
        return spec.default.iter().map(|text| Secret::from(text.as_str())).collect();
    }
    if values.len() > 1 && !spec.list {
        errors.push(error(BindFault::NotAList));
    }
    for value in values {
        match (spec.check(value), taken) {
            (Ok(()), _)
            | (Err(BindFault::Empty), Taken::Empty)
            | (Err(BindFault::Placeholder), Taken::Published) => {}
            (Err(what), _) => errors.push(error(what)),
        }
    }
    values.to_vec()
}

fn choose<'r>(
    rule: &'r CompiledRule,
    params: &[Vec<Secret>],
    errors: &mut Vec<BindError>,
) -> Option<&'r Variant> {
    let chosen = |index: usize| params.get(index).and_then(|values| values.first());
    let found = rule.variants.iter().find(|variant| {
        variant
            .choices
            .iter()
            .all(|(index, word)| chosen(*index).is_some_and(|is| is.expose() == word.as_bytes()))
    });
    if found.is_none() && errors.is_empty() {
        let choices = rule.variants.first().map(|variant| variant.choices.as_slice());
        for (index, _) in choices.unwrap_or_default() {
            if let (None, Some(spec)) = (chosen(*index), rule.params.get(*index)) {
                errors.push(BindError { param: spec.name.clone(), what: BindFault::Missing });
            }
        }
    }
    found
}

fn key_names(proofs: &[BoundProof]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    for proof in proofs {
        match proof {
            BoundProof::Basic { proven, .. } | BoundProof::Source { proven, .. } => {
                add(&proven.key);
            }
            BoundProof::Confirm(confirm) => add(&confirm.proven.key),
            BoundProof::HttpSignature(bound) => {
                bound.keys.iter().for_each(|(_, proven)| add(&proven.key));
            }
            BoundProof::Jws(bound) => bound.keys.proven().for_each(|proven| add(&proven.key)),
            BoundProof::Mtls(bound) => add(&bound.proven.key),
            BoundProof::Token { values, .. } => {
                for (_, proven) in values {
                    add(&proven.key);
                }
            }
            BoundProof::Decrypt(decrypt) => add(&decrypt.proven.key),
            BoundProof::Tag(tag) => tag.alternatives.iter().for_each(|one| add(&one.proven.key)),
            BoundProof::FirstPresent(tags) => {
                tags.iter().flat_map(|tag| &tag.alternatives).for_each(|one| add(&one.proven.key));
            }
        }
    }
    names
}
