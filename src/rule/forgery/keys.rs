//! The same bytes under other keys, for another account, at another time.

use crate::engine::Bound;
use crate::engine::params::{ParamKind, ParamSpec, Params};
use crate::engine::plan::{
    AmountFact, Check, Expr, Facts, JwsKey, JwsPlan, KeySource, Limit, Outcome, Plan, Proof, Ref,
    Scheme,
};
use crate::engine::secret::Secret;
use crate::rule::coverage;
use crate::rule::forgery::{Breeder, Must, Trial};
use crate::rule::request::Request;
use crate::rule::sign;

/// Public keys that no gateway has: their private halves were thrown away. One of each kind.
const STRANGERS_KEYS: [&str; 4] = [
    include_str!("stranger/rsa.pem"),
    include_str!("stranger/p256.pem"),
    include_str!("stranger/p384.pem"),
    include_str!("stranger/ed25519.pem"),
];

/// A certificate that has certified nothing, and never will.
const STRANGERS_ROOT: &str = include_str!("stranger/root.pem");

/// A network that no example has.
const STRANGERS_NETWORK: &str = "203.0.113.77/32";

/// Scheme and host that no example has.
const STRANGERS_URL: &str = "https://stranger.example";

/// Characters of a value that are changed one by one, until what comes out is a value as well.
const CHANGED_MAX: usize = 64;

/// Longer than any certificate or token is good for: fifty years, in seconds.
const AGES: i64 = 50 * 365 * 86_400;

impl Breeder<'_> {
    /// The same bytes long after, and long before.
    pub(super) fn times(&mut self) {
        for max_age in self.bound.max_ages() {
            self.at(2 * max_age + 1, "judged too late");
            self.at(-2 * max_age - 1, "judged too early");
        }
        if self.plan.fresh.iter().any(|fresh| fresh.limit == Limit::Ahead) {
            self.at(AGES, "judged after its end");
        }
        if self.plan.fresh.iter().any(|fresh| fresh.limit == Limit::Behind) {
            self.at(-AGES, "judged before its beginning");
        }
        if !roots(self.plan).is_empty() {
            self.at(AGES, "judged after the end of every certificate");
            self.at(-AGES, "judged before any certificate was made");
        }
    }

    fn at(&mut self, seconds: i64, what: &str) {
        let at = self.example.at.saturating_add(seconds);
        self.judge(Must::BeRejected, &Trial { at, ..self.genuine() }, || what.to_owned());
    }

    /// Other keys, an empty key, another account.
    pub(super) fn keys(&mut self) {
        // Of names that may occur, others may.
        let documents = self.plan.documents.iter().filter_map(|one| one.closed.as_ref());
        let all = self.plan.request.closed.iter().chain(documents);
        let closed: Vec<usize> = all.filter_map(|closed| closed.param).collect();
        let asks = !self.example.canned.is_empty();
        for index in self.bound.judges_by(asks).filter(|index| !closed.contains(index)) {
            self.key(index);
        }
    }

    fn key(&mut self, index: usize) {
        let Some(spec) = self.rule.params.get(index) else { return };
        let name = spec.name.as_str();
        // Not configured, and only looked at where the callback has something to compare.
        if self.example.params.values(name).is_empty() && self.is_conditional(index) {
            return;
        }
        let must = match spec.kind {
            ParamKind::PublicKey | ParamKind::Secret | ParamKind::Text => Must::BeRejected,
            ParamKind::Certificate if roots(self.plan).contains(&index) => Must::BeRejected,
            ParamKind::Network if is_source(self.plan, index) => Must::BeRejected,
            // Nothing need hang on it.
            ParamKind::Certificate | ParamKind::Network | ParamKind::Url => Must::ChangeNothing,
            ParamKind::Choice(_) | ParamKind::Seconds => return,
        };
        let found = self.others(index).into_iter().find_map(|params| {
            let bound = Bound::new(self.rule, &params).ok()?;
            Some(bound)
        });
        let is_key =
            matches!(spec.kind, ParamKind::Certificate | ParamKind::PublicKey | ParamKind::Secret);
        match found {
            Some(other) => {
                let trial = Trial { bound: &other, ..self.genuine() };
                self.judge(must, &trial, || format!("judged with another `{name}`"));
            }
            None if is_key => {
                let example = &self.example.name;
                self.complaints.push(format!(
                    "nobody can tell whether example `{example}` holds under another `{name}`: no \
                     key of a stranger fits"
                ));
            }
            None => {}
        }
        if spec.kind == ParamKind::Secret {
            self.empty_key(name);
        }
    }

    /// The example's parameters with others in the place of one: the first that fit count.
    fn others(&self, index: usize) -> Vec<Params> {
        let Some(spec) = self.rule.params.get(index) else { return Vec::new() };
        let given = self.example.params.values(&spec.name);
        let with = |name: &str, value: Secret| {
            let mut params = self.example.params.clone();
            params.set(name, vec![value]);
            params
        };
        let one = |text: &str| vec![with(&spec.name, text.into())];
        match spec.kind {
            ParamKind::Certificate => one(STRANGERS_ROOT),
            ParamKind::Network => one(STRANGERS_NETWORK),
            ParamKind::Url => one(STRANGERS_URL),
            ParamKind::PublicKey => {
                STRANGERS_KEYS.iter().map(|key| with(&spec.name, (*key).into())).collect()
            }
            ParamKind::Choice(_) | ParamKind::Seconds => Vec::new(),
            ParamKind::Secret | ParamKind::Text => {
                // What the currency is, the operator says; nothing in a message need agree.
                let most = if is_currency(self.plan, index) { 1 } else { usize::MAX };
                let changes = |change: usize| {
                    let mut params = self.example.params.clone();
                    for name in self.together(index) {
                        let given = self.example.params.values(name);
                        let changed: Option<Vec<Secret>> =
                            given.iter().map(|value| changed(value.expose(), change)).collect();
                        params.set(name, changed?);
                    }
                    if given.is_empty() {
                        params.set(&*spec.name, vec!["other".into()]);
                    }
                    Some(params)
                };
                (0..=CHANGED_MAX).take(most).filter_map(changes).collect()
            }
        }
    }

    /// Whether a guard looks at it only where some condition holds.
    fn is_conditional(&self, index: usize) -> bool {
        self.plan.guards.iter().any(|guard| {
            let mut places = guard.checked().into_iter().flat_map(Expr::places);
            guard.when.is_some() && places.any(|place| *place == Ref::Param(index))
        })
    }

    /// The name of a parameter, and of those beside it of which one must agree.
    fn together(&self, index: usize) -> Vec<&str> {
        let mut all = vec![index];
        for guard in &self.plan.guards {
            let Check::Among(pairs) = &guard.check else { continue };
            let listed = pairs.iter().filter_map(|(_, param)| match param.source {
                Ref::Param(index) => Some(index),
                _ => None,
            });
            let listed: Vec<usize> = listed.collect();
            if listed.contains(&index) {
                all.extend(listed);
            }
        }
        let names = all.into_iter().filter_map(|index| self.rule.params.get(index));
        names.map(|spec| spec.name.as_str()).collect()
    }

    fn empty_key(&mut self, name: &str) {
        let mut params: Params = self.example.params.clone();
        params.set(name, vec![Secret::new(Vec::new())]);
        if Bound::new(self.rule, &params).is_ok() {
            self.complaints.push(format!("`{name}` may be empty"));
        }
        // What somebody would sign who hopes that ours is empty.
        if proves(self.plan, name, &self.rule.params)
            && let Ok(empty) = Bound::with_empty_secrets(self.rule, &params)
        {
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
}

/// Another value: with something in front (where a key is cut to a length, what is appended would be
/// cut off), or with one character made the next of its kind.
fn changed(value: &[u8], change: usize) -> Option<Secret> {
    let Some(position) = change.checked_sub(1) else {
        return Some(Secret::new([b"x", value].concat()));
    };
    let mut value = value.to_vec();
    let byte = value.get_mut(position)?;
    *byte = match *byte {
        b'9' => b'0',
        b'z' => b'a',
        b'Z' => b'A',
        // Hex ends here.
        b'f' => b'e',
        b'F' => b'E',
        byte if byte.is_ascii_alphanumeric() => byte + 1,
        _ => return None,
    };
    Some(Secret::new(value))
}

/// The parameters that list trusted roots.
fn roots(plan: &Plan) -> Vec<usize> {
    let of_tags = plan.proofs.iter().flat_map(coverage::tags).filter_map(|tag| match &tag.scheme {
        Scheme::Signature { key: KeySource::Certificate { roots, .. }, .. } => Some(*roots),
        _ => None,
    });
    let of_tokens = plan.proofs.iter().filter_map(|proof| match proof {
        Proof::Jws(token) => match &token.key {
            JwsKey::X5c { roots, .. } => Some(*roots),
            JwsKey::Param(_) | JwsKey::Set(_) => None,
        },
        Proof::Mtls(plan) => Some(plan.roots),
        _ => None,
    });
    of_tags.chain(of_tokens).collect()
}

/// Whether a proof that stands in the request is made with it.
fn proves(plan: &Plan, name: &str, params: &[ParamSpec]) -> bool {
    let is = |expr: &Expr| match expr.source {
        Ref::Param(index) => params.get(index).is_some_and(|spec| spec.name == name),
        _ => false,
    };
    let by_tag = plan.proofs.iter().flat_map(coverage::tags).any(|tag| {
        let key = match &tag.scheme {
            Scheme::Hmac { key, .. } | Scheme::Signature { key: KeySource::Param(key), .. } => {
                Some(key)
            }
            Scheme::Digest(_) | Scheme::Signature { key: KeySource::Certificate { .. }, .. } => {
                None
            }
        };
        key.is_some_and(is) || tag.values().into_iter().any(is)
    });
    by_tag
        || plan.proofs.iter().any(|proof| match proof {
            Proof::Basic { user, password } => is(user) || is(password),
            Proof::Decrypt { key, .. } | Proof::Jws(JwsPlan { key: JwsKey::Param(key), .. }) => {
                is(key)
            }
            Proof::HttpSignature(plan) => is(&plan.key),
            Proof::Token { secret, .. } => is(secret),
            Proof::Confirm { .. }
            | Proof::FirstPresent(_)
            | Proof::Jws(_)
            | Proof::Mtls(_)
            | Proof::Source { .. }
            | Proof::Tag(_) => false,
        })
}

fn is_source(plan: &Plan, index: usize) -> bool {
    let is = |proof: &Proof| matches!(proof, Proof::Source { networks, .. } if *networks == index);
    plan.proofs.iter().any(is)
}

fn is_currency(plan: &Plan, index: usize) -> bool {
    let of = |facts: &Facts| {
        let Facts { amount, refunded_of, refunded_amount, settlement_amount, fee, .. } = facts;
        let all = [amount, refunded_of, refunded_amount, settlement_amount, fee];
        let is =
            |fact: &&AmountFact| fact.currency.iter().any(|expr| expr.source == Ref::Param(index));
        all.into_iter().flatten().any(|fact| is(&fact))
    };
    match &plan.event.outcome {
        Outcome::Cases { cases, common } => of(common) || cases.iter().any(|case| of(&case.facts)),
        Outcome::Map { facts, .. } => of(facts),
    }
}
