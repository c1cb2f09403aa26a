//! Signed tokens and signatures over the message, as rules use them: whose key, which algorithm, for
//! whom, until when.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};

use super::*;
use crate::engine::digest::{HashAlgorithm, Hmacer, digest};
use crate::engine::encoding::Encoding;
use crate::engine::exchange::{Answer, Answered};
use crate::engine::inbound::Inbound;
use crate::engine::reason::Reason;
use crate::engine::secret::Secret;
use crate::engine::verdict::Verdict;

/// A bearer token in a header, under a key of a fetched set.
const BEARER: &str = r#"gateway: bearer
title: Bearer
docs: https://docs.bearer.example
params:
  audience: { type: text }
request: { method: POST, body: json, headers: { authorization: {} } }
exchanges:
  certs: { method: GET, url: { text: "https://keys.bearer.example/certs" }, cache: 1h, answer: { as: keys } }
proofs:
  - jws:
      token: header.authorization | strip 'Bearer '
      algorithm: ES256
      key: { set: certs }
      bearer: true
      weak: nothing better is offered
payload:
  - { name: identity, from: claims, as: json }
  - { name: payload, from: body, as: json }
fresh:
  - { time: identity.exp, unit: s, must_be: ahead }
  - { time: identity.iat, unit: s, must_be: behind }
guards:
  - { equal: [identity.aud, param.audience], else: account_mismatch }
  - { holds: { identity.iss: "https://bearer.example" }, else: account_mismatch }
event:
  event_id: payload.id
  status: { from: payload.id, map: {} }
  dedupe: payload.id
examples:
  - name: a message
    params: { audience: us }
    at: 1000
    request: { headers: { authorization: "Bearer TOKEN" }, body: '{"id":"7"}' }
    exchanges: [{ url: "https://keys.bearer.example/certs", answer: 'KEYS' }]
    expect: { accept: { event_id: "7" } }
"#;

const CLAIMS: &str = r#"{"iss":"https://bearer.example","aud":"us","iat":900,"exp":2000}"#;

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    fn token(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = self.sign(input.as_bytes());
        format!("{input}.{}", Encoding::Base64UrlNoPad.encode(&signature))
    }

    /// A key of a set, `more` in front.
    fn jwk(&self, kid: &str, more: &str) -> String {
        let point = self.0.public_key().as_ref();
        let (x, y) = point.get(1..).expect("a point").split_at(32);
        let [x, y] = [x, y].map(|part| Encoding::Base64UrlNoPad.encode(part));
        format!(r#"{{{more}"kty":"EC","crv":"P-256","kid":"{kid}","x":"{x}","y":"{y}"}}"#)
    }
}

fn encode(text: &str) -> String {
    Encoding::Base64UrlNoPad.encode(text.as_bytes())
}

fn set(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn header(kid: &str) -> String {
    format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#)
}

#[track_caller]
fn compiled(text: &str) -> Rule {
    compile("it.yaml", text).unwrap_or_else(|found| panic!("{}", found.render(text)))
}

fn bound(rule: &Rule, params: &[(&str, &str)]) -> Bound {
    let mut given = Params::new();
    for (name, value) in params {
        given.push(*name, Secret::from(*value));
    }
    rule.bind(&given).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The rule [`BEARER`], one key in its set.
fn bearer() -> (Signer, Bound) {
    let signer = Signer::new();
    let token = signer.token(&header("k1"), CLAIMS);
    let keys = set(&[signer.jwk("k1", "")]);
    let rule = compiled(&BEARER.replace("TOKEN", &token).replace("KEYS", &keys));
    (signer, bound(&rule, &[("audience", "us")]))
}

fn answered(body: &str, cached: bool) -> Answered {
    let answer = Answer::Given { status: 200, body: body.as_bytes().into(), cached };
    Answered { name: "certs".into(), answer }
}

/// Judges a message with that token.
fn judge(bound: &Bound, token: &str, now: i64, answers: &[Answered]) -> Verdict {
    let authorization = format!("Bearer {token}");
    let headers = [
        ("content-type", b"application/json".as_slice()),
        ("authorization", authorization.as_bytes()),
    ];
    let inbound = Inbound {
        method: "POST",
        target: "/",
        headers: &headers,
        body: br#"{"id":"7"}"#,
        remote_addr: None,
        client_certificates: &[],
    };
    bound.judge(&inbound, now, answers)
}

/// How a verdict reads: `accepted`, `ask`, `ask anew` or the reason.
fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Ask(exchange) if exchange.refresh => "ask anew",
        Verdict::Ask(_) => "ask",
        Verdict::Rejected(reject) => reject.reason.as_str(),
    }
}

#[test]
fn a_token_of_another_algorithm_is_refused_before_anybody_is_asked() {
    let (signer, bound) = bearer();
    let keys = set(&[signer.jwk("k1", "")]);
    let public = signer.0.public_key().as_ref();
    let hmac = |key: &[u8]| {
        let input = format!("{}.{}", encode(r#"{"alg":"HS256","kid":"k1"}"#), encode(CLAIMS));
        let tag = Hmacer::new(HashAlgorithm::Sha256, key).tag(|feed| feed.feed(input.as_bytes()));
        format!("{input}.{}", Encoding::Base64UrlNoPad.encode(tag.bytes()))
    };
    let none = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(CLAIMS));
    let cases = [
        (format!("{none}AA"), "algorithm_not_allowed"),
        // None at all is no token of any kind.
        (none, "algorithm_not_allowed"),
        (hmac(public), "algorithm_not_allowed"),
        (hmac(keys.as_bytes()), "algorithm_not_allowed"),
        (hmac(b""), "algorithm_not_allowed"),
        (signer.token(r#"{"alg":"ES384","kid":"k1"}"#, CLAIMS), "algorithm_not_allowed"),
        (signer.token(r#"{"alg":"RS256","kid":"k1"}"#, CLAIMS), "algorithm_not_allowed"),
        (
            signer.token(r#"{"alg":"ES256","kid":"k1","crit":["b64"],"b64":false}"#, CLAIMS),
            "signature_malformed",
        ),
        (String::from("a.b"), "signature_malformed"),
    ];
    for (token, want) in cases {
        for answers in [vec![], vec![answered(&keys, false)]] {
            assert_eq!(word(&judge(&bound, &token, 1000, &answers)), want, "{token}");
        }
    }
}

#[test]
fn a_token_is_for_us_from_the_right_one_and_for_now() {
    let (signer, bound) = bearer();
    let keys = set(&[signer.jwk("k1", "")]);
    let claims = |from: &str, to: &str| CLAIMS.replace(from, to);
    let cases = [
        (claims("", ""), 1000, "accepted"),
        (claims(r#""us""#, r#""them""#), 1000, "account_mismatch"),
        (claims(r#""us""#, r#""us2""#), 1000, "account_mismatch"),
        (claims(r#","aud":"us""#, ""), 1000, "account_mismatch"),
        // A list is not the one name.
        (claims(r#""us""#, r#"["us"]"#), 1000, "field_malformed"),
        (claims("https://bearer.example", "https://bearer.example.evil"), 1000, "account_mismatch"),
        (claims("https://bearer.example", "HTTPS://bearer.example"), 1000, "account_mismatch"),
        (claims("", ""), 1999, "accepted"),
        (claims("", ""), 2000, "timestamp_too_old"),
        (claims(r#","exp":2000"#, ""), 1000, "field_missing"),
        (claims("2000", "null"), 1000, "field_missing"),
        (claims("2000", r#""soon""#), 1000, "field_malformed"),
        (claims("2000", "2e3"), 1000, "field_malformed"),
        (claims("", ""), 840, "accepted"),
        (claims("", ""), 839, "timestamp_in_future"),
        (claims(r#","iat":900"#, ""), 1000, "field_missing"),
        (claims(r#""iat":900"#, r#""iat":900,"iat":900"#), 1000, "duplicate_field"),
        ("[]".to_owned(), 1000, "payload_malformed"),
    ];
    for (claims, now, want) in cases {
        let token = signer.token(&header("k1"), &claims);
        let verdict = judge(&bound, &token, now, &[answered(&keys, false)]);
        assert_eq!(word(&verdict), want, "{claims} at {now}");
    }
}

#[test]
fn a_key_that_is_not_in_a_kept_set_is_asked_for_once() {
    let (signer, bound) = bearer();
    let token = signer.token(&header("new"), CLAIMS);
    let old = set(&[signer.jwk("old", "")]);
    let new = set(&[signer.jwk("old", ""), signer.jwk("new", "")]);
    let cases: [(&[Answered], &str); 7] = [
        (&[], "ask"),
        (&[answered(&old, true)], "ask anew"),
        (&[answered(&old, true), answered(&new, false)], "accepted"),
        (&[answered(&old, true), answered(&old, false)], "signature_mismatch"),
        // Whoever has asked anew a moment before has asked for us too.
        (&[answered(&old, true), answered(&new, true)], "accepted"),
        (&[answered(&old, false)], "signature_mismatch"),
        (&[answered(&new, true)], "accepted"),
    ];
    for (answers, want) in cases {
        assert_eq!(word(&judge(&bound, &token, 1000, answers)), want, "{answers:?}");
    }
    // A stranger's signature under a name that is known is no reason to ask.
    let forged = Signer::new().token(&header("old"), CLAIMS);
    assert_eq!(word(&judge(&bound, &forged, 1000, &[answered(&old, true)])), "signature_mismatch");
}

#[test]
fn a_key_set_counts_as_its_owner_says() {
    let (signer, bound) = bearer();
    let stranger = Signer::new();
    let k1 = |signer: &Signer| signer.jwk("k1", "");
    let secret = r#"{"kty":"oct","kid":"k1","k":"AAAA"}"#.to_owned();
    let cases = [
        (set(&[k1(&signer)]), header("k1"), "accepted"),
        (set(&[k1(&stranger), k1(&signer)]), header("k1"), "accepted"),
        (set(&[k1(&stranger)]), header("k1"), "signature_mismatch"),
        (set(&[secret, k1(&signer)]), header("k1"), "accepted"),
        (set(&[signer.jwk("k1", r#""use":"enc","#)]), header("k1"), "signature_mismatch"),
        (set(&[signer.jwk("k1", r#""alg":"ES384","#)]), header("k1"), "signature_mismatch"),
        (set(&[signer.jwk("K1", "")]), header("k1"), "signature_mismatch"),
        (set(&[k1(&signer)]), r#"{"alg":"ES256"}"#.to_owned(), "signature_mismatch"),
        (set(&[]), header("k1"), "signature_mismatch"),
        ("<html>".to_owned(), header("k1"), "confirmation_unavailable"),
        ("{}".to_owned(), header("k1"), "confirmation_unavailable"),
    ];
    for (keys, header, want) in cases {
        let verdict =
            judge(&bound, &signer.token(&header, CLAIMS), 1000, &[answered(&keys, false)]);
        assert_eq!(word(&verdict), want, "{keys} {header}");
    }
    let token = signer.token(&header("k1"), CLAIMS);
    for answer in [
        Answer::Unavailable,
        Answer::Given { status: 503, body: set(&[k1(&signer)]).as_bytes().into(), cached: false },
    ] {
        let answers = [Answered { name: "certs".into(), answer }];
        assert_eq!(word(&judge(&bound, &token, 1000, &answers)), "confirmation_unavailable");
    }
}

fn shipped_rule(gateway: &str) -> Rule {
    let found = shipped().iter().find(|(name, _)| *name == gateway);
    compiled(found.expect("a shipped rule").1)
}

/// The body of the example, with another header of its token.
fn with_header(example: &Example, header: impl Fn(&str) -> String) -> String {
    let body = example.request.encode().with(|inbound| inbound.body.to_vec());
    let body = String::from_utf8(body).expect("text");
    let token = body.strip_prefix(r#"{"signedPayload":""#).expect("a token");
    let (old, rest) = token.split_once('.').expect("a header");
    let read = Encoding::Base64UrlNoPad.decode(old.as_bytes()).expect("base64url");
    let new = header(&String::from_utf8(read).expect("JSON"));
    format!(r#"{{"signedPayload":"{}.{rest}"#, encode(&new))
}

/// PEM of a certificate of the engine's own tests.
fn fixture(name: &str) -> String {
    let text = include_str!("../engine/certificate/fixtures.txt");
    let (_, rest) = text.split_once(&format!("\n{name}\n")).unwrap_or(("", text));
    let (pem, _) = rest.split_once("-----END CERTIFICATE-----").expect("a certificate");
    let (_, pem) = pem.split_once("-----BEGIN CERTIFICATE-----").expect("a certificate");
    format!("-----BEGIN CERTIFICATE-----{pem}-----END CERTIFICATE-----\n")
}

fn x5c(names: &[&str]) -> String {
    let ders: Vec<String> = names
        .iter()
        .map(|name| fixture(name).lines().filter(|line| !line.starts_with('-')).collect())
        .map(|der: String| format!("\"{der}\""))
        .collect();
    format!(r#"{{"alg":"ES256","x5c":[{}]}}"#, ders.join(","))
}

#[test]
fn a_chain_leads_to_the_configured_root_and_its_leaf_has_signed() {
    let rule = shipped_rule("apple_app_store");
    let example = rule.accepted_examples().next().expect("an accepted example");
    let apple = |header: &dyn Fn(&str) -> String| with_header(example, header);
    let own = example.params.values("roots").first().expect("roots").expose().to_vec();
    let own = String::from_utf8(own).expect("PEM");
    let good = || apple(&str::to_owned);
    let with = |names: &[&str]| apple(&|_| x5c(names));
    let root = fixture("root");
    let year_2026 = 1_770_000_000;
    let cases = [
        (good(), &own, example.at, "accepted"),
        (good(), &root, example.at, "certificate_rejected"),
        (good(), &own, 4_000_000_000, "certificate_rejected"),
        (good(), &own, 1_000_000_000, "certificate_rejected"),
        (apple(&|_| r#"{"alg":"ES256"}"#.to_owned()), &own, example.at, "certificate_rejected"),
        (
            apple(&|_| r#"{"alg":"ES256","x5c":[]}"#.to_owned()),
            &own,
            example.at,
            "signature_malformed",
        ),
        (
            apple(&|header| header.replace("ES256", "none")),
            &own,
            example.at,
            "algorithm_not_allowed",
        ),
        (
            apple(&|header| header.replace("ES256", "HS256")),
            &own,
            example.at,
            "algorithm_not_allowed",
        ),
        // Genuine chains whose leaf has not signed this.
        (with(&["apple-leaf", "apple-intermediate"]), &root, year_2026, "signature_mismatch"),
        (
            with(&["apple-leaf", "apple-intermediate", "root"]),
            &root,
            year_2026,
            "signature_mismatch",
        ),
        (with(&["apple-leaf", "apple-intermediate"]), &own, year_2026, "certificate_rejected"),
        (with(&["apple-leaf"]), &root, year_2026, "certificate_rejected"),
        (
            with(&["apple-leaf-unmarked", "apple-intermediate"]),
            &root,
            year_2026,
            "certificate_rejected",
        ),
        (
            with(&["apple-leaf-by-intermediate", "intermediate"]),
            &root,
            year_2026,
            "certificate_rejected",
        ),
        (with(&["apple-leaf-by-root", "root"]), &root, year_2026, "certificate_rejected"),
    ];
    for (index, (body, roots, now, want)) in cases.into_iter().enumerate() {
        let bound = bound(&rule, &[("bundle_id", "example.shop"), ("roots", roots)]);
        let headers = [("content-type", b"application/json".as_slice())];
        let inbound = Inbound {
            method: "POST",
            target: "/",
            headers: &headers,
            body: body.as_bytes(),
            remote_addr: None,
            client_certificates: &[],
        };
        assert_eq!(word(&bound.judge(&inbound, now, &[])), want, "case {index}");
    }
}

/// What a message is made of before it is signed.
struct Message<'m> {
    components: &'m str,
    params: &'m str,
    body: &'m str,
    digest_of: &'m str,
    path: &'m str,
}

const WHOLE: Message<'_> = Message {
    components: r#""@method" "@authority" "@path" "content-digest""#,
    params: ";created=1000",
    body: "{}",
    digest_of: "{}",
    path: "/hooks",
};

#[test]
fn a_signature_covers_the_message_that_has_come() {
    let key = Ed25519KeyPair::generate().expect("a key");
    let public = Encoding::Base64.encode(key.public_key().as_ref());
    let rule = shipped_rule("http_message_signatures");
    let route = [
        ("algorithm", "ed25519"),
        ("public_keys", public.as_str()),
        ("origin", "https://shop.example"),
        ("max_age", "300"),
    ];
    let judge = |message: &Message<'_>, now: i64, sent_to: &str, label: &str| {
        let Message { components, params, body, digest_of, path } = *message;
        let sum = digest(HashAlgorithm::Sha256, |feed| feed.feed(digest_of.as_bytes()));
        let sum = format!("sha-256=:{}:", Encoding::Base64.encode(sum.bytes()));
        let mut lines = Vec::new();
        for component in components.split(' ') {
            let value = match component.trim_matches('"') {
                "@method" => "POST".to_owned(),
                "@authority" => "shop.example".to_owned(),
                "@path" => path.to_owned(),
                "@target-uri" => format!("https://shop.example{path}"),
                _ => sum.clone(),
            };
            lines.push(format!("{component}: {value}"));
        }
        lines.push(format!("\"@signature-params\": ({components}){params}"));
        let base = lines.join("\n");
        let signature = Encoding::Base64.encode(key.sign(base.as_bytes()).as_ref());
        let input = format!("{label}=({components}){params}");
        let signature = format!("{label}=:{signature}:");
        let headers = [
            ("content-type", b"application/json".as_slice()),
            ("content-digest", sum.as_bytes()),
            ("signature-input", input.as_bytes()),
            ("signature", signature.as_bytes()),
        ];
        let inbound = Inbound {
            method: "POST",
            target: sent_to,
            headers: &headers,
            body: body.as_bytes(),
            remote_addr: None,
            client_certificates: &[],
        };
        word(&bound(&rule, &route).judge(&inbound, now, &[]))
    };
    let cases = [
        (WHOLE, "accepted"),
        (
            Message { components: r#""@method" "@target-uri" "content-digest""#, ..WHOLE },
            "accepted",
        ),
        (Message { body: r#"{"a":1}"#, ..WHOLE }, "signature_mismatch"),
        (Message { components: r#""@method" "@authority" "@path""#, ..WHOLE }, "signature_missing"),
        (
            Message { components: r#""@method" "@path" "content-digest""#, ..WHOLE },
            "signature_missing",
        ),
        (
            Message { components: r#""@authority" "@path" "content-digest""#, ..WHOLE },
            "signature_missing",
        ),
        (Message { params: "", ..WHOLE }, "field_missing"),
        (Message { params: ";created=1000;expires=999", ..WHOLE }, "timestamp_too_old"),
        (Message { params: r#";created=1000;alg="ed25519""#, ..WHOLE }, "accepted"),
        (
            Message { params: r#";created=1000;alg="hmac-sha256""#, ..WHOLE },
            "algorithm_not_allowed",
        ),
    ];
    for (message, want) in cases {
        let Message { components, params, body, .. } = message;
        assert_eq!(judge(&message, 1000, "/hooks", "sig1"), want, "{components} {params} {body}");
    }
    for (now, want) in [
        (1300, "accepted"),
        (1301, "timestamp_too_old"),
        (700, "accepted"),
        (699, "timestamp_in_future"),
    ] {
        assert_eq!(judge(&WHOLE, now, "/hooks", "sig1"), want, "at {now}");
    }
    // Captured, and sent to another route of ours.
    assert_eq!(judge(&WHOLE, 1000, "/other", "sig1"), "signature_mismatch");
    assert_eq!(judge(&WHOLE, 1000, "/hooks", "sig2"), Reason::SignatureMissing.as_str());
}

#[test]
fn what_one_token_says_is_not_taken_for_what_another_says() {
    let (signer, _) = bearer();
    let token = signer.token(&header("k1"), CLAIMS);
    let text = BEARER.replace("TOKEN", &token).replace("KEYS", &set(&[signer.jwk("k1", "")]));
    let second = "  - jws: { token: payload.id, algorithm: ES256, key: { set: certs } }\npayload:";
    let problems = |text: &str| compile("it.yaml", text).err().expect("a problem").render(text);
    let found = problems(&text.replacen("payload:", second, 1));
    assert!(found.contains("a second `jws`"), "{found}");
    let found = problems(&text.replace("      weak: nothing better is offered\n", ""));
    assert!(found.contains("a bearer is weak, and says why"), "{found}");
    let found =
        problems(&text.replace("      bearer: true\n      weak: nothing better is offered\n", ""));
    assert!(found.contains("no proof covers `payload.id`"), "{found}");
}

#[test]
fn a_payload_may_be_missing_where_the_rule_says_so() {
    let (signer, _) = bearer();
    let token = signer.token(&header("k1"), CLAIMS);
    let text = BEARER
        .replace("TOKEN", &token)
        .replace("KEYS", &set(&[signer.jwk("k1", "")]))
        .replace("as: json }\nfresh", "as: json }\n  - { name: more, from: payload.more | base64, as: json, optional: true }\nfresh")
        .replace("  dedupe:", "  order_id: more.order\n  dedupe:");
    let rule = compiled(&text);
    let bound = bound(&rule, &[("audience", "us")]);
    let keys = set(&[signer.jwk("k1", "")]);
    let authorization = format!("Bearer {token}");
    let judge = |body: &str| {
        let headers = [
            ("content-type", b"application/json".as_slice()),
            ("authorization", authorization.as_bytes()),
        ];
        let body = body.as_bytes();
        let inbound = Inbound {
            method: "POST",
            target: "/",
            headers: &headers,
            body,
            remote_addr: None,
            client_certificates: &[],
        };
        match bound.judge(&inbound, 1000, &[answered(&keys, false)]) {
            Verdict::Accepted(accepted) => Ok(accepted.events[0].order_id.clone()),
            other => Err(word(&other)),
        }
    };
    assert_eq!(judge(r#"{"id":"7"}"#), Ok(None));
    assert_eq!(judge(r#"{"id":"7","more":null}"#), Ok(None));
    assert_eq!(judge(r#"{"id":"7","more":"eyJvcmRlciI6IkEifQ=="}"#), Ok(Some("A".to_owned())));
    // There, and no such thing.
    for more in [r#""e30""#, r#""W10=""#, "{}"] {
        let body = format!(r#"{{"id":"7","more":{more}}}"#);
        assert_eq!(judge(&body), Err("payload_malformed"), "{more}");
    }
}
