//! Any text is a configuration with listeners and routes, or refused with at least one problem.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    match countersign::config::parse(text, "fuzz.yaml") {
        Ok(config) => assert!(!config.boot.listen.is_empty() && !config.hot.routes.is_empty()),
        Err(problems) => assert!(!problems.render(text).is_empty()),
    }
});
