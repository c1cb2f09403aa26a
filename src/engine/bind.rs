//! A rule meets the parameters of one route: the variant is chosen, keys are parsed and absorbed.
//! Whatever can be wrong with a key is found here, never while a request waits.

use std::sync::Arc;

use crate::engine::certificate;
use crate::engine::cipher::Opener;
use crate::engine::digest::{HashAlgorithm, Hmacer};
use crate::engine::event::{Proven, Strength};
use crate::engine::net::Network;
use crate::engine::params::{BindError, BindFault, ParamKind, ParamSpec, Params};
use crate::engine::plan::{
    Algorithms, ExchangePlan, Expr, KeySource, Plan, Proof, Ref, ReplyPlan, Scheme, TagProof,
};
use crate::engine::proof::{
    Alternative, BoundConfirm, BoundDecrypt, BoundProof, BoundTag, FromCertificate, How,
};
use crate::engine::secret::Secret;
use crate::engine::signature::{PublicKey, SignatureAlgorithm};
use crate::engine::step;

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
    pub judges_by: Vec<usize>,
    /// The plan.
    pub plan: Arc<Plan>,
    /// What its proofs are worth for what money hangs on.
    pub strength: Strength,
}

/// The parts of a bound rule; `engine::Bound` wraps them.
pub(crate) struct Parts {
    pub(crate) plan: Arc<Plan>,
    pub(crate) params: Vec<Vec<Secret>>,
    pub(crate) proofs: Vec<BoundProof>,
    pub(crate) max_ages: Vec<Option<i64>>,
    pub(crate) reply_tag: Option<BoundTag>,
    pub(crate) question_tags: Vec<Option<BoundTag>>,
    pub(crate) keys: Vec<String>,
    pub(crate) judges_by: Vec<usize>,
}

/// What becomes of an empty secret. It is refused; only the breeder of forgeries wants to see what
/// somebody makes of it who hopes that it is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Empty {
    Refused,
    Taken,
}

/// Binds a rule, or says everything that is wrong with the parameters.
pub(crate) fn bind(
    rule: &CompiledRule,
    given: &Params,
    empty: Empty,
) -> Result<Parts, Vec<BindError>> {
    let mut errors = unknown(rule, given);
    let mut params: Vec<Vec<Secret>> = Vec::with_capacity(rule.params.len());
    for spec in &rule.params {
        params.push(resolve(spec, given, empty, &mut errors));
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
        ReplyPlan::Made(body) => body.tag.as_ref().and_then(|tag| {
            binder.tag(tag).inspect_err(|error| errors.push(error.clone())).ok()
        }),
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
    let max_ages = plan.fresh.iter().map(|fresh| seconds(fresh.max_age)).collect();
    let keys = key_names(&proofs);
    let judges_by = variant.judges_by.clone();
    Ok(Parts { plan, params, proofs, max_ages, reply_tag, question_tags, keys, judges_by })
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
    empty: Empty,
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
        match spec.check(value) {
            Err(BindFault::Empty) if empty == Empty::Taken => {}
            Err(what) => errors.push(error(what)),
            Ok(()) => {}
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

struct Binder<'b> {
    specs: &'b [ParamSpec],
    params: &'b [Vec<Secret>],
    exchanges: &'b [ExchangePlan],
}

impl Binder<'_> {
    fn proof(&self, proof: &Proof) -> Result<BoundProof, BindError> {
        match proof {
            Proof::Basic { user, password } => {
                let one = |expr: &Expr| -> Result<Secret, BindError> {
                    let keys = self.keys(expr)?.into_iter().next();
                    keys.map(|(_, secret)| secret)
                        .ok_or_else(|| self.fault(expr, "expected one value".to_owned()))
                };
                let (name, password_value) = self
                    .keys(password)?
                    .into_iter()
                    .next()
                    .ok_or_else(|| self.fault(password, "expected a password".to_owned()))?;
                let user = one(user)?;
                let pair = [user.expose(), b":", password_value.expose()].concat();
                let proven = proven("basic", name, Strength::Weak);
                Ok(BoundProof::Basic { credentials: Secret::new(pair), proven })
            }
            Proof::Confirm { exchange, when, vouches: _ } => {
                let name = self.exchanges.get(*exchange).map_or("", |exchange| &exchange.name);
                let proven = proven("confirmed", name.to_owned(), Strength::Strong);
                let (exchange, when) = (*exchange, when.clone());
                Ok(BoundProof::Confirm(BoundConfirm { exchange, when, proven }))
            }
            Proof::Source { networks, proxies } => {
                let name =
                    self.specs.get(*networks).map_or_else(String::new, |spec| spec.name.clone());
                Ok(BoundProof::Source {
                    networks: self.networks(*networks),
                    proxies: proxies.map_or_else(Vec::new, |index| self.networks(index)),
                    proven: proven("source", name, Strength::Weak),
                })
            }
            Proof::Token { place, secret } => {
                let values = self.keys(secret)?.into_iter();
                let values = values
                    .map(|(name, secret)| (secret, proven("token", name, Strength::Weak)))
                    .collect();
                Ok(BoundProof::Token { place: place.clone(), values })
            }
            Proof::Tag(tag) => self.tag(tag).map(BoundProof::Tag),
            Proof::FirstPresent(tags) => tags
                .iter()
                .map(|tag| self.tag(tag))
                .collect::<Result<_, _>>()
                .map(BoundProof::FirstPresent),
            Proof::Decrypt { cipher, from, key } => {
                let (name, bytes) = self
                    .keys(key)?
                    .into_iter()
                    .next()
                    .ok_or_else(|| self.fault(key, "expected a key".to_owned()))?;
                let expected = format!("expected a key of {} bytes", cipher.key_bytes());
                let opener = Opener::new(*cipher, bytes.expose())
                    .ok_or_else(|| self.fault(key, expected))?;
                let proven = proven(cipher.as_str(), name, Strength::Strong);
                Ok(BoundProof::Decrypt(BoundDecrypt { from: from.clone(), proven, opener }))
            }
        }
    }

    fn tag(&self, tag: &TagProof) -> Result<BoundTag, BindError> {
        let mut alternatives = Vec::new();
        match &tag.scheme {
            Scheme::Digest(algorithms) => {
                for (position, name) in self.secrets_of(tag) {
                    for algorithm in self.algorithms(algorithms)? {
                        let strength = algorithm.digest_strength();
                        let proven = proven(algorithm.digest_kind(), name.clone(), strength);
                        let how = How::Digest(algorithm, position);
                        alternatives.push(Alternative { proven, how });
                    }
                }
            }
            Scheme::Hmac { algorithms, key } => {
                for (position, (name, bytes)) in self.keys(key)?.into_iter().enumerate() {
                    for algorithm in self.algorithms(algorithms)? {
                        let strength = algorithm.hmac_strength();
                        let proven = proven(algorithm.hmac_kind(), name.clone(), strength);
                        let hmacer = Hmacer::new(algorithm, bytes.expose());
                        let how = How::Hmac(Box::new(hmacer), position);
                        alternatives.push(Alternative { proven, how });
                    }
                }
            }
            Scheme::Signature { algorithm, key: KeySource::Param(key) } => {
                for (name, text) in self.keys(key)? {
                    let public = PublicKey::from_text(*algorithm, text.expose())
                        .map_err(|expected| self.fault(key, expected))?;
                    let proven = proven(algorithm.as_str(), name, tag.strength(*algorithm));
                    alternatives.push(Alternative { proven, how: How::Signature(public) });
                }
            }
            Scheme::Signature { algorithm, key: KeySource::Certificate { .. } } => {
                alternatives.extend(self.certificate(tag, *algorithm)?);
            }
        }
        let of_items = tag.is_of_items();
        Ok(BoundTag { tag: tag.clone(), of_items, alternatives })
    }

    fn certificate(
        &self,
        tag: &TagProof,
        algorithm: SignatureAlgorithm,
    ) -> Result<Option<Alternative>, BindError> {
        let Scheme::Signature { key: KeySource::Certificate { exchange, roots, intermediates, common_name }, .. } =
            &tag.scheme
        else {
            return Ok(None);
        };
        let texts = |index: usize| -> Vec<&[u8]> {
            let values = self.params.get(index).map_or(&[][..], Vec::as_slice);
            values.iter().map(Secret::expose).collect()
        };
        let intermediates = intermediates.map_or_else(Vec::new, texts);
        let trust = certificate::Trust::from_pem(texts(*roots), intermediates)
        .map_err(|expected| self.error(*roots, expected))?;
        let from = FromCertificate {
            exchange: *exchange,
            algorithm,
            trust,
            name: certificate::Names::CommonName(common_name.clone()),
        };
        let name = self.exchanges.get(*exchange).map_or("", |exchange| &exchange.name);
        let proven = proven(algorithm.as_str(), name.to_owned(), tag.strength(algorithm));
        Ok(Some(Alternative { proven, how: How::Certificate(Box::new(from)) }))
    }

    fn networks(&self, index: usize) -> Vec<Network> {
        // Each has been checked as a value of its parameter.
        let values = self.params.get(index).map_or(&[][..], Vec::as_slice);
        values
            .iter()
            .filter_map(|value| Network::parse(std::str::from_utf8(value.expose()).ok()?))
            .collect()
    }

    fn algorithms(&self, algorithms: &Algorithms) -> Result<Vec<HashAlgorithm>, BindError> {
        match algorithms {
            Algorithms::Fixed(algorithm) => Ok(vec![*algorithm]),
            Algorithms::Param(index) => self
                .params
                .get(*index)
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .map(|word| {
                    std::str::from_utf8(word.expose())
                        .ok()
                        .and_then(HashAlgorithm::from_word)
                        .ok_or_else(|| self.error(*index, "expected an algorithm".to_owned()))
                })
                .collect(),
        }
    }

    /// Position and name of each value of the secret among the parts of a digest.
    fn secrets_of(&self, tag: &TagProof) -> Vec<(usize, String)> {
        let secret = tag.values().into_iter().find_map(|expr| match &expr.source {
            Ref::Param(index) => {
                let spec = self.specs.get(*index)?;
                (spec.kind == ParamKind::Secret).then_some((*index, spec))
            }
            _ => None,
        });
        let Some((index, spec)) = secret else { return Vec::new() };
        let values = self.params.get(index).map_or(0, Vec::len);
        (0..values).map(|position| (position, name_of(spec, position))).collect()
    }

    /// Every value of a key, its steps applied, under its name.
    fn keys(&self, key: &Expr) -> Result<Vec<(String, Secret)>, BindError> {
        let Ref::Param(index) = key.source else { return Ok(Vec::new()) };
        let (Some(spec), Some(values)) = (self.specs.get(index), self.params.get(index)) else {
            return Ok(Vec::new());
        };
        let mut keys = Vec::with_capacity(values.len());
        for (position, value) in values.iter().enumerate() {
            let start = std::borrow::Cow::Borrowed(value.expose());
            let bytes = key
                .steps
                .iter()
                .try_fold(start, |bytes, step| step::apply(step, bytes))
                .ok_or_else(|| self.error(index, format!("does not fit `{}`", key.text)))?;
            keys.push((name_of(spec, position), Secret::new(bytes.into_owned())));
        }
        Ok(keys)
    }

    fn fault(&self, key: &Expr, expected: String) -> BindError {
        match key.source {
            Ref::Param(index) => self.error(index, expected),
            _ => BindError { param: key.text.to_string(), what: BindFault::Malformed(expected) },
        }
    }

    fn error(&self, index: usize, expected: String) -> BindError {
        let param = self.specs.get(index).map_or_else(String::new, |spec| spec.name.clone());
        BindError { param, what: BindFault::Malformed(expected) }
    }
}

fn proven(kind: &'static str, key: String, strength: Strength) -> Proven {
    Proven { kind, key: key.into(), strength }
}

/// `private_key`, or `signing_secrets.0` of a list.
fn name_of(spec: &ParamSpec, position: usize) -> String {
    if spec.list { format!("{}.{position}", spec.name) } else { spec.name.clone() }
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
            BoundProof::Basic { proven, .. } | BoundProof::Source { proven, .. } => add(&proven.key),
            BoundProof::Confirm(confirm) => add(&confirm.proven.key),
            BoundProof::Token { values, .. } => {
                values.iter().for_each(|(_, proven)| add(&proven.key));
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
