//! No JSON body is accepted under a tag that was made for another.
#![no_main]

use std::sync::LazyLock;

static ROUTES: LazyLock<Vec<countersign::engine::Bound>> =
    LazyLock::new(|| countersign_fuzz::routes(&["stripe"]));
const TAG: &[u8] = b"t=1760000000,v1=36f5a5225a8cf5480fe51c66153d901a614ccc04bbb3cabe655ef15488da1c6d";

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let headers = [("content-type", &b"application/json"[..]), ("stripe-signature", TAG)];
    countersign_fuzz::refuse(&ROUTES, "/", &headers, body);
});
