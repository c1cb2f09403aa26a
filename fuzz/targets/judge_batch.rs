//! A batch that is signed, whatever is in it, is refused or says what can be booked or not.
#![no_main]

use std::sync::LazyLock;

use countersign::engine::verdict::Verdict;
use countersign::rule::request::Body;
use countersign::rule::sign::sign;
use countersign_fuzz::Genuine;

static GENUINE: LazyLock<Vec<Genuine>> =
    LazyLock::new(|| countersign_fuzz::genuine(|name, _| ["adyen", "gocardless"].contains(&name)));

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&GENUINE); }, |body: &[u8]| {
    for Genuine { bound, example } in &*GENUINE {
        let mut request = example.request.clone();
        request.body = Body::Raw(body.to_vec());
        // Where the tag stands in the body, an item without one stays unsigned.
        let _ = sign(bound, &mut request, None);
        let verdict = request.encode().with(|inbound| bound.judge(inbound, example.at, &[]));
        if let Verdict::Accepted(accepted) = verdict {
            accepted.events.iter().for_each(countersign_fuzz::check);
        }
    }
});
