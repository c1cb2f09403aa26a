//! Every vector of the gateways that have a rule: those of our own from `tests/vectors`, the others
//! from beside the project, where they are.

use std::collections::BTreeMap;
use std::path::Path;

use countersign::rule::vector::Vector;
use countersign::rule::{self, Rule};

fn rules() -> BTreeMap<&'static str, Rule> {
    rule::shipped()
        .iter()
        .map(|(gateway, text)| {
            let rule = rule::compile(&format!("rules/{gateway}.yaml"), text);
            (*gateway, rule.unwrap_or_else(|problems| panic!("{}", problems.render(text))))
        })
        .collect()
}

/// Runs the vectors of a folder that `wanted` lets through; returns how many passed.
fn run(folder: &Path, wanted: impl Fn(&Vector) -> bool) -> usize {
    let mut passed = 0;
    let mut failures = Vec::new();
    for (gateway, rule) in rules() {
        // A gateway may have vectors in one of the folders only.
        let path = folder.join(format!("{gateway}.jsonl"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for line in text.lines() {
            let vector = Vector::parse(line).unwrap();
            if wanted(&vector) {
                match vector.run(&rule) {
                    Ok(()) => passed += 1,
                    Err(what) => failures.push(format!("{gateway}/{}: {what}", vector.name)),
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    passed
}

#[test]
fn every_vector_of_our_own_comes_out_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    assert_eq!(run(&folder, |vector| vector.provenance == "own"), 376);
}

#[test]
fn every_published_vector_comes_out_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    if folder.is_dir() {
        assert!(run(&folder, |vector| vector.provenance != "own") > 0);
    } else {
        eprintln!("SKIPPED: {} is missing; published vectors were not run", folder.display());
    }
}
