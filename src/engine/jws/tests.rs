//! Tokens of RFC 7515 Appendix A and RFC 8037 Appendix A, and what a forger makes of such ones.

#![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

use proptest::prelude::*;

use super::*;
use crate::engine::digest::Hmacer;
use crate::engine::signature::PublicKey;

const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb\
    S9pc19yb290Ijp0cnVlfQ";

// RFC 7515 §A.1.
const HS256_HEADER: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
const HS256_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const HS256_KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcg\
    UuTwjAzZr1Z9CAow";

// §A.2.
const RS256_HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";
const RS256_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7\
    AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO7\
    5vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6Bf\
    I7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77\
    Rw";
const RS256_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qP\
    CJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-\
    bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9k\
    G4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

// §A.3.
const ES256_HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";
const ES256_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA\
    pmWQxfKTUJqPP3-Kg6NU1Q";
const ES256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const ES256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

// RFC 8037 §A.4.
const EDDSA_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGC\
    jP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
const EDDSA_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn published_keys() -> Vec<Jwk> {
    let set = format!(
        r#"{{"keys":[
            {{"kty":"RSA","kid":"rsa","alg":"RS256","n":"{RS256_N}","e":"AQAB"}},
            {{"kty":"EC","kid":"ec","crv":"P-256","x":"{ES256_X}","y":"{ES256_Y}"}},
            {{"kty":"OKP","kid":"ed","crv":"Ed25519","x":"{EDDSA_X}"}}]}}"#
    );
    key_set(set.as_bytes()).unwrap()
}

fn key(algorithm: JwsAlgorithm, kid: &str) -> PublicKey {
    let Scheme::Signature(algorithm) = algorithm.scheme() else { panic!("a secret") };
    named(&published_keys(), kid).next().unwrap().public_key(algorithm).unwrap()
}

fn encode(text: &str) -> String {
    Encoding::Base64UrlNoPad.encode(text.as_bytes())
}

fn refusal(token: &str) -> TokenError {
    Token::parse(token.as_bytes(), &JwsAlgorithm::ALL).err().unwrap()
}

#[test]
fn every_algorithm_is_named_and_none_is_not_among_them() {
    for algorithm in JwsAlgorithm::ALL {
        assert_eq!(JwsAlgorithm::from_word(algorithm.as_str()), Some(algorithm));
    }
    for word in ["none", "None", "", "es256", "RS1", "ES256K"] {
        assert_eq!(JwsAlgorithm::from_word(word), None, "{word}");
    }
}

#[test]
fn published_tokens_verify() {
    let rs256 = format!("{RS256_HEADER}.{CLAIMS}.{RS256_SIGNATURE}");
    let es256 = format!("{ES256_HEADER}.{CLAIMS}.{ES256_SIGNATURE}");
    for (token, algorithm, kid) in [
        (rs256.as_str(), JwsAlgorithm::Rs256, "rsa"),
        (&es256, JwsAlgorithm::Es256, "ec"),
        (EDDSA_TOKEN, JwsAlgorithm::EdDsa, "ed"),
    ] {
        let read = Token::parse(token.as_bytes(), &[algorithm]).unwrap();
        assert_eq!(read.algorithm(), algorithm);
        assert!(key(algorithm, kid).verifies(read.signing_input(), read.signature()), "{token}");
        assert!(read.kid().is_none() && read.x5c().is_empty());
    }
    let hs256 = format!("{HS256_HEADER}.{CLAIMS}.{HS256_SIGNATURE}");
    let read = Token::parse(hs256.as_bytes(), &[JwsAlgorithm::Hs256]).unwrap();
    assert_eq!(read.algorithm().scheme(), Scheme::Hmac(HashAlgorithm::Sha256));
    let secret = Encoding::Base64UrlNoPad.decode(HS256_KEY.as_bytes()).unwrap();
    let mac = Hmacer::new(HashAlgorithm::Sha256, &secret);
    assert_eq!(mac.tag(|feed| feed.feed(read.signing_input())).bytes(), read.signature());
    let claims = json::parse(read.claims()).unwrap();
    assert_eq!(claims.as_object().unwrap().get("iss").unwrap().as_text(), Some("joe"));
}

#[test]
fn an_algorithm_that_is_not_the_rules_is_refused() {
    for (header, allowed) in [
        (r#"{"alg":"none"}"#, &JwsAlgorithm::ALL[..]),
        (r#"{"alg":"NONE"}"#, &JwsAlgorithm::ALL),
        (r#"{"alg":""}"#, &JwsAlgorithm::ALL),
        (r#"{"alg":"rs256"}"#, &JwsAlgorithm::ALL),
        (r#"{"alg":"RS256 "}"#, &JwsAlgorithm::ALL),
        (r#"{"alg":"HS256"}"#, &[JwsAlgorithm::Rs256]),
        (r#"{"alg":"RS256"}"#, &[JwsAlgorithm::Ps256, JwsAlgorithm::Es256]),
        (r#"{"alg":"ES384"}"#, &[JwsAlgorithm::Es256]),
        (r#"{"alg":"RS256"}"#, &[]),
    ] {
        let token = format!("{}.{CLAIMS}.AA", encode(header));
        let found = Token::parse(token.as_bytes(), allowed).err().unwrap();
        assert_eq!(found, TokenError::AlgorithmNotAllowed, "{header}");
    }
    let token = format!("{}.{CLAIMS}.AA", encode(r#"{"alg":"Ed25519"}"#));
    let read = Token::parse(token.as_bytes(), &[JwsAlgorithm::EdDsa]).unwrap();
    assert_eq!(read.algorithm(), JwsAlgorithm::EdDsa);
}

#[test]
fn a_header_that_wants_more_than_is_understood_is_refused() {
    for crit in [r#"["b64"]"#, "[]", "null", r#""exp""#] {
        let header = format!(r#"{{"alg":"RS256","crit":{crit},"b64":false}}"#);
        assert_eq!(refusal(&format!("{}.{CLAIMS}.AA", encode(&header))), TokenError::Critical);
    }
}

#[test]
fn a_token_is_strictly_three_parts_or_refused() {
    let good = format!("{RS256_HEADER}.{CLAIMS}.AA");
    assert!(Token::parse(good.as_bytes(), &JwsAlgorithm::ALL).is_ok());
    let headers = [
        "",
        "x",
        "[]",
        r#""RS256""#,
        "{}",
        r#"{"alg":7}"#,
        r#"{"alg":null}"#,
        r#"{"alg":"RS256"}x"#,
        r#"{"alg":"RS256","alg":"RS256"}"#,
        r#"{"alg":"RS256","\u0061lg":"HS256"}"#,
        r#"{"alg":"RS256","kid":7}"#,
        r#"{"alg":"RS256","jwk":{"a":1,"a":2}}"#,
        "\u{feff}{\"alg\":\"RS256\"}",
        r#"{"alg":"RS256","x5c":"AAAA"}"#,
        r#"{"alg":"RS256","x5c":[]}"#,
        r#"{"alg":"RS256","x5c":[7]}"#,
        r#"{"alg":"RS256","x5c":["AA"]}"#,
        r#"{"alg":"RS256","x5c":["__8="]}"#,
        r#"{"alg":"RS256","x5c":["AAAA","AAAA","AAAA","AAAA","AAAA","AAAA","AAAA"]}"#,
    ];
    let mut bad: Vec<String> =
        headers.iter().map(|header| format!("{}.{CLAIMS}.AA", encode(header))).collect();
    bad.push(String::new());
    bad.push("..".to_owned());
    bad.push(format!("{RS256_HEADER}.{CLAIMS}"));
    bad.push(format!("{RS256_HEADER}.{CLAIMS}."));
    bad.push(format!("{good}.AA"));
    bad.push(format!("{good}."));
    bad.push(format!(".{good}"));
    bad.push(format!(" {good}"));
    bad.push(format!("{good}\n"));
    bad.push(format!("{good}=="));
    bad.push(good.replace(RS256_HEADER, &format!("{RS256_HEADER}=")));
    bad.push(format!("{RS256_HEADER}.{CLAIMS}=.AA"));
    bad.push(format!("{RS256_HEADER}.{CLAIMS}.AB"));
    bad.push(format!("{RS256_HEADER}.{CLAIMS}.A"));
    bad.push(format!("{RS256_HEADER}.{CLAIMS}.++++"));
    bad.push(format!("{RS256_HEADER}.{CLAIMS}+.AAAA"));
    for token in bad {
        assert_eq!(refusal(&token), TokenError::Malformed, "{token}");
    }
    let token = |bytes: usize| format!("{RS256_HEADER}.{}.AA", "A".repeat(bytes - 24));
    let longest = token(TOKEN_BYTES_MAX);
    assert_eq!(longest.len(), TOKEN_BYTES_MAX);
    assert!(Token::parse(longest.as_bytes(), &JwsAlgorithm::ALL).is_ok());
    assert_eq!(refusal(&token(TOKEN_BYTES_MAX + 1)), TokenError::TooLong);
}

#[test]
fn what_the_header_names_is_handed_out() {
    let header = r#"{"typ":"JWT","alg":"ES256","kid":"k\u00e9y","x5c":["AQID","//8="]}"#;
    let token = format!("{}..AA", encode(header));
    let read = Token::parse(token.as_bytes(), &[JwsAlgorithm::Es256]).unwrap();
    assert_eq!(read.kid(), Some("k\u{e9}y"));
    assert_eq!(read.x5c(), [vec![1, 2, 3], vec![255, 255]]);
    assert_eq!(read.claims(), b"");
    assert_eq!(read.signature(), [0]);
    assert_eq!(read.signing_input(), format!("{}.", encode(header)).as_bytes());
}

#[test]
fn a_key_is_found_by_its_name_and_used_as_its_owner_says() {
    let keys = published_keys();
    assert_eq!(keys.iter().filter_map(Jwk::kid).collect::<Vec<_>>(), ["rsa", "ec", "ed"]);
    assert_eq!(named(&keys, "RSA").count(), 0);
    let rsa = named(&keys, "rsa").next().unwrap();
    assert!(rsa.public_key(SignatureAlgorithm::RsaSha256).is_ok());
    for other in [
        SignatureAlgorithm::RsaSha512,
        SignatureAlgorithm::RsaSha1,
        SignatureAlgorithm::RsaPssSha256,
        SignatureAlgorithm::EcdsaP256Sha256Raw,
    ] {
        assert!(rsa.public_key(other).is_err(), "{other:?}");
    }
}

#[test]
fn a_set_of_keys_passes_over_what_is_not_known_here() {
    let ed25519 = format!(r#"{{"kty":"OKP","kid":"a","crv":"Ed25519","x":"{EDDSA_X}"}}"#);
    let set = |keys: &str| key_set(format!(r#"{{"keys":[{keys}],"more":1}}"#).as_bytes());
    let others = r#"{"kty":"oct","k":"AAAA"},{"kty":"new"},{},7,{"kty":"RSA","n":"","e":""},
        {"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#;
    assert_eq!(set(&format!("{others},{ed25519}")).unwrap().len(), 1);
    assert_eq!(set("").unwrap().len(), 0);
    let twice = set(&format!("{ed25519},{ed25519}")).unwrap();
    assert_eq!(named(&twice, "a").count(), 2);
    assert_eq!(set(&vec!["7"; KEYS_MAX].join(",")).unwrap().len(), 0);
    assert_eq!(set(&vec!["7"; KEYS_MAX + 1].join(",")).err(), Some(KeySetError::TooMany));
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        assert_eq!(key_set(text.as_bytes()).err(), Some(KeySetError::Malformed), "{text}");
    }
    let long = vec![b' '; KEY_SET_BYTES_MAX + 1];
    assert_eq!(key_set(&long).err(), Some(KeySetError::TooLong));
}

proptest! {
    #[test]
    fn a_changed_token_does_not_verify(at in any::<usize>(), with in 1_u8..128) {
        let mut token = format!("{ES256_HEADER}.{CLAIMS}.{ES256_SIGNATURE}").into_bytes();
        let at = at % token.len();
        token[at] ^= with;
        if let Ok(read) = Token::parse(&token, &JwsAlgorithm::ALL) {
            let key = key(JwsAlgorithm::Es256, "ec");
            prop_assert!(!key.verifies(read.signing_input(), read.signature()), "byte {}", at);
        }
    }

    #[test]
    fn a_token_that_is_read_is_its_parts(
        header in r#"\{("alg":"(RS256|ES256|none)"|"kid":"a"|"crit":\[\]|,){0,4}\}"#,
        claims in prop::collection::vec(any::<u8>(), 0..20),
        signature in prop::collection::vec(any::<u8>(), 0..20),
        junk in "[.A=]{0,2}",
    ) {
        let write = |bytes: &[u8]| Encoding::Base64UrlNoPad.encode(bytes);
        let token =
            [&write(header.as_bytes()), ".", &write(&claims), ".", &write(&signature), &junk].concat();
        if let Ok(read) = Token::parse(token.as_bytes(), &JwsAlgorithm::ALL) {
            let again = [read.signing_input(), b".", write(read.signature()).as_bytes()].concat();
            prop_assert_eq!(again, token.as_bytes());
            prop_assert_eq!(read.claims(), claims);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
        prop_assert!(Token::parse(&bytes, &JwsAlgorithm::ALL).is_err());
        prop_assert!(key_set(&bytes).is_err());
    }
}
