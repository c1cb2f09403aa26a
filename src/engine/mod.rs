//! One compiled rule judges one inbound. No async, no clock, no environment, no disk, no log, no
//! YAML: everything that a verdict depends on is an argument.

pub mod canonical;
pub mod encoding;
pub mod event;
pub mod form;
pub mod inbound;
pub mod json;
pub mod money;
pub mod pan;
pub mod params;
pub mod reason;
pub mod secret;
pub mod time;
pub mod value;
pub mod verdict;

use inbound::{Inbound, UnixSeconds};
use reason::{Reason, Reject};
use verdict::{Replies, Verdict};

/// A rule with the parameters of one route: ready to judge.
pub struct Bound {
    replies: Replies,
    keys: Vec<String>,
}

impl Bound {
    /// Judges one inbound.
    pub fn judge(&self, _inbound: &Inbound<'_>, _now: UnixSeconds) -> Verdict {
        Verdict::Rejected(Reject::new(Reason::SignatureMissing, "placeholder"))
    }

    /// What the gateway gets, per outcome.
    pub fn replies(&self) -> &Replies {
        &self.replies
    }

    /// Every key that can match (`signing_secrets.0`), so that metrics know them from the start.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// `sha256:` and the hex digest of the rule's text.
    pub fn rule_hash(&self) -> &str {
        "sha256:0"
    }
}
