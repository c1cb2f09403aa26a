//! Judging with the gateway's help: where a rule must know more, its question is asked, and judging
//! goes on with the answer.

use crate::engine::Bound;
use crate::engine::exchange::Answered;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::engine::reason::{Reason, Reject};
use crate::engine::verdict::{Accepted, Verdict};
use crate::exchange::Exchanger;

/// Questions to the gateway about one callback. Rules have two, and one may be asked again.
const QUESTIONS_MAX: usize = 8;

impl Exchanger {
    /// Judges, asks what must be asked, and judges again with the answer. One question more than a
    /// rule can have good reason for is no usable answer.
    pub async fn judge(
        &self,
        bound: &Bound,
        gateway: &str,
        inbound: &Inbound<'_>,
        now: UnixSeconds,
    ) -> Result<Accepted, Reject> {
        let mut answers = Vec::new();
        loop {
            let exchange = match bound.judge(inbound, now, &answers) {
                Verdict::Accepted(accepted) => return Ok(accepted),
                Verdict::Rejected(reject) => return Err(reject),
                Verdict::Ask(exchange) => exchange,
            };
            if answers.len() == QUESTIONS_MAX {
                let at = format!("exchange.{}", exchange.name);
                return Err(Reject::new(Reason::ConfirmationUnavailable, at));
            }
            let answer = self.ask(gateway, &exchange).await;
            answers.push(Answered { name: exchange.name, answer });
        }
    }
}
