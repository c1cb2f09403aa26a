//! Why an inbound was rejected: a closed list, the same words in metrics, logs and vectors.

/// The sender's fault, or ours in answering it now. Fieldless on purpose: a new reason must be
/// given a status in `server/respond.rs` before the crate compiles again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    /// For another merchant, shop or project.
    AccountMismatch,
    /// The message names an algorithm that the rule does not accept.
    AlgorithmNotAllowed,
    /// A certificate or its address is not acceptable.
    CertificateRejected,
    /// The gateway's own answer contradicts the notification.
    ConfirmationMismatch,
    /// The gateway, asked, said no.
    ConfirmationRefused,
    /// No usable answer from the gateway now.
    ConfirmationUnavailable,
    /// HTTP credentials are wrong.
    CredentialsMismatch,
    /// HTTP credentials are absent.
    CredentialsMissing,
    /// A parameter or JSON key that must be unique comes twice.
    DuplicateField,
    /// A header that must be unique comes twice.
    DuplicateHeader,
    /// A needed field does not look as it must.
    FieldMalformed,
    /// A needed field is absent or empty.
    FieldMissing,
    /// The HTTP method is not one that the rule names.
    MethodNotAllowed,
    /// The body, or what is packed in it, cannot be read.
    PayloadMalformed,
    /// There is a signature, but it cannot be one: alphabet, length or syntax.
    SignatureMalformed,
    /// The signature is well formed and wrong.
    SignatureMismatch,
    /// No signature, or none of a kind that counts.
    SignatureMissing,
    /// The peer is not in the list of networks.
    SourceDenied,
    /// Readable and authentic, but not a state that is let pass.
    StateRejected,
    /// Test money on a live route.
    TestInLive,
    /// The signed time lies too far ahead.
    TimestampInFuture,
    /// The signed time lies too far back.
    TimestampTooOld,
    /// A field that must not be there.
    UnexpectedField,
    /// The content type is not the rule's.
    UnsupportedMediaType,
}

impl Reason {
    /// Every reason, in the order of the list above.
    pub const ALL: [Self; 24] = [
        Self::AccountMismatch,
        Self::AlgorithmNotAllowed,
        Self::CertificateRejected,
        Self::ConfirmationMismatch,
        Self::ConfirmationRefused,
        Self::ConfirmationUnavailable,
        Self::CredentialsMismatch,
        Self::CredentialsMissing,
        Self::DuplicateField,
        Self::DuplicateHeader,
        Self::FieldMalformed,
        Self::FieldMissing,
        Self::MethodNotAllowed,
        Self::PayloadMalformed,
        Self::SignatureMalformed,
        Self::SignatureMismatch,
        Self::SignatureMissing,
        Self::SourceDenied,
        Self::StateRejected,
        Self::TestInLive,
        Self::TimestampInFuture,
        Self::TimestampTooOld,
        Self::UnexpectedField,
        Self::UnsupportedMediaType,
    ];

    /// The word used in metrics, logs, rule files and vectors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountMismatch => "account_mismatch",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::CertificateRejected => "certificate_rejected",
            Self::ConfirmationMismatch => "confirmation_mismatch",
            Self::ConfirmationRefused => "confirmation_refused",
            Self::ConfirmationUnavailable => "confirmation_unavailable",
            Self::CredentialsMismatch => "credentials_mismatch",
            Self::CredentialsMissing => "credentials_missing",
            Self::DuplicateField => "duplicate_field",
            Self::DuplicateHeader => "duplicate_header",
            Self::FieldMalformed => "field_malformed",
            Self::FieldMissing => "field_missing",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::PayloadMalformed => "payload_malformed",
            Self::SignatureMalformed => "signature_malformed",
            Self::SignatureMismatch => "signature_mismatch",
            Self::SignatureMissing => "signature_missing",
            Self::SourceDenied => "source_denied",
            Self::StateRejected => "state_rejected",
            Self::TestInLive => "test_in_live",
            Self::TimestampInFuture => "timestamp_in_future",
            Self::TimestampTooOld => "timestamp_too_old",
            Self::UnexpectedField => "unexpected_field",
            Self::UnsupportedMediaType => "unsupported_media_type",
        }
    }

    /// The reason of that word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// A refusal: the closed reason, and for the operator what it was about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reject {
    /// Counted, logged, and turned into a status.
    pub reason: Reason,
    /// The place, in the words of the rule (`field.timestamp`, `payload.amount`). Never a value:
    /// it is logged.
    pub at: String,
}

impl Reject {
    /// A refusal because of what stands at `at`.
    pub fn new(reason: Reason, at: impl Into<String>) -> Self {
        Self { reason, at: at.into() }
    }
}
