//! Somebody else who sends the same.

use crate::engine::pem;
use crate::engine::plan::Proof;
use crate::rule::forgery::change::flips;
use crate::rule::forgery::{Breeder, Must};
use crate::rule::request::Request;
use crate::rule::sign;

/// The certificate of a client of an authority that nobody trusts, and that authority's.
const STRANGERS_CLIENT: &[u8] = include_bytes!("stranger/client.pem");

impl Breeder<'_> {
    pub(super) fn senders(&mut self) {
        for proof in &self.plan.proofs {
            match proof {
                Proof::Basic { .. } => self.credentials(),
                Proof::Mtls(_) => self.certificates(),
                Proof::Source { .. } => self.peers(),
                Proof::Token { place, .. } => {
                    let value = sign::value_of(&self.example.request, self.plan, place);
                    let Some(value) = value else { continue };
                    let longer = [&value[..], b"0"].concat();
                    let shorter = value.split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec());
                    let changed = flips(&value).map(|(_, changed)| changed);
                    for value in changed.chain([longer, shorter, Vec::new()]) {
                        let mut request = self.example.request.clone();
                        sign::put_bare(&mut request, self.plan, place, &value);
                        self.attempt(Must::BeRejected, &request, || "another token".to_owned());
                    }
                }
                Proof::Confirm { .. }
                | Proof::Decrypt { .. }
                | Proof::FirstPresent(_)
                | Proof::HttpSignature(_)
                | Proof::Jws(_)
                | Proof::Tag(_) => {}
            }
        }
    }

    fn credentials(&mut self) {
        for value in ["", "Basic ", "Basic Og==", "Basic eDp5", "Bearer x"] {
            let mut request = self.example.request.clone();
            if let Some(found) = request.header_mut("authorization") {
                *found = value.as_bytes().to_vec();
            }
            self.attempt(Must::BeRejected, &request, || format!("other credentials: `{value}`"));
        }
        let mut request = self.example.request.clone();
        if let Some(value) = request.header_mut("authorization").map(|value| value.clone()) {
            for (_, changed) in flips(&value) {
                if let Some(found) = request.header_mut("authorization") {
                    *found = changed;
                }
                self.attempt(Must::BeRejected, &request, || "other credentials".to_owned());
            }
        }
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        self.attempt(Must::BeRejected, &request, || "no credentials".to_owned());
    }

    fn certificates(&mut self) {
        let mut request = self.example.request.clone();
        let shown = std::mem::take(&mut request.certificates);
        self.attempt(Must::BeRejected, &request, || "without a certificate".to_owned());
        let stranger: Vec<Vec<u8>> = pem::blocks(STRANGERS_CLIENT)
            .map_or(Vec::new(), |blocks| blocks.into_iter().map(|block| block.der).collect());
        request.certificates.clone_from(&stranger);
        self.attempt(Must::BeRejected, &request, || "with a stranger's certificate".to_owned());
        request.certificates = [stranger, shown.clone()].concat();
        self.attempt(Must::BeRejected, &request, || {
            "with a stranger's certificate before the sender's".to_owned()
        });
        let Some((leaf, above)) = shown.split_first() else { return };
        if !above.is_empty() {
            request.certificates = above.to_vec();
            self.attempt(Must::BeRejected, &request, || "with the issuer's certificate".to_owned());
        }
        for (_, changed) in flips(leaf) {
            request.certificates = [&[changed], above].concat();
            self.attempt(Must::BeRejected, &request, || "with a changed certificate".to_owned());
        }
    }

    fn peers(&mut self) {
        for peer in ["192.0.2.77", "::1", "2001:db8::77"] {
            let mut request = self.example.request.clone();
            request.peer = peer.parse().ok();
            request.headers.retain(|(name, _)| name != "x-forwarded-for");
            let listed = self.example.request.peer.map(|peer| peer.to_string());
            let listed = listed.unwrap_or_default().into_bytes();
            self.attempt(Must::BeRejected, &request, || format!("sent from {peer}"));
            // Who is not trusted may say what he likes.
            request.headers.push(("x-forwarded-for".to_owned(), listed));
            self.attempt(Must::BeRejected, &request, || {
                format!("sent from {peer} in the name of another")
            });
        }
        let request = Request { peer: None, ..self.example.request.clone() };
        self.attempt(Must::BeRejected, &request, || "sent from nowhere".to_owned());
    }
}
