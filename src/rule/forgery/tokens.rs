//! Forgeries of signed tokens (RFC 7515), and of signatures over HTTP messages (RFC 9421).

use crate::engine::digest::{HashAlgorithm, Hmacer, digest};
use crate::engine::encoding::Encoding;
use crate::engine::http_signature::Component;
use crate::engine::params::ParamKind;
use crate::engine::plan::{Expr, HttpSignaturePlan, JwsKey, JwsPlan, Proof, Ref, Step};
use crate::rule::forgery::change::flips;
use crate::rule::forgery::{Breeder, Must};
use crate::rule::request::{Body, Request};
use crate::rule::sign;

const BASE64: Encoding = Encoding::Base64UrlNoPad;

/// Headers that somebody writes who has no key.
const HEADERS: [&str; 5] = [
    r#"{"alg":"none"}"#,
    r#"{"alg":"None","typ":"JWT"}"#,
    r#"{"alg":"HS256"}"#,
    r#"{"typ":"JWT"}"#,
    r#"{"alg":["none"]}"#,
];

impl Breeder<'_> {
    pub(super) fn tokens(&mut self) {
        for proof in &self.plan.proofs {
            match proof {
                Proof::Jws(plan) => self.token(plan),
                Proof::HttpSignature(plan) => self.http_signature(plan),
                _ => {}
            }
        }
    }

    fn token(&mut self, plan: &JwsPlan) {
        let place = &plan.token;
        let Some(whole) = sign::value_of(&self.example.request, self.plan, place) else { return };
        let stripped = place.steps.iter().find_map(|step| match step {
            Step::Strip(words) => whole.strip_prefix(words.as_bytes()),
            _ => None,
        });
        let token = stripped.unwrap_or(&whole);
        let before = whole.strip_suffix(token).unwrap_or_default();
        for (forged, what) in forged(token, &self.known_keys(plan)) {
            let mut request = self.example.request.clone();
            sign::put_bare(&mut request, self.plan, place, &[before, &forged].concat());
            self.attempt(Must::BeRejected, &request, || format!("`{}` {what}", place.text));
        }
    }

    /// What everybody knows and might be taken for a secret.
    fn known_keys(&self, plan: &JwsPlan) -> Vec<Vec<u8>> {
        let mut keys = vec![Vec::new()];
        let JwsKey::Param(Expr { source: Ref::Param(index), .. }) = &plan.key else { return keys };
        let spec = self.rule.params.get(*index);
        if let Some(spec) = spec.filter(|spec| spec.kind == ParamKind::PublicKey) {
            for key in self.example.params.values(&spec.name) {
                keys.extend([key.expose().to_vec(), key.expose().trim_ascii().to_vec()]);
            }
        }
        keys
    }

    fn http_signature(&mut self, plan: &HttpSignaturePlan) {
        let original = &self.example.request;
        let covered = plan.components.iter().filter_map(|component| match component {
            Component::Field(name) => Some(name.as_str()),
            _ => None,
        });
        for name in covered.chain(["signature", "signature-input"]) {
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
            let mut without = original.clone();
            without.headers.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
            self.attempt(Must::BeRejected, &without, || format!("`header.{name}` dropped"));
            let mut doubled = original.clone();
            doubled.headers.push((name.to_owned(), value));
            self.attempt(Must::ChangeNothing, &doubled, || format!("`header.{name}` doubled"));
        }
        let is_digest =
            |one: &Component| matches!(one, Component::Field(name) if name == "content-digest");
        if !plan.components.iter().any(is_digest) {
            return;
        }
        let Body::Raw(bytes) = &original.body else { return };
        for (position, changed) in flips(bytes) {
            let tag = digest(HashAlgorithm::Sha256, |into| into.feed(&changed));
            let line = format!("sha-256=:{}:", Encoding::Base64.encode(tag.bytes()));
            let mut request = Request { body: Body::Raw(changed), ..original.clone() };
            if let Some(found) = request.header_mut("content-digest") {
                *found = line.into_bytes();
            }
            self.attempt(Must::BeRejected, &request, || {
                format!("byte {position} of the body changed, and its digest with it")
            });
        }
    }
}

/// Forged tokens, and what was done.
fn forged(token: &[u8], keys: &[Vec<u8>]) -> Vec<(Vec<u8>, String)> {
    let mut all: Vec<(Vec<u8>, String)> = Vec::new();
    for (position, changed) in flips(token) {
        all.push((changed, format!("with byte {position} changed")));
    }
    let parts: Vec<&[u8]> = token.split(|&byte| byte == b'.').collect();
    let [header, claims, signature] = parts.as_slice() else { return all };
    let join = |parts: &[&[u8]]| parts.join(&b'.');
    for (token, what) in [
        (join(&[header, claims]), "without signature"),
        (join(&[header, claims, b""]), "with an empty signature"),
        (join(&[header, b"", signature]), "without claims"),
        (join(&[b"", claims, signature]), "without header"),
        (join(&[header, claims, signature, b""]), "with a fourth part"),
        (join(&[header, claims, &[signature, &b"=="[..]].concat()]), "padded"),
        (join(&[claims, header, signature]), "with its parts in another order"),
        (token.split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec()), "cut short"),
        (token.get(..token.len() / 2).unwrap_or_default().to_vec(), "cut in half"),
        (Vec::new(), "emptied"),
    ] {
        all.push((token, what.to_owned()));
    }
    for twin in twins(signature) {
        all.push((join(&[header, claims, &twin]), "with a twin of its signature".to_owned()));
    }
    for (position, changed) in flips(&BASE64.decode(claims).unwrap_or_default()) {
        let changed = BASE64.encode(&changed);
        let token = join(&[header, changed.as_bytes(), signature]);
        all.push((token, format!("with byte {position} of its claims changed")));
    }
    for text in HEADERS {
        let header = BASE64.encode(text.as_bytes());
        let header = header.as_bytes();
        all.push((join(&[header, claims, b""]), format!("under the header {text}, unsigned")));
        all.push((join(&[header, claims, signature]), format!("under the header {text}")));
        for key in keys {
            let message = join(&[header, claims]);
            let tag = Hmacer::new(HashAlgorithm::Sha256, key).tag(|into| into.feed(&message));
            let tag = BASE64.encode(tag.bytes());
            let what = format!("under the header {text}, signed with what everybody knows");
            all.push((join(&[header, claims, tag.as_bytes()]), what));
        }
    }
    all
}

/// The same with every other last character: where it stands for fewer than six bits, some of them
/// decode to the same bytes unless a decoder looks closely.
fn twins(part: &[u8]) -> Vec<Vec<u8>> {
    let Some((last, rest)) = part.split_last() else { return Vec::new() };
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let others = letters.iter().filter(|letter| *letter != last);
    others.map(|letter| [rest, &[*letter]].concat()).collect()
}
