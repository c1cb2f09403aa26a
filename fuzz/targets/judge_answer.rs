//! Whatever a gateway answers, it is refused or says what can be booked or not, and nobody is asked
//! whom the rule does not know. The first two bytes choose the callback and which answer it is.
#![no_main]

use std::sync::LazyLock;

use countersign::engine::exchange::Answer;
use countersign::engine::verdict::Verdict;
use countersign::rule::canned;
use countersign_fuzz::Genuine;

static GENUINE: LazyLock<Vec<Genuine>> = LazyLock::new(|| {
    let mut genuine = countersign_fuzz::genuine(|_, text| text.contains("\nexchanges:\n"));
    genuine.retain(|genuine| !genuine.example.canned.is_empty());
    genuine
});

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&GENUINE); }, |bytes: &[u8]| {
    let [callback, which, body @ ..] = bytes else { return };
    let Genuine { bound, example } = &GENUINE[usize::from(*callback) % GENUINE.len()];
    let mut canned = example.canned.clone();
    let which = usize::from(*which) % canned.len();
    canned[which].answer = Answer::Given { status: 200, body: body.into(), cached: false };
    let outcome = example
        .request
        .encode()
        .with(|inbound| canned::judge(bound, inbound, example.at, &canned));
    if let Some(question) = &outcome.unexpected {
        let host = question.rsplit(' ').next().unwrap_or_default();
        let is_there = |url: &str| url.contains(&format!("://{host}/"));
        assert!(canned.iter().any(|canned| is_there(&canned.url)), "asks {question}");
    }
    if let Verdict::Accepted(accepted) = outcome.verdict {
        accepted.events.iter().for_each(countersign_fuzz::check);
    }
});
