//! What judging costs beside the bare digest of the same bytes, and under each rule that is shipped:
//! `cargo bench --bench judge`. All in one run and in turns, so that a noisy machine disturbs each
//! alike. Best and median of the turns; the ratio is that of the best.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark prints, and stops where it cannot go on"
)]

mod shipped;

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use countersign::engine::Bound;
use countersign::engine::digest::{HashAlgorithm, Hmacer, digest};
use countersign::engine::encoding::Encoding;
use countersign::engine::inbound::{Inbound, UnixSeconds};
use countersign::engine::params::Params;
use countersign::engine::secret::Secret;
use countersign::engine::signature::{PublicKey, SignatureAlgorithm};
use countersign::engine::verdict::{Accepted, Verdict};
use countersign::rule::request::{Body, Request};
use countersign::rule::sign::sign;
use countersign::rule::{self, Rule};

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TURNS: usize = 60;
/// One turn of one measurement.
const TURN_NANOS: u128 = 4_000_000;

fn main() {
    // `cargo bench --bench judge -- stripe`: only that.
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let mut rows = vec![
        stripe(),
        liqpay(),
        smartexpay(),
        paysera("ss1"),
        paysera("rsa"),
        paysera("encrypted"),
    ];
    rows.retain(|row| wanted.as_ref().is_none_or(|name| row.name.starts_with(&**name)));
    println!(
        "ns, best (median)       bare              judge          judge + canonical  ratios to bare"
    );
    for row in rows {
        let Row { name, bare, judge, canonical } = row;
        let measured = measure(&[bare, judge, canonical]);
        let [bare, judge, canonical] = measured.map(|(best, _)| best);
        print!("{name:<18}");
        for (best, median) in measured {
            print!("{:>9} {:<9}", best, format!("({median})"));
        }
        println!("{:>5}x {:>5}x", tenths(judge, bare), tenths(canonical, bare));
    }
    println!();
    shipped::print(wanted.as_deref());
}

type Work = Box<dyn Fn()>;

struct Row {
    name: &'static str,
    bare: Work,
    judge: Work,
    canonical: Work,
}

/// Nanoseconds of one call, best and median.
fn measure<const N: usize>(work: &[Work; N]) -> [(u128, u128); N] {
    let calls = work.each_ref().map(|work| {
        let started = Instant::now();
        let mut calls = 0_u32;
        while started.elapsed().as_nanos() < TURN_NANOS {
            work();
            calls += 1;
        }
        calls
    });
    let mut turns = [const { Vec::new() }; N];
    for _ in 0..TURNS {
        for ((work, calls), turns) in work.iter().zip(calls).zip(&mut turns) {
            let started = Instant::now();
            for _ in 0..calls {
                work();
            }
            turns.push(started.elapsed().as_nanos() / u128::from(calls));
        }
    }
    turns.map(|mut turns| {
        turns.sort_unstable();
        (turns[0], turns[turns.len() / 2])
    })
}

fn tenths(of: u128, to: u128) -> String {
    let tenths = of * 10 / to.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn shipped(gateway: &str) -> Rule {
    let (_, text) = rule::shipped().iter().find(|(name, _)| *name == gateway).expect("shipped");
    rule::compile(gateway, text).unwrap_or_else(|problems| panic!("{}", problems.render(text)))
}

/// A row for a genuine request.
fn row(
    name: &'static str,
    rule: &Rule,
    params: &Params,
    request: &Request,
    at: UnixSeconds,
    bare: Work,
) -> Row {
    let judge = |canonical: bool| -> Work {
        let bound = rule.bind(params).map_err(|errors| errors.len()).expect("parameters that fit");
        let wire = request.encode();
        let headers = wire.headers().to_vec();
        let (method, target) = (wire.method().to_owned(), wire.target().to_owned());
        let body = wire.body().to_vec();
        Box::new(move || {
            // As many lines as fit; the daemon borrows them from its own parser the same way.
            let mut lines: [(&str, &[u8]); 8] = [("", b""); 8];
            for (line, (name, value)) in lines.iter_mut().zip(&headers) {
                *line = (name, value);
            }
            let headers = lines.get(..headers.len()).expect("fewer than eight headers");
            let inbound = Inbound {
                method: &method,
                target: &target,
                headers,
                body: &body,
                remote_addr: None,
                client_certificates: &[],
            };
            let accepted = accepted(&bound, black_box(&inbound), at);
            if canonical {
                black_box(accepted.events[0].to_canonical_json(at));
            }
            black_box(accepted);
        })
    };
    Row { name, bare, judge: judge(false), canonical: judge(true) }
}

fn accepted(bound: &Bound, inbound: &Inbound<'_>, at: UnixSeconds) -> Accepted {
    match bound.judge(inbound, at, &[]) {
        Verdict::Accepted(accepted) => accepted,
        Verdict::Ask(exchange) => panic!("{exchange:?}"),
        Verdict::Rejected(reject) => panic!("{reject:?}"),
    }
}

fn params(of: &[(&str, &str)]) -> Params {
    let mut params = Params::new();
    for (name, value) in of {
        params.push(*name, Secret::from(*value));
    }
    params
}

/// The figures and names of an event of Stripe, 1.5 KB.
fn stripe_event() -> String {
    let start = concat!(
        r#"{"id":"evt_3aBcDeFgHjKmNpQrStUvWxYz","object":"event","api_version":"2024-06-20","created":1700000000,"#,
        r#""data":{"object":{"id":"pi_3aBcDeFgHjKmNpQrStUvWxYz","object":"payment_intent","amount":1999,"#,
        r#""amount_capturable":0,"amount_details":{"tip":{}},"amount_received":2000,"application":null,"#,
        r#""application_fee_amount":null,"automatic_payment_methods":{"allow_redirects":"always","enabled":true},"#,
        r#""canceled_at":null,"cancellation_reason":null,"capture_method":"automatic_async","#,
        r#""client_secret":"pi_3aBcDeFgHjKmNpQrStUvWxYz_secret_aBcDeFgHjKmNpQrStUvWxYz01","#,
        r#""confirmation_method":"automatic","created":1700000000,"currency":"usd","customer":"cus_aBcDeFgHjKmNpQ","#,
        r#""description":"Order No 10042","invoice":null,"latest_charge":"ch_3aBcDeFgHjKmNpQrStUvWxYz","#,
        r#""livemode":false,"metadata":{"order_id":"10042","cart":""#,
    );
    let end = concat!(
        r#""},"next_action":null,"payment_method":"pm_1aBcDeFgHjKmNpQrStUvWxYz","payment_method_types":["card","link"],"#,
        r#""processing":null,"receipt_email":"jane.doe@example.com","setup_future_usage":null,"#,
        r#""statement_descriptor":null,"status":"succeeded","transfer_group":null}},"livemode":false,"#,
        r#""pending_webhooks":1,"request":{"id":"req_aBcDeFgHjKmNpQ","#,
        r#""idempotency_key":"aBcDeFgHjKmNpQrStUvWxYz0123456789aBc"},"type":"payment_intent.succeeded"}"#,
    );
    let filler = "k7Qz".repeat(200);
    let room = 1500 - start.len() - end.len();
    format!("{start}{}{end}", filler.get(..room).expect("1.5 KB is more than the rest"))
}

fn stripe() -> Row {
    const SECRET: &str = "whsec_bench_0123456789abcdef0123456789abcdef";
    const AT: UnixSeconds = 1_700_000_000;
    let rule = shipped("stripe");
    let params = params(&[("signing_secrets", SECRET), ("environment", "test")]);
    let body = stripe_event();
    let tag = "0".repeat(64);
    let mut request = Request {
        method: "POST".into(),
        path: "/hook/stripe".into(),
        query: Vec::new(),
        headers: vec![
            ("host".into(), b"127.0.0.1:28920".to_vec()),
            ("content-type".into(), b"application/json; charset=utf-8".to_vec()),
            ("user-agent".into(), b"Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_vec()),
            ("accept".into(), b"*/*".to_vec()),
            ("stripe-signature".into(), format!("t={AT},v1={tag}").into_bytes()),
        ],
        body: Body::Raw(body.clone().into_bytes()),
        peer: None,
        certificates: Vec::new(),
    };
    resign(&rule, &params, &mut request);
    let mac = Hmacer::new(HashAlgorithm::Sha256, SECRET.as_bytes());
    let start = format!("{AT}.");
    let bare: Work = Box::new(move || {
        black_box(mac.tag(|feed| {
            feed.feed(black_box(start.as_bytes()));
            feed.feed(black_box(body.as_bytes()));
        }));
    });
    row("stripe 1.5 KB", &rule, &params, &request, AT, bare)
}

fn resign(rule: &Rule, params: &Params, request: &mut Request) {
    let bound = rule.bind(params).map_err(|errors| errors.len()).expect("parameters that fit");
    sign(&bound, request, None).expect("a proof with a secret");
}

fn form(fields: &[(&str, &str)]) -> Request {
    let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    Request {
        method: "POST".into(),
        path: "/hook".into(),
        query: Vec::new(),
        headers: vec![
            ("host".into(), b"127.0.0.1:28920".to_vec()),
            ("content-type".into(), b"application/x-www-form-urlencoded".to_vec()),
            ("user-agent".into(), b"LiqPay".to_vec()),
        ],
        body: Body::Form(fields.iter().map(pair).collect()),
        peer: None,
        certificates: Vec::new(),
    }
}

fn liqpay() -> Row {
    const KEY: &str = "sandbox_bench_private_0123456789abcdef";
    let rule = shipped("liqpay");
    let params = params(&[
        ("public_key", "sandbox_i12345678901"),
        ("private_key", KEY),
        ("environment", "test"),
    ]);
    let json = concat!(
        r#"{"action":"pay","payment_id":1234567890,"status":"success","version":3,"type":"buy","#,
        r#""paytype":"card","public_key":"sandbox_i12345678901","order_id":"aBcDeFgHjKmNpQrS","#,
        r#""liqpay_order_id":"aBcDeFgHjKmNpQrStUvWxYz0","description":"xxxxxxxxxxxxxxxxxxxx","#,
        r#""amount":125.5,"currency":"UAH","create_date":1700000000000,"end_date":1700000000500,"#,
        r#""transaction_id":1234567890}"#,
    );
    let data = Encoding::Base64.encode(json.as_bytes());
    let mut request = form(&[("data", &data), ("signature", "MDAwMDAwMDAwMDAwMDAwMDAwMDA=")]);
    resign(&rule, &params, &mut request);
    let bare: Work = Box::new(move || {
        black_box(digest(HashAlgorithm::Sha1, |feed| {
            feed.feed(KEY.as_bytes());
            feed.feed(black_box(data.as_bytes()));
            feed.feed(KEY.as_bytes());
        }));
    });
    row("liqpay 600 B", &rule, &params, &request, 1_700_000_001, bare)
}

/// The first accepted example under these parameters.
fn example(rule: &Rule, wanted: impl Fn(&Params) -> bool) -> &rule::example::Example {
    rule.accepted_examples().find(|example| wanted(&example.params)).expect("an example")
}

fn smartexpay() -> Row {
    let rule = shipped("smartexpay");
    let example = example(&rule, |_| true).clone();
    let value =
        |name: &str| example.request.clone().fields_mut(name).next().cloned().unwrap_or_default();
    let names =
        ["orderId", "newStatus", "inAmount", "outAmount", "xml_from", "xml_to", "timestamp"];
    let secret = example.params.values("secret")[0].expose().to_vec();
    let parts = [&names.map(value)[..], &[secret]].concat();
    let joined = parts.join(&b':');
    let bare: Work = Box::new(move || {
        black_box(digest(HashAlgorithm::Sha256, |feed| feed.feed(black_box(&joined))));
    });
    row("smartexpay", &rule, &example.params, &example.request, example.at, bare)
}

fn paysera(mode: &'static str) -> Row {
    let rule = shipped("paysera");
    let has_mode = |params: &Params| {
        params.values("mode").first().is_some_and(|word| word.expose() == mode.as_bytes())
    };
    let example = example(&rule, has_mode).clone();
    let value =
        |name: &str| example.request.clone().fields_mut(name).next().cloned().unwrap_or_default();
    let data = value("data");
    let secret = example.params.values("sign_password")[0].expose().to_vec();
    let bare: Work = match mode {
        "ss1" => Box::new(move || {
            black_box(digest(HashAlgorithm::Md5, |feed| {
                feed.feed(black_box(&data));
                feed.feed(&secret);
            }));
        }),
        "rsa" => {
            let pem = example.params.values("public_keys")[0].expose();
            // The tag that decides: ss3 where there is one.
            let (algorithm, tag) = match value("ss3") {
                tag if tag.is_empty() => (SignatureAlgorithm::RsaSha1, value("ss2")),
                tag => (SignatureAlgorithm::RsaSha256, tag),
            };
            let key = PublicKey::from_text(algorithm, pem).expect("the example's key");
            let tag = Encoding::Base64Any.decode(&tag).expect("the example's tag");
            Box::new(move || assert!(key.verifies(black_box(&data), &tag)))
        }
        _ => {
            let mut key = secret;
            key.resize(32, 0);
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("32 bytes"));
            let message = Encoding::Base64Any.decode(&data).expect("the example's data");
            Box::new(move || {
                let (nonce, sealed) = message.split_at(12);
                let nonce = Nonce::try_assume_unique_for_key(nonce).expect("12 bytes");
                let mut buffer = black_box(sealed).to_vec();
                assert!(key.open_in_place(nonce, Aad::empty(), &mut buffer).is_ok());
            })
        }
    };
    let name = match mode {
        "ss1" => "paysera ss1",
        "rsa" => "paysera rsa",
        _ => "paysera encrypted",
    };
    row(name, &rule, &example.params, &example.request, example.at, bare)
}
