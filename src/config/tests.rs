//! Whole configurations: what they come to, and everything that can be wrong with them.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::time::Duration;

use crate::config::grammar::{EXCHANGES, LIMITS};
use crate::config::*;
use crate::text::node::{Kind, Node};
use crate::text::problem::Problem;
use crate::text::shape::Shape;

const GOOD: &str = r#"
listen: [ { address: 127.0.0.1:8080 }, { address: "[::1]:8080" } ]
admin: { address: 127.0.0.1:9464 }
log: { format: pretty, level: warn }
limits: { connections: 7, body: 2KiB, drain_timeout: 0s }
rules: [ rules/, extra.yaml ]
exchanges:
  connect_timeout: 1s
  answer_bytes_max: 1MiB
  in_flight_max: 2
  addresses: { API.PayPal.com: 10.0.0.5:8443, "[::1]": "[::1]:1" }
  private: [ gateway.internal, 10.0.0.6 ]
  roots: file:ca.pem
upstreams:
  smarty: { url: "http://127.0.0.1:8000", secret: env:SMARTY, timeout: 500ms, in_flight: 3 }
  console: { print: events }
routes:
  - path: /billing/payment/liqpay/
    name: liqpay
    gateway: liqpay
    params: { public_key: 007, private_key: env:LIQPAY_PRIVATE_KEY, algorithms: [sha1, file:x/y] }
    upstream: smarty
    forward: { as: canonical, to: /billing/payment/canonical/?v=1 }
  - path: /old/
    gateway: stripe
    upstream: console
    forward: { as: original, to: /x, headers: [X-Foo, stripe-signature] }
    mode: observe
"#;

#[track_caller]
fn good(text: &str) -> Config {
    parse(text, "c.yaml").map_err(|problems| problems.render(text)).unwrap()
}

/// `line:column message`, by place.
#[track_caller]
fn complain(text: &str, want: &[&str]) {
    let mut found = parse(text, "c.yaml").unwrap_err().list;
    found.sort_by_key(|problem| problem.place);
    let show = |Problem { place, message, .. }: &Problem| {
        format!("{}:{} {message}", place.line, place.column)
    };
    assert_eq!(found.iter().map(show).collect::<Vec<_>>(), want, "{text}");
}

#[test]
fn a_configuration_comes_to_what_it_says() {
    let Config { boot, hot } = good(GOOD);
    let plain = |address: &str| Listener {
        address: address.parse().unwrap(),
        tls: None,
        proxy_protocol: false,
    };
    assert_eq!(boot.listen, ["127.0.0.1:8080", "[::1]:8080"].map(plain));
    assert_eq!(boot.admin, Some("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(boot.log, Log { format: LogFormat::Pretty, level: LogLevel::Warn });
    assert_eq!(boot.limits.connections_max, 7);
    assert_eq!(boot.limits.body_bytes_max, 2048);
    assert_eq!(boot.limits.drain_timeout, Duration::ZERO);
    let rules: Vec<_> = hot.rules.iter().map(|rule| rule.value.to_str().unwrap()).collect();
    assert_eq!(rules, ["rules/", "extra.yaml"]);

    let asked = &hot.exchanges;
    assert_eq!(asked.connect_timeout, Duration::from_secs(1));
    assert_eq!(asked.timeout, Duration::from_secs(5));
    assert_eq!((asked.answer_bytes_max, asked.in_flight_max), (1024 * 1024, 2));
    let addresses: Vec<_> =
        asked.addresses.iter().map(|(host, at)| (host.to_string(), at.to_string())).collect();
    let fixed = |host: &str, at: &str| (host.to_owned(), at.to_owned());
    assert_eq!(addresses, [fixed("[::1]", "[::1]:1"), fixed("api.paypal.com", "10.0.0.5:8443")]);
    let private: Vec<_> = asked.private.iter().map(Host::to_string).collect();
    assert_eq!(private, ["10.0.0.6", "gateway.internal"]);
    let roots = asked.roots.as_ref().map(|roots| &roots.value);
    assert_eq!(roots, Some(&SecretRef::File("ca.pem".into())));

    let [smarty, console] = &hot.upstreams[..] else { panic!("two upstreams") };
    assert_eq!(smarty.target, Target::Http("http://127.0.0.1:8000".into()));
    assert_eq!(smarty.secret, Some(SecretRef::Env("SMARTY".into())));
    assert_eq!(smarty.timeout, Duration::from_millis(500));
    assert_eq!(smarty.connect_timeout, Duration::from_secs(2));
    assert_eq!(smarty.in_flight_max, 3);
    assert_eq!((console.name.as_str(), &console.target), ("console", &Target::Print));

    let [liqpay, old] = &hot.routes[..] else { panic!("two routes") };
    assert_eq!((liqpay.name.as_str(), liqpay.mode), ("liqpay", Mode::Enforce));
    assert_eq!(liqpay.gateway.place, Place { line: 20, column: 14, len: 6 });
    let to = "/billing/payment/canonical/?v=1".to_owned();
    assert_eq!(liqpay.forward, Forward::Canonical { to });
    let params: Vec<_> = liqpay
        .params
        .iter()
        .map(|p| (p.name.as_str(), p.list, p.values.iter().map(|v| v.value.clone()).collect()))
        .collect();
    let env = ParamValue::Reference(SecretRef::Env("LIQPAY_PRIVATE_KEY".into()));
    let file = ParamValue::Reference(SecretRef::File("x/y".into()));
    let want: Vec<(&str, bool, Vec<ParamValue>)> = vec![
        ("public_key", false, vec![ParamValue::Literal("007".into())]),
        ("private_key", false, vec![env]),
        ("algorithms", true, vec![ParamValue::Literal("sha1".into()), file]),
    ];
    assert_eq!(params, want);
    assert_eq!((old.name.as_str(), old.mode), ("/old/", Mode::Observe));
    let headers = vec!["x-foo".into(), "stripe-signature".into()];
    assert_eq!(old.forward, Forward::Original { to: Some("/x".into()), headers });
}

const HEAD: &str = "listen: [ { address: 127.0.0.1:1 } ]\nupstreams: { u: { url: http://h, secret: env:S }, v: { url: http://h }, p: { print: events } }\nroutes:\n";

#[test]
fn the_defaults_are_those_that_the_grammar_documents() {
    let route = "- { path: /, gateway: g, upstream: p, forward: { as: original } }\n";
    let documented = |shape: &Shape| -> String {
        let defaults = shape.keys.iter().filter_map(|key| {
            let (_, rest) = key.doc.split_once("Default `")?;
            Some(format!("{}: {}", key.name, rest.split_once('`').unwrap().0))
        });
        defaults.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(documented(&LIMITS).split(", ").count(), LIMITS.keys.len());
    assert_eq!(documented(&EXCHANGES).split(", ").count(), 4);
    let plain = format!("{HEAD}{route}");
    let (limits, exchanges) = (documented(&LIMITS), documented(&EXCHANGES));
    let spelled = format!("{plain}limits: {{ {limits} }}\nexchanges: {{ {exchanges} }}\n");
    let (plain, spelled) = (good(&plain), good(&spelled));
    assert_eq!(plain.boot, spelled.boot);
    assert_eq!(plain.hot.exchanges, spelled.hot.exchanges);
}

#[test]
fn every_problem_of_a_file_is_named_at_once() {
    complain(
        r#"
listen: [ { address: localhost:8080 }, { address: 127.0.0.1:1 }, { address: 127.0.0.1:1 } ]
limits: { body: 1GB, header_timeout: 0s }
upstreams:
  smarty: { url: "http://h/path", secret: literal, timout: 1s }
  empty: {}
  both: { print: events, url: "http://h" }
routes:
  - { path: a//b, gateway: g, upstream: smarti, forward: { as: canonical, to: /x } }
  - { path: /x, name: n, upstream: both, forward: { as: canonical, headers: [] } }
  - { path: /x, name: n, gateway: g, upstream: both, forward: { as: original, headers: [host, x-a, X-A] } }
  - { path: /y, gateway: g, upstream: both, forward: { as: canonical, to: /x }, mode: observe, params: { a: "env:", b: true, c: [] } }
"#,
        &[
            "2:22 expected IP address and port, such as `127.0.0.1:8080`",
            "2:77 line 2 listens on this address already",
            "3:17 `body`: expected a size",
            "3:38 `header_timeout`: expected a duration from 10ms to 5m",
            "5:18 a URL ends with the host and port; the path is the route's `to`",
            "5:43 a secret is not written here, but where it is kept",
            "5:52 unknown key `timout`",
            "6:10 the key `url` is missing",
            "7:26 `url` has no meaning beside `print`",
            "9:13 a path starts with `/`",
            "9:41 there is no upstream `smarti`",
            "10:5 the key `gateway` is missing",
            "10:51 the key `to` is missing",
            "10:77 a canonical event goes with its own headers only",
            "11:13 the route in line 10 has this path already",
            "11:23 the route in line 10 has this name already",
            "11:89 `host` belongs to the connection and cannot be passed on",
            "11:100 `x-a` is listed twice",
            "12:54 `mode: observe` forwards what came, whatever the verdict, not canonical events",
            "12:109 the name of the environment variable is missing after `env:`",
            "12:120 `b`: expected text or a list, found true or false",
            "12:129 `c`: the list is empty",
        ],
    );
}

#[test]
fn a_host_that_is_asked_differently_is_named_once_and_well() {
    let text = format!(
        "{HEAD}- {{ path: /, gateway: g, upstream: p, forward: {{ as: original }} }}\n\
         exchanges:\n  addresses: {{ a.b: 10.0.0.1, A.b: 1.2.3.4:1, a.B: 1.2.3.4:2, c: 1.2.3.4:0, 127.1: 1.2.3.4:1, d: [] }}\n\
        \x20 private: [ \"http://a\", x, X ]\n  roots: ca.pem\n  timeout: 6m\n  in_flight_max: 0\n  verify: false\n"
    );
    complain(
        &text,
        &[
            "6:21 expected IP address and port, such as `127.0.0.1:8080`",
            "6:47 `a.b` has an address already",
            "6:66 the port is not a number from 1 to 65535",
            "6:77 the host is written like an IP address, and is none",
            "6:98 `d`: expected text, found a list",
            "7:14 the host is neither a DNS name nor an IP address",
            "7:29 `X` is listed twice",
            "8:10 certificates are not written here, but where they are kept",
            "9:12 `timeout`: expected a duration from 10ms to 5m",
            "10:18 `in_flight_max`: expected a whole number from 1 to 4096",
            "11:3 unknown key `verify`",
        ],
    );
}

#[test]
fn what_is_said_of_tls_comes_to_what_it_says() {
    let route = "- { path: /, gateway: g, upstream: p, forward: { as: original } }\n";
    let text = |listen: &str, tls: &str| {
        format!("{HEAD}{route}{tls}").replace("[ { address: 127.0.0.1:1 } ]", listen)
    };
    let listen = "[ { address: 127.0.0.1:1, tls: true, client_certificates: ask }, { address: \
                  127.0.0.1:2, tls: true }, { address: 127.0.0.1:3, tls: false } ]";
    let pair = "{ chain: file:a/fullchain.pem, key: env:KEY }";
    let Config { boot, hot } =
        good(&text(listen, &format!("tls: {{ certificates: [{pair}], min_version: \"1.3\" }}\n")));
    let spoken: Vec<_> = boot.listen.iter().map(|listener| listener.tls).collect();
    assert_eq!(spoken, [Some(ClientCertificates::Ask), Some(ClientCertificates::Ignore), None]);
    let Tls { certificates, min_version, http2 } = hot.tls.unwrap();
    assert!(http2, "unless it says otherwise");
    let [CertificatePair { chain, key }] = &*certificates else { panic!("one pair") };
    assert_eq!(chain.value, SecretRef::File("a/fullchain.pem".into()));
    assert_eq!((&key.value, min_version), (&SecretRef::Env("KEY".into()), TlsVersion::V13));

    let one = "[ { address: 127.0.0.1:1, tls: true } ]";
    complain(&text(one, ""), &["1:40 there is no certificate to speak TLS with"]);
    let unused = "[ { address: 127.0.0.1:1, client_certificates: ask } ]";
    complain(
        &text(unused, &format!("tls: {{ certificates: [{pair}] }}\n")),
        &[
            "1:56 only a listener that speaks TLS knows certificates of clients",
            "5:6 no listener speaks TLS, so these certificates would not be used",
        ],
    );
    complain(
        &text(one, "tls: { certificates: [{ chain: hunter2, key: hunter2 }], min_version: 1.1 }\n"),
        &[
            "5:32 a certificate is not written here, but where it is kept",
            "5:46 a key is not written here, but where it is kept",
            "5:71 `min_version`: there is no choice `1.1`",
        ],
    );
}

#[test]
fn canonical_events_need_an_upstream_that_can_check_them() {
    let route = |upstream: &str| {
        format!(
            "{HEAD}- {{ path: /, gateway: g, upstream: {upstream}, forward: {{ as: canonical, to: /e }} }}\n"
        )
    };
    good(&route("u"));
    good(&route("p"));
    let want = "4:48 canonical events are counter-signed, and upstream `v` has no secret";
    complain(&route("v"), &[want]);
}

#[test]
fn a_name_given_and_a_name_by_path_cannot_be_the_same() {
    let text = format!(
        "{HEAD}- {{ path: /a, gateway: g, upstream: p, forward: {{ as: original }} }}\n\
         - {{ path: /b, name: /a, gateway: g, upstream: p, forward: {{ as: original }} }}\n"
    );
    complain(&text, &["5:21 the route in line 4 has this name already"]);
}

#[test]
fn no_literal_that_may_be_secret_is_shown() {
    for text in [
        format!("{HEAD}- {{ path: x, params: {{ k: hunter2 }} }}\n"),
        format!("{HEAD}- {{ path: x, params: {{ k: [a, hunter2] }} }}\n"),
        format!("{HEAD}- {{ path: x, parms: {{ k: {{ l: hunter2 }} }} }}\n"),
        "upstreams: { u: { url: http://h, secret: hunter2, x: y } }".into(),
        "upstreams: { u: { url: http://h, secert: hunter2 } }".into(),
        "upstreams: { u: { url: 'http://u:hunter2@h' } }".into(),
        "upstreams: { u: { url: http://h, secret: hunter2, secret: hunter2 } }".into(),
        "a: { secret: hunter2".into(),
        "upstream: { u: { secret: hunter2 } }".into(),
        "private_key: hunter2".into(),
        "tls: { certificates: [{ chain: hunter2, key: hunter2 }] }".into(),
        "tls: { certificates: [{ chian: hunter2, kye: { a: [hunter2] } }], keys: hunter2 }".into(),
        "tls: hunter2".into(),
        "exchanges: { roots: hunter2, addresses: { a: { b: hunter2 } } }".into(),
    ] {
        let shown = parse(&text, "c.yaml").unwrap_err().render(&text);
        assert!(shown.contains("c.yaml:"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

const KEEPS: &str = "
listen: [{ address: 127.0.0.1:1 }]
admin: { address: 127.0.0.1:2, token: file:token }
store:
  path: state
  keys: [file:new, file:old]
  events: { age: 60d, waiting: 5, bytes: 1GiB }
  captures: { age: 7d, bytes: 64MiB }
upstreams: { u: { print: events, retry: { first: 1s, longest: 2s, horizon: 1d } } }
routes:
  - { path: /a, gateway: g, upstream: u, forward: { as: canonical, to: /x }, delivery: durable,
      capture: all, regressive: hold }
  - { path: /b, gateway: g, upstream: u, forward: { as: canonical, to: /x } }
";

#[test]
fn what_is_kept_comes_to_what_it_says() {
    let day = Duration::from_secs(24 * 3600);
    // The way of an upstream that prints has no terms.
    let Config { boot, hot } =
        good(&KEEPS.replace("print: events", "url: http://h, secret: env:S"));
    let store = boot.store.unwrap();
    assert_eq!((store.path, store.keys.len()), ("state".into(), 2));
    assert_eq!((store.events_age, store.captures_age), (60 * day, 7 * day));
    assert_eq!((store.events_bytes_max, store.captures_bytes_max), (1 << 30, 64 << 20));
    assert_eq!(store.waiting_max, 5);
    assert_eq!(hot.admin_token.unwrap().value, SecretRef::File("token".into()));
    let [Upstream { retry, .. }] = &*hot.upstreams else { panic!("one upstream") };
    let seconds = Duration::from_secs;
    assert_eq!(*retry, Retry { first: seconds(1), longest: seconds(2), horizon: day });
    let [a, b] = &*hot.routes else { panic!("two routes") };
    assert_eq!(a.delivery.as_ref().map(|at| at.value), Some(Delivery::Durable));
    assert_eq!((a.capture, a.hold_regressive), (Capture::All, true));
    assert!(b.delivery.is_none());
    assert_eq!((b.capture, b.hold_regressive), (Capture::Rejected, false));
}

#[test]
fn nothing_is_kept_without_a_store() {
    let [route, _] = &*good(GOOD).hot.routes else { panic!("two routes") };
    assert_eq!(route.capture, Capture::None);
    complain(
        "listen: [{ address: 127.0.0.1:1 }]
admin: { address: 127.0.0.1:2, token: hunter2 }
upstreams: { u: { url: http://h, secret: env:S, retry: { first: 1500ms, longest: 1s } } }
routes:
  - { path: /a, gateway: g, upstream: u, forward: { as: canonical, to: /x }, delivery: durable,
      capture: all, regressive: hold }
  - { path: /b, gateway: g, upstream: u, forward: { as: original }, mode: observe, delivery: spill }
",
        &[
            "2:39 a secret is not written here, but where it is kept",
            "3:56 waits are whole seconds",
            "3:56 `first` is longer than `longest`",
            "5:88 `durable` needs a store to keep events in",
            "6:16 captures need a store to be kept in",
            "6:33 without a store nobody knows what came before",
            "7:94 `mode: observe` hands over what came, at once; it keeps nothing",
        ],
    );
}

fn json(node: &Node) -> serde_json::Value {
    match &node.kind {
        Kind::Bool(value) => (*value).into(),
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Map(entries) => serde_json::Value::Object(
            entries.iter().map(|(key, value)| (key.text.clone(), json(value))).collect(),
        ),
        Kind::Null => serde_json::Value::Null,
        Kind::Number(digits) => serde_json::from_str(digits).unwrap(),
        Kind::Text(text) => text.as_str().into(),
    }
}

#[test]
fn the_json_schema_takes_what_is_good_and_refuses_what_is_not() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let valid = |text: &str| validator.is_valid(&json(&Node::parse("c", text).unwrap()));
    assert!(valid(GOOD) && valid(KEEPS));
    for (from, to) in [
        ("listen:", "listens:"),
        ("mode: observe", "mode: off"),
        ("in_flight: 3", "in_flight: many"),
        ("[ rules/, extra.yaml ]", "rules/"),
        ("in_flight_max: 2", "in_flight_max: many"),
        ("private: [ gateway.internal, 10.0.0.6 ]", "private: gateway.internal"),
    ] {
        assert!(!valid(&GOOD.replace(from, to)), "{to}");
    }
}

#[test]
fn an_empty_file_is_no_configuration() {
    complain("", &["1:1 expected a map, found nothing"]);
    complain(
        "{}",
        &[
            "1:1 the key `listen` is missing",
            "1:1 the key `upstreams` is missing",
            "1:1 the key `routes` is missing",
        ],
    );
}

/// A configuration with this upstream.
fn upstream(text: &str) -> String {
    format!(
        "listen: [{{ address: 127.0.0.1:1 }}]\nupstreams:\n  app: {text}\nroutes:\n  \
         - {{ path: /a, gateway: stripe, upstream: app, forward: {{ as: original }} }}\n"
    )
}

#[test]
fn an_upstream_says_where_it_is_and_how_it_is_spoken_to() {
    let text = r#"{ url: "https://app.internal", http: 2, resolve_every: 5s, slow_start: 0ms,
      addresses: [ 10.0.0.1:8443, app2.internal:8443, "unix:run/app.sock" ],
      health: { path: /health?a=b, interval: 1s, healthy: 1, status: 200-399 },
      tls: { roots: file:ca.pem, server_name: app.example, min_version: 1.3,
             client_certificate: { chain: file:us.pem, key: env:KEY } } }"#;
    let Upstream { reach, tls, .. } = good(&upstream(text)).hot.upstreams.remove(0);
    let shown: Vec<_> = reach.addresses.iter().map(Address::to_string).collect();
    assert_eq!(shown, ["10.0.0.1:8443", "app2.internal:8443", "unix:run/app.sock"]);
    assert_eq!((reach.http, reach.proxy_protocol), (Http::Two, None));
    assert_eq!((reach.resolve_every, reach.slow_start), (Duration::from_secs(5), Duration::ZERO));
    let health = reach.health.unwrap();
    assert_eq!((health.path.as_str(), health.status), ("/health?a=b", 200..=399));
    assert_eq!((health.healthy, health.unhealthy), (1, 3));
    assert_eq!(tls.server_name.as_deref(), Some("app.example"));
    assert_eq!(tls.min_version, TlsVersion::V13);
    let (chain, key) = tls.client.unwrap();
    assert_eq!(chain.value, SecretRef::File("us.pem".into()));
    assert_eq!(key.value, SecretRef::Env("KEY".into()));

    let plain = good(&upstream(r#"{ url: "http://a" }"#)).hot.upstreams.remove(0);
    assert_eq!(plain.reach, Reach::default());
}

#[test]
fn everything_that_is_wrong_with_an_upstream_is_said() {
    complain(
        &upstream(
            r#"{ url: "http://app", http: 2, keep_alive: false, proxy_protocol: v1,
      addresses: [ 10.0.0.1, 10.0.0.1:80, 10.0.0.1:80, "unix:" ],
      health: { path: health, status: 2xx },
      tls: { roots: "-----BEGIN", client_certificate: { chain: file:us.pem } } }"#,
        ),
        &[
            "3:50 over HTTP/2 a connection is for many requests",
            "3:73 over HTTP/2 clients share a connection, which can tell of one only",
            "4:20 expected an address with its port, such as `10.0.0.1:8080`, \
             `app.internal:8080` or `unix:run/app.sock`",
            "4:43 this address stands in line 4 already",
            "4:56 the path of the socket is missing after `unix:`",
            "5:23 a path starts with `/`",
            "5:39 expected a status from 200 to 599, or a range such as `200-399`",
            "6:12 the URL of this upstream is without TLS",
            "6:21 certificates are not written here, but where they are kept",
            "6:55 the key `key` is missing",
        ],
    );
    let addresses = |n: usize| {
        let list: Vec<_> = (1..=n).map(|port| format!("10.0.0.1:{port}")).collect();
        upstream(&format!("{{ url: \"http://a\", addresses: [{}] }}", list.join(", ")))
    };
    assert_eq!(good(&addresses(ADDRESSES_MAX)).hot.upstreams[0].reach.addresses.len(), 64);
    complain(&addresses(65), &["3:38 there are 65 addresses; at most 64 are supported"]);
}
