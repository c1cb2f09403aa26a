//! What comes in place of a gateway's answer: nothing, an error, a page that says the right words.

use std::sync::Arc;

use crate::engine::exchange::Answer;
use crate::engine::verdict::Verdict;
use crate::rule::canned;

use super::Breeder;

impl Breeder<'_> {
    /// Spoils each answer of the example that was made use of. Without it nothing may be accepted.
    pub(super) fn answers(&mut self) {
        let example = self.example;
        let wire = example.request.encode();
        let judge = |canned: &[canned::Canned]| {
            wire.with(|inbound| canned::judge(self.bound, inbound, example.at, canned))
        };
        let mut accepted = Vec::new();
        let mut tried = 0;
        for position in judge(&example.canned).given {
            let Some(Answer::Given { body, .. }) =
                example.canned.get(position).map(|canned| &canned.answer)
            else {
                continue;
            };
            let page = [b"<html>", &body[..], b"</html>"].concat();
            let half = body.get(..body.len() / 2).unwrap_or_default();
            let given = |status, body: &[u8]| Answer::Given {
                status,
                body: Arc::from(body),
                cached: false,
            };
            for (answer, what) in [
                (Answer::Unavailable, "no answer"),
                (given(204, body), "status 204"),
                (given(302, body), "status 302"),
                (given(400, body), "status 400"),
                (given(500, body), "status 500"),
                (given(200, b""), "an empty answer"),
                (given(200, b"{}"), "`{}`"),
                (given(200, b"[]"), "`[]`"),
                (given(200, half), "half of the answer"),
                (given(200, &page), "a page around the answer"),
            ] {
                // Words around a PEM block say nothing (RFC 7468, section 5.2).
                if what.starts_with("a page") && body.starts_with(b"-----BEGIN") {
                    continue;
                }
                let mut spoiled = example.canned.clone();
                if let Some(canned) = spoiled.get_mut(position) {
                    canned.answer = answer;
                }
                tried += 1;
                if let Verdict::Accepted(_) = judge(&spoiled).verdict {
                    accepted.push(format!("{what} from the gateway (exchange {})", position + 1));
                }
            }
        }
        self.tried += tried;
        self.accepted.extend(accepted);
    }
}
