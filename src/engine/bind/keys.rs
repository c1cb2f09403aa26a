//! Proofs meet the values of their keys: parsed, absorbed, named.

use crate::engine::certificate;
use crate::engine::cipher::Opener;
use crate::engine::digest::{HashAlgorithm, Hmacer};
use crate::engine::event::{Proven, Strength};
use crate::engine::mtls::BoundMtls;
use crate::engine::net::Network;
use crate::engine::params::{BindError, BindFault, ParamKind, ParamSpec};
use crate::engine::plan::{
    Algorithms, ExchangePlan, Expr, KeySource, MtlsPlan, Proof, Ref, Scheme, TagProof,
};
use crate::engine::proof::{BoundConfirm, BoundDecrypt, BoundProof};
use crate::engine::secret::Secret;
use crate::engine::signature::{PublicKey, SignatureAlgorithm};
use crate::engine::step;
use crate::engine::tag::{Alternative, BoundTag, FromCertificate, How};

pub(super) struct Binder<'b> {
    pub(super) specs: &'b [ParamSpec],
    pub(super) params: &'b [Vec<Secret>],
    pub(super) exchanges: &'b [ExchangePlan],
}

impl Binder<'_> {
    pub(super) fn proof(&self, proof: &Proof) -> Result<BoundProof, BindError> {
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
            Proof::Mtls(plan) => self.mtls(plan).map(BoundProof::Mtls),
            Proof::Source { networks, proxies } => {
                let name =
                    self.specs.get(*networks).map_or_else(String::new, |spec| spec.name.clone());
                Ok(BoundProof::Source {
                    networks: self.networks(*networks),
                    proxies: proxies.map_or_else(Vec::new, |index| self.networks(index)),
                    proven: proven("source", name, Strength::Weak),
                })
            }
            Proof::HttpSignature(plan) => self.http_signature(plan).map(BoundProof::HttpSignature),
            Proof::Jws(plan) => self.jws(plan).map(BoundProof::Jws),
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

    pub(super) fn tag(&self, tag: &TagProof) -> Result<BoundTag, BindError> {
        let mut alternatives = Vec::new();
        match &tag.scheme {
            Scheme::Digest(algorithms) => {
                for (position, name) in self.secrets_of(tag)? {
                    for algorithm in self.algorithms(algorithms)? {
                        let strength = tag.worth(algorithm.digest_strength());
                        let proven = proven(algorithm.digest_kind(), name.clone(), strength);
                        let how = How::Digest(algorithm, position);
                        alternatives.push(Alternative { proven, how });
                    }
                }
            }
            Scheme::Hmac { algorithms, key } => {
                for (position, (name, bytes)) in self.keys(key)?.into_iter().enumerate() {
                    for algorithm in self.algorithms(algorithms)? {
                        let strength = tag.worth(algorithm.hmac_strength());
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
        let Scheme::Signature {
            key: KeySource::Certificate { exchange, roots, intermediates, names },
            ..
        } = &tag.scheme
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
        let from = FromCertificate { exchange: *exchange, algorithm, trust, name: names.clone() };
        let name = self.exchanges.get(*exchange).map_or("", |exchange| &exchange.name);
        let proven = proven(algorithm.as_str(), name.to_owned(), tag.strength(algorithm));
        Ok(Some(Alternative { proven, how: How::Certificate(Box::new(from)) }))
    }

    fn mtls(&self, plan: &MtlsPlan) -> Result<BoundMtls, BindError> {
        let texts = |index: usize| -> Vec<&[u8]> {
            let values = self.params.get(index).map_or(&[][..], Vec::as_slice);
            values.iter().map(Secret::expose).collect()
        };
        let intermediates = plan.intermediates.map_or_else(Vec::new, texts);
        let trust = certificate::Trust::from_pem(texts(plan.roots), intermediates)
            .map_err(|expected| self.error(plan.roots, expected))?;
        let mut names = Vec::new();
        if let Some(index) = plan.names {
            for text in texts(index) {
                let text = std::str::from_utf8(text).unwrap_or_default();
                let name = certificate::ClientName::parse(text);
                names.push(name.map_err(|expected| self.error(index, expected))?);
            }
            if names.is_empty() {
                return Err(self.error(index, "expected at least one name".to_owned()));
            }
        }
        let names = certificate::Names::Clients(names);
        let name = self.specs.get(plan.roots).map_or("", |spec| &spec.name).to_owned();
        Ok(BoundMtls { trust, names, proven: proven("mtls", name, Strength::Strong) })
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
    fn secrets_of(&self, tag: &TagProof) -> Result<Vec<(usize, String)>, BindError> {
        let is_secret = |expr: &&Expr| match expr.source {
            Ref::Param(index) => {
                self.specs.get(index).is_some_and(|spec| spec.kind == ParamKind::Secret)
            }
            _ => false,
        };
        let Some(secret) = tag.values().into_iter().find(is_secret) else { return Ok(Vec::new()) };
        Ok(self.keys(secret)?.into_iter().map(|(name, _)| name).enumerate().collect())
    }

    /// Every value of a key, its steps applied, under its name.
    pub(super) fn keys(&self, key: &Expr) -> Result<Vec<(String, Secret)>, BindError> {
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
            // Given empty it comes from a forger who hopes that ours is.
            if spec.check(value) != Err(BindFault::Empty)
                && let Some(fault) = no_key(&bytes)
            {
                return Err(self.error(index, fault.to_owned()));
            }
            keys.push((name_of(spec, position), Secret::new(bytes.into_owned())));
        }
        Ok(keys)
    }

    pub(super) fn fault(&self, key: &Expr, expected: String) -> BindError {
        match key.source {
            Ref::Param(index) => self.error(index, expected),
            _ => BindError { param: key.text.to_string(), what: BindFault::Malformed(expected) },
        }
    }

    pub(super) fn error(&self, index: usize, expected: String) -> BindError {
        let param = self.specs.get(index).map_or_else(String::new, |spec| spec.name.clone());
        BindError { param, what: BindFault::Malformed(expected) }
    }
}

pub(super) fn proven(kind: &'static str, key: String, strength: Strength) -> Proven {
    Proven { kind, key: key.into(), strength }
}

/// Why these bytes are no key, if they are none. HMAC fills a key up with zero bytes: one of nothing
/// else is the empty key.
fn no_key(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [] => Some("nothing is left of it after its steps"),
        bytes if bytes.iter().all(|&byte| byte == 0) => Some("it is zero bytes and nothing else"),
        _ => None,
    }
}

/// `private_key`, or `signing_secrets.0` of a list.
fn name_of(spec: &ParamSpec, position: usize) -> String {
    if spec.list { format!("{}.{position}", spec.name) } else { spec.name.clone() }
}
