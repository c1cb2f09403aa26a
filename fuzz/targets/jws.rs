//! A token that is read is its parts and nothing else; no certificate in it leads to a root.
#![no_main]

use std::sync::LazyLock;

use countersign::engine::certificate::{Names, Trust, leaf_of_ders};
use countersign::engine::encoding::Encoding;
use countersign::engine::jws::{JwsAlgorithm, Token, key_set};
use countersign::engine::signature::SignatureAlgorithm;

/// A root whose key is lost.
static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let fixtures = include_bytes!("../../src/engine/certificate/fixtures.txt");
    let end = b"-----END CERTIFICATE-----";
    let first = fixtures.windows(end.len()).position(|window| window == end);
    let root = fixtures.get(..first.unwrap_or_default() + end.len()).unwrap_or_default();
    let none: [&[u8]; 0] = [];
    Trust::from_pem([root], none).expect("the first fixture is a root")
});

fn read(text: &[u8]) {
    if let Ok(token) = Token::parse(text, &JwsAlgorithm::ALL) {
        let signature = Encoding::Base64UrlNoPad.encode(token.signature());
        assert_eq!([token.signing_input(), b".", signature.as_bytes()].concat(), text);
        let names = Names::CommonName("certs.gateway.example".to_owned());
        assert!(leaf_of_ders(token.x5c(), &TRUST, 1_760_000_000, &names).is_err());
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // The header, without the base64 that hides it from the fuzzer.
    read(format!("{}.e30.AA", Encoding::Base64UrlNoPad.encode(bytes)).as_bytes());
    for key in key_set(bytes).unwrap_or_default() {
        let fits = |family: &str| {
            let of_family = |by: &SignatureAlgorithm| by.as_str().starts_with(family);
            SignatureAlgorithm::ALL
                .into_iter()
                .filter(of_family)
                .any(|by| key.public_key(by).is_ok())
        };
        let families = ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa"];
        assert!(families.into_iter().filter(|family| fits(family)).count() <= 1);
    }
});
