//! What shipped rules give one id is said once: whoever says it again does not contradict himself.

use std::collections::HashMap;

use countersign::engine::params::Params;
use countersign::engine::verdict::Verdict;
use countersign::rule::{self, canned};
use countersign::store::keys::Keys;

/// Examples that were made from an earlier one, with other facts and the id left as it was: the
/// gateway gives each an id of its own, and says one of the two at most of one payment.
const MADE_UP: [&str; 16] = [
    "apple_app_store: `a trial is no money`, then `what the family shares is nobody's payment`",
    "apple_app_store: `a trial is no money`, then `a refund of a part`",
    "apple_app_store: `a trial is no money`, then `a renewal that failed says nothing of the payment before it`",
    "apple_app_store: `a trial is no money`, then `a summary`",
    "braintree: `a subscription that was charged`, then `the newest of two charges, of no order`",
    "checkout_com: `a capture`, then `hundredths of a currency that has none`",
    "fondy: `paid`, then `paid, as protocol 1.0 tells it, which does not say whether it is held or a test`",
    "google_play: `a subscription is renewed`, then `the console tests the connection`",
    "monobank: `paid, under a key as the bank hands it out`, then `less taken than was held`",
    "paddle: `paid is not completed yet`, then `a refund of a part`",
    "paddle: `paid is not completed yet`, then `a refund that waits`",
    "payme: `given back`, then `given up`",
    "paystack: `a payment`, then `hundredths of a currency that has none`",
    "stripe: `a part given back`, then `a checkout that is complete and not paid`",
    "stripe: `a payment`, then `three decimals`",
    "tbank: `paid; objects are not signed`, then `paid by telephone`",
];

/// Examples that do contradict an earlier one, and must. Payture has no word for a part that went
/// back: the order is paid with less. Nobody can tell that from another order with that number, so
/// somebody must look. T-Bank signs no names: whoever holds a genuine callback can move digits.
const CONTRADICTIONS: [&str; 2] = [
    "payture: `a payment`, then `told again after some of it was given back`",
    "tbank: `paid, to be repeated`, then `the same with a moved digit, which is no other event`",
];

#[test]
fn accepted_examples_of_one_id_are_repetitions_of_each_other() {
    let mut again = 0;
    let mut found = Vec::new();
    for (gateway, text) in rule::shipped() {
        let rule = rule::compile(gateway, text).unwrap_or_else(|_| panic!("{gateway}"));
        let mut known = HashMap::new();
        for example in rule.accepted_examples() {
            let bound = rule.bind(&example.params).unwrap_or_else(|_| panic!("{gateway}"));
            let wire = example.request.encode();
            let outcome =
                wire.with(|inbound| canned::judge(&bound, inbound, example.at, &example.canned));
            let Verdict::Accepted(accepted) = outcome.verdict else { panic!("{gateway}") };
            for event in accepted.events {
                let content = Keys::of(&event).content;
                let id = (event.id, route(&example.params));
                let (first, said) = known.entry(id).or_insert((&example.name, content));
                again += usize::from(*first != &example.name);
                if *said != content {
                    found.push(format!("{gateway}: `{first}`, then `{}`", example.name));
                }
            }
        }
    }
    assert!(again > 20, "only {again} examples repeat another");
    found.retain(|found| !MADE_UP.contains(&found.as_str()));
    assert_eq!(found, CONTRADICTIONS);
}

/// What tells its route from others: the test and the live system never share one.
fn route(params: &Params) -> Vec<(String, Vec<Vec<u8>>)> {
    let values = |name| params.values(name).iter().map(|value| value.expose().to_vec()).collect();
    params.names().map(|name| (name.to_owned(), values(name))).collect()
}
