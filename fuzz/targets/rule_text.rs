//! Any text is a rule, or refused with at least one problem.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(problems) = countersign::rule::compile("fuzz.yaml", text) {
        assert!(!problems.is_empty() && !problems.render(text).is_empty());
    }
});
