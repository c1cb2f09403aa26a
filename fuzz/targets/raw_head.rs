//! Whatever passes the filter in front of hyper, hyper reads as the same requests.
#![no_main]

#[path = "../../tests/it/support/framing.rs"]
mod framing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    framing::same_boundaries(bytes);
});
