//! The canonical event: what a gateway said, in one dialect.

use std::sync::Arc;

use crate::engine::canonical::Writer;
use crate::engine::inbound::UnixSeconds;

/// Version of the event's JSON Schema (`countersign schema event`).
pub const EVENT_SCHEMA: &str = "1";

/// The event's JSON Schema, draft 2020-12.
pub const SCHEMA: &str = include_str!("event.schema.json");

/// Where a payment stands. `Unknown` is the answer to everything that a rule does not list, and it
/// is never money.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Reserved, not yet taken.
    Authorized,
    /// Given up before any money moved.
    Cancelled,
    /// Taken back in a dispute.
    ChargedBack,
    /// Will not happen.
    Failed,
    /// Held by the gateway; wait for the next word.
    OnHold,
    /// A part was given back.
    PartiallyRefunded,
    /// Under way.
    Pending,
    /// Given back.
    Refunded,
    /// Paid.
    Succeeded,
    /// Not a word that the rule knows.
    Unknown,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 10] = [
        Self::Authorized,
        Self::Cancelled,
        Self::ChargedBack,
        Self::Failed,
        Self::OnHold,
        Self::PartiallyRefunded,
        Self::Pending,
        Self::Refunded,
        Self::Succeeded,
        Self::Unknown,
    ];

    /// The word in rules and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::Cancelled => "cancelled",
            Self::ChargedBack => "charged_back",
            Self::Failed => "failed",
            Self::OnHold => "on_hold",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Pending => "pending",
            Self::Refunded => "refunded",
            Self::Succeeded => "succeeded",
            Self::Unknown => "unknown",
        }
    }

    /// The status of that word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// Exact money: decimal text in major units, never negative, never with an exponent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Amount {
    /// `100.10`, with as many decimals as the currency has.
    pub value: String,
    /// ISO 4217 letters, or the gateway's own code where it is not ISO 4217.
    pub currency: String,
}

/// One proof that held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proven {
    /// `hmac-sha256`, `digest-sha1`, `rsa-sha256`, `aes-256-gcm`.
    pub kind: &'static str,
    /// Parameter and position of the key that matched (`signing_secrets.0`). Never the key.
    pub key: Arc<str>,
    /// What it is worth.
    pub strength: Strength,
}

/// What a proof is worth.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Strength {
    /// md5, sha1 or CRC-32, credentials that the sender merely knows, an address: let pass where a
    /// gateway offers nothing better.
    Weak,
    /// A plain digest with a secret among its parts.
    Sound,
    /// HMAC, a public-key signature, authenticated encryption, the gateway's own answer over TLS, its
    /// certificate over TLS.
    Strong,
}

impl Strength {
    /// Every strength, the least first.
    pub const ALL: [Self; 3] = [Self::Weak, Self::Sound, Self::Strong];

    /// The word in configurations, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Sound => "sound",
            Self::Strong => "strong",
        }
    }

    /// The strength of that word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strength| strength.as_str() == word)
    }
}

/// What one callback says. Absent facts were not said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Deterministic: the same notification gives the same id on any machine, at any time.
    pub id: String,
    /// Name of the rule.
    pub gateway: Arc<str>,
    /// Merchant, shop or project.
    pub account: Option<String>,
    /// The gateway's own id of this notification.
    pub event_id: Option<String>,
    /// The gateway's own word for the event or status, untouched.
    pub raw_type: Option<String>,
    /// Where the payment stands.
    pub status: Status,
    /// May be booked as real money now.
    pub credit: bool,
    /// Test money. `None`: this gateway cannot tell.
    pub test: Option<bool>,
    /// The merchant's own reference.
    pub order_id: Option<String>,
    /// The gateway's id of the payment.
    pub transaction_id: Option<String>,
    /// Of the payment.
    pub amount: Option<Amount>,
    /// How much has gone back.
    pub refunded_amount: Option<Amount>,
    /// What the merchant receives.
    pub settlement_amount: Option<Amount>,
    /// What the gateway keeps.
    pub fee: Option<Amount>,
    /// When it happened, RFC 3339 in UTC.
    pub occurred_at: Option<String>,
    /// How it was proved.
    pub proofs: Vec<Proven>,
    /// `sha256:` and the hex digest of the rule's text.
    pub rule: Arc<str>,
    /// Names of the facts that no proof covers.
    pub unsigned: Vec<String>,
    /// The gateway's own covered fields as canonical JSON: numbers as text exactly as sent, card
    /// numbers masked.
    pub raw: String,
}

impl Event {
    /// `payment.succeeded`, …: the canonical word for what happened.
    pub fn event_type(&self) -> String {
        format!("payment.{}", self.status.as_str())
    }

    /// The event as RFC 8785 bytes: keys sorted, no white space, nothing that a reader must round.
    pub fn to_canonical_json(&self, received_at: UnixSeconds) -> Vec<u8> {
        self.write(received_at, None)
    }

    /// The same, of an event that tells of a state that its payment has left behind.
    pub fn to_regressive_json(&self, received_at: UnixSeconds) -> Vec<u8> {
        self.write(received_at, Some("regressive"))
    }

    fn write(&self, received_at: UnixSeconds, transition: Option<&str>) -> Vec<u8> {
        let mut json = Writer::with_capacity(self.raw.len() + 768);
        // Keys in the order of their UTF-16 code units, as RFC 8785 §3.2.3 wants them.
        json.open();
        json.text_if("account", self.account.as_deref());
        amount(&mut json, "amount", self.amount.as_ref());
        json.bool("credit", self.credit);
        json.text_if("event_id", self.event_id.as_deref());
        amount(&mut json, "fee", self.fee.as_ref());
        json.text("gateway", &self.gateway);
        json.text("id", &self.id);
        json.text_if("occurred_at", self.occurred_at.as_deref());
        json.text_if("order_id", self.order_id.as_deref());
        json.key("proofs");
        json.open_list();
        for proof in &self.proofs {
            json.item();
            json.open();
            json.text("key", &proof.key);
            json.text("kind", proof.kind);
            json.text("strength", proof.strength.as_str());
            json.close();
        }
        json.close_list();
        json.verbatim("raw", &self.raw);
        json.text_if("raw_type", self.raw_type.as_deref());
        json.text("received_at", &crate::engine::time::rfc3339(received_at));
        amount(&mut json, "refunded_amount", self.refunded_amount.as_ref());
        json.text("rule", &self.rule);
        json.text("schema", EVENT_SCHEMA);
        amount(&mut json, "settlement_amount", self.settlement_amount.as_ref());
        json.text("status", self.status.as_str());
        if let Some(test) = self.test {
            json.bool("test", test);
        }
        json.text_if("transaction_id", self.transaction_id.as_deref());
        json.text_if("transition", transition);
        json.text("type", &self.event_type());
        if !self.unsigned.is_empty() {
            json.key("unsigned");
            json.open_list();
            for fact in &self.unsigned {
                json.item();
                json.string(fact);
            }
            json.close_list();
        }
        json.close();
        json.into_bytes()
    }
}

fn amount(json: &mut Writer, key: &str, amount: Option<&Amount>) {
    if let Some(Amount { value, currency }) = amount {
        json.key(key);
        json.open();
        json.text("currency", currency);
        json.text("value", value);
        json.close();
    }
}
