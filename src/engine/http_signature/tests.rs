//! The facts of RFC 9421: the keys of Appendix B.1, the signatures of B.2, the examples of §2.

#![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

use proptest::prelude::*;

use super::*;
use crate::engine::digest::Hmacer;
use crate::engine::signature::PublicKey;

/// B.1.1 `test-key-rsa-pss`, B.1.3 `test-key-ecc-p256`, B.1.4 `test-key-ed25519`, as base64 of SPKI;
/// B.1.5 `test-shared-secret`.
const RSA_PSS: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuR\
    aV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk\
    95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W\
    Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm\
    +xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB";
const ECC_P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7\
    xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==";
const ED25519: &str = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
const SHARED_SECRET: &str = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhI\
    Di6pcl8jsasjlTMtDQ==";

const BODY: &[u8] = br#"{"hello": "world"}"#;
const CONTENT_DIGEST: &str = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiY\
    llu7BNNyealdVLvRwEmTHWXvJwew==:";

/// B.2, `test-request`.
const HEADERS: [(&str, &str); 5] = [
    ("Host", "example.com"),
    ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("Content-Type", "application/json"),
    ("Content-Digest", CONTENT_DIGEST),
    ("Content-Length", "18"),
];
const TARGET: &str = "/foo?param=Value&Pet=dog";

/// Reads the signature of `label` in a request with these headers.
fn read_request(
    target: &str,
    headers: &[(&str, &str)],
    label: &str,
) -> Result<HttpSignature, HttpSignatureError> {
    let headers: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let inbound = Inbound {
        method: "POST",
        target,
        headers: &headers,
        body: BODY,
        remote_addr: None,
        client_certificates: &[],
    };
    HttpSignature::read(&inbound, &Origin::parse("https://example.com").unwrap(), label)
}

fn read(input: &str, signature: &str) -> Result<HttpSignature, HttpSignatureError> {
    let mut headers = HEADERS.to_vec();
    headers.extend([("Signature-Input", input), ("Signature", signature)]);
    read_request(TARGET, &headers, "sig")
}

/// The base of a signature that covers `components`, without its last line.
fn lines_of(
    target: &str,
    headers: &[(&str, &str)],
    components: &str,
) -> Result<String, HttpSignatureError> {
    let input = format!("sig=({components})");
    let mut headers = headers.to_vec();
    headers.extend([("signature-input", input.as_str()), ("signature", "sig=:AA==:")]);
    let base = String::from_utf8(read_request(target, &headers, "sig")?.base).unwrap();
    let (lines, last) = base.rsplit_once('\n').unwrap_or(("", &base));
    assert_eq!(last, format!("\"@signature-params\": ({components})"));
    Ok(lines.to_owned())
}

fn refusal(input: &str, signature: &str) -> HttpSignatureError {
    read(input, signature).err().unwrap_or_else(|| panic!("{input} {signature}"))
}

fn key(algorithm: SignatureAlgorithm, text: &str) -> PublicKey {
    PublicKey::from_text(algorithm, text.as_bytes()).unwrap()
}

/// Reads a signature of `test-request` and compares the signature base.
fn published(params: &str, signature: &str, lines: &[&str]) -> HttpSignature {
    let (input, signature) = (format!("sig={params}"), format!("sig=:{signature}:"));
    let found = read(&input, &signature).unwrap();
    let mut base = lines.join("\n");
    if !lines.is_empty() {
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(params);
    assert_eq!(std::str::from_utf8(&found.base), Ok(base.as_str()));
    assert_eq!(found.params.created, Some(1_618_884_473));
    found
}

#[test]
fn b_2_1_minimal_signature_using_rsa_pss_sha512() {
    let found = published(
        r#"();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
        "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRx\
         f8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2\
         VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5Tm\
         cAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
        &[],
    );
    let key = key(SignatureAlgorithm::RsaPssSha512, RSA_PSS);
    assert!(key.verifies(&found.base, &found.signature));
    assert_eq!(found.params.nonce.as_deref(), Some("b3k2pp5k7z-50gnwp.yemd"));
    assert_eq!(found.params.keyid.as_deref(), Some("test-key-rsa-pss"));
    assert!(found.components.is_empty());
}

#[test]
fn b_2_2_selective_covered_components_using_rsa_pss_sha512() {
    let found = published(
        r#"("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
        "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5\
         qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SAR\
         YhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5\
         rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
        &[
            r#""@authority": example.com"#,
            &format!(r#""content-digest": {CONTENT_DIGEST}"#),
            r#""@query-param";name="Pet": dog"#,
        ],
    );
    let key = key(SignatureAlgorithm::RsaPssSha512, RSA_PSS);
    assert!(key.verifies(&found.base, &found.signature));
    assert_eq!(found.params.tag.as_deref(), Some("header-example"));
    let covered = [
        Component::Authority,
        Component::Field("content-digest".to_owned()),
        Component::QueryParam("Pet".to_owned()),
    ];
    assert_eq!(found.components, covered);
}

#[test]
fn b_2_3_full_coverage_using_rsa_pss_sha512() {
    let found = published(
        r#"("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
        "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpR\
         RU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1p\
         Fkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH\
         8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
        &[
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT"#,
            r#""@method": POST"#,
            r#""@path": /foo"#,
            r#""@query": ?param=Value&Pet=dog"#,
            r#""@authority": example.com"#,
            r#""content-type": application/json"#,
            &format!(r#""content-digest": {CONTENT_DIGEST}"#),
            r#""content-length": 18"#,
        ],
    );
    let key = key(SignatureAlgorithm::RsaPssSha512, RSA_PSS);
    assert!(key.verifies(&found.base, &found.signature));
}

/// The signature is one of a response: it proves the algorithm. Responses are nothing that is read
/// here, and `@status` is refused.
#[test]
fn b_2_4_ecdsa_p256_sha256_and_no_status_of_a_request() {
    let params = r#"("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#;
    let base = [
        r#""@status": 200"#,
        r#""content-type": application/json"#,
        r#""content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"#,
        r#""content-length": 23"#,
        &format!(r#""@signature-params": {params}"#),
    ]
    .join("\n");
    let signature = "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkL\
                     Ij+32oiasw==";
    let key = key(SignatureAlgorithm::EcdsaP256Sha256Raw, ECC_P256);
    let bytes = Encoding::Base64.decode(signature.as_bytes()).unwrap();
    assert!(key.verifies(base.as_bytes(), &bytes));
    let found = refusal(&format!("sig={params}"), &format!("sig=:{signature}:"));
    assert_eq!(found, HttpSignatureError::NotSupported);
}

#[test]
fn b_2_5_signing_a_request_using_hmac_sha256() {
    let found = published(
        r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
        "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
        &[
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT"#,
            r#""@authority": example.com"#,
            r#""content-type": application/json"#,
        ],
    );
    let secret = Encoding::Base64.decode(SHARED_SECRET.as_bytes()).unwrap();
    let mac = Hmacer::new(HashAlgorithm::Sha256, &secret);
    assert_eq!(mac.tag(|feed| feed.feed(&found.base)).bytes(), found.signature);
}

#[test]
fn b_2_6_signing_a_request_using_ed25519() {
    let found = published(
        r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
        &[
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT"#,
            r#""@method": POST"#,
            r#""@path": /foo"#,
            r#""@authority": example.com"#,
            r#""content-type": application/json"#,
            r#""content-length": 18"#,
        ],
    );
    let key = key(SignatureAlgorithm::Ed25519, ED25519);
    assert!(key.verifies(&found.base, &found.signature));
}

#[test]
fn the_registered_names_are_those_of_the_registry() {
    let names: Vec<&str> =
        SignatureAlgorithm::ALL.into_iter().filter_map(registered_name).collect();
    assert_eq!(
        names,
        ["ecdsa-p256-sha256", "ecdsa-p384-sha384", "ed25519", "rsa-pss-sha512", "rsa-v1_5-sha256"]
    );
}

#[test]
fn derived_components_have_the_values_of_section_2_2() {
    let cases = [
        ("/path?param=value", r#""@method""#, "POST"),
        ("/path?param=value", r#""@target-uri""#, "https://example.com/path?param=value"),
        ("/path?param=value", r#""@authority""#, "example.com"),
        ("/path?param=value", r#""@scheme""#, "https"),
        ("/path?param=value", r#""@request-target""#, "/path?param=value"),
        ("/path?param=value", r#""@path""#, "/path"),
        ("/", r#""@path""#, "/"),
        ("/a%20b/../c//d", r#""@path""#, "/a%20b/../c//d"),
        ("/path?foo=bar&baz=bat%2Dman", r#""@query""#, "?foo=bar&baz=bat%2Dman"),
        ("/path?queryString", r#""@query""#, "?queryString"),
        ("/path?a?b", r#""@query""#, "?a?b"),
        ("/path?a?b", r#""@path""#, "/path"),
        ("/path?", r#""@query""#, "?"),
        ("/path", r#""@query""#, "?"),
    ];
    for (target, component, value) in cases {
        let want = format!("{component}: {value}");
        assert_eq!(lines_of(target, &[], component), Ok(want), "{target}");
    }
}

#[test]
fn a_query_parameter_has_the_value_of_section_2_2_8() {
    let plain = "/path?param=value&foo=bar&baz=batman&qux=";
    let odd = "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace\
               &fa%C3%A7ade%22%3A%20=something&Tilde=~*-._!";
    for (target, name, value) in [
        (plain, "baz", "batman"),
        (plain, "qux", ""),
        (plain, "param", "value"),
        (odd, "var", "this%20is%20a%20big%0Amultiline%20value"),
        (odd, "bar", "with%20plus%20whitespace"),
        (odd, "fa%C3%A7ade%22%3A%20", "something"),
        (odd, "Tilde", "%7E*-._%21"),
        ("/path?a=1&b=%ff", "a", "1"),
    ] {
        let component = format!(r#""@query-param";name="{name}""#);
        assert_eq!(lines_of(target, &[], &component), Ok(format!("{component}: {value}")));
    }
    for (target, name, want) in [
        (plain, "absent", HttpSignatureError::ComponentMissing),
        (plain, "BAZ", HttpSignatureError::ComponentMissing),
        (odd, "fa%c3%a7ade%22%3a%20", HttpSignatureError::ComponentMissing),
        ("/path", "baz", HttpSignatureError::ComponentMissing),
        ("/path?a=1&b=2&a=1", "a", HttpSignatureError::Duplicate),
        ("/path?a=1&%61=1", "a", HttpSignatureError::Duplicate),
        ("/path?a=%zz", "a", HttpSignatureError::Malformed),
        ("/path?a=%ff", "a", HttpSignatureError::Malformed),
    ] {
        let component = format!(r#""@query-param";name="{name}""#);
        let found = lines_of(target, &[], &component);
        assert_eq!(found, Err(want), "{target} {name}");
    }
}

#[test]
fn a_field_has_the_value_of_section_2_1() {
    let headers = [
        ("Host", "www.example.com"),
        ("X-OWS-Header", "   Leading and trailing whitespace. \t"),
        ("Cache-Control", "max-age=60"),
        ("CACHE-CONTROL", "   must-revalidate"),
        ("Example-Dict", " a=1,    b=2;x=1;y=2,   c=(a   b   c)"),
        ("X-Empty", ""),
        ("X-Tab", "a\tb"),
        ("X-Folded", "Obsolete\r\n    line folding."),
        ("X-Injected", "1\n\"@method\": GET"),
        ("X-Latin", "caf\u{e9}"),
    ];
    for (name, value) in [
        ("host", "www.example.com"),
        ("x-ows-header", "Leading and trailing whitespace."),
        ("cache-control", "max-age=60, must-revalidate"),
        ("example-dict", "a=1,    b=2;x=1;y=2,   c=(a   b   c)"),
        ("x-empty", ""),
        ("x-tab", "a\tb"),
    ] {
        let component = format!("\"{name}\"");
        let want = Ok(format!("{component}: {value}"));
        assert_eq!(lines_of("/", &headers, &component), want, "{name}");
    }
    for (name, want) in [
        ("x-absent", HttpSignatureError::ComponentMissing),
        ("x-folded", HttpSignatureError::Malformed),
        ("x-injected", HttpSignatureError::Malformed),
        ("x-latin", HttpSignatureError::Malformed),
        ("Host", HttpSignatureError::NotSupported),
        ("x header", HttpSignatureError::NotSupported),
        ("", HttpSignatureError::NotSupported),
    ] {
        assert_eq!(lines_of("/", &headers, &format!("\"{name}\"")), Err(want), "{name}");
    }
}

#[test]
fn what_is_not_supported_or_comes_twice_is_refused() {
    for (components, want) in [
        (r#""content-digest";sf"#, HttpSignatureError::NotSupported),
        (r#""content-digest";bs"#, HttpSignatureError::NotSupported),
        (r#""content-digest";key="sha-512""#, HttpSignatureError::NotSupported),
        (r#""content-digest";tr"#, HttpSignatureError::NotSupported),
        (r#""@method";req"#, HttpSignatureError::NotSupported),
        (r#""@status""#, HttpSignatureError::NotSupported),
        (r#""@query-param""#, HttpSignatureError::NotSupported),
        (r#""@query-param";name=Pet"#, HttpSignatureError::NotSupported),
        (r#""@query-param";name="Pet";req"#, HttpSignatureError::NotSupported),
        (r#""@unknown""#, HttpSignatureError::NotSupported),
        (r#""@Method""#, HttpSignatureError::NotSupported),
        (r#""@signature-params""#, HttpSignatureError::Malformed),
        ("date", HttpSignatureError::Malformed),
        ("7", HttpSignatureError::Malformed),
        (r#""date" "@method" "date""#, HttpSignatureError::Duplicate),
        (r#""@query-param";name="Pet" "@query-param";name="Pet""#, HttpSignatureError::Duplicate),
        (r#""date";sf;sf"#, HttpSignatureError::Duplicate),
    ] {
        assert_eq!(lines_of(TARGET, &HEADERS, components), Err(want), "{components}");
    }
    for target in ["", "foo", "*", "https://example.com/foo", "/foo#bar", "/foo bar"] {
        let found = lines_of(target, &HEADERS, r#""date""#);
        assert_eq!(found, Err(HttpSignatureError::Malformed), "{target}");
    }
}

#[test]
fn the_parts_of_a_signature_belong_together_by_their_label() {
    let good = read("other=(), sig=(\"date\");created=1 , more=()", "more=:AA==:,sig=:AQ==:;x=1");
    let good = good.unwrap();
    assert_eq!(good.signature, [1]);
    assert_eq!(good.params, SignatureParams { created: Some(1), ..SignatureParams::default() });
    for (input, signature, want) in [
        ("other=()", "sig=:AA==:", HttpSignatureError::LabelMissing),
        ("sig=()", "other=:AA==:", HttpSignatureError::LabelMissing),
        ("", "sig=:AA==:", HttpSignatureError::LabelMissing),
        ("sig=()", "", HttpSignatureError::LabelMissing),
        ("sig=(), sig=()", "sig=:AA==:", HttpSignatureError::Duplicate),
        ("sig=()", "sig=:AA==:, sig=:AQ==:", HttpSignatureError::Duplicate),
        ("sig=();created=1;created=1", "sig=:AA==:", HttpSignatureError::Duplicate),
        ("sig", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=1", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=()", "sig=(:AA==:)", HttpSignatureError::Malformed),
        ("sig=()", "sig=\"AA==\"", HttpSignatureError::Malformed),
        ("sig=()", "sig=:AA:", HttpSignatureError::Malformed),
        ("sig=()", "sig=:AB==:", HttpSignatureError::Malformed),
        ("sig=()", "sig=:AA==", HttpSignatureError::Malformed),
        ("sig=();created=\"1\"", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=();created=1.0", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=();created=01", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=();created", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=();expires=soon", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=();keyid=a", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=();alg=1", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=();nonce=:AA==:", "sig=:AA==:", HttpSignatureError::Malformed),
        ("sig=();tag=?1", "sig=:AA==:", HttpSignatureError::Malformed),
    ] {
        assert_eq!(refusal(input, signature), want, "{input} {signature}");
    }
    // In several lines; a text does not run from one to the next.
    let lines = |first, second| {
        let inputs = [("signature-input", first), ("Signature-Input", second)];
        let headers = [&inputs[..], &[("signature", "sig=:AA==:")]].concat();
        read_request("/", &headers, "sig").map(|found| found.params.keyid)
    };
    assert_eq!(lines("a=()", "sig=();keyid=\"k\""), Ok(Some("k".to_owned())));
    assert_eq!(lines("sig=()", "sig=()"), Err(HttpSignatureError::Duplicate));
    assert_eq!(lines("sig=();keyid=\"k", "l\""), Err(HttpSignatureError::Malformed));
}

#[test]
fn the_base_is_written_in_the_one_way_of_the_rfc() {
    let input = "sig=(  \"@method\"   \"@path\"  ); created=-7;x;y=?0;z=?1; tag=\"a\\\"\\\\\";w=t/:*;v=:AQ==:";
    let found = read(input, "sig=:AA==:").unwrap();
    let base = "\"@method\": POST\n\"@path\": /foo\n\"@signature-params\": (\"@method\" \"@path\")\
                ;created=-7;x;y=?0;z;tag=\"a\\\"\\\\\";w=t/:*;v=:AQ==:";
    assert_eq!(std::str::from_utf8(&found.base), Ok(base));
    assert_eq!(found.params.tag.as_deref(), Some("a\"\\"));
}

#[test]
fn what_is_no_dictionary_is_refused() {
    for input in [
        ",",
        "sig=(),",
        "sig=(),,a=()",
        "sig=() a=()",
        "=()",
        "Sig=()",
        "1=()",
        "sig =()",
        "sig= ()",
        "sig=(",
        "sig=)",
        "sig=(\"date\"",
        "sig=(\"date\"\"host\")",
        "sig=(\"date\",\"host\")",
        "sig=(\"date\" ;a)",
        "sig=(\"date)",
        "sig=(\"da\\te\")",
        "sig=(\"d\u{e4}te\")",
        "sig=(\"date\t\")",
        "sig=(\"date\"\t\"host\")",
        "sig=();",
        "sig=();=1",
        "sig=();a=",
        "sig=();a= 1",
        "sig=() ;a",
        "sig=();A",
        "sig=();a=1.5",
        "sig=();a=1.",
        "sig=();a=--1",
        "sig=();a=-",
        "sig=();a=-0",
        "sig=();a=1000000000000000",
        "sig=();a=?2",
        "sig=();a=?",
        "sig=();a=@1",
        "sig=();a=%\"x\"",
        "sig=();a=(\"b\")",
        "sig=();a=:A:",
        "sig=();a=:AA==",
        "sig=();a=:AA-_:",
        "sig=()\0",
        "sig=()\u{a0}",
    ] {
        assert_eq!(refusal(input, "sig=:AA==:"), HttpSignatureError::Malformed, "{input}");
    }
}

#[test]
fn the_parts_of_a_field_are_bounded() {
    let read = |input: &str| {
        let headers = [("signature-input", input), ("signature", "sig=:AA==:")];
        read_request("/", &headers, "sig").map(|found| found.components.len())
    };
    let list = |count: usize, write: fn(usize) -> String, between: &str| {
        (0..count).map(write).collect::<Vec<_>>().join(between)
    };
    let items = |count| format!("sig=({})", list(count, |at| format!("\"x-{at}\""), " "));
    assert_eq!(read(&items(structured::ITEMS_MAX)), Err(HttpSignatureError::ComponentMissing));
    assert_eq!(read(&items(structured::ITEMS_MAX + 1)), Err(HttpSignatureError::TooLong));
    let params = |count| format!("sig=();{}", list(count, |at| format!("x{at}"), ";"));
    assert_eq!(read(&params(structured::PARAMS_MAX)), Ok(0));
    assert_eq!(read(&params(structured::PARAMS_MAX + 1)), Err(HttpSignatureError::TooLong));
    let members = |count: usize| format!("sig=(),{}", list(count - 1, |at| format!("x{at}"), ","));
    assert_eq!(read(&members(structured::MEMBERS_MAX)), Ok(0));
    assert_eq!(read(&members(structured::MEMBERS_MAX + 1)), Err(HttpSignatureError::TooLong));
    let bytes = |count: usize| format!("sig=();x=\"{}\"", "x".repeat(count - 11));
    assert_eq!(bytes(structured::FIELD_BYTES_MAX).len(), structured::FIELD_BYTES_MAX);
    assert_eq!(read(&bytes(structured::FIELD_BYTES_MAX)), Ok(0));
    assert_eq!(read(&bytes(structured::FIELD_BYTES_MAX + 1)), Err(HttpSignatureError::TooLong));
    let long = "x".repeat(BASE_BYTES_MAX);
    let found = lines_of("/", &[("x", &long)], "\"x\"");
    assert_eq!(found, Err(HttpSignatureError::TooLong));
}

#[test]
fn an_origin_is_a_scheme_and_an_authority_and_normalized() {
    for (text, scheme, authority) in [
        ("https://example.com", "https", "example.com"),
        ("HTTPS://Example.COM:443", "https", "example.com"),
        ("http://example.com:80", "http", "example.com"),
        ("http://example.com:443", "http", "example.com:443"),
        ("https://example.com:8443", "https", "example.com:8443"),
        ("https://[2001:DB8::1]", "https", "[2001:db8::1]"),
        ("https://[::1]:8443", "https", "[::1]:8443"),
        ("http://127.0.0.1:8080", "http", "127.0.0.1:8080"),
    ] {
        let want = Origin { scheme, authority: authority.to_owned() };
        assert_eq!(Origin::parse(text), Some(want), "{text}");
    }
    for text in [
        "",
        "example.com",
        "https://",
        "https://:443",
        "https:///",
        "https://example.com/",
        "https://example.com/path",
        "https://example.com?x",
        "https://user@example.com",
        "https://example.com:",
        "https://example.com:0",
        "https://example.com:x",
        "https://example.com:+80",
        "https://example.com:65536",
        "https://example.com:080",
        "https://a b",
        "https://[::1",
        "https://::1",
        "https://[]",
        "ftp://example.com",
        "https://ex\u{e4}mple.com",
        "https://example.com\n",
    ] {
        assert_eq!(Origin::parse(text), None, "{text}");
    }
}

#[test]
fn a_word_names_a_component() {
    assert_eq!(Component::from_word("@path"), Some(Component::Path));
    let field = Component::Field("content-digest".to_owned());
    assert_eq!(Component::from_word("content-digest"), Some(field));
    for word in ["", "Content-Digest", "@status", "@query-param", "@signature-params", "a b", "a:"]
    {
        assert_eq!(Component::from_word(word), None, "{word}");
    }
}

#[test]
fn a_content_digest_is_one_of_the_body() {
    // RFC 9530 Appendix D.1, of the body there; RFC 9421 B.2.
    let sha256 = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    let both = format!("{sha256}, {CONTENT_DIGEST}");
    let other = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    let cases: [(&str, Option<bool>); 16] = [
        (sha256, Some(true)),
        (CONTENT_DIGEST, Some(true)),
        (&both, Some(true)),
        (&format!("md5=:AAAA:, {sha256};q=1"), Some(true)),
        (&format!("{other}, {CONTENT_DIGEST}"), Some(false)),
        (&format!("{CONTENT_DIGEST}, {other}"), Some(false)),
        (other, Some(false)),
        ("sha-256=::", Some(false)),
        ("sha-256=:X48E:", Some(false)),
        ("sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", Some(false)),
        ("sha-256=\"X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=\"", Some(false)),
        ("sha-256", Some(false)),
        (&format!("{sha256}, {sha256}"), Some(false)),
        (&format!("{sha256},"), Some(false)),
        ("md5=:AAAA:", None),
        ("", None),
    ];
    for (header, want) in cases {
        assert_eq!(digests(&[header.as_bytes()], BODY), want, "{header}");
    }
    assert_eq!(digests(&[both.as_bytes()], b"{\"hello\": \"World\"}"), Some(false));
    assert_eq!(digests(&[b"\xff"], BODY), Some(false));
}

/// Whoever carries a request may put a field into one line or into several.
#[test]
fn every_line_of_a_content_digest_counts() {
    let sha256 = b"sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:".as_slice();
    let other = b"sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:".as_slice();
    let cases: [(&[&[u8]], Option<bool>); 6] = [
        (&[sha256, CONTENT_DIGEST.as_bytes()], Some(true)),
        (&[b"md5=:AAAA:", sha256], Some(true)),
        (&[CONTENT_DIGEST.as_bytes(), other], Some(false)),
        (&[sha256, sha256], Some(false)),
        (&[sha256, b"x=\""], Some(false)),
        (&[], None),
    ];
    for (lines, want) in cases {
        assert_eq!(digests(lines, BODY), want, "{lines:?}");
    }
}

/// Whether a body has the digests of these lines.
fn digests(lines: &[&[u8]], body: &[u8]) -> Option<bool> {
    let headers: Vec<(&str, &[u8])> = lines.iter().map(|line| ("Content-Digest", *line)).collect();
    let headers = headers.as_slice();
    content_digest_matches(&Inbound {
        method: "POST",
        target: "/",
        headers,
        body,
        remote_addr: None,
        client_certificates: &[],
    })
}

#[test]
fn an_address_covers_its_parts_and_no_part_the_address() {
    use Component::{Authority, Method, Path, Query, RequestTarget, Scheme, TargetUri};
    for part in [Authority, Path, Query, RequestTarget, Scheme, TargetUri] {
        assert!(part.is_within(&[Method, TargetUri]), "{part:?}");
        assert!(part.is_within(std::slice::from_ref(&part)), "{part:?}");
    }
    for part in [Path, Query] {
        assert!(part.is_within(&[RequestTarget]), "{part:?}");
    }
    for part in [Authority, Scheme, TargetUri] {
        assert!(!part.is_within(&[RequestTarget]), "{part:?}");
    }
    let parts = [Authority, Path, Query, Scheme];
    assert!(!TargetUri.is_within(&parts) && !RequestTarget.is_within(&parts));
    for other in
        [Method, Component::Field("host".to_owned()), Component::QueryParam("a".to_owned())]
    {
        assert!(!other.is_within(&[TargetUri, RequestTarget]), "{other:?}");
    }
}

proptest! {
    /// Nearly written: pieces, so that many fields are read. What is read and written again is
    /// written for good.
    #[test]
    fn a_field_is_refused_or_has_one_form(
        input in r#"(\(|\)|"a"|"@path"|;|=|,| |\t|sig|a|b|1|-|\?1|:AA==:|"|\\|\.){0,16}"#,
    ) {
        let input = format!("sig=({input}");
        if let Ok(found) = read(&input, "sig=:AA==:") {
            let base = String::from_utf8(found.base).unwrap();
            let (_, params) = base.split_once("\"@signature-params\": ").unwrap();
            let again = read(&format!("sig={params}"), "sig=:AA==:").unwrap();
            prop_assert_eq!(again.base, base.as_bytes());
            prop_assert_eq!(again.components, found.components);
            prop_assert_eq!(again.params, found.params);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        target in "/[ -~]{0,20}",
        name in "[!-~]{0,9}",
        value in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let input = format!("sig=(\"{name}\" \"@query-param\";name=\"{name}\" \"x\")");
        let headers: [(&str, &[u8]); 3] =
            [("signature-input", input.as_bytes()), ("signature", b"sig=:AA==:"), ("x", &value)];
        let inbound =
            Inbound { method: "GET", target: &target, headers: &headers, body: b"", remote_addr: None, client_certificates: &[] };
        let origin = Origin::parse("https://example.com").unwrap();
        if let Ok(found) = HttpSignature::read(&inbound, &origin, "sig") {
            let lines = found.base.split(|&byte| byte == b'\n').count();
            prop_assert_eq!(lines, found.components.len() + 1);
        }
        let as_signature: [(&str, &[u8]); 2] = [("signature-input", &value), ("signature", &value)];
        let inbound = Inbound { headers: &as_signature, ..inbound };
        prop_assert!(HttpSignature::read(&inbound, &origin, "sig").is_err());
        if digests(&[&value], b"") == Some(true) {
            prop_assert!(value.starts_with(b"sha-"));
        }
    }
}
