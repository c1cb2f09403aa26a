//! The other direction, for a rule's own examples: what a tag would have to be, and how a payload
//! is packed. Nothing of this runs while a request is judged.

use crate::engine::Bound;
use crate::engine::bind;
use crate::engine::encoding::Encoding;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::engine::plan::{Expr, Plan, Ref, Step};
use crate::engine::proof::BoundProof;
use crate::engine::reason::Reject;
use crate::engine::request;
use crate::engine::scope::{Room, Scope};
use crate::engine::step;
use crate::engine::tag::BoundTag;

/// A place of a request and what belongs there.
pub(crate) enum Signed {
    /// The credentials of the `Authorization` header.
    Authorization(String),
    /// Somewhere, and nobody else can make it.
    OnlyTheGateway,
    /// A tag, or a token; `None`: only the gateway can make it.
    At(Expr, Option<String>),
}

impl Bound {
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Indices of the parameters that a verdict on this route hangs on, where the gateway is asked
    /// and where it is not.
    pub(crate) fn judges_by(&self, asked: bool) -> impl Iterator<Item = usize> {
        let bind::JudgesBy { always, asking } = &self.judges_by;
        always.iter().chain(asking.iter().filter(move |_| asked)).copied()
    }

    /// Seconds that each signed time may be away.
    pub(crate) fn max_ages(&self) -> Vec<i64> {
        let signatures = self.proofs.iter().filter_map(|proof| match proof {
            BoundProof::HttpSignature(bound) => bound.max_age,
            _ => None,
        });
        self.max_ages.iter().flatten().copied().chain(signatures).collect()
    }

    /// What each proof that stands in the request would have to be.
    pub(crate) fn sign(
        &self,
        inbound: &Inbound<'_>,
        now: UnixSeconds,
    ) -> Result<Vec<Signed>, Reject> {
        let Self { plan, params, .. } = self;
        let reading = request::read(&plan.request, params, inbound)?;
        let room = Room::new(plan.documents.len() + plan.exchanges.len());
        let scope = Scope { reading: &reading, params, room: &room, item: None, now };
        self.open_early(scope)?;
        let mut tags = Vec::new();
        for proof in &self.proofs {
            let bound: &[BoundTag] = match proof {
                BoundProof::Confirm(_) | BoundProof::Decrypt(_) | BoundProof::Source { .. } => &[],
                BoundProof::HttpSignature(_) | BoundProof::Mtls(_) => {
                    tags.push(Signed::OnlyTheGateway);
                    &[]
                }
                BoundProof::Jws(jws) => {
                    tags.push(Signed::At(jws.token.clone(), None));
                    &[]
                }
                BoundProof::Basic { credentials, .. } => {
                    let basic = Encoding::Base64.encode(credentials.expose());
                    tags.push(Signed::Authorization(format!("Basic {basic}")));
                    &[]
                }
                BoundProof::Token { place, values } => {
                    let first = values.first().map(|(secret, _)| secret.expose());
                    let text = first.and_then(|secret| std::str::from_utf8(secret).ok());
                    tags.push(Signed::At(place.clone(), text.map(str::to_owned)));
                    &[]
                }
                BoundProof::FirstPresent(tags) => tags,
                BoundProof::Tag(tag) => std::slice::from_ref(tag),
            };
            for tag in bound {
                let text = if tag.of_items { None } else { tag.sign(scope)? };
                tags.push(Signed::At(tag.tag.tag.clone(), text));
            }
        }
        Ok(tags)
    }

    /// What is packed in the value at a place: decoded, and opened where it is sealed.
    pub(crate) fn unpack(&self, place: &Expr, packed: &[u8]) -> Option<Vec<u8>> {
        let bytes =
            place.steps.iter().try_fold(packed.into(), |bytes, step| step::apply(step, bytes))?;
        match self.decrypts() {
            Some(decrypt) => decrypt.opener.open(&bytes).ok(),
            None => Some(bytes.into_owned()),
        }
    }

    /// The inverse of [`Bound::unpack`].
    pub(crate) fn pack(&self, place: &Expr, plain: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = match self.decrypts() {
            // Examples only: their keys guard nothing, so a nonce may come twice.
            Some(decrypt) => decrypt.opener.seal([7; 12], plain)?,
            None => plain.to_vec(),
        };
        for step in place.steps.iter().rev() {
            if let Step::Decode(encoding) = step {
                bytes = encoding.encode(&bytes).into_bytes();
            }
        }
        Some(bytes)
    }

    /// Indices of the parameters that guards compare something with.
    pub(crate) fn guarded_params(&self) -> impl Iterator<Item = usize> {
        let values = self.plan.guards.iter().flat_map(crate::engine::plan::Guard::values);
        values.filter_map(|expr| match expr.source {
            Ref::Param(index) => Some(index),
            _ => None,
        })
    }

    fn decrypts(&self) -> Option<&crate::engine::proof::BoundDecrypt> {
        self.proofs.iter().find_map(|proof| match proof {
            BoundProof::Decrypt(decrypt) => Some(decrypt),
            _ => None,
        })
    }
}
