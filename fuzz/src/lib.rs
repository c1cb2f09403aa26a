//! What the targets share: routes of the shipped rules, under keys that the fuzzer does not know or
//! under those of their examples.

use countersign::engine::Bound;
use countersign::engine::event::{Event, Status};
use countersign::engine::inbound::Inbound;
use countersign::engine::params::Params;
use countersign::engine::secret::Secret;
use countersign::engine::verdict::Verdict;
use countersign::engine::json;
use countersign::rule;
use countersign::rule::example::Example;

/// Every accepted example's route of these rules, its secrets replaced. Public keys stay: nobody has
/// the private halves.
pub fn routes(gateways: &[&str]) -> Vec<Bound> {
    let shipped = rule::shipped().iter().filter(|(gateway, _)| gateways.contains(gateway));
    let mut routes = Vec::new();
    for (gateway, text) in shipped {
        let rule = rule::compile(gateway, text).unwrap_or_else(|problems| panic!("{}", problems.render(text)));
        for example in rule.accepted_examples() {
            let mut params: Params = example.params.clone();
            for spec in rule.params() {
                if spec.kind == countersign::engine::params::ParamKind::Secret {
                    params.set(&*spec.name, vec![unknown_key()]);
                }
            }
            routes.push(rule.bind(&params).unwrap_or_else(|errors| panic!("{gateway}: {errors:?}")));
        }
    }
    assert!(!routes.is_empty());
    routes
}

/// New in every process, so that no corpus can hold a tag made with it.
fn unknown_key() -> Secret {
    use std::hash::{BuildHasher as _, RandomState};
    let words = [0; 4].map(|word: u64| RandomState::new().hash_one(word));
    Secret::from(words.map(|word| format!("{word:016x}")).concat().as_str())
}

/// Judges a request on every route; none may accept it.
pub fn refuse(routes: &[Bound], target: &str, headers: &[(&str, &[u8])], body: &[u8]) {
    let inbound = Inbound { method: "POST", target, headers, body, remote_addr: None, client_certificates: &[] };
    for route in routes {
        let verdict = route.judge(&inbound, 1_760_000_000, &[]);
        assert!(matches!(verdict, Verdict::Rejected(_)), "{verdict:?}");
    }
}

/// An accepted example and its own route.
pub struct Genuine {
    /// The route.
    pub bound: Bound,
    /// The example.
    pub example: Example,
}

/// The accepted examples of the rules that are wanted, by name and text. To load many takes longer than
/// a target may take for one input: do it in `init`.
pub fn genuine(wanted: impl Fn(&str, &str) -> bool) -> Vec<Genuine> {
    let shipped = rule::shipped().iter().filter(|(gateway, text)| wanted(gateway, text));
    let mut genuine = Vec::new();
    for (gateway, text) in shipped {
        let rule = rule::compile(gateway, text).unwrap_or_else(|problems| panic!("{}", problems.render(text)));
        for example in rule.accepted_examples() {
            let bound = rule.bind(&example.params).unwrap_or_else(|errors| panic!("{gateway}: {errors:?}"));
            genuine.push(Genuine { bound, example: example.clone() });
        }
    }
    assert!(!genuine.is_empty());
    genuine
}

/// What holds of every event, however it came about.
pub fn check(event: &Event) {
    let is_money = event.status == Status::Succeeded && event.test != Some(true);
    assert!(!event.credit || is_money, "{event:?}");
    let canonical = event.to_canonical_json(1_760_000_000);
    assert!(json::parse(&canonical).is_ok(), "{}", String::from_utf8_lossy(&canonical));
}
