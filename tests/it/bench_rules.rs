//! The rules of the bench: they prove themselves like any other.

use countersign::rule;

#[test]
fn the_rule_of_the_bench_compiles_and_refuses_forgeries() {
    let text = include_str!("../bench/rules/github.yaml");
    let rule = rule::compile("github.yaml", text).unwrap_or_else(|p| panic!("{}", p.render(text)));
    assert!(rule.forgeries() > 100, "{}", rule.forgeries());
}
