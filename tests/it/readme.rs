//! The table of gateways in README.md, beside the rules themselves.

use std::collections::BTreeSet;
use std::path::Path;

use countersign::rule::{self, Rule};

const WORDS: [&str; 3] = ["sound", "strong", "weak"];

/// Every strength that a route of the rule can have.
fn strengths(rule: &Rule) -> BTreeSet<&'static str> {
    let of_variant = |variant: &rule::VariantReport| {
        let plan = &variant.strength;
        let by_algorithm = plan.by_algorithm.iter().flat_map(|(_, words)| words.iter());
        let by_algorithm: Vec<_> = by_algorithm.map(|(_, strength)| strength.as_str()).collect();
        if by_algorithm.is_empty() { vec![plan.least.as_str()] } else { by_algorithm }
    };
    rule.variants().iter().flat_map(of_variant).collect()
}

#[test]
fn the_table_says_what_each_rule_is_worth_and_leaves_no_column_empty() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let mut wrong = Vec::new();
    for (gateway, text) in rule::shipped() {
        let rule = rule::compile(gateway, text).unwrap_or_else(|p| panic!("{}", p.render(text)));
        let line = readme.lines().find(|line| line.starts_with(&format!("| `{gateway}` |")));
        let line = line.unwrap_or_else(|| panic!("README.md has no row for `{gateway}`"));
        let columns: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(columns.len(), 6, "{line}");
        assert!(columns.iter().all(|column| !column.is_empty()), "{line}");
        let said = columns[3].split(|c: char| !c.is_ascii_alphabetic());
        let said: BTreeSet<_> =
            WORDS.into_iter().filter(|word| said.clone().any(|w| w == *word)).collect();
        let found = strengths(&rule);
        if said != found {
            wrong.push(format!("{gateway}: README.md says {said:?}, the rule is {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
