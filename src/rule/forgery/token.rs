//! Forgeries of signed tokens and of signatures over the message, and judging outside of the time
//! that they are for.

use crate::engine::encoding::Encoding;
use crate::engine::http_signature::Component;
use crate::engine::plan::{HttpSignaturePlan, JwsPlan, Limit, Plan, Proof};
use crate::rule::forgery::change::flips;
use crate::rule::forgery::{Breeder, Must};
use crate::rule::sign;

/// Later than any token ends.
const LATEST: i64 = 253_402_300_799;

impl Breeder<'_> {
    pub(super) fn tokens(&mut self, plan: &Plan) {
        for proof in &plan.proofs {
            match proof {
                Proof::Jws(token) => self.token(plan, token),
                Proof::HttpSignature(signature) => self.http_signature(signature),
                Proof::Basic { .. }
                | Proof::Confirm { .. }
                | Proof::Decrypt { .. }
                | Proof::FirstPresent(_)
                | Proof::Source { .. }
                | Proof::Tag(_)
                | Proof::Token { .. } => {}
            }
        }
    }

    fn token(&mut self, plan: &Plan, token: &JwsPlan) {
        let place = &token.token;
        let Some(value) = sign::value_of(&self.example.request, plan, place) else { return };
        let mut forgeries: Vec<(Vec<u8>, String)> = flips(&value)
            .map(|(position, changed)| (changed, format!("byte {position} changed")))
            .collect();
        for (changed, what) in unsigned(&value) {
            forgeries.push((changed, what.to_owned()));
        }
        for (changed, what) in forgeries {
            let mut request = self.example.request.clone();
            sign::put_bare(&mut request, plan, place, &changed);
            self.attempt(Must::BeRejected, &request, || format!("`{}` with {what}", place.text));
        }
    }

    fn http_signature(&mut self, signature: &HttpSignaturePlan) {
        let original = &self.example.request;
        let covered = signature.components.iter().filter_map(|component| match component {
            Component::Field(name) => Some(name.as_str()),
            _ => None,
        });
        for name in covered.chain(["signature", "signature-input"]) {
            let mut request = original.clone();
            request.headers.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
            self.attempt(Must::BeRejected, &request, || format!("`header.{name}` dropped"));
            let mut request = original.clone();
            let Some(value) = request.header_mut(name).map(|value| value.clone()) else { continue };
            for (position, changed) in flips(&value) {
                if let Some(found) = request.header_mut(name) {
                    *found = changed;
                }
                self.attempt(Must::BeRejected, &request, || {
                    format!("byte {position} of `header.{name}` changed")
                });
            }
        }
    }

    /// The same bytes when they are no longer, or not yet, to be taken.
    pub(super) fn ends(&mut self, plan: &Plan) {
        let request = self.example.request.clone();
        for fresh in &plan.fresh {
            let (at, what) = match fresh.limit {
                Limit::Ahead => (LATEST, "judged after its end"),
                Limit::Behind => (0, "judged before its beginning"),
                Limit::Within(_) => continue,
            };
            self.judge(self.bound, Must::BeRejected, &request, at, || what.to_owned());
        }
    }
}

/// The token without its signature, or with a header that wants none, or another kind.
fn unsigned(value: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    // What is stripped before the token (`Bearer `) ends with a blank.
    let start = value.iter().rposition(|&byte| byte == b' ').map_or(0, |blank| blank + 1);
    let (before, token) = value.split_at(start);
    let parts: Vec<&[u8]> = token.split(|&byte| byte == b'.').collect();
    let [header, claims, signature] = parts.as_slice() else { return Vec::new() };
    let written = |json: &[u8]| Encoding::Base64UrlNoPad.encode(json).into_bytes();
    let (none, hmac) = (written(br#"{"alg":"none"}"#), written(br#"{"alg":"HS256"}"#));
    let join = |parts: &[&[u8]]| [before, &parts.join(&b'.')].concat();
    let half = signature.get(..signature.len() / 2).unwrap_or_default();
    vec![
        (join(&[header, claims]), "two parts"),
        (join(&[header, claims, b""]), "an empty signature"),
        (join(&[header, claims, half]), "half of its signature"),
        (join(&[header, claims, signature, b""]), "four parts"),
        (join(&[&none, claims, b""]), "no algorithm and no signature"),
        (join(&[&none, claims, signature]), "no algorithm"),
        (join(&[&hmac, claims, signature]), "another algorithm"),
    ]
}
