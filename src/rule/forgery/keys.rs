//! The same callback on another route: other keys, an empty key, another account.

use crate::engine::Bound;
use crate::engine::bind::CompiledRule;
use crate::engine::params::{ParamKind, ParamSpec, Params};
use crate::engine::plan::{Check, Expr, Plan, Ref};
use crate::engine::secret::Secret;
use crate::rule::request::Request;
use crate::rule::sign;

use super::{Breeder, Must};

/// A public key that no gateway has: RSA, 2048 bits, its private half thrown away.
const STRANGERS_KEY: &str = include_str!("stranger.pem");

impl Breeder<'_> {
    /// Other keys, an empty key, another account.
    pub(super) fn keys(&mut self, rule: &CompiledRule) {
        let request = self.example.request.clone();
        // Of names that may occur, others may.
        let Plan { request: wanted, documents, .. } = self.bound.plan();
        let all =
            wanted.closed.iter().chain(documents.iter().filter_map(|one| one.closed.as_ref()));
        let closed: Vec<usize> = all.filter_map(|closed| closed.param).collect();
        let asks = !self.example.canned.is_empty();
        for index in self.bound.judges_by(asks).filter(|index| !closed.contains(index)) {
            let Some(spec) = rule.params.get(index) else { continue };
            let name = spec.name.as_str();
            // Not configured, and only looked at where the callback has something to compare.
            if self.example.params.values(name).is_empty() && self.is_conditional(index) {
                continue;
            }
            let changed = [in_front, at_the_end].into_iter().find_map(|change| {
                let mut params = self.example.params.clone();
                params.set(name, self.others(spec, change)?);
                for spec in self.alternatives(index).filter_map(|index| rule.params.get(index)) {
                    params.set(&spec.name, self.others(spec, change).unwrap_or_default());
                }
                // What does not fit the pattern of the parameter is no other value of it.
                Bound::new(rule, &params).ok()
            });
            if let Some(other) = changed {
                self.judge(&other, Must::BeRejected, &request, self.example.at, || {
                    format!("judged with another `{name}`")
                });
            }
            if spec.kind == ParamKind::Secret {
                self.empty_key(rule, name);
            }
        }
    }

    fn empty_key(&mut self, rule: &CompiledRule, name: &str) {
        let mut params: Params = self.example.params.clone();
        params.set(name, vec![Secret::new(Vec::new())]);
        if Bound::new(rule, &params).is_ok() {
            self.accepted.push(format!("`{name}` may be empty"));
        }
        // What somebody would sign who hopes that ours is empty.
        if let Ok(empty) = Bound::with_empty_secrets(rule, &params) {
            let mut request = self.example.request.clone();
            let mut real = request.clone();
            // A key that signs no callback, as of questions, leaves it genuine when it is empty.
            let mut is_genuine = |forged: &Request| {
                sign::sign(self.bound, &mut real, None).is_ok() && real == *forged
            };
            if sign::sign(&empty, &mut request, None).is_ok() && !is_genuine(&request) {
                self.attempt(Must::BeRejected, &request, || {
                    format!("signed with an empty `{name}`")
                });
            }
        }
    }

    /// Values that are not the example's; `None`: another one may do as well.
    fn others(&self, spec: &ParamSpec, change: fn(&[u8]) -> Vec<u8>) -> Option<Vec<Secret>> {
        let given = self.example.params.values(&spec.name);
        Some(match spec.kind {
            ParamKind::Secret | ParamKind::Text if given.is_empty() => vec!["other".into()],
            ParamKind::Secret | ParamKind::Text => {
                given.iter().map(|value| Secret::new(change(value.expose()))).collect()
            }
            ParamKind::PublicKey => vec![STRANGERS_KEY.into()],
            ParamKind::Certificate
            | ParamKind::Choice(_)
            | ParamKind::Network
            | ParamKind::Seconds
            | ParamKind::Url => return None,
        })
    }

    /// Whether a guard looks at it only where some condition holds.
    fn is_conditional(&self, index: usize) -> bool {
        self.bound.plan().guards.iter().any(|guard| {
            let mut places = guard.checked().into_iter().flat_map(Expr::places);
            guard.when.is_some() && places.any(|place| *place == Ref::Param(index))
        })
    }

    /// Parameters of which one alone would do beside that one: they are all another's.
    fn alternatives(&self, index: usize) -> impl Iterator<Item = usize> {
        let guards = self.bound.plan().guards.iter();
        let listed = guards.filter_map(|guard| match &guard.check {
            Check::Among(pairs) => Some(pairs.iter().filter_map(|(_, param)| match param.source {
                Ref::Param(index) => Some(index),
                _ => None,
            })),
            Check::Amounts(_) | Check::Equal(..) | Check::Holds(_) => None,
        });
        let listed = listed.filter(move |all| all.clone().any(|listed| listed == index)).flatten();
        listed.filter(move |listed| *listed != index)
    }
}

/// One byte more. In front: where a key is cut to a length, what is appended would be cut off.
fn in_front(value: &[u8]) -> Vec<u8> {
    [b"x", value].concat()
}

/// Another last letter or digit, for values of which a pattern says what they look like.
fn at_the_end(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if let Some(last) = value.iter_mut().rfind(|byte| byte.is_ascii_alphanumeric()) {
        *last = match *last {
            b'9' => b'0',
            b'Z' => b'A',
            b'z' => b'a',
            byte => byte + 1,
        };
    }
    value
}
