//! Properties of judging and compiling, tried on random and on mutated input. `PROPERTY_TIMES=20`
//! tries each twenty times as often.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use countersign::config;
use countersign::engine::Bound;
use countersign::engine::event::Event;
use countersign::engine::inbound::{Inbound, UnixSeconds};
use countersign::engine::plan::{Expr, PartKind, Plan, Proof, Ref, TagProof};
use countersign::engine::verdict::Verdict;
use countersign::rule::canned;
use countersign::rule::example::Example;
use countersign::rule::request::{Body, Request};
use countersign::rule::{self, Rule};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Longer than this, and somebody could keep the daemon busy with one file or callback.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// So often in a usual run; the figures keep each property to a few seconds in a debug build.
pub fn cases(usual: u32) -> ProptestConfig {
    let times = std::env::var("PROPERTY_TIMES").ok().and_then(|times| times.parse().ok());
    ProptestConfig {
        cases: usual.saturating_mul(times.unwrap_or(1)),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    }
}

/// An accepted example, ready to be judged.
struct Genuine {
    name: String,
    example: Example,
    bound: Bound,
    plan: Plan,
    event: Event,
}

impl std::fmt::Debug for Genuine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// Whether all that proves it are tags over single values, and nothing is said without one. What the
/// properties below change and expect fits these; `properties_money` holds for the others, too (sets,
/// tokens, answers of a gateway, credentials, batches).
fn is_plain(plan: &Plan) -> bool {
    let is_request =
        |expr: &Expr| matches!(expr.source, Ref::Field(_) | Ref::Header(_) | Ref::HeaderPart(..));
    let is_plain_tag = |tag: &TagProof| {
        let over_values = tag
            .over
            .iter()
            .all(|part| matches!(part.kind, PartKind::Value(_)) && part.when.is_none());
        over_values && tag.ambiguous.is_none() && is_request(&tag.tag)
    };
    plan.questions.is_empty()
        && plan.batch.is_none()
        && plan.event.unsigned.is_empty()
        && plan.proofs.iter().all(|proof| match proof {
            Proof::Decrypt { .. } => true,
            Proof::FirstPresent(tags) => tags.iter().all(is_plain_tag),
            Proof::Tag(tag) => is_plain_tag(tag),
            _ => false,
        })
        && !covered(plan).is_empty()
}

fn genuine_of(rule: &Rule) -> impl Iterator<Item = Genuine> {
    rule.accepted_examples().filter(|example| is_plain(&plan_of(rule, example))).map(|example| {
        let name = format!("{}: {}", rule.gateway(), example.name);
        let bound = rule.bind(&example.params).map_err(|errors| errors.len()).expect(&name);
        let plan = plan_of(rule, example);
        let verdict = judge(&bound, example, &example.request, example.at);
        let Verdict::Accepted(accepted) = verdict else { panic!("{name}: {verdict:?}") };
        let event = accepted.events.into_iter().next().expect("one event");
        Genuine { name, example: example.clone(), bound, plan, event }
    })
}

/// Judges a request, with what the gateway answers in the example.
fn judge(bound: &Bound, example: &Example, request: &Request, at: UnixSeconds) -> Verdict {
    request.encode().with(|inbound| canned::judge(bound, inbound, at, &example.canned).verdict)
}

/// The plan of the variant that the example's parameters choose.
fn plan_of(rule: &Rule, example: &Example) -> Plan {
    let rule = rule.compiled();
    let chosen = |index: usize| {
        let spec = &rule.params[index];
        let given = example.params.values(&spec.name).first().map(|value| value.expose().to_vec());
        given.or_else(|| spec.default.first().map(|word| word.clone().into_bytes()))
    };
    let variant = rule.variants.iter().find(|variant| {
        variant.choices.iter().all(|(index, word)| chosen(*index) == Some(word.as_bytes().to_vec()))
    });
    Plan::clone(&variant.expect("a variant for the example").plan)
}

static GENUINE: LazyLock<Vec<Genuine>> = LazyLock::new(|| {
    let rules = rule::shipped().iter().map(|(gateway, text)| {
        rule::compile(gateway, text).unwrap_or_else(|problems| panic!("{}", problems.render(text)))
    });
    rules.flat_map(|rule| genuine_of(&rule).collect::<Vec<_>>()).collect()
});

fn any_genuine() -> impl Strategy<Value = &'static Genuine> {
    any::<Index>().prop_map(|index| index.get(&GENUINE))
}

/// The tags of a plan; several of one proof where the first that is present decides.
fn tags(plan: &Plan) -> impl Iterator<Item = &[TagProof]> {
    plan.proofs.iter().map(|proof| match proof {
        Proof::FirstPresent(tags) => tags,
        Proof::Tag(tag) => std::slice::from_ref(tag),
        _ => &[][..],
    })
}

/// The places of the request that the proofs cover.
fn covered(plan: &Plan) -> Vec<Ref> {
    let mut places = Vec::new();
    for tags in tags(plan) {
        let Some((first, others)) = tags.split_first() else { continue };
        // Of several, any may be the one that decides.
        places.extend(first.values().iter().map(|expr| expr.source.clone()).filter(|place| {
            others.iter().all(|tag| tag.values().iter().any(|expr| expr.source == *place))
        }));
    }
    for proof in &plan.proofs {
        if let Proof::Decrypt { from, .. } = proof {
            places.push(from.source.clone());
        }
    }
    places.retain(|place| matches!(place, Ref::Body | Ref::Field(_) | Ref::HeaderPart(..)));
    places
}

/// The bytes of a place, and where in them it begins and ends.
fn bytes_of<'r>(
    request: &'r mut Request,
    plan: &Plan,
    place: &Ref,
) -> (&'r mut Vec<u8>, usize, usize) {
    match place {
        Ref::Body => match &mut request.body {
            Body::Raw(bytes) => {
                let len = bytes.len();
                (bytes, 0, len)
            }
            Body::Form(_) => panic!("no example of a shipped rule covers a form as a whole"),
        },
        Ref::Field(index) => {
            let name = &plan.request.fields[*index].name;
            let value = request.fields_mut(name).next().expect("the example has the field");
            let len = value.len();
            (value, 0, len)
        }
        Ref::HeaderPart(index, part) => {
            let header = &plan.request.headers[*index];
            let pairs = header.pairs.as_ref().expect("a header of pairs");
            let start = [pairs.keys[*part].name.as_bytes(), &[pairs.equals]].concat();
            let value = request.header_mut(&header.name).expect("the example has the header");
            let mut from = 0;
            for pair in value.split(|&byte| byte == pairs.separator) {
                if pair.starts_with(&start) {
                    let to = from + pair.len();
                    return (value, from + start.len(), to);
                }
                from += pair.len() + 1;
            }
            panic!("the example has the pair");
        }
        other => panic!("not a place of a request: {other:?}"),
    }
}

/// A request as it came over the wire, free to be broken.
#[derive(Clone, Debug)]
pub struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Sent {
    pub fn of(request: &Request) -> Self {
        let wire = request.encode();
        Self {
            method: wire.method().to_owned(),
            target: wire.target().to_owned(),
            headers: wire.headers().to_vec(),
            body: wire.body().to_vec(),
        }
    }

    fn judge(&self, bound: &Bound, now: UnixSeconds) -> Verdict {
        self.with(None, |inbound| bound.judge(inbound, now, &[]))
    }

    /// Lends it to the engine, as sent by that peer.
    pub fn with<T>(&self, remote_addr: Option<IpAddr>, judge: impl FnOnce(&Inbound<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        let (method, target) = (&*self.method, &*self.target);
        judge(&Inbound {
            method,
            target,
            headers: &headers,
            body: &self.body,
            remote_addr,
            client_certificates: &[],
        })
    }

    /// Breaks one part of it.
    pub fn change(&mut self, part: Index, change: &Change, other: &Self) {
        let header = change.from.index(self.headers.len().max(1));
        match (part.index(10), self.headers.get_mut(header)) {
            (0, _) => self.method = ascii(change.apply(self.method.as_bytes(), b"GET")),
            (1 | 2, _) => {
                let target = change.apply(self.target.as_bytes(), other.target.as_bytes());
                self.target = ascii(target);
            }
            (3, Some((name, _))) => *name = ascii(change.apply(name.as_bytes(), b"-")),
            (4 | 5, Some((_, value))) => {
                let donor = other.headers.last().map_or(&b""[..], |(_, value)| value);
                *value = change.apply(value, donor);
            }
            (6, Some(_)) => drop(self.headers.remove(header)),
            (7, _) => drop(self.headers.splice(header..header, other.headers.iter().cloned())),
            _ => self.body = change.apply(&self.body, &other.body),
        }
    }
}

fn ascii(bytes: Vec<u8>) -> String {
    bytes.into_iter().map(|byte| char::from(byte & 0x7f)).collect()
}

/// One thing done to some bytes.
#[derive(Clone, Debug)]
pub struct Change {
    kind: Kind,
    from: Index,
    to: Index,
    insert: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Cut,
    Double,
    DoublePair,
    Insert,
    Overwrite,
    Splice,
    Truncate,
}

pub fn any_change() -> impl Strategy<Value = Change> {
    use Kind::{Cut, Double, DoublePair, Insert, Overwrite, Splice, Truncate};
    let kind = select(&[Cut, Double, DoublePair, Insert, Overwrite, Splice, Truncate][..]);
    // What means something to one of the parsers, and what means nothing to any.
    let insert = prop_oneof![
        select(
            &[
                "&",
                "=",
                "%",
                "+",
                "%00",
                ",",
                "v1=",
                "t=0",
                "\"",
                "\\u0000",
                "{}",
                "[]",
                "\r\n",
                " ",
                "\0",
                "1",
                "-",
                "data=",
                "&signature=",
                "&ss3",
                "é",
                "0",
                "A",
                "==",
                "?",
                "#",
                ";"
            ][..]
        )
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 1..6),
    ];
    (kind, any::<Index>(), any::<Index>(), insert).prop_map(|(kind, from, to, insert)| Change {
        kind,
        from,
        to,
        insert,
    })
}

impl Change {
    /// The bytes after the change; `donor` is what a splice takes its end from.
    pub fn apply(&self, bytes: &[u8], donor: &[u8]) -> Vec<u8> {
        let (a, b) = (self.from.index(bytes.len() + 1), self.to.index(bytes.len() + 1));
        let (from, to) = (a.min(b), a.max(b));
        let (start, piece, end) = (&bytes[..from], &bytes[from..to], &bytes[to..]);
        match self.kind {
            Kind::Cut => [start, end].concat(),
            Kind::Double => [start, piece, piece, end].concat(),
            Kind::DoublePair => {
                let pairs: Vec<&[u8]> = bytes.split(|&byte| byte == b'&').collect();
                let pair: &[u8] = pairs[self.from.index(pairs.len())];
                [bytes, b"&", pair].concat()
            }
            Kind::Insert => [start, &self.insert, piece, end].concat(),
            Kind::Overwrite => {
                let after = (from + self.insert.len()).min(bytes.len());
                [start, &self.insert, &bytes[after..]].concat()
            }
            Kind::Splice => [start, &donor[self.to.index(donor.len() + 1)..]].concat(),
            Kind::Truncate => start.to_vec(),
        }
    }
}

/// The facts, whichever of several proofs held. No shipped rule has unsigned facts.
fn says(event: &Event) -> Event {
    assert!(event.unsigned.is_empty());
    Event { proofs: Vec::new(), ..event.clone() }
}

fn any_noise() -> impl Strategy<Value = Sent> {
    let name = prop_oneof![
        select(
            &["content-type", "Content-Type", "stripe-signature", "Stripe-Signature", "host"][..]
        )
        .prop_map(str::to_owned),
        "[!-~]{0,12}",
    ];
    let value =
        prop_oneof![
        select(&[
            "application/json",
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded;",
            "t=1760000000,v1=36f5a5225a8cf5480fe51c66153d901a614ccc04bbb3cabe655ef15488da1c6d",
        ][..])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..80),
    ];
    let form = "((data|signature|ss1|ss2|ss3|hash|orderId|newStatus|timestamp)(=|&|\\[\\]=)[0-9A-Za-z%+&=]{0,20}&?){0,9}";
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        form.prop_map(String::into_bytes),
        "[\\[\\]{}\":,0-9a-z\\\\.eE+-]{0,300}".prop_map(String::into_bytes),
    ];
    let method = prop_oneof![Just("POST".to_owned()), Just("GET".to_owned()), ".{0,5}"];
    let target = prop_oneof![".{0,60}", form.prop_map(|form| format!("/?{form}"))];
    (method, target, prop::collection::vec((name, value), 0..6), body)
        .prop_map(|(method, target, headers, body)| Sent { method, target, headers, body })
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn a_covered_byte_of_another_value_is_refused(
        genuine in any_genuine(),
        place in any::<Index>(),
        position in any::<Index>(),
        flip in 1..=u8::MAX,
    ) {
        let Genuine { name, example, bound, plan, .. } = genuine;
        let places = covered(plan);
        prop_assert!(!places.is_empty(), "{}", name);
        let mut request = example.request.clone();
        let place = place.get(&places);
        let (bytes, from, to) = bytes_of(&mut request, plan, place);
        let at = from + position.index(to - from);
        bytes[at] ^= flip;
        let verdict = judge(bound, example, &request, example.at);
        prop_assert!(matches!(verdict, Verdict::Rejected(_)), "{}: {:?} byte {}", name, place, at);
    }

    #[test]
    fn a_broken_request_is_refused_or_says_what_was_signed(
        genuine in any_genuine(),
        other in any_genuine(),
        changes in prop::collection::vec((any::<Index>(), any_change()), 1..4),
        later in prop_oneof![4 => Just(0), 1 => any::<i64>(), 1 => -400_i64..400],
    ) {
        let Genuine { name, example, bound, event, .. } = genuine;
        let donor = Sent::of(&other.example.request);
        let mut sent = Sent::of(&example.request);
        for (part, change) in &changes {
            sent.change(*part, change, &donor);
        }
        let started = Instant::now();
        let verdict = sent.judge(bound, example.at.saturating_add(later));
        prop_assert!(started.elapsed() < PATIENCE);
        if let Verdict::Accepted(accepted) = verdict {
            let found: Vec<Event> = accepted.events.iter().map(says).collect();
            // Splices may end in the donor as a whole, which is as genuine where the keys are the same.
            let signed = found == [says(event)] || found == [says(&other.event)];
            prop_assert!(signed, "{}: {:?} says {:?}", name, sent, found);
        }
    }

    #[test]
    fn noise_is_refused(genuine in any_genuine(), noise in any_noise(), now in any::<i64>()) {
        let verdict = noise.judge(&genuine.bound, now);
        prop_assert!(matches!(verdict, Verdict::Rejected(_)), "{}", genuine.name);
    }
}

/// The example without what proves it.
fn unsigned(genuine: &Genuine) -> Request {
    let mut request = genuine.example.request.clone();
    let mut drop = |place: &Ref| match place {
        Ref::Field(index) => {
            let name = genuine.plan.request.fields[*index].name.as_bytes();
            request.query.retain(|(found, _)| found != name);
            if let Body::Form(pairs) = &mut request.body {
                pairs.retain(|(found, _)| found != name);
            }
        }
        Ref::Header(index) | Ref::HeaderPart(index, _) => {
            let name = &genuine.plan.request.headers[*index].name;
            request.headers.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        }
        other => panic!("no tag stands at {other:?}"),
    };
    for tag in tags(&genuine.plan).flatten() {
        drop(&tag.tag.source);
    }
    for proof in &genuine.plan.proofs {
        if let Proof::Decrypt { from, .. } = proof {
            drop(&from.source);
        }
    }
    request
}

/// What any text may do to the compiler of rules: nothing but be refused, or become a rule that
/// still wants proof.
fn try_rule(text: &str) -> Result<(), TestCaseError> {
    let started = Instant::now();
    let compiled = rule::compile("mutated.yaml", text);
    prop_assert!(started.elapsed() < PATIENCE, "{:?}: {}", started.elapsed(), text);
    match compiled {
        Err(problems) => {
            prop_assert!(!problems.is_empty());
            prop_assert!(!problems.render(text).is_empty());
        }
        Ok(rule) => {
            for genuine in genuine_of(&rule) {
                let at = genuine.example.at;
                let verdict = judge(&genuine.bound, &genuine.example, &unsigned(&genuine), at);
                prop_assert!(matches!(verdict, Verdict::Rejected(_)), "{}", genuine.name);
            }
        }
    }
    Ok(())
}

const CONFIG: &str = r#"listen: [ { address: 127.0.0.1:8080 }, { address: "[::1]:8080" } ]
admin: { address: 127.0.0.1:9464 }
log: { format: pretty, level: warn }
limits: { connections: 7, body: 2KiB, drain_timeout: 0s }
rules: [ rules/, extra.yaml ]
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

fn try_config(text: &str) -> Result<(), TestCaseError> {
    let started = Instant::now();
    let parsed = config::parse(text, "mutated.yaml");
    prop_assert!(started.elapsed() < PATIENCE, "{:?}: {}", started.elapsed(), text);
    match parsed {
        Err(problems) => prop_assert!(!problems.render(text).is_empty()),
        Ok(config) => prop_assert!(!config.boot.listen.is_empty() && !config.hot.routes.is_empty()),
    }
    Ok(())
}

/// One thing done to the lines of a file.
#[derive(Clone, Debug)]
enum Edit {
    Bytes(Change),
    Delete(Index),
    Double(Index, Index),
    Indent(Index, usize),
    Replace(Index, String),
    Swap(Index, Index),
}

/// Scalars, some of which fit somewhere.
fn any_scalar() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "body",
        "field.data",
        "field.ss1 | base64",
        "header.stripe-signature",
        "payload.id",
        "decrypted",
        "param.private_key",
        "true",
        "null",
        "~",
        "[]",
        "{}",
        "[a, b]",
        "0",
        "-1",
        "1e9",
        "sha1",
        "md5",
        "sha3-256",
        "hex",
        "base64-any",
        "form",
        "json",
        "any",
        "GET",
        "[GET, POST]",
        "\"\"",
        "\"[a-\"",
        "\"(.*)*\"",
        "\".*\"",
        "\"([0-9]{1,9}){1,9}\"",
        "&x [*x]",
        "*places",
        "!!binary aGk=",
        "|",
        ">-",
        "{ text: \"\" }",
        "{ many: true }",
        "{ optional: true }",
        "unknown",
        "succeeded",
        "99999999999999999999",
        "0x7f",
        "'",
        "\u{feff}",
        "\u{85}",
        "param.",
        "payload.a[0]['b'] | fit 9",
    ];
    prop_oneof![select(KNOWN).prop_map(str::to_owned).boxed(), ".{0,12}".boxed()]
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let line = || any::<Index>();
    prop_oneof![
        1 => any_change().prop_map(Edit::Bytes),
        4 => line().prop_map(Edit::Delete),
        2 => (line(), line()).prop_map(|(from, to)| Edit::Double(from, to)),
        1 => (line(), 0..12_usize).prop_map(|(at, by)| Edit::Indent(at, by)),
        6 => (line(), any_scalar()).prop_map(|(at, by)| Edit::Replace(at, by)),
        2 => (line(), line()).prop_map(|(one, other)| Edit::Swap(one, other)),
    ]
}

/// A line that is edited; mostly one that is not in an example, where most lines are.
fn line_of(index: Index, lines: &[String]) -> usize {
    let examples = lines.iter().position(|line| line.starts_with("examples:"));
    let rule = examples.filter(|&len| len > 0 && index.index(5) > 0).unwrap_or(lines.len());
    index.index(rule.max(1))
}

fn edit(text: &str, edits: &[Edit]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for edit in edits {
        if lines.is_empty() {
            break;
        }
        match edit {
            Edit::Bytes(change) => {
                let at = line_of(change.to, &lines);
                lines[at] = ascii(change.apply(lines[at].as_bytes(), b""));
            }
            Edit::Delete(at) => drop(lines.remove(line_of(*at, &lines))),
            Edit::Double(from, to) => {
                let line = lines[line_of(*from, &lines)].clone();
                lines.insert(line_of(*to, &lines), line);
            }
            Edit::Indent(at, by) => {
                let at = line_of(*at, &lines);
                lines[at] = format!("{}{}", " ".repeat(*by), lines[at].trim_start());
            }
            Edit::Replace(at, scalar) => {
                let at = line_of(*at, &lines);
                let key = lines[at].split_inclusive(": ").next().unwrap_or_default();
                lines[at] = format!("{key}{scalar}");
            }
            Edit::Swap(one, other) => {
                let (one, other) = (line_of(*one, &lines), line_of(*other, &lines));
                lines.swap(one, other);
            }
        }
    }
    lines.join("\n")
}

/// YAML's own characters, so that some of it is YAML.
fn any_yaml() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,200}",
        "([a-z]{1,4}: |- |  |\n|\\[|\\]|\\{|\\}|,|&a |\\*a|\"|'|[|>]-?|#|!!str |<<: |\\? |%|0x1|1e5|---\n){0,60}",
        "((gateway|title|docs|params|request|proofs|event|examples|listen|routes|upstreams): ?[a-z\\[\\]{}:, ]{0,12}\n){0,12}",
    ]
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn a_mutated_rule_is_refused_or_still_wants_proof(
        shipped in select(rule::shipped()),
        edits in prop::collection::vec(any_edit(), 1..4),
    ) {
        try_rule(&edit(shipped.1, &edits))?;
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn any_text_is_a_rule_or_a_configuration_or_refused(text in any_yaml()) {
        try_rule(&text)?;
        try_config(&text)?;
    }

    #[test]
    fn a_mutated_configuration_is_refused_or_still_one(
        edits in prop::collection::vec(any_edit(), 1..4),
    ) {
        try_config(&edit(CONFIG, &edits))?;
    }
}
