//! No form is accepted by a route whose key its sender does not know.
#![no_main]

use std::sync::LazyLock;

static ROUTES: LazyLock<Vec<countersign::engine::Bound>> =
    LazyLock::new(|| countersign_fuzz::routes(&["liqpay", "paysera", "smartexpay"]));

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let headers = [("content-type", &b"application/x-www-form-urlencoded"[..])];
    countersign_fuzz::refuse(&ROUTES, "/", &headers, body);
});
