//! No header is accepted as a signature by a route whose key its sender does not know.
#![no_main]

use std::sync::LazyLock;

static ROUTES: LazyLock<Vec<countersign::engine::Bound>> =
    LazyLock::new(|| countersign_fuzz::routes(&["stripe"]));

libfuzzer_sys::fuzz_target!(|signature: &[u8]| {
    let headers = [("content-type", &b"application/json"[..]), ("stripe-signature", signature)];
    countersign_fuzz::refuse(&ROUTES, "/", &headers, br#"{"id":"evt_1","type":"ping"}"#);
});
