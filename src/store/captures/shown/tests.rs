//! What operators see of real callbacks, and what nobody does.

use proptest::prelude::*;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use super::names::looks_secret;
use super::*;
use crate::engine::encoding::Encoding;
use crate::engine::params::ParamKind;
use crate::rule;

const CARD: &str = "4111111111111111";
const SHA256: &str = "75fa8c5d0d5d6d3f6a3f4c7a1b7e5f0a9d8c7b6a5f4e3d2c1b0a99887766554f";

fn kept(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Kept {
    Kept {
        method: "POST".into(),
        target: target.into(),
        headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        body: body.to_vec(),
        masked: false,
    }
}

fn body_of(body: &[u8]) -> String {
    shown(&kept("/", &[], body)).body
}

#[track_caller]
fn says(shown: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(shown.contains(wanted), "{wanted} is not in:\n{shown}");
    }
}

#[track_caller]
fn hides(shown: &str, unwanted: &[&str]) {
    for unwanted in unwanted {
        assert!(!shown.contains(unwanted), "{unwanted} is in:\n{shown}");
    }
}

#[test]
fn what_liqpay_packs_is_opened_and_its_signature_is_not_seen() {
    let data = format!(
        "{{\"public_key\":\"i00000000001\",\"order_id\":\"17\",\"status\":\"success\",\
          \"amount\":12.50,\"card_token\":\"abc\",\"pan\":{CARD},\"note\":\"{CARD}\"}}"
    );
    let signature = "Yj1Y5wE0N2JgWjWsPvT6oEbkX8E=";
    let body = format!(
        "data={}&signature={}",
        Encoding::Base64.encode(data.as_bytes()).replace('=', "%3D"),
        signature.replace('=', "%3D")
    );
    assert_eq!(
        body_of(body.as_bytes()),
        "data=‹base64-any› {\n  \"public_key\": \"i00000000001\",\n  \"order_id\": \"17\",\n  \
         \"status\": \"success\",\n  \"amount\": 12.50,\n  \
         \"card_token\": \"‹3 bytes hidden›\",\n  \"pan\": 411111******1111,\n  \
         \"note\": \"411111******1111\"\n}\nsignature=‹28 bytes hidden›"
    );
}

#[test]
fn of_stripe_the_event_is_seen_and_the_header_is_not() {
    let body = br#"{"id":"evt_1MqqbKLt4dXK03v5qaIbiNCC","type":"charge.succeeded","data":{"object":
        {"amount":1250,"currency":"usd","client_secret":"pi_3_secret_x","paid":true,
        "receipt_url":"https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjdF8xTTJKVGtMa2RJd0h1N2l4"}}}"#;
    let header = format!("t=1492774577,v1={SHA256}");
    let headers = [("Stripe-Signature", header.as_str()), ("Content-Type", "application/json")];
    let shown = shown(&kept("/hook", &headers, body));
    says(
        &shown.body,
        &["\"evt_1MqqbKLt4dXK03v5qaIbiNCC\"", "\"amount\": 1250", "\"paid\": true", "usd"],
    );
    hides(&shown.body, &["pi_3_secret_x", "CAcaFwoV"]);
    assert_eq!(
        shown.headers,
        [
            ("Stripe-Signature".to_owned(), format!("‹{} bytes hidden›", header.len())),
            ("Content-Type".to_owned(), "application/json".to_owned()),
        ]
    );
}

#[test]
fn of_paysera_the_form_in_the_query_is_opened() {
    let data = Encoding::Base64Url.encode(b"orderid=17&amount=1250&p_email=a%40b.example&sign=no");
    let target = format!("/pay?data={data}&ss1={}&ss2={data}", "0cc175b9c0f1b6a831c399e269772661");
    let shown = shown(&kept(&target, &[], b""));
    let length = data.len();
    assert_eq!(
        shown.target,
        format!(
            "/pay?data=‹{length} bytes hidden›&ss1=‹32 bytes hidden›&ss2=‹{length} bytes hidden›"
        )
    );
    says(&shown.body, &["orderid=\"17\"", "amount=\"1250\"", "p_email=\"a@b.example\""]);
    says(&shown.body, &["sign=\"‹2 bytes hidden›\"", "\nss1=‹32 bytes hidden›"]);
    hides(&shown.body, &["0cc175", &data]);
}

#[test]
fn of_wallet_one_windows_1251_can_be_read() {
    let text = "Оплата заказа";
    let encoded = Charset::Windows1251.encode(text).unwrap();
    let body = form::encode_pairs(&[
        (b"WMI_DESCRIPTION", &encoded),
        (b"WMI_SIGNATURE", b"rKqkJXFHTTM4h6oxTwHZyw=="),
        (b"WMI_ORDER_ID", b"336077917093"),
    ]);
    for headers in
        [&[("Content-Type", "application/x-www-form-urlencoded; charset=windows-1251")][..], &[]]
    {
        let shown = shown(&kept("/", headers, &body)).body;
        says(&shown, &["WMI_DESCRIPTION=Оплата заказа", "WMI_ORDER_ID=336077917093"]);
        hides(&shown, &["rKqk"]);
    }
}

#[test]
fn credentials_are_hidden_wherever_they_stand() {
    let headers = [("Authorization", "Basic dXNlcjpwYXNz"), ("Cookie", "a=b"), ("User-Agent", "x")];
    let shown = shown(&kept("/a?token=abc&x=1", &headers, b""));
    assert_eq!(shown.target, "/a?token=‹3 bytes hidden›&x=1");
    assert_eq!(shown.headers[0].1, "‹18 bytes hidden›");
    assert_eq!(shown.headers[1].1, "‹3 bytes hidden›");
    assert_eq!(shown.headers[2].1, "x");
    let cases: [&[u8]; 16] = [
        b"x=Basic+c2VjcmV0",
        b"{\"x\":\"bearer  c2VjcmV0\"}",
        b"{\"x\":\"https://u:c2VjcmV0@host.example/a\"}",
        b"{\"x\":\"https://host.example/a?token=c2VjcmV0&b=1\"}",
        b"{\"x\":\"{\\\"sign\\\": \\\"c2VjcmV0\\\"\"}",
        b"{\"sign\":\"c2VjcmV0\",",
        b"{'sign' : 'c2VjcmV0'",
        b"<r><sign>c2VjcmV0</sign></r>",
        b"<r sign=\"c2VjcmV0\"/>",
        b"<r><!DOCTYPE><sign>c2VjcmV0</sign>",
        b"password: c2VjcmV0 and more",
        b"Authorization: Basic c2VjcmV0",
        b"[{\"name\":\"signature\",\"value\":\"c2VjcmV0\"}]",
        b"{\"signature\":{\"a\":[\"c2VjcmV0\"]}}",
        b"payment%5Bsign%5D=c2VjcmV0",
        b"--x1\r\nContent-Disposition: form-data; name=\"sign\"\r\n\r\nc2VjcmV0\r\n--x1--\r\n",
    ];
    for body in cases {
        hides(&body_of(body), &["c2VjcmV0"]);
    }
}

#[test]
fn what_nobody_could_read_is_hidden_whatever_its_name() {
    for secret in [
        SHA256,
        SHA256.split_at(32).0,
        &SHA256.to_uppercase(),
        "dGhpcyBpcyBub3QgYSB3b3JkIGF0IGFsbA==",
        "R4nd0mLooking/Base64+Text0fS0meLengthX9",
        "sk_live_51H8xYzK2eZvKYlo2C0aBcDeFgH",
    ] {
        for body in [
            format!("x={}", secret.replace('+', "%2B")),
            format!("{{\"x\":\"{secret}\"}}"),
            format!("{{\"x\":[\"see {secret}, please\"]}}"),
            format!("<r><x>{secret}</x></r>"),
            format!("see {secret}, please"),
            format!("{secret}=1"),
        ] {
            hides(&body_of(body.as_bytes()), &[secret, secret.split_at(20).0]);
        }
        let path = shown(&kept(&format!("/hook/{secret}?{secret}"), &[], b""));
        hides(&path.target, &[secret]);
        says(&path.target, &["/hook/"]);
    }
}

#[test]
fn what_operators_need_can_be_read() {
    for text in [
        "order_id=7f3b2c1a-9d8e-4f00-a1b2-c3d4e5f60718",
        "payment_id=pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "ref=550e8400-e29b-41d4-a716-446655440000",
        "amount=12.50\ncurrency=EUR\ncurrency_code=978\nstatus=success",
        "err_code=limit\nerror_code=51\nsignature=",
        "description=Payment for internet services, contract 12345",
        "event=payment_successful_notification_type",
        "url=https://shop.example/billing/payment/callback/liqpay",
        "type=PaymentForInternetServices",
        "phone=380501234567",
        "digits=123456789012345678901234567890",
        "public_key=i00000000001",
    ] {
        let body = text.replace('\n', "&").replace(' ', "+");
        assert_eq!(body_of(body.as_bytes()), text);
    }
}

#[test]
fn signed_tokens_are_opened_and_their_signatures_are_not_seen() {
    let encode = |text: &str| Encoding::Base64UrlNoPad.encode(text.as_bytes());
    let inner =
        format!("{}.{}.{}", encode("{\"alg\":\"ES256\"}"), encode("{\"price\":990}"), "c2lnbg");
    let claims = format!("{{\"type\":\"REFUND\",\"signedInfo\":\"{inner}\"}}");
    let token = format!("{}.{}.{}", encode("{\"alg\":\"ES256\"}"), encode(&claims), "b3RoZXI");
    for body in [format!("{{\"signedPayload\":\"{token}\"}}"), token] {
        let shown = body_of(body.as_bytes());
        says(&shown, &["\"REFUND\"", "\"price\": 990"]);
        hides(&shown, &["c2lnbg", "b3RoZXI", "eyJ"]);
    }
}

#[test]
fn what_is_no_text_is_counted_and_what_is_long_is_cut() {
    assert_eq!(body_of(&[0x1f, 0x8b, 8, 0, 0]), "‹5 bytes, not text›");
    assert_eq!(body_of(b"x=%01%02"), "x=‹2 bytes, not text›");
    assert_eq!(body_of(b""), "");
    let long = format!("x={}", "ж ".repeat(20_000));
    let shown = body_of(long.as_bytes());
    assert!(shown.len() < BODY_BYTES_MAX + 100, "{}", shown.len());
    assert!(shown.ends_with("of 60002 bytes are shown›"), "{shown}");
    hides(&body_of("{\"x\":\"\u{1b}[2J\u{202e}\"}".as_bytes()), &["\u{1b}", "\u{202e}"]);
}

#[test]
fn card_numbers_are_masked_however_they_are_packed() {
    let packed = Encoding::Base64.encode(CARD.as_bytes());
    for body in [
        format!("pan={CARD}"),
        "pan=4111+1111-1111+1111".to_owned(),
        format!("x={packed}"),
        format!("{{\"x\":{CARD}}}"),
        format!("{{\"order_id\":\"{CARD}\"}}"),
        format!("<r><x>{CARD}</x></r>"),
        format!("paid with {CARD}."),
        format!("{CARD}=x"),
        format!("{{\"{CARD}\":1}}"),
    ] {
        hides(&body_of(body.as_bytes()), &[CARD, &packed, "4111 1111-1111 1111"]);
        let target = shown(&kept(&format!("/{CARD}/x?{body}"), &[("Host", CARD)], b"")).target;
        hides(&target, &[CARD, &packed, "4111+1111-1111+1111"]);
    }
}

#[test]
fn of_no_shipped_gateway_a_secret_or_a_signature_is_seen() {
    for (gateway, text) in rule::shipped() {
        let Ok(rule) = rule::compile(gateway, text) else { panic!("{gateway}") };
        for example in rule.accepted_examples() {
            let Ok(bound) = rule.bind(&example.params) else { panic!("{gateway}") };
            let wire = example.request.encode();
            let kept = Kept {
                method: wire.method().to_owned(),
                target: wire.target().to_owned(),
                headers: wire.headers().to_vec(),
                body: wire.body().to_vec(),
                masked: false,
            };
            let Shown { method, target, headers, body } = shown(&kept);
            let all = format!("{method}\n{target}\n{headers:?}\n{body}");
            let secrets = rule.params().iter().filter(|param| param.kind == ParamKind::Secret);
            for secret in secrets.flat_map(|param| example.params.values(&param.name)) {
                let secret = std::str::from_utf8(secret.expose()).unwrap_or("\0");
                assert!(secret.len() < 6 || !all.contains(secret), "{gateway}: {secret}\n{all}");
            }
            let proofs = &bound.plan().proofs;
            for tag in proofs.iter().flat_map(rule::coverage::tags) {
                let name = tag.tag.text.split(['.', ' ']).next_back().unwrap_or_default();
                for value in fields(&kept, name).iter().filter(|value| value.len() > 4) {
                    assert!(!all.contains(value), "{gateway}: {name}\n{all}");
                }
            }
        }
    }
}

/// The values of that name in query and body.
fn fields(kept: &Kept, name: &str) -> Vec<String> {
    fn find(value: &Value<'_>, name: &str, found: &mut Vec<String>) {
        let members = value.as_object().map_or(&[][..], Object::members);
        for (member, value) in members {
            if member == name {
                found.extend(value.as_text().map(str::to_owned));
            }
            find(value, name, found);
        }
        for item in value.as_list().unwrap_or_default() {
            find(item, name, found);
        }
    }
    let query = kept.target.split_once('?').map_or("", |(_, query)| query);
    let mut found = Vec::new();
    for bytes in [query.as_bytes(), &kept.body] {
        match document(bytes) {
            Some(Document::Form(pairs)) => {
                let named = pairs.iter().filter(|(found, _)| found.as_ref() == name.as_bytes());
                found.extend(named.filter_map(|(_, value)| String::from_utf8(value.to_vec()).ok()));
            }
            Some(Document::Value(value)) => find(&value, name, &mut found),
            None => {}
        }
    }
    found
}

/// Looks are a matter of chance: some digest in ever so many looks like words. (One whose name says
/// what it is is hidden whatever it looks like.)
#[test]
fn a_digest_is_known_by_its_looks() {
    let misjudged = |digest: &dyn Fn(u32) -> Vec<u8>, encoding: Encoding| {
        let tags = (0..20_000).map(|n| encoding.encode(&digest(n)));
        tags.filter(|tag| !looks_secret(tag.trim_end_matches('='))).count()
    };
    let sha1 = |n: u32| Sha1::digest(n.to_be_bytes()).to_vec();
    let sha256 = |n: u32| Sha256::digest(n.to_be_bytes()).to_vec();
    let sha512 = |n: u32| Sha512::digest(n.to_be_bytes()).to_vec();
    for encoding in [Encoding::Hex, Encoding::HexUpper, Encoding::Base64] {
        let most = if encoding == Encoding::Base64 { 4 } else { 0 };
        assert!(misjudged(&sha1, encoding) <= most, "{}", misjudged(&sha1, encoding));
        assert_eq!((misjudged(&sha256, encoding), misjudged(&sha512, encoding)), (0, 0));
    }
}

proptest! {
    #[test]
    fn whatever_came_it_can_be_shown(
        target in "/[!-~]{0,60}",
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        text in "[{\\[<=:>\"'a-zA-Z0-9 ,&%\\n\\\\ж-]{0,120}",
    ) {
        for body in [&bytes[..], text.as_bytes(), &Encoding::Base64.encode(text.as_bytes()).into_bytes()] {
            let kept = kept(&target, &[("Content-Type", &text)], body);
            let once = shown(&kept);
            let has_escape = once.body.contains('\u{1b}');
            prop_assert!(!has_escape);
        }
    }

    #[test]
    fn what_looks_like_a_digest_is_hidden_wherever_it_stands(
        digest in prop::collection::vec(any::<u8>(), 20..64),
        name in "[a-z]{1,6}",
        before in "[a-z ]{0,10}[ ,;(]",
        after in "[ ,;)][a-z ]{0,10}",
    ) {
        for encoding in [Encoding::Hex, Encoding::HexUpper, Encoding::Base64] {
            let tag = encoding.encode(&digest);
            prop_assume!(looks_secret(tag.trim_end_matches('=')));
            let text = format!("{before}{tag}{after}");
            let form = form::encode_pairs(&[(name.as_bytes(), text.as_bytes())]);
            for body in [form, format!("{{\"{name}\":\"{text}\"}}").into_bytes(), text.into_bytes()] {
                let shown = body_of(&body);
                prop_assert!(!shown.contains(tag.trim_end_matches('=')), "{}", shown);
            }
        }
    }
}
