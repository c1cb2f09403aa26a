//! Chains made with OpenSSL: `fixtures.sh` says what each certificate is.

#![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

use proptest::prelude::*;

use super::*;
use crate::engine::encoding::Encoding;
use crate::engine::signature::{PublicKey, SignatureAlgorithm};

/// A name, and below it what it names.
const FIXTURES: &str = include_str!("fixtures.txt");

const HOST: &str = "certs.gateway.example";
/// October 2025. Leaves are valid from 2025 to 2027, issuers from 2020 to 2039 or 2040.
const AT: UnixSeconds = 1_760_000_000;

fn pem(names: &[&str]) -> Vec<u8> {
    names.iter().fold(Vec::new(), |mut text, name| {
        let (_, after) = FIXTURES.split_once(&format!("\n{name}\n")).unwrap_or_else(|| {
            assert!(FIXTURES.starts_with(&format!("{name}\n")), "{name}");
            ("", FIXTURES)
        });
        let from = after.find("-----BEGIN").unwrap();
        let until = after.find("-----END CERTIFICATE-----\n").unwrap() + 26;
        text.extend_from_slice(after.get(from..until).unwrap().as_bytes());
        text
    })
}

fn trust(roots: &[&str], intermediates: &[&str]) -> Trust {
    let (roots, intermediates) = (pem(roots), pem(intermediates));
    let intermediates = Some(intermediates.as_slice()).filter(|text| !text.is_empty());
    Trust::from_pem([roots.as_slice()], intermediates).unwrap()
}

fn common_name() -> Names {
    Names::CommonName(HOST.to_owned())
}

fn apple() -> Names {
    Names::Extensions {
        leaf: Oid::parse("1.2.840.113635.100.6.11.1").unwrap(),
        issuer: Oid::parse("1.2.840.113635.100.6.2.1").unwrap(),
    }
}

const ROOTS: [&str; 5] = ["root", "root-without-depth", "root-expired", "root-future", "rsa-root"];

#[track_caller]
fn check(document: &[&str], names: &Names, want: Result<(), Flaw>) {
    let found = leaf_of_pem(&pem(document), &trust(&ROOTS, &[]), AT, names);
    let want = want.map_err(CertificateError::Rejected);
    assert_eq!(found.map(|_| ()), want, "{document:?} {names:?}");
}

#[test]
fn the_key_of_a_good_leaf_verifies_what_it_signed() {
    let spki =
        leaf_of_pem(&pem(&["leaf", "intermediate"]), &trust(&["root"], &[]), AT, &common_name());
    let key = PublicKey::from_der(SignatureAlgorithm::EcdsaP256Sha256, &spki.unwrap()).unwrap();
    let (_, signature) = FIXTURES.trim_end().rsplit_once("signature\n").unwrap();
    let signature = Encoding::Base64.decode(signature.as_bytes()).unwrap();
    assert!(key.verifies(b"countersign", &signature));
}

#[test]
fn intermediates_come_from_the_document_or_from_the_trusted_ones() {
    let cases: [(&[&str], &[&str], Option<Flaw>); 7] = [
        (&["leaf", "intermediate"], &[], None),
        (&["leaf"], &["intermediate"], None),
        (&["leaf"], &["intermediate-last", "intermediate"], None),
        (&["leaf", "root", "stranger", "intermediate"], &[], None),
        (&["leaf", "intermediate-of-stranger"], &["intermediate"], None),
        (&["leaf"], &[], Some(Flaw::Untrusted)),
        (&["leaf"], &["intermediate-last"], Some(Flaw::Untrusted)),
    ];
    for (document, intermediates, want) in cases {
        let trust = trust(&["stranger", "root"], intermediates);
        let found = leaf_of_pem(&pem(document), &trust, AT, &common_name());
        let want = want.map_or(Ok(()), |flaw| Err(CertificateError::Rejected(flaw)));
        assert_eq!(found.map(|_| ()), want, "{document:?} {intermediates:?}");
    }
    check(&["leaf-by-root"], &common_name(), Ok(()));
}

#[test]
fn a_chain_that_does_not_lead_to_a_trusted_root_is_refused() {
    let names = common_name();
    check(&["leaf-self-signed"], &names, Err(Flaw::Untrusted));
    check(&["leaf-self-signed", "root"], &names, Err(Flaw::Untrusted));
    // The root that is not trusted has the name of one that is.
    check(&["leaf-by-stranger", "stranger"], &names, Err(Flaw::Untrusted));
    check(
        &["leaf-by-intermediate-of-stranger", "intermediate-of-stranger", "stranger"],
        &names,
        Err(Flaw::Untrusted),
    );
    // The intermediate has the right name and another key.
    check(&["leaf-by-intermediate-of-stranger", "intermediate"], &names, Err(Flaw::Untrusted));
    check(&["rsa-leaf", "rsa-intermediate"], &names, Ok(()));
    // SHA-1, and a key of 1024 bits, are nothing to trust in.
    check(&["leaf-sha1", "intermediate"], &names, Err(Flaw::Untrusted));
    check(&["rsa-leaf-by-short", "rsa-intermediate-short"], &names, Err(Flaw::Untrusted));
    check(&["intermediate", "leaf"], &names, Err(Flaw::LeafIsAuthority));
    check(&["leaf-authority", "intermediate"], &names, Err(Flaw::LeafIsAuthority));
    check(&["root"], &names, Err(Flaw::LeafIsAuthority));
}

#[test]
fn every_certificate_of_the_chain_is_valid_at_the_time() {
    let names = common_name();
    check(&["leaf-expired", "intermediate"], &names, Err(Flaw::Expired));
    check(&["leaf-future", "intermediate"], &names, Err(Flaw::NotYetValid));
    check(&["leaf-by-intermediate-expired", "intermediate-expired"], &names, Err(Flaw::Expired));
    check(
        &["leaf-by-intermediate-of-expired", "intermediate-of-expired"],
        &names,
        Err(Flaw::Expired),
    );
    check(
        &["leaf-by-intermediate-of-future", "intermediate-of-future"],
        &names,
        Err(Flaw::NotYetValid),
    );
    // From the first second of 2025 to the first of 2027, both counted.
    let (from, until) = (1_735_689_600, 1_798_761_600);
    for (at, want) in [
        (from - 1, Err(Flaw::NotYetValid)),
        (from, Ok(())),
        (until, Ok(())),
        (until + 1, Err(Flaw::Expired)),
        (i64::MAX, Err(Flaw::Expired)),
        (0, Err(Flaw::NotYetValid)),
        (-1, Err(Flaw::NotYetValid)),
        (i64::MIN, Err(Flaw::NotYetValid)),
    ] {
        let document = pem(&["leaf", "intermediate"]);
        let found = leaf_of_pem(&document, &trust(&ROOTS, &[]), at, &names);
        assert_eq!(found.map(|_| ()), want.map_err(CertificateError::Rejected), "{at}");
    }
}

#[test]
fn an_issuer_issues_no_more_than_it_may() {
    let names = common_name();
    for issuer in ["intermediate-no-authority", "intermediate-for-crls"] {
        let leaf = format!("leaf-by-{issuer}");
        check(&[&leaf, issuer], &names, Err(Flaw::IssuerNotAllowed));
    }
    // Constraints bear on DNS names, not on common names.
    check(&["leaf-outside", "intermediate-elsewhere"], &names, Err(Flaw::IssuerNotAllowed));
    check(&["leaf-half-outside", "intermediate-elsewhere"], &names, Err(Flaw::WrongName));
    check(
        &["leaf-by-intermediate-after-last", "intermediate-after-last", "intermediate-last"],
        &names,
        Err(Flaw::IssuerNotAllowed),
    );
    // A root that says of itself that only leaves are below it.
    check(
        &["leaf-by-intermediate-below-depth", "intermediate-below-depth"],
        &names,
        Err(Flaw::IssuerNotAllowed),
    );
    check(&["leaf-by-intermediate-for-mail", "intermediate-for-mail"], &names, Err(Flaw::WrongUse));
    check(&["leaf-for-mail", "intermediate"], &names, Err(Flaw::WrongUse));
    check(&["leaf-critical", "intermediate"], &names, Err(Flaw::Unreadable));
}

#[test]
fn a_chain_has_at_most_six_certificates() {
    let names = common_name();
    let six = ["leaf-by-depth-3", "depth-3", "depth-2", "depth-1", "intermediate"];
    check(&six, &names, Ok(()));
    check(&[&six[..], &["root"]].concat(), &names, Ok(()));
    check(&[&six[..], &["root", "root"]].concat(), &names, Err(Flaw::TooMany));
    let seven = ["leaf-by-depth-4", "depth-4", "depth-3", "depth-2", "depth-1", "intermediate"];
    check(&seven, &names, Err(Flaw::TooMany));
}

#[test]
fn a_leaf_has_exactly_one_common_name_and_it_is_the_right_one() {
    for leaf in [
        "leaf-longer-name",
        "leaf-name-in-front",
        "leaf-other-case",
        "leaf-two-names",
        "leaf-same-name-twice",
        "leaf-two-names-in-one",
        "leaf-organization",
        "leaf-common-name-only",
        "leaf-dns-name-only",
        "leaf-wildcard",
    ] {
        check(&[leaf, "intermediate"], &common_name(), Err(Flaw::WrongName));
    }
    for name in ["", "certs.gateway.exampl", "gateway.example", "*.gateway.example", "Gateway"] {
        let names = Names::CommonName(name.to_owned());
        check(&["leaf", "intermediate"], &names, Err(Flaw::WrongName));
        check(&["leaf-dns-name-only", "intermediate"], &names, Err(Flaw::WrongName));
    }
}

#[test]
fn a_dns_name_is_among_those_of_the_leaf() {
    let names = Names::DnsName(HOST.to_owned());
    for leaf in ["leaf", "leaf-dns-name-only", "leaf-two-names", "leaf-other-case"] {
        check(&[leaf, "intermediate"], &names, Ok(()));
    }
    for leaf in ["leaf-wildcard", "leaf-common-name-only", "leaf-longer-name", "leaf-name-in-front"]
    {
        check(&[leaf, "intermediate"], &names, Err(Flaw::WrongName));
    }
}

#[test]
fn extensions_are_in_the_leaf_and_in_the_certificate_above_it() {
    check(&["apple-leaf", "apple-intermediate", "root"], &apple(), Ok(()));
    let refused: [&[&str]; 5] = [
        &["apple-leaf-unmarked", "apple-intermediate"],
        &["apple-leaf-by-intermediate", "intermediate"],
        &["apple-leaf-by-intermediate", "intermediate", "apple-intermediate"],
        &["apple-leaf-below", "apple-below", "apple-intermediate"],
        &["apple-leaf-by-root"],
    ];
    for document in refused {
        check(document, &apple(), Err(Flaw::WrongName));
    }
    // The root itself has the extension, if it is the one that is trusted.
    let document = pem(&["apple-leaf"]);
    let found = leaf_of_pem(&document, &trust(&["apple-intermediate"], &[]), AT, &apple());
    assert_eq!(found, Err(CertificateError::Rejected(Flaw::WrongName)));
    assert_eq!(Oid::parse("no oid"), None);
}

#[test]
fn certificates_in_der_are_checked_like_a_document() {
    let blocks = pem(&["apple-leaf", "apple-intermediate", "root"]);
    let mut chain: Vec<Vec<u8>> =
        pem::blocks(&blocks).unwrap().into_iter().map(|block| block.der).collect();
    let trust = trust(&["root"], &[]);
    assert_eq!(
        leaf_of_ders(&chain, &trust, AT, &apple()),
        leaf_of_pem(&blocks, &trust, AT, &apple())
    );
    let refused = |flaw| Err(CertificateError::Rejected(flaw));
    assert_eq!(leaf_of_ders(&[], &trust, AT, &apple()), refused(Flaw::Unreadable));
    chain[0].push(0);
    assert_eq!(leaf_of_ders(&chain, &trust, AT, &apple()), refused(Flaw::Unreadable));
    chain[0] = vec![0; DOCUMENT_BYTES_MAX + 1];
    assert_eq!(leaf_of_ders(&chain, &trust, AT, &apple()), refused(Flaw::TooMany));
}

#[test]
fn what_is_no_document_of_certificates_is_told_from_a_bad_one() {
    let good = String::from_utf8(pem(&["leaf", "intermediate"])).unwrap();
    let trust = trust(&["root"], &[]);
    let read = |text: &str| leaf_of_pem(text.as_bytes(), &trust, AT, &common_name());
    assert!(read(&good).is_ok());
    assert!(read(&good.replace('\n', "\r\n")).is_ok());
    assert!(read(&format!("subject=x\n{good}\n")).is_ok());
    for text in [
        "",
        "<html>Service unavailable</html>",
        good.get(..200).unwrap(),
        good.get(..good.len() - 10).unwrap(),
        &good.replace("CERTIFICATE", "PUBLIC KEY"),
        &format!("{good}-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----"),
        &format!("{good}{}", " ".repeat(DOCUMENT_BYTES_MAX)),
    ] {
        assert_eq!(read(text), Err(CertificateError::NotACertificate), "{text}");
    }
    let no_x509 = "-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----";
    assert_eq!(read(no_x509), Err(CertificateError::Rejected(Flaw::Unreadable)));
    // Not the leaf, and not needed.
    assert!(read(&format!("{good}{no_x509}")).is_ok());
}

#[test]
fn trust_is_in_authorities_or_the_error_says_what_was_expected() {
    let cases: [(&[&str], &[&str], &str); 4] = [
        (&["leaf"], &[], "root certificates of authorities"),
        (&["intermediate-for-crls"], &[], "root certificates of authorities"),
        (&["root", "leaf-self-signed"], &[], "root certificates of authorities"),
        (&["root"], &["leaf"], "intermediate certificates of authorities"),
    ];
    for (roots, intermediates, expected) in cases {
        let (roots, intermediates) = (pem(roots), pem(intermediates));
        let intermediates = Some(intermediates.as_slice()).filter(|text| !text.is_empty());
        let error = Trust::from_pem([roots.as_slice()], intermediates).err().unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let (none, root): ([&[u8]; 0], _) = ([], pem(&["root"]));
    let many = root.repeat(trust::TRUSTED_MAX + 1);
    for (text, expected) in [
        (&b""[..], "in PEM"),
        (b"root", "in PEM"),
        (b"-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----", "in PEM"),
        (b"-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----", "no X.509"),
        (&many, "at most 300 root"),
    ] {
        let error = Trust::from_pem([text], none).err().unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let error = Trust::from_pem(none, [root.as_slice()]).err().unwrap();
    assert!(error.contains("at least one root"), "{error}");
}

proptest! {
    #[test]
    fn a_leaf_with_a_changed_byte_is_no_document_or_refused(at in any::<usize>(), with in 1_u8..) {
        let document = pem(&["leaf", "intermediate"]);
        let mut chain: Vec<Vec<u8>> =
            pem::blocks(&document).unwrap().into_iter().map(|block| block.der).collect();
        let at = at % chain[0].len();
        chain[0][at] ^= with;
        let found = leaf_of_ders(&chain, &trust(&["root"], &[]), AT, &common_name());
        prop_assert!(matches!(found, Err(CertificateError::Rejected(_))), "byte {}", at);
    }

    #[test]
    fn any_bytes_are_refused(
        document in prop::collection::vec(any::<u8>(), 0..99),
        ders in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..99), 0..4),
    ) {
        let trust = trust(&["root"], &["intermediate"]);
        prop_assert!(leaf_of_pem(&document, &trust, AT, &common_name()).is_err());
        prop_assert!(leaf_of_ders(&ders, &trust, AT, &apple()).is_err());
    }
}
