//! JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037): the public half of RSA, P-256, P-384 and
//! Ed25519.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::RsaPublicKeyComponents;

use crate::engine::encoding::Encoding;
use crate::engine::signature::key::ED25519_BYTES;
use crate::engine::signature::{KeyKind, PublicKey, RSA_BITS_MAX, SignatureAlgorithm};
use crate::engine::value::{Object, Value};

/// One public key. Which algorithm it verifies by is said by whoever asks for it.
pub struct Jwk {
    kid: Option<String>,
    /// The one algorithm that its owner lets it be used with.
    alg: Option<String>,
    material: Material,
}

/// In the form that [`PublicKey::from_der`] reads.
enum Material {
    Ed25519(Vec<u8>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    Rsa(Vec<u8>),
}

impl Jwk {
    /// Reads a public key for signatures. The error says what was expected.
    pub fn from_value(value: &Value<'_>) -> Result<Self, String> {
        let object = value.as_object().ok_or("expected a JWK: not a JSON object")?;
        // `d` is the private half of every kind, `k` a shared secret.
        if object.get("d").is_some() || object.get("k").is_some() {
            return Err("expected a public JWK, found a secret one: replace the key".to_owned());
        }
        let is_for_signatures =
            object.get("use").is_none_or(|found| found.as_text() == Some("sig"))
                && object.get("key_ops").is_none_or(may_verify);
        if !is_for_signatures {
            return Err("expected a JWK for signatures: `use` is not `sig`".to_owned());
        }
        let material = match (text(object, "kty")?, object.get("crv").and_then(Value::as_text)) {
            ("RSA", _) => Material::Rsa(rsa(object)?),
            ("EC", Some("P-256")) => Material::P256(point(object, 32)?),
            ("EC", Some("P-384")) => Material::P384(point(object, 48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(object, "x", ED25519_BYTES)?),
            _ => return Err("expected a JWK of RSA, P-256, P-384 or Ed25519".to_owned()),
        };
        let optional = |name| object.get(name).map(|_| text(object, name)).transpose();
        let (kid, alg) = (optional("kid")?, optional("alg")?);
        Ok(Self { kid: kid.map(str::to_owned), alg: alg.map(str::to_owned), material })
    }

    /// Its name among the keys of its owner.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The key, to verify by `algorithm`. The error says what was expected.
    pub fn public_key(&self, algorithm: SignatureAlgorithm) -> Result<PublicKey, String> {
        let of_its_kind = match (&self.material, algorithm.key_kind()) {
            (Material::Ed25519(key), KeyKind::Ed25519)
            | (Material::P256(key), KeyKind::P256)
            | (Material::P384(key), KeyKind::P384)
            | (Material::Rsa(key), KeyKind::Rsa { .. }) => Some(key),
            _ => None,
        };
        let allowed = self.alg.as_deref().is_none_or(|alg| jose_names(algorithm).contains(&alg));
        match of_its_kind {
            Some(key) if allowed => PublicKey::from_der(algorithm, key),
            _ => Err(format!("the JWK is for another algorithm than {}", algorithm.as_str())),
        }
    }
}

impl PublicKey {
    /// Reads a JWK. The error says what was expected.
    pub fn from_jwk(algorithm: SignatureAlgorithm, jwk: &Value<'_>) -> Result<Self, String> {
        Jwk::from_value(jwk)?.public_key(algorithm)
    }
}

/// What JOSE calls the algorithm (RFC 7518 §3.1, RFC 8037, RFC 9864). How a signature is laid out
/// does not belong to the name here: the key is the same.
fn jose_names(algorithm: SignatureAlgorithm) -> &'static [&'static str] {
    match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::EcdsaP256Sha256Raw => &["ES256"],
        SignatureAlgorithm::EcdsaP384Sha384 | SignatureAlgorithm::EcdsaP384Sha384Raw => &["ES384"],
        SignatureAlgorithm::Ed25519 => &["EdDSA", "Ed25519"],
        SignatureAlgorithm::RsaPssSha256 => &["PS256"],
        SignatureAlgorithm::RsaPssSha512 => &["PS512"],
        SignatureAlgorithm::RsaSha1 => &[],
        SignatureAlgorithm::RsaSha256 => &["RS256"],
        SignatureAlgorithm::RsaSha384 => &["RS384"],
        SignatureAlgorithm::RsaSha512 => &["RS512"],
    }
}

fn may_verify(operations: &Value<'_>) -> bool {
    let is_verify = |operation: &Value<'_>| operation.as_text() == Some("verify");
    operations.as_list().is_some_and(|operations| operations.iter().any(is_verify))
}

fn text<'a>(object: &'a Object<'_>, name: &str) -> Result<&'a str, String> {
    let found = object.get(name).and_then(Value::as_text);
    found.ok_or_else(|| format!("expected a JWK: `{name}` is not a text"))
}

fn decoded(object: &Object<'_>, name: &str) -> Result<Vec<u8>, String> {
    Encoding::Base64UrlNoPad
        .decode(text(object, name)?.as_bytes())
        .ok_or_else(|| format!("expected a JWK: `{name}` is not unpadded base64url"))
}

fn bytes(object: &Object<'_>, name: &str, count: usize) -> Result<Vec<u8>, String> {
    let found = decoded(object, name)?;
    let fits = found.len() == count;
    fits.then_some(found).ok_or_else(|| format!("expected a JWK: `{name}` of {count} bytes"))
}

/// Uncompressed, SEC 1 §2.3.3.
fn point(object: &Object<'_>, count: usize) -> Result<Vec<u8>, String> {
    Ok([vec![4], bytes(object, "x", count)?, bytes(object, "y", count)?].concat())
}

/// As `SubjectPublicKeyInfo`. Some write a zero in front of the modulus.
fn rsa(object: &Object<'_>) -> Result<Vec<u8>, String> {
    let number = |name| {
        let bytes = decoded(object, name)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok::<_, String>(bytes.into_iter().skip(zeros).collect::<Vec<u8>>())
    };
    let key = RsaPublicKeyComponents { n: number("n")?, e: number("e")? };
    let der = (key.n.len() <= RSA_BITS_MAX as usize / 8).then(|| key.as_der().ok()).flatten();
    let der = der.ok_or_else(|| format!("expected a JWK: RSA of at most {RSA_BITS_MAX} bits"))?;
    Ok(der.as_ref().to_vec())
}
