//! HTTP Message Signatures (RFC 9421) of requests: from a request and a label to the bytes that were
//! signed and what was signed about them. Whether enough of the request is covered, and whether the
//! signature is one, is for the caller to say.

mod structured;

use std::borrow::Cow;

use crate::engine::digest::{HashAlgorithm, digest};
use crate::engine::encoding::Encoding;
use crate::engine::form;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::engine::signature::SignatureAlgorithm;
use structured::{Bare, FieldError, InnerList, Item, Member, MemberValue, is_tchar};

/// Bytes of a signature base.
pub const BASE_BYTES_MAX: usize = 128 * 1024;

/// What the registry of RFC 9421 §6.2 calls HMAC with SHA-256.
pub const HMAC_SHA256: &str = "hmac-sha256";

/// What the registry calls the algorithm; some are not in it. A signature that says another `alg`
/// than the rule's must be refused (§3.2 step 6.4).
pub fn registered_name(algorithm: SignatureAlgorithm) -> Option<&'static str> {
    match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256Raw => Some("ecdsa-p256-sha256"),
        SignatureAlgorithm::EcdsaP384Sha384Raw => Some("ecdsa-p384-sha384"),
        SignatureAlgorithm::Ed25519 => Some("ed25519"),
        SignatureAlgorithm::RsaPssSha512 => Some("rsa-pss-sha512"),
        SignatureAlgorithm::RsaSha256 => Some("rsa-v1_5-sha256"),
        SignatureAlgorithm::EcdsaP256Sha256
        | SignatureAlgorithm::EcdsaP384Sha384
        | SignatureAlgorithm::RsaPssSha256
        | SignatureAlgorithm::RsaSha1
        | SignatureAlgorithm::RsaSha384
        | SignatureAlgorithm::RsaSha512 => None,
    }
}

/// Where the sender believes that it sends to. From configuration: what stands behind a proxy does
/// not see it, and what the request says of itself is the sender's word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    scheme: &'static str,
    authority: String,
}

impl Origin {
    /// Reads `https://pay.example.com:8443`. Normalized (RFC 9110 §4.2.3): lower case, no default
    /// port. `None`: anything else, also with a path or a `/`.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (scheme, authority, default_port) = match lower.split_once("://")? {
            ("http", authority) => ("http", authority, ":80"),
            ("https", authority) => ("https", authority, ":443"),
            _ => return None,
        };
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_address = |byte: u8| byte.is_ascii_hexdigit() || b":.".contains(&byte);
        let good_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => !address.is_empty() && address.bytes().all(is_address),
            None => !host.is_empty() && host.bytes().all(is_name),
        };
        let good_port = port.is_none_or(|port| {
            port.starts_with(|first: char| matches!(first, '1'..='9'))
                && port.parse::<u16>().is_ok()
        });
        (good_host && good_port).then(|| Self { scheme, authority: authority.to_owned() })
    }
}

/// A part of a request that a signature covers (RFC 9421 §2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Component {
    /// `@authority`
    Authority,
    /// A header field: its name in lower case.
    Field(String),
    /// `@method`
    Method,
    /// `@path`
    Path,
    /// `@query`
    Query,
    /// `@query-param`: the name, encoded as in the signature.
    QueryParam(String),
    /// `@request-target`
    RequestTarget,
    /// `@scheme`
    Scheme,
    /// `@target-uri`
    TargetUri,
}

impl Component {
    /// `@method`, `content-digest`. `None`: not supported, or not written in lower case. A query
    /// parameter has no word.
    pub fn from_word(word: &str) -> Option<Self> {
        let is_name = |byte| is_tchar(byte) && !byte.is_ascii_uppercase();
        Some(match word {
            "@authority" => Self::Authority,
            "@method" => Self::Method,
            "@path" => Self::Path,
            "@query" => Self::Query,
            "@request-target" => Self::RequestTarget,
            "@scheme" => Self::Scheme,
            "@target-uri" => Self::TargetUri,
            field if !field.is_empty() && field.bytes().all(is_name) => {
                Self::Field(field.to_owned())
            }
            _ => return None,
        })
    }

    /// Whether a signature over these is one over this too: an address covers its parts.
    pub fn is_within(&self, covered: &[Self]) -> bool {
        let wholes: &[Self] = match self {
            Self::Authority | Self::RequestTarget | Self::Scheme => &[Self::TargetUri],
            Self::Path | Self::Query => &[Self::RequestTarget, Self::TargetUri],
            Self::Field(_) | Self::Method | Self::QueryParam(_) | Self::TargetUri => &[],
        };
        covered.contains(self) || wholes.iter().any(|whole| covered.contains(whole))
    }

    /// `sf`, `bs`, `key`, `req` and `tr` are not supported, nor is anything that is not known.
    fn of(item: &Item) -> Result<Self, HttpSignatureError> {
        let Bare::Text(name) = &item.bare else { return Err(HttpSignatureError::Malformed) };
        match (name.as_str(), item.params.as_slice()) {
            ("@signature-params", _) => Err(HttpSignatureError::Malformed),
            ("@query-param", [(key, Bare::Text(name))]) if key == "name" => {
                Ok(Self::QueryParam(name.clone()))
            }
            (name, []) => Self::from_word(name).ok_or(HttpSignatureError::NotSupported),
            _ => Err(HttpSignatureError::NotSupported),
        }
    }

    /// Its value, one line of ASCII (§2.5).
    fn value<'m>(
        &self,
        inbound: &Inbound<'m>,
        origin: &'m Origin,
    ) -> Result<Cow<'m, str>, HttpSignatureError> {
        let target = inbound.target;
        let path = target.split('?').next().unwrap_or_default();
        let value: Cow<'m, str> = match self {
            Self::Authority => origin.authority.as_str().into(),
            Self::Field(name) => field(inbound, name)?.into(),
            Self::Method => inbound.method.into(),
            Self::Path => path.into(),
            Self::Query => format!("?{}", inbound.query()).into(),
            Self::QueryParam(name) => query_param(inbound.query(), name)?.into(),
            Self::RequestTarget => target.into(),
            Self::Scheme => origin.scheme.into(),
            Self::TargetUri => format!("{}://{}{target}", origin.scheme, origin.authority).into(),
        };
        let may_have_tabs = matches!(self, Self::Field(_));
        let is_part = |byte| matches!(byte, b' '..=b'~') || (may_have_tabs && byte == b'\t');
        let is_line = value.bytes().all(is_part);
        if is_line { Ok(value) } else { Err(HttpSignatureError::Malformed) }
    }
}

/// Why there is nothing to verify.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HttpSignatureError {
    /// A covered component is not in the request.
    #[error("the signature covers a component that is not in the request")]
    ComponentMissing,
    /// A label, a component, a parameter, or a query parameter that is covered, comes twice.
    #[error("a label, component or parameter of the signature comes twice")]
    Duplicate,
    /// No signature of that label, or only one half of it.
    #[error("no signature of the rule's label")]
    LabelMissing,
    /// Not structured fields of the form that RFC 9421 wants, or a value that cannot be signed.
    #[error("the signature's fields are malformed")]
    Malformed,
    /// A component, or a parameter of one, that is not supported here.
    #[error("the signature covers a component that is not supported")]
    NotSupported,
    /// More or longer parts than any signature needs.
    #[error("the signature's fields are too long")]
    TooLong,
}

impl From<FieldError> for HttpSignatureError {
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::Duplicate => Self::Duplicate,
            FieldError::Malformed => Self::Malformed,
            FieldError::TooLong => Self::TooLong,
        }
    }
}

/// A signature and what it is of. Nothing in it is believed before it verifies.
pub struct HttpSignature {
    /// What is covered, in the order signed, nothing twice.
    pub components: Vec<Component>,
    /// What is said about the signature, and covered by it.
    pub params: SignatureParams,
    /// The bytes that are signed.
    pub base: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Parameters of a signature (RFC 9421 §2.3). Others are covered and not handed out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SignatureParams {
    /// When it was made.
    pub created: Option<UnixSeconds>,
    /// When it ends.
    pub expires: Option<UnixSeconds>,
    /// The name of the key.
    pub keyid: Option<String>,
    /// The algorithm, to be compared with the rule's ([`registered_name`]); it chooses none.
    pub alg: Option<String>,
    /// A value used once.
    pub nonce: Option<String>,
    /// What the signature is for.
    pub tag: Option<String>,
}

impl HttpSignature {
    /// Reads the signature of that label.
    pub fn read(
        inbound: &Inbound<'_>,
        origin: &Origin,
        label: &str,
    ) -> Result<Self, HttpSignatureError> {
        // Only the origin form; a fragment is never sent.
        if !inbound.target.starts_with('/') || inbound.target.contains([' ', '#']) {
            return Err(HttpSignatureError::Malformed);
        }
        let input = labelled(inbound, "signature-input", label)?;
        let signature = labelled(inbound, "signature", label)?;
        let (MemberValue::List(covered), MemberValue::Item(Item { bare: Bare::Bytes(bytes), .. })) =
            (input, signature)
        else {
            return Err(HttpSignatureError::Malformed);
        };
        let components = components(&covered)?;
        let base = base(&covered, &components, inbound, origin)?;
        Ok(Self { components, params: SignatureParams::of(&covered)?, base, signature: bytes })
    }
}

impl SignatureParams {
    fn of(covered: &InnerList) -> Result<Self, HttpSignatureError> {
        let mut params = Self::default();
        for (key, value) in &covered.params {
            match (key.as_str(), value) {
                ("created", Bare::Integer(at)) => params.created = Some(*at),
                ("expires", Bare::Integer(at)) => params.expires = Some(*at),
                ("keyid", Bare::Text(text)) => params.keyid = Some(text.clone()),
                ("alg", Bare::Text(text)) => params.alg = Some(text.clone()),
                ("nonce", Bare::Text(text)) => params.nonce = Some(text.clone()),
                ("tag", Bare::Text(text)) => params.tag = Some(text.clone()),
                ("created" | "expires" | "keyid" | "alg" | "nonce" | "tag", _) => {
                    return Err(HttpSignatureError::Malformed);
                }
                _ => {}
            }
        }
        Ok(params)
    }
}

/// The member of that label in a dictionary that may stand in several lines.
fn labelled(
    inbound: &Inbound<'_>,
    header: &str,
    label: &str,
) -> Result<MemberValue, HttpSignatureError> {
    let members: Vec<Member> = structured::dictionary(inbound.header_lines(header))?;
    let found = members.into_iter().find(|(key, _)| key == label);
    found.map(|(_, value)| value).ok_or(HttpSignatureError::LabelMissing)
}

fn components(covered: &InnerList) -> Result<Vec<Component>, HttpSignatureError> {
    let mut components = Vec::with_capacity(covered.items.len());
    for item in &covered.items {
        let component = Component::of(item)?;
        if components.contains(&component) {
            return Err(HttpSignatureError::Duplicate);
        }
        components.push(component);
    }
    Ok(components)
}

/// RFC 9421 §2.5.
fn base(
    covered: &InnerList,
    components: &[Component],
    inbound: &Inbound<'_>,
    origin: &Origin,
) -> Result<Vec<u8>, HttpSignatureError> {
    let mut base = String::new();
    for (item, component) in covered.items.iter().zip(components) {
        item.write(&mut base);
        base.push_str(": ");
        base.push_str(&component.value(inbound, origin)?);
        base.push('\n');
        if base.len() > BASE_BYTES_MAX {
            return Err(HttpSignatureError::TooLong);
        }
    }
    base.push_str("\"@signature-params\": ");
    covered.write(&mut base);
    Ok(base.into_bytes())
}

/// §2.1. A folded line is not unfolded: it holds line ends, and is refused for them.
fn field(inbound: &Inbound<'_>, name: &str) -> Result<String, HttpSignatureError> {
    let mut value: Option<String> = None;
    for line in inbound.header_lines(name) {
        let line = std::str::from_utf8(line).map_err(|_| HttpSignatureError::Malformed)?;
        let line = line.trim_matches([' ', '\t']);
        value = Some(match value {
            Some(before) => before + ", " + line,
            None => line.to_owned(),
        });
    }
    value.ok_or(HttpSignatureError::ComponentMissing)
}

/// §2.2.8. The name is compared as it is written in the signature: encoded, in one way.
fn query_param(query: &str, name: &str) -> Result<String, HttpSignatureError> {
    let mut found = None;
    for pair in form::pairs(query.as_bytes()) {
        let (key, value) = pair.map_err(|_| HttpSignatureError::Malformed)?;
        if percent_encode(&key)? == name && found.replace(percent_encode(&value)?).is_some() {
            return Err(HttpSignatureError::Duplicate);
        }
    }
    found.ok_or(HttpSignatureError::ComponentMissing)
}

/// The percent-encode set of forms (WHATWG URL §1.3), a space as `%20`. Only UTF-8.
fn percent_encode(decoded: &[u8]) -> Result<String, HttpSignatureError> {
    let decoded = std::str::from_utf8(decoded).map_err(|_| HttpSignatureError::Malformed)?;
    let mut out = String::with_capacity(decoded.len());
    for byte in decoded.bytes() {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&Encoding::HexUpper.encode(&[byte]));
        }
    }
    Ok(out)
}

/// Whether a body has the digests of its `Content-Digest` (RFC 9530 §2): every one of SHA-256 and
/// SHA-512 that is listed, in one line or several. `None`: neither is, and nothing is said about the
/// body. What is no such field matches no body.
pub fn content_digest_matches(inbound: &Inbound<'_>) -> Option<bool> {
    let lines = inbound.header_lines("content-digest");
    let Ok(members) = structured::dictionary(lines) else { return Some(false) };
    let mut known = members.iter().filter_map(|(key, value)| {
        let algorithm = match key.as_str() {
            "sha-256" => HashAlgorithm::Sha256,
            "sha-512" => HashAlgorithm::Sha512,
            _ => return None,
        };
        let MemberValue::Item(Item { bare: Bare::Bytes(found), .. }) = value else {
            return Some(false);
        };
        Some(digest(algorithm, |feed| feed.feed(inbound.body)).bytes() == found.as_slice())
    });
    let first = known.next()?;
    Some(first && known.all(|matches| matches))
}

#[cfg(test)]
mod tests;
