//! Rules: from YAML to a compiled rule that has proved itself, or to every problem at once. Pure.

mod ambiguity;
pub mod canned;
mod compile;
pub mod coverage;
mod delivery;
pub mod example;
mod forgery;
mod grammar;
mod reference;
pub mod request;
mod shipped;
pub mod sign;
pub mod vector;

use std::sync::Arc;

use crate::engine::Bound;
use crate::engine::bind::{CompiledRule, StrengthPlan};
use crate::engine::params::{BindError, ParamSpec, Params};
use crate::text::node::Node;
use crate::text::problem::Problems;
use crate::text::shape::Shape;
use crate::text::{schema, shape};

use example::{Example, Expect};

pub use delivery::{Delivery, Recommended};
pub use shipped::shipped;

/// A rule that has compiled and proved itself. Cheap to clone.
#[derive(Clone)]
pub struct Rule(Arc<Proved>);

struct Proved {
    title: String,
    docs: String,
    unconfirmed: Vec<String>,
    recommended: Option<Recommended>,
    compiled: CompiledRule,
    variants: Vec<VariantReport>,
    examples: Vec<Example>,
    forgeries: usize,
}

/// What `countersign check` shows of one variant.
#[derive(Clone, Debug)]
pub struct VariantReport {
    /// `mode: rsa`; empty where the rule has one variant only.
    pub title: String,
    /// What covers each fact.
    pub coverage: Vec<coverage::Row>,
    /// Why weak proofs are let pass.
    pub weak: Vec<String>,
    /// What its proofs are worth for what money hangs on.
    pub strength: StrengthPlan,
}

/// Compiles a rule, runs its examples and breeds forgeries from them. `file` names the text in
/// problems.
pub fn compile(file: &str, text: &str) -> Result<Rule, Problems> {
    let root = Node::parse(file, text)?;
    let mut problems = Problems::new(file);
    shape::check(&root, &grammar::RULE, &mut problems);
    let (compiled, variants) = compile::compile(text, &root, &mut problems);
    let gateway = root.get("gateway");
    if let Some(gateway) = gateway.filter(|_| !is_name(&compiled.gateway)) {
        let message = "a rule's name is lower-case letters, digits and `_`";
        problems.add(gateway.place, message);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut examples = example::read(&root, &compiled, &mut problems);
    let forgeries = prove(&compiled, &mut examples, &mut problems);
    let text = |key| root.get(key).and_then(Node::as_text).unwrap_or_default().to_owned();
    let (title, docs) = (text("title"), text("docs"));
    let unconfirmed = root.get("unconfirmed").map_or(&[][..], Node::items);
    let unconfirmed = unconfirmed.iter().filter_map(Node::as_text).map(str::to_owned).collect();
    let recommended = delivery::recommended(&root);
    let proved =
        Proved { title, docs, unconfirmed, recommended, compiled, variants, examples, forgeries };
    problems.into_result(Rule(Arc::new(proved)))
}

/// Runs the examples, breeds forgeries from those that are accepted, and wants one such for each
/// variant: a variant without is a claim that nobody has seen hold. Returns the forgeries tried.
fn prove(rule: &CompiledRule, examples: &mut [Example], problems: &mut Problems) -> usize {
    let mut proved = vec![false; rule.variants.len()];
    let mut forgeries = 0;
    for example in &mut *examples {
        let Some(bound) = example::bind(rule, example, problems) else { continue };
        example.request.recode(&bound.plan().request);
        let accepted = example::run(&bound, example, problems);
        if let Expect::Answer(_) = example.expect {
            forgeries += forgery::breed(rule, &bound, example, &[], problems);
        }
        let Some(accepted) = accepted else { continue };
        forgeries += forgery::breed(rule, &bound, example, &accepted.events, problems);
        for (variant, proved) in rule.variants.iter().zip(&mut proved) {
            *proved |= std::ptr::eq(&raw const *variant.plan, bound.plan());
        }
    }
    let place = examples.first().map(|example| example.place).unwrap_or_default();
    for (variant, proved) in rule.variants.iter().zip(proved) {
        if !proved {
            let words: Vec<String> = variant
                .choices
                .iter()
                .filter_map(|(index, word)| {
                    rule.params.get(*index).map(|spec| format!("{}: {word}", spec.name))
                })
                .collect();
            let message = match words.join(", ").as_str() {
                "" => "no accepted example: nobody has seen this rule hold".to_owned(),
                words => format!("no accepted example for {words}: nobody has seen it hold"),
            };
            problems.add(place, message);
        }
    }
    forgeries
}

/// Whether a rule may have this name: lower-case letters, digits and `_`, a letter first.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The grammar of rule files.
pub fn grammar() -> &'static Shape {
    &grammar::RULE
}

/// The JSON Schema of rule files.
pub fn schema() -> serde_json::Value {
    schema::schema("https://countersign.dev/schema/rule.json", &grammar::RULE)
}

impl Rule {
    /// Its name.
    pub fn gateway(&self) -> &str {
        &self.0.compiled.gateway
    }

    /// The gateway's name for people.
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// The page that it was written from.
    pub fn docs(&self) -> &str {
        &self.0.docs
    }

    /// `sha256:` and the hex digest of its text.
    pub fn hash(&self) -> &str {
        &self.0.compiled.hash
    }

    /// What no published value confirms.
    pub fn unconfirmed(&self) -> &[String] {
        &self.0.unconfirmed
    }

    /// How its callbacks are best delivered; `None`: it does not matter.
    pub fn recommended(&self) -> Option<&Recommended> {
        self.0.recommended.as_ref()
    }

    /// What an operator configures.
    pub fn params(&self) -> &[ParamSpec] {
        &self.0.compiled.params
    }

    /// What each variant proves and covers.
    pub fn variants(&self) -> &[VariantReport] {
        &self.0.variants
    }

    /// Its examples.
    pub fn examples(&self) -> &[Example] {
        &self.0.examples
    }

    /// How many of the examples are accepted.
    pub fn accepted_examples(&self) -> impl Iterator<Item = &Example> {
        self.0.examples.iter().filter(|example| matches!(example.expect, Expect::Accept(..)))
    }

    /// Forgeries that it has refused while it was loaded.
    pub fn forgeries(&self) -> usize {
        self.0.forgeries
    }

    /// The compiled form.
    pub fn compiled(&self) -> &CompiledRule {
        &self.0.compiled
    }

    /// Binds it to the parameters of a route.
    pub fn bind(&self, params: &Params) -> Result<Bound, Vec<BindError>> {
        Bound::new(&self.0.compiled, params)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must say where"
)]
mod exchange_tests;
#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on must say where"
)]
mod loophole_tests;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must say where"
)]
mod fold_tests;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must say where"
)]
mod forgery_tests;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must say where"
)]
mod question_tests;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must say where"
)]
mod set_tests;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must say where"
)]
mod tests;

#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on must say where"
)]
mod token_tests;
