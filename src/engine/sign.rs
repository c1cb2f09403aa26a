//! The other direction, for a rule's own examples: what a tag would have to be, and how a payload
//! is packed. Nothing of this runs while a request is judged.

use crate::engine::Bound;
use crate::engine::inbound::Inbound;
use crate::engine::plan::{Expr, Plan, Ref, Step};
use crate::engine::proof::{BoundProof, BoundTag};
use crate::engine::reason::Reject;
use crate::engine::request;
use crate::engine::scope::{self, Scope};

/// A place of a request and the tag that belongs there; `None`: only the gateway can make it.
pub(crate) type TagAt = (Ref, Option<String>);

impl Bound {
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Indices of the parameters that this route's variant reads.
    pub(crate) fn needs(&self) -> &[usize] {
        &self.needs
    }

    /// Seconds that each signed time may be away.
    pub(crate) fn max_ages(&self) -> Vec<i64> {
        self.fresh.iter().map(|(_, max_age)| *max_age).collect()
    }

    /// The right tag for each tag that is present in a request.
    pub(crate) fn sign(&self, inbound: &Inbound<'_>) -> Result<Vec<TagAt>, Reject> {
        let reading = request::read(&self.plan.request, inbound)?;
        let scope =
            Scope { reading: &reading, params: &self.params, decrypted: None, payload: None };
        let mut tags = Vec::new();
        for proof in &self.proofs {
            let bound: &[BoundTag] = match proof {
                BoundProof::Decrypt(_) => &[],
                BoundProof::FirstPresent(tags) => tags,
                BoundProof::Tag(tag) => std::slice::from_ref(tag),
            };
            for tag in bound {
                tags.push((tag.tag.source.clone(), tag.sign(scope)?));
            }
        }
        Ok(tags)
    }

    /// What is packed in the value at a place: decoded, and opened where it is sealed.
    pub(crate) fn unpack(&self, place: &Expr, packed: &[u8]) -> Option<Vec<u8>> {
        let bytes =
            place.steps.iter().try_fold(packed.into(), |bytes, step| scope::apply(*step, bytes))?;
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
        self.plan.guards.iter().flat_map(|guard| [&guard.left, &guard.right]).filter_map(|expr| {
            match expr.source {
                Ref::Param(index) => Some(index),
                _ => None,
            }
        })
    }

    fn decrypts(&self) -> Option<&crate::engine::proof::BoundDecrypt> {
        self.proofs.iter().find_map(|proof| match proof {
            BoundProof::Decrypt(decrypt) => Some(decrypt),
            BoundProof::FirstPresent(_) | BoundProof::Tag(_) => None,
        })
    }
}
