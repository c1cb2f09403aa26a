//! What in a capture may be its proof.

use crate::cli::new::capture::{Capture, Kind, Place};
use crate::cli::new::draft::{reference, stripped};
use crate::cli::new::look::{self, Look, Written, look};
use crate::cli::new::yaml::quoted;
use crate::engine::digest::HashAlgorithm;
use crate::engine::event::Strength;
use crate::engine::jws::{JwsAlgorithm, Scheme};

/// Proofs that are guessed, at most: of more most are something else.
const TAGS_MAX: usize = 4;

const OVER: &str = "      # TODO: what is signed, in which order, and what stands between?";
const WEAK: &str = "      weak: \"TODO: why the gateway offers nothing better\"";

/// The proofs of a draft.
#[derive(Clone, Debug, Default)]
pub(super) struct Guess {
    /// Places that are taken for tags.
    pub(super) tags: Vec<Place>,
    /// The lines of `proofs:`.
    pub(super) proofs: Vec<String>,
    /// The lines of `fresh:`.
    pub(super) fresh: Vec<String>,
    /// Parameters, and how they are declared.
    pub(super) params: Vec<(&'static str, &'static str)>,
    /// When it was sent.
    pub(super) at: Option<String>,
    /// Values that nobody else may know.
    pub(super) secret_values: Vec<String>,
}

/// Guesses; where there is nothing to guess from, a proof that says so.
pub(super) fn guess(capture: &Capture) -> Guess {
    let mut guess = Guess { tags: tags(capture), ..Guess::default() };
    guess.proofs.push("proofs:".to_owned());
    guess.authorization(capture);
    for tag in guess.tags.clone() {
        guess.tag(&tag, capture);
    }
    if let Some((place, algorithm)) = &capture.jws {
        let keys = guess.keys_of(*algorithm);
        guess.say(&[
            "  # A signed token. TODO: is it always signed by this algorithm, and where do its keys come from?",
            "  - jws:",
            &format!("      token: {}", reference(place)),
            &format!("      algorithm: {}", algorithm.as_str()),
            &format!("      key: param.{keys}"),
        ]);
    }
    guess.secrets(capture);
    if guess.proofs.len() == 1 {
        guess.secret();
        guess.say(&[
            "  # TODO: nothing in the capture looks like a signature. How can it be told from a forgery?",
            "  # A signature after all: hmac, digest, signature, jws. The gateway, asked: confirm. If there is",
            "  # nothing better: basic, token, source.",
            "  - token:",
            "      place: TODO",
            "      secret: param.secret",
            WEAK,
        ]);
    }
    guess
}

/// The places that look like a tag. What stands in a payload counts where nothing stands outside.
fn tags(capture: &Capture) -> Vec<Place> {
    let named = |place: &&Place| {
        let name = if place.kind == Kind::Header { &place.reference } else { &place.name };
        look::says_tag(name)
    };
    let is_tag =
        |place: &&Place| matches!(look(&place.value), Look::Digest(..) | Look::Signature(..));
    let outside = |place: &&Place| place.kind != Kind::Leaf;
    let sure = |place: &&Place| match look(&place.value) {
        Look::Digest(_, Written { for_sure, .. })
        | Look::Signature(_, Written { for_sure, .. }) => for_sure,
        Look::Jws(_) | Look::Words => false,
    };
    let places = || capture.places.iter().filter(is_tag);
    let mut found: Vec<Place> = places().filter(named).filter(outside).cloned().collect();
    if found.is_empty() {
        found = places().filter(named).cloned().collect();
    }
    if found.is_empty() && capture.jws.is_none() && capture.credentials.is_none() {
        found = places().filter(sure).filter(outside).cloned().collect();
    }
    // Of the keys of one header the last version: `v1`, not `v0`.
    let header = |place: &Place| {
        let name = place.reference.rsplit_once('.').map_or("", |(header, _)| header).to_owned();
        (place.kind == Kind::Header && place.depth == 2).then_some(name)
    };
    let last = |place: &Place| {
        found.iter().all(|other| {
            header(place).is_none() || header(other) != header(place) || other.name <= place.name
        })
    };
    found.iter().filter(|place| last(place)).take(TAGS_MAX).cloned().collect()
}

impl Guess {
    fn is_tag(&self, place: &Place) -> bool {
        self.tags.iter().any(|tag| tag.reference == place.reference)
    }

    fn say(&mut self, lines: &[&str]) {
        self.proofs.extend(lines.iter().map(|&line| line.to_owned()));
    }

    fn param(&mut self, name: &'static str, declared: &'static str) -> &'static str {
        if !self.params.iter().any(|(known, _)| *known == name) {
            self.params.push((name, declared));
        }
        name
    }

    fn secret(&mut self) -> &'static str {
        self.param(
            "secret",
            "{ type: secret } # TODO: where does the operator find it? Say so in a `hint`.",
        )
    }

    fn public_keys(&mut self) -> &'static str {
        self.param(
            "public_keys",
            "{ type: public_key, list: true } # TODO: where is it published? Say so in a `hint`.",
        )
    }

    fn tag(&mut self, tag: &Place, capture: &Capture) {
        let (reference, length) = (&tag.reference, tag.value.len());
        match look(&tag.value) {
            Look::Digest(hash, written) => {
                // Old schemes put the secret among the parts; newer ones know HMAC.
                let is_old = matches!(hash, HashAlgorithm::Md5 | HashAlgorithm::Sha1);
                let is_plain = is_old && tag.kind != Kind::Header;
                let secret = self.secret();
                self.say(&[
                    &format!("  # `{reference}` is {length} characters long: enough for {}.", hash.as_str()),
                    "  # TODO: is it hmac (keyed), or digest (the secret is one of the parts)? Which algorithm?",
                    if is_plain { "  - digest:" } else { "  - hmac:" },
                    &format!("      algorithm: {}", hash.as_str()),
                ]);
                if !is_plain {
                    self.say(&[&format!("      key: param.{secret}")]);
                }
                self.over(tag, capture, is_plain.then_some(secret));
                self.written(tag, &written);
                let strength = if is_plain { hash.digest_strength() } else { hash.hmac_strength() };
                if strength == Strength::Weak {
                    self.say(&[WEAK]);
                }
            }
            Look::Signature(algorithm, written) => {
                let keys = self.public_keys();
                self.say(&[
                    &format!("  # `{reference}` is as long as a public-key signature. TODO: of which algorithm?"),
                    "  - signature:",
                    &format!("      algorithm: {algorithm}"),
                    &format!("      key: param.{keys}"),
                ]);
                self.over(tag, capture, None);
                self.written(tag, &written);
            }
            Look::Jws(_) | Look::Words => {}
        }
    }

    fn written(&mut self, tag: &Place, written: &Written) {
        self.say(&[
            &format!("      tag: {}", stripped(&tag.reference, &written.scheme)),
            &format!("      encoding: {}", written.encoding.as_str()),
        ]);
    }

    /// What the tag may be made of.
    fn over(&mut self, tag: &Place, capture: &Capture, secret: Option<&str>) {
        self.say(&[OVER]);
        let mut parts: Vec<String> = Vec::new();
        if tag.kind == Kind::Header {
            let stamps = capture.places.iter().filter(|place| {
                let header =
                    |place: &Place| place.reference.rsplit_once('.').map(|(at, _)| at.to_owned());
                let beside = place.depth == 2 && tag.depth == 2 && header(place) == header(tag);
                place.kind == Kind::Header
                    && (look::says_stamp(&place.name) || beside)
                    && look(&place.value) == Look::Words
            });
            for stamp in stamps {
                parts.push(reference(&stamp.reference));
                parts.push("{ text: \".\" }".to_owned());
                self.stamp(stamp);
            }
        }
        let packed = capture.payloads.iter().find(|payload| payload.from.starts_with("field"));
        let others = |kind: Kind| {
            let others = capture.places.iter().filter(|place| {
                place.kind == kind && !self.is_tag(place) && !place.value.is_empty()
            });
            others.map(|place| reference(&place.reference)).collect::<Vec<String>>()
        };
        match (tag.kind, packed) {
            (Kind::Header, _) if !capture.raw.is_empty() => parts.push("body".to_owned()),
            (Kind::Leaf, _) => parts.extend(others(Kind::Leaf)),
            (_, Some(payload)) => {
                let place = payload.from.split(" | ").next().unwrap_or_default();
                parts.push(reference(place));
            }
            (_, None) => parts.extend(others(Kind::Field)),
        }
        parts.extend(secret.map(|secret| format!("param.{secret}")));
        if parts.is_empty() {
            parts.push("TODO".to_owned());
        }
        if parts.len() <= 5 {
            self.say(&[&format!("      over: [{}]", parts.join(", "))]);
        } else {
            self.say(&["      over:"]);
            self.proofs.extend(parts.iter().map(|part| format!("        - {part}")));
        }
    }

    /// A time beside a signature.
    fn stamp(&mut self, stamp: &Place) {
        let unit = match stamp.value.len() {
            10 => "s",
            13 => "ms",
            _ => return,
        };
        if !self.fresh.is_empty() || !stamp.value.bytes().all(|byte| byte.is_ascii_digit()) {
            return;
        }
        self.param(
            "max_age",
            "{ type: seconds, default: \"300\", hint: \"how far the signed time may be away\" }",
        );
        self.fresh = vec![
            "fresh:".to_owned(),
            format!(
                "  - {{ time: {}, unit: {unit}, max_age: param.max_age }}",
                reference(&stamp.reference)
            ),
        ];
        self.at = stamp.value.get(..10).map(str::to_owned);
    }

    fn authorization(&mut self, capture: &Capture) {
        let Some(line) = &capture.credentials else { return };
        let (scheme, credentials) = line.split_once(' ').unwrap_or((line, ""));
        self.secret_values.push(credentials.to_owned());
        if scheme.eq_ignore_ascii_case("basic") {
            self.param("user", "{ type: text, hint: \"as you have set it at the gateway\" }");
            self.param("password", "{ type: secret, hint: \"as you have set it at the gateway\" }");
            self.say(&[
                "  # TODO: is there no signature? Credentials say who sends, not what.",
                "  - basic:",
                "      user: param.user",
                "      password: param.password",
                WEAK,
            ]);
            return;
        }
        let place = quoted(&format!("header.authorization | strip '{scheme} '"));
        if let Look::Jws(algorithm) = look(credentials) {
            let keys = self.keys_of(algorithm);
            self.say(&[
                "  # TODO: is there no signature over the body? A token says who sends, not what.",
                "  - jws:",
                &format!("      token: {place}"),
                &format!("      algorithm: {}", algorithm.as_str()),
                &format!("      key: param.{keys}"),
                "      bearer: true",
                WEAK,
            ]);
            return;
        }
        self.token(&place);
    }

    fn keys_of(&mut self, algorithm: JwsAlgorithm) -> &'static str {
        match algorithm.scheme() {
            Scheme::Hmac(_) => self.secret(),
            Scheme::Signature(_) => self.public_keys(),
        }
    }

    fn token(&mut self, place: &str) {
        self.secret();
        self.say(&[
            "  # TODO: is it the same in every callback? And is there no signature? Words that the sender",
            "  # knows say who sends, not what.",
            "  - token:",
            &format!("      place: {place}"),
            "      secret: param.secret",
            WEAK,
        ]);
    }

    /// Words that the sender knows, where nothing better is there.
    fn secrets(&mut self, capture: &Capture) {
        let named = |place: &&Place| {
            look::says_secret(&place.name) && place.value.len() > 3 && !self.is_tag(place)
        };
        let places: Vec<Place> = capture.places.iter().filter(named).cloned().collect();
        for place in places {
            self.secret_values.push(place.value.clone());
            if self.proofs.len() == 1 {
                self.token(&reference(&place.reference));
            }
        }
    }
}
