//! Captures of every sort, and what is started from them.

use proptest::prelude::*;

use super::*;
use crate::cli::message::Message;
use crate::engine::encoding::Encoding;

const SHA256: &str = "75fa757507db951644df85e80d41e96b0387b1d7401414b6921ccf614efcd956";
const CARD: &str = "4111111111111111";

fn message(text: &[u8]) -> Message {
    message::parse(text).unwrap()
}

/// What is started from a form.
fn of_form(body: &str) -> String {
    let head = "POST /cb HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n\n";
    of(&format!("{head}{body}"))
}

fn of_json(headers: &str, body: &str) -> String {
    of(&format!("POST /cb HTTP/1.1\nContent-Type: application/json\n{headers}\n{body}"))
}

#[track_caller]
fn of(text: &str) -> String {
    start("acme", &message(text.as_bytes())).unwrap()
}

#[track_caller]
fn says(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "expected {wanted:?} in:\n{text}");
    }
}

fn base64(text: &str) -> String {
    Encoding::Base64.encode(text.as_bytes())
}

fn jws(algorithm: &str, claims: &str) -> String {
    let part = |text: &str| Encoding::Base64UrlNoPad.encode(text.as_bytes());
    format!("{}.{}.c2ln", part(&format!("{{\"alg\":\"{algorithm}\"}}")), part(claims))
}

#[test]
fn a_signature_is_told_by_its_name_and_its_length() {
    let b64 = |bytes: usize| Encoding::Base64.encode(&vec![0xfb; bytes]);
    let url = Encoding::Base64UrlNoPad.encode(&[0xfb; 32]);
    for (name, value, wanted) in [
        ("sign", SHA256.to_owned(), "hmac:\n      algorithm: sha256\n"),
        ("sign", SHA256.to_uppercase(), "encoding: hex-upper\n"),
        ("pg_sig", "d41d8cd98f00b204e9800998ecf8427e".into(), "digest:\n      algorithm: md5\n"),
        ("WMI_SIGNATURE", b64(16), "digest:\n      algorithm: md5\n"),
        ("merchantSignature", b64(20), "digest:\n      algorithm: sha1\n"),
        ("SignatureValue", b64(32), "encoding: base64\n"),
        ("hash", url.clone(), "encoding: base64url-unpadded\n"),
        ("Token", SHA256.to_owned(), "hmac:\n      algorithm: sha256\n"),
        ("checksum", b64(64), "hmac:\n      algorithm: sha512\n"),
        ("hmac", b64(48), "hmac:\n      algorithm: sha384\n"),
        (
            "digest",
            b64(256),
            "signature:\n      algorithm: rsa-sha256\n      key: param.public_keys\n",
        ),
        // Nothing else could be it.
        ("xyz", SHA256.to_owned(), "tag: field.xyz\n"),
    ] {
        let value = value.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let text = of_form(&format!("order=17&sum=12.50&{name}={value}"));
        says(&text, &[wanted, &format!("tag: field.{name}\n")]);
    }
    for name in ["order", "design_id", "sum"] {
        let text = of_form(&format!("{name}=17"));
        says(&text, &["nothing in the capture looks like a signature", "place: TODO"]);
    }
}

#[test]
fn a_packed_payload_and_what_signs_it_are_found() {
    let data = base64(r#"{"order_id":"ORD-1","amount":100.1,"currency":"UAH","status":"success"}"#);
    let text = of_form(&format!("data={data}&signature=f2cBXuilnDwfvf9J9zcF0ldsEXY%3D"));
    says(
        &text,
        &[
            "payload: { from: field.data | base64, as: json }",
            "over: [field.data, param.secret]",
            "# order_id: payload.order_id # ORD-1",
            "# amount: { value: payload.amount, currency: payload.currency, unit: major } # 100.1 UAH",
            "from: payload.status",
            "\"success\": unknown",
            "weak: ",
        ],
    );
    let data =
        Encoding::Base64Url.encode(b"projectid=1&orderid=17&amount=1250&currency=EUR&test=0~~>");
    let text = of_form(&format!("data={data}&ss1=d41d8cd98f00b204e9800998ecf8427e"));
    says(&text, &["payload: { from: field.data | base64url", "as: form }", "payload.orderid"]);
    let inner = base64(r#"{"invoice_id":"7","state":"paid"}"#);
    let text = of_json(&format!("X-Sign: {SHA256}\n"), &format!("{{\"data\":\"{inner}\"}}"));
    says(
        &text,
        &[
            "  - { from: body, as: json }\n",
            "  - { name: inner, from: payload.data | base64, as: json }\n",
            "inner.invoice_id",
            "over: [body]",
            "tag: header.x-sign\n",
        ],
    );
}

#[test]
fn a_header_of_pairs_and_a_time_beside_a_signature_are_found() {
    let v0 = SHA256.replace('7', "8");
    let text = of_json(&format!("Stripe-Signature: t=1760000000,v1={SHA256},v0={v0}\n"), "{}");
    says(
        &text,
        &[
            "          t: { pattern: \"[0-9]{1,20}\" }\n          v1: { many: true }\n",
            "over: [header.stripe-signature.t, { text: \".\" }, ",
            "tag: header.stripe-signature.v1\n",
            "  - { time: header.stripe-signature.t, unit: s, max_age: param.max_age }",
            "    at: 1760000000\n",
        ],
    );
    let text = of_json(&format!("X-Hub-Signature-256: sha256={SHA256}\n"), "{\"a\":1}");
    says(&text, &["tag: \"header.x-hub-signature-256 | strip 'sha256='\"", "over: [body]"]);
    let text =
        of_json(&format!("X-Timestamp: 1760000000123\nX-Signature: {SHA256}\n"), "{\"a\":1}");
    says(
        &text,
        &["over: [header.x-timestamp, { text: \".\" }, body]", "unit: ms", "at: 1760000000\n"],
    );
}

#[test]
fn what_is_read_follows_the_bytes_and_not_only_the_type() {
    let xml = "<?xml version=\"1.0\"?>\n<r><order_id>17</order_id><amount currency=\"EUR\">12.50</amount></r>";
    for (head, body, wanted) in [
        (
            "POST / HTTP/1.1\nContent-Type: text/xml\n",
            xml,
            &["body: any", "as: xml }", "payload.r.order_id", "payload.r.amount['#text']"][..],
        ),
        (
            "POST / HTTP/1.1\nContent-Type: application/json\n",
            "[{\"id\":1}]",
            &["body: json", "as: json-list }"],
        ),
        ("POST / HTTP/1.1\nContent-Type: application/json\n", "no JSON", &["body: any"]),
        ("POST / HTTP/1.1\n", "{\"a\":1}", &["body: any", "from: body, as: json"]),
        (
            "POST / HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n",
            "{\"a\":1}",
            &["body: any", "as: json }"],
        ),
        ("PUT / HTTP/1.1\nContent-Type: text/plain\n", "a=1&b=2", &["method: PUT", "as: form }"]),
        (
            "GET /?order=17&sign=d41d8cd98f00b204e9800998ecf8427e HTTP/1.1\n",
            "",
            &["order: { in: query }", "query:\n", "over: [field.order, param.secret]"],
        ),
        (
            "POST /?shop=1 HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n",
            "order=&sum=1",
            &["shop: { in: query }", "order: { optional: true }"],
        ),
    ] {
        says(&of(&format!("{head}\n{body}")), wanted);
    }
    let text =
        of("POST / HTTP/1.1\nContent-Type: multipart/form-data; boundary=x\n\n--x\r\na\r\n--x--");
    says(&text, &["body: any", "body: \"--x\\r\\na"]);
    says(&start("null", &message(b"GET / HTTP/1.1\n\n")).unwrap(), &["gateway: \"null\""]);
    let refused = start("acme", &message(b"PATCH / HTTP/1.1\n\n")).unwrap_err().to_string();
    assert_eq!(refused, "a rule reads GET, POST and PUT, not `PATCH`");
}

#[test]
fn what_an_example_cannot_hold_is_said() {
    let form = b"POST /?a=1&a=2 HTTP/1.1\nContent-Type: application/x-www-form-urlencoded; charset=koi8-r\n\nname=%E9&x=1";
    let text = start("acme", &message(form)).unwrap();
    says(&text, &["charset: koi8-r", "a field of the query is left out", "body: \"name=%E9&x=1\""]);
    let text = start("acme", &message(b"POST / HTTP/1.1\n\n\xff\xfe")).unwrap();
    says(&text, &["the body is left out: it is not UTF-8", "request: {}"]);
    // What an editor has added.
    says(&of_form("a=1&b=2\r\n"), &["body: form", "        b: \"2\"\n"]);
    says(
        &of_json("", "{}\n"),
        &["body: json", "did the body end with this line break", "body: |\n        {}\n"],
    );
    // An example has each name once; its own bytes say more.
    says(&of_form("a=1&a=2"), &["    a: {}\n", "body: \"a=1&a=2\""]);
}

#[test]
fn credentials_and_tokens_are_placeholders() {
    let with = |line: &str| of_json(&format!("Authorization: {line}\n"), "{\"a\":1}");
    let basic = with("Basic dXNlcjpwYXNz");
    says(&basic, &["- basic:", "password: param.password", "authorization: \"Basic TODO\""]);
    let bearer = with("Bearer hunter2hunter2");
    says(&bearer, &["place: \"header.authorization | strip 'Bearer '\"", "authorization: {}"]);
    let token = of_form("order=17&callback_token=hunter2hunter2&note=x%20hunter2hunter2");
    says(&token, &["- token:", "place: field.callback_token", "callback_token: \"TODO\""]);
    let short = of_json("", "{\"secret\":\"abcd\",\"note\":\"abcde\"}");
    says(&short, &["\"secret\":\"TODO\",\"note\":\"abcde\""]);
    let jwt = with(&format!("Bearer {}", jws("RS256", "{}")));
    says(&jwt, &["- jws:", "algorithm: RS256", "key: param.public_keys", "bearer: true"]);
    for text in [basic, bearer, token, jwt] {
        assert!(
            !text.contains("hunter2") && !text.contains("dXNlcj") && !text.contains("c2ln"),
            "{text}"
        );
    }
    let body = of(&format!("POST / HTTP/1.1\n\n{}", jws("HS256", "{\"order_id\":\"17\"}")));
    says(
        &body,
        &[
            "- jws:\n      token: body\n",
            "key: param.secret",
            "from: claims, as: json",
            "payload.order_id",
        ],
    );
}

#[test]
fn no_card_number_gets_through_wherever_it_is_packed() {
    let json = format!("{{\"pan\":\"{CARD}\",\"number\":{CARD},\"order_id\":\"17\"}}");
    let packed = base64(&json);
    let slashed = base64(&format!("??>??>{json}")).replace('/', "\\/");
    let form = base64("order=17&pan=4111+1111+1111+1111");
    for text in [
        of_form(&format!("pan={CARD}&sign={SHA256}")),
        of_form("pan=4111+1111-1111+1111"),
        of_form(&format!("data={packed}")),
        of_form(&format!("data={}", base64(&packed))),
        of_form(&format!("data={form}")),
        of_json("", &json),
        of_json("", &format!("{{\"data\":\"{packed}\"}}")),
        of_json("", &format!("{{\"data\":\"{slashed}\"}}")),
        of_json(&format!("X-Data-Sign: {packed}\n"), "{}"),
        of(&format!("GET /?pan={CARD}&data={packed} HTTP/1.1\n\n")),
        of(&format!("POST / HTTP/1.1\n\n<r><pan>{CARD}</pan></r>")),
    ] {
        says(&text, &["card numbers and secrets were taken out"]);
        let mut found = vec![text.clone()];
        for _ in 0..3 {
            let inner: Vec<String> = found
                .iter()
                .flat_map(|text| {
                    text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)))
                })
                .filter_map(|run| {
                    String::from_utf8(Encoding::Base64Any.decode(run.as_bytes())?).ok()
                })
                .collect();
            found.extend(inner);
        }
        for text in &found {
            let digits: String = text.chars().filter(|c| !" -+".contains(*c)).collect();
            assert!(!digits.contains(CARD), "{text}");
        }
    }
    let text = of_json("", &json);
    says(&text, &["\"number\":4111110000001111", "payload: { from: body, as: json }"]);
    assert!(!of_form("order=17").contains("card numbers"), "nothing was taken out");
}

/// Its example as the reader of rules sees it.
fn example(text: &str) -> Node {
    let Ok(root) = Node::parse("acme.yaml", text) else { panic!("{text}") };
    root.get("examples").unwrap().items()[0].get("request").unwrap().clone()
}

#[test]
fn what_is_started_says_what_is_left_to_do() {
    for text in [
        of_form(&format!("shop=mine&order=17&sum=12.50&state=paid&sign={SHA256}")),
        of_form("order=17"),
        of_json("", "{\"a\":[{\"b c\":{\"d|e\":1,\"f'g\":2}}]}"),
        of("GET / HTTP/1.1\n\n"),
        of("POST / HTTP/1.1\n\n"),
        of("POST / HTTP/1.1\nAuthorization: Basic dXNlcjpwYXNz\n\n<r/>"),
    ] {
        let Err(problems) = rule::compile("acme.yaml", &text) else {
            panic!("no draft proves itself:\n{text}")
        };
        assert!(problems.render(&text).contains("acme.yaml:"));
    }
}

proptest! {
    #[test]
    fn a_form_stands_in_the_example_as_it_was_sent(
        pairs in prop::collection::vec(("[^\\x00-\\x1f\\x7f]{1,12}", "[^\\x00]{0,24}"), 0..6)
    ) {
        let mut pairs: Vec<(String, String)> = pairs;
        pairs.retain(|(name, _)| !name.trim().is_empty());
        pairs.sort();
        pairs.dedup_by(|(one, _), (other, _)| one == other);
        let bytes: Vec<(&[u8], &[u8])> =
            pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let body = crate::engine::form::encode_pairs(&bytes);
        let head = b"POST / HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n\n";
        let sent = message(&[&head[..], &body].concat());
        let hidden = without_cards(&sent) != sent;
        let text = start("acme", &sent).unwrap();
        let secrets = text.contains("secrets were taken out");
        let request = example(&text);
        let found = request.get("form").map_or(&[][..], Node::entries);
        prop_assert_eq!(found.len(), pairs.len());
        for ((name, value), (wanted_name, wanted)) in found.iter().zip(&pairs) {
            prop_assert_eq!(&name.text, wanted_name);
            if !hidden && !secrets {
                prop_assert_eq!(value.as_text(), Some(wanted.as_str()));
            }
        }
    }

    #[test]
    fn a_body_stands_in_the_example_as_it_was_sent(body in "[^\\x00]{0,80}|[ -~\\n]{0,80}") {
        let sent = message(&[&b"POST / HTTP/1.1\n\n"[..], body.as_bytes()].concat());
        let hidden = without_cards(&sent) != sent;
        let text = start("acme", &sent).unwrap();
        if !hidden && !text.contains("secrets were taken out") {
            let request = example(&text);
            prop_assert_eq!(request.get("body").map_or(Some(""), Node::as_text), Some(body.as_str()));
        }
    }

    #[test]
    fn whatever_was_captured_the_start_is_structurally_a_rule(
        target in "/[!-~]{0,40}",
        name in "(x-sign|authorization|stripe-signature|content-type|x-token)",
        value in "[ -~]{0,60}|[a-z]=[0-9a-f]{32},v1=[0-9a-f]{64}|application/json",
        body in prop::collection::vec(any::<u8>(), 0..200),
        json in "(\\{|\\[|<)?[ -~]{0,60}",
    ) {
        for body in [&body[..], json.as_bytes()] {
            let sent = Message {
                method: "POST".to_owned(),
                target: target.clone(),
                headers: vec![(name.clone(), value.trim().as_bytes().to_vec())],
                body: body.to_vec(),
            };
            let text = start("acme", &sent);
            prop_assert!(text.is_ok(), "{:?}", text);
            let text = text.unwrap();
            prop_assert!(rule::compile("acme.yaml", &text).is_err());
        }
    }
}

#[test]
fn the_signature_of_every_shipped_gateway_is_found() {
    /// Their tags stand where only the documentation says so.
    const HIDDEN: [&str; 4] = ["braintree", "paddle", "payu", "worldpay"];
    let (mut found, mut missed) = (0, Vec::new());
    for (gateway, text) in rule::shipped() {
        let Ok(rule) = rule::compile(gateway, text) else { panic!("{gateway}") };
        let Some(example) = rule.accepted_examples().next() else { continue };
        let Ok(bound) = rule.bind(&example.params) else { panic!("{gateway}") };
        let tags: Vec<&str> = bound
            .plan()
            .proofs
            .iter()
            .flat_map(rule::coverage::tags)
            // Of a key that may be any, the field.
            .filter_map(|tag| tag.tag.text.split(['.', ' ']).rfind(|name| *name != "any"))
            .collect();
        if tags.is_empty() {
            continue;
        }
        let wire = example.request.encode();
        let message = Message {
            method: wire.method().to_owned(),
            target: wire.target().to_owned(),
            headers: wire.headers().to_vec(),
            body: wire.body().to_vec(),
        };
        let text = start("acme", &message).unwrap();
        let guessed = text.lines().filter(|line| line.trim_start().starts_with("tag:"));
        let right = |line: &str| tags.iter().any(|tag| line.contains(tag));
        if guessed.map(str::to_owned).any(|line| right(&line)) {
            found += 1;
        } else {
            missed.push(*gateway);
        }
    }
    assert_eq!(missed, HIDDEN, "of {found} found");
}
