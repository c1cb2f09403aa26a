//! What an operator configures for one route: the values of a rule's parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::net::Network;
use crate::engine::pattern::Pattern;
use crate::engine::secret::Secret;

/// Values by parameter name. Every value is kept like a secret, whether it is one or not.
#[derive(Clone, Default)]
pub struct Params(BTreeMap<String, Vec<Secret>>);

impl Params {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value; a parameter that is a list holds several, in the order they were added.
    pub fn push(&mut self, name: impl Into<String>, value: Secret) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// Replaces all values of a parameter.
    pub fn set(&mut self, name: impl Into<String>, values: Vec<Secret>) {
        self.0.insert(name.into(), values);
    }

    /// The values of a parameter; empty where it is not configured.
    pub fn values(&self, name: &str) -> &[Secret] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The configured names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Why a rule cannot work with the parameters it was given. Says which parameter, never its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BindError {
    /// The parameter's name.
    pub param: String,
    /// What is wrong with it.
    pub what: BindFault,
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BindFault {
    /// Present, but empty or white space only.
    Empty,
    /// Not a key, a number, a choice …: the text says what was expected.
    Malformed(String),
    /// Needed in the chosen variant, and absent.
    Missing,
    /// Several values where the rule takes one.
    NotAList,
    /// Words that people leave standing where a secret belongs.
    Placeholder,
    /// The rule has no such parameter; perhaps another was meant.
    Unknown(Option<String>),
}

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { param, what } = self;
        match what {
            BindFault::Empty => write!(f, "parameter `{param}` is empty"),
            BindFault::Malformed(expected) => write!(f, "parameter `{param}`: {expected}"),
            BindFault::Missing => write!(f, "parameter `{param}` is missing"),
            BindFault::NotAList => write!(f, "parameter `{param}` takes one value, not a list"),
            BindFault::Placeholder => {
                write!(f, "parameter `{param}`: this is a placeholder, not a secret")
            }
            BindFault::Unknown(None) => write!(f, "the rule has no parameter `{param}`"),
            BindFault::Unknown(Some(near)) => {
                write!(f, "the rule has no parameter `{param}`; did you mean `{near}`?")
            }
        }
    }
}

/// A parameter, as a rule declares it.
#[derive(Clone, Debug)]
pub struct ParamSpec {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ParamKind,
    /// What each value looks like as a whole; `None`: anything.
    pub pattern: Option<Arc<Pattern>>,
    /// Several values may be active, for example while a secret is being changed.
    pub list: bool,
    /// The rule does without it.
    pub optional: bool,
    /// The values where none is configured.
    pub default: Vec<String>,
    /// Where the operator finds it.
    pub hint: Option<String>,
}

/// What the values of a parameter are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ParamKind {
    /// PEM certificates. Not secret.
    Certificate,
    /// One of these words.
    Choice(Vec<String>),
    /// An address or a network.
    Network,
    /// A PEM public key or certificate. Not secret.
    PublicKey,
    /// A whole number of seconds.
    Seconds,
    /// Kept out of configurations; only by reference.
    Secret,
    /// Words that anybody may read.
    Text,
    /// The beginning of a URL.
    Url,
}

impl ParamSpec {
    /// Checks one value; the error says what was expected.
    pub fn check(&self, value: &Secret) -> Result<(), BindFault> {
        let bytes = value.expose();
        if bytes.trim_ascii().is_empty() {
            return Err(BindFault::Empty);
        }
        let pattern = self.pattern.as_ref();
        if let Some(pattern) = pattern.filter(|pattern| !pattern.matches(bytes)) {
            let expected = format!("expected what matches `{}`", pattern.as_str());
            return Err(BindFault::Malformed(expected));
        }
        let expected = match &self.kind {
            ParamKind::Choice(words) => {
                if words.iter().any(|word| word.as_bytes() == bytes) {
                    return Ok(());
                }
                format!("expected one of {}", words.join(", "))
            }
            ParamKind::Seconds => {
                if bytes.len() <= 9 && bytes.iter().all(u8::is_ascii_digit) {
                    return Ok(());
                }
                "expected a whole number of seconds".to_owned()
            }
            ParamKind::Secret => {
                return if is_placeholder(bytes) { Err(BindFault::Placeholder) } else { Ok(()) };
            }
            ParamKind::Network => {
                if std::str::from_utf8(bytes).ok().and_then(Network::parse).is_some() {
                    return Ok(());
                }
                "expected an address or a network such as 192.0.2.0/24".to_owned()
            }
            ParamKind::Url => {
                if is_url(bytes) {
                    return Ok(());
                }
                "expected scheme and host, perhaps a path, no `/` at the end: https://api.example.com"
                    .to_owned()
            }
            ParamKind::Certificate | ParamKind::PublicKey | ParamKind::Text => return Ok(()),
        };
        Err(BindFault::Malformed(expected))
    }
}

/// Scheme, host, perhaps a path: nothing that could move what a rule puts behind it.
fn is_url(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"https://").or_else(|| bytes.strip_prefix(b"http://"));
    rest.is_some_and(|rest| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(byte);
        !rest.is_empty()
            && !rest.starts_with(b"/")
            && !rest.ends_with(b"/")
            && rest.iter().all(plain)
    })
}

/// Words that people leave standing where a secret belongs.
fn is_placeholder(bytes: &[u8]) -> bool {
    const WORDS: [&str; 8] =
        ["changeme", "change_me", "change-me", "password", "replace_me", "secret", "todo", "xxx"];
    let lower = bytes.trim_ascii().to_ascii_lowercase();
    WORDS.iter().any(|word| word.as_bytes() == lower)
        || lower == b"whsec_"
        || (lower.starts_with(b"<") && lower.ends_with(b">"))
}
