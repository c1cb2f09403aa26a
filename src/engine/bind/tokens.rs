//! Signed tokens and signatures over messages meet their keys.

use crate::engine::bind::keys::{Binder, proven};
use crate::engine::certificate;
use crate::engine::digest::{HashAlgorithm, Hmacer};
use crate::engine::event::Strength;
use crate::engine::http_signature::Origin;
use crate::engine::jws;
use crate::engine::params::BindError;
use crate::engine::plan::{HttpSignaturePlan, JwsKey, JwsPlan, Ref};
use crate::engine::secret::Secret;
use crate::engine::signature::PublicKey;
use crate::engine::token::{BoundHttpSignature, BoundJws, TokenKeys, Verifier};

impl Binder<'_> {
    pub(super) fn jws(&self, plan: &JwsPlan) -> Result<BoundJws, BindError> {
        let kind = plan.algorithm.as_str();
        let strength = if plan.bearer { Strength::Weak } else { Strength::Strong };
        let keys = match &plan.key {
            JwsKey::Param(key) => {
                let mut verifiers = Vec::new();
                for (name, text) in self.keys(key)? {
                    let verifier = match plan.algorithm.scheme() {
                        jws::Scheme::Hmac(algorithm) => {
                            Verifier::Hmac(Box::new(Hmacer::new(algorithm, text.expose())))
                        }
                        jws::Scheme::Signature(algorithm) => Verifier::Signature(
                            PublicKey::from_text(algorithm, text.expose())
                                .map_err(|expected| self.fault(key, expected))?,
                        ),
                    };
                    verifiers.push((verifier, proven(kind, name, strength)));
                }
                TokenKeys::Known(verifiers)
            }
            JwsKey::Set(exchange) => {
                let name = self.exchanges.get(*exchange).map_or("", |exchange| &exchange.name);
                TokenKeys::Set(*exchange, proven(kind, name.to_owned(), strength))
            }
            JwsKey::X5c { roots, names } => {
                let values = self.params.get(*roots).map_or(&[][..], Vec::as_slice);
                let trust = certificate::Trust::from_pem(values.iter().map(Secret::expose), [])
                    .map_err(|expected| self.error(*roots, expected))?;
                let name = self.specs.get(*roots).map_or("", |spec| &spec.name).to_owned();
                TokenKeys::Chain(Box::new((trust, names.clone())), proven(kind, name, strength))
            }
        };
        Ok(BoundJws { token: plan.token.clone(), algorithm: plan.algorithm, keys })
    }

    pub(super) fn http_signature(
        &self,
        plan: &HttpSignaturePlan,
    ) -> Result<BoundHttpSignature, BindError> {
        let text = |index: usize| {
            let value = self.params.get(index)?.first()?;
            std::str::from_utf8(value.expose()).ok()
        };
        let origin = text(plan.origin).and_then(Origin::parse).ok_or_else(|| {
            self.error(plan.origin, "expected scheme and host: https://pay.example.com".to_owned())
        })?;
        let label = match &plan.label.source {
            Ref::Literal(words) => words.clone(),
            Ref::Param(index) => text(*index).unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let max_age = plan.max_age.and_then(|index| text(index)?.parse().ok());
        let mut keys = Vec::new();
        for (name, key) in self.keys(&plan.key)? {
            let (verifier, kind) = match plan.algorithm {
                None => {
                    let hmacer = Hmacer::new(HashAlgorithm::Sha256, key.expose());
                    (Verifier::Hmac(Box::new(hmacer)), "http-signature-hmac-sha256")
                }
                Some(algorithm) => {
                    let key = PublicKey::from_text(algorithm, key.expose())
                        .map_err(|expected| self.fault(&plan.key, expected))?;
                    (Verifier::Signature(key), algorithm.as_str())
                }
            };
            keys.push((verifier, proven(kind, name, Strength::Strong)));
        }
        Ok(BoundHttpSignature { plan: plan.clone(), label, origin, max_age, keys })
    }
}
