//! From the text of a rule to plans, or to every problem at once.

mod condition;
pub(crate) mod event;
mod exchange;
mod guards;
pub(crate) mod names;
mod params;
mod parts;
pub(crate) mod proofs;
mod raw;
mod reply;
mod request;
mod senders;
mod variants;

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::engine::bind::{CompiledRule, JudgesBy, StrengthPlan, Variant};
use crate::engine::encoding::Encoding;
use crate::engine::money::Decimals;
use crate::engine::params::{ParamKind, ParamSpec};
use crate::engine::plan::{
    Algorithms, Condition, Document, ExchangePlan, Expr, PartKind, Plan, Proof, Question,
    QuestionAt, Raw, Ref, RequestPlan, Scheme, SetOf, SetPlan,
};
use crate::rule::{VariantReport, ambiguity, coverage};
use crate::text::node::Node;
use crate::text::problem::{Place, Problems};

use event::{EventCompiler, Use};
use names::Names;
use variants::Choices;

/// Compiles a rule whose shape has been checked: parts that are missing have been reported, so they
/// are passed over here.
pub(crate) fn compile(
    text: &str,
    root: &Node,
    problems: &mut Problems,
) -> (CompiledRule, Vec<VariantReport>) {
    let mut params = params::params(root, problems);
    let has_test = root.get("event").and_then(|event| event.get("test")).is_some();
    let environment = has_test.then(|| environment(root, &mut params, problems));
    let mut variants = Vec::new();
    let mut facts = Vec::new();
    for choices in variants::all(root, &params, problems) {
        let mut found = Problems::new(problems.file.clone());
        let given = Given { root, params: &params, environment, choices: &choices };
        let compiled = variant(&given, &mut found);
        // The same mistake shows in every variant; say it once.
        for problem in found.list {
            if !problems.list.contains(&problem) {
                problems.push(problem);
            }
        }
        if let Some((variant, of_variant)) = compiled {
            variants.push(variant);
            facts.push(of_variant);
        }
    }
    let gateway = root.get("gateway").and_then(Node::as_text).unwrap_or_default().to_owned();
    let hash = format!("sha256:{}", Encoding::Hex.encode(&Sha256::digest(text.as_bytes())));
    (CompiledRule { gateway, hash, params, variants }, facts)
}

/// The parameter that says whether a route is for test money. Every rule that can tell has it.
fn environment(root: &Node, params: &mut Vec<ParamSpec>, problems: &mut Problems) -> usize {
    if params.iter().any(|spec| spec.name == "environment") {
        let place = root.get("params").map_or(root.place, |node| node.place);
        problems.add_with_help(
            place,
            "`environment` is declared by `event.test` already",
            "remove the parameter: it is `live` unless a route says `test`",
        );
    }
    params.push(ParamSpec {
        name: "environment".to_owned(),
        pattern: None,
        kind: ParamKind::Choice(vec!["live".to_owned(), "test".to_owned()]),
        list: false,
        optional: false,
        default: vec!["live".to_owned()],
        hint: Some(
            "live refuses test money; test accepts it, marked and never credited".to_owned(),
        ),
    });
    params.len() - 1
}

/// What a variant reads, before its proofs are known.
struct Given<'v> {
    root: &'v Node,
    params: &'v [ParamSpec],
    environment: Option<usize>,
    choices: &'v Choices<'v>,
}

impl<'v> Given<'v> {
    fn names<'p>(
        &self,
        request: &RequestPlan,
        documents: Vec<String>,
        payloads: usize,
        problems: &'p mut Problems,
    ) -> Names<'p>
    where
        'v: 'p,
    {
        Names {
            params: self.params,
            fields: request.fields.clone(),
            headers: request.headers.clone(),
            documents,
            payloads,
            has_decrypted: proofs::has(self.root, self.choices, "decrypt"),
            has_claims: proofs::has(self.root, self.choices, "jws"),
            has_items: self.root.get("each").is_some(),
            has_signature: false,
            patterned: Vec::new(),
            needs: BTreeSet::new(),
            problems,
        }
    }
}

fn variant(given: &Given<'_>, problems: &mut Problems) -> Option<(Variant, VariantReport)> {
    let Given { root, params, environment, choices } = *given;
    let mut request = request::request(root.get("request"), params, choices, problems);
    let payload_nodes = request::payload_nodes(root, choices);
    let exchange_nodes = exchange::nodes(root, choices);
    let documents = payload_nodes.iter().chain(&exchange_nodes).map(|(name, _)| name.clone());
    let mut names = given.names(&request, documents.collect(), payload_nodes.len(), problems);
    let mut documents = Vec::new();
    for (name, node) in &payload_nodes {
        documents.push(request::document(name, node, &mut names));
    }
    let fields = documents.iter().flatten().flat_map(|document| &document.fields);
    let patterned = fields.filter(|field| field.pattern.is_some() && field.at.steps.is_empty());
    names.patterned = patterned.map(|field| field.at.source.clone()).collect();
    let mut exchanges = Vec::new();
    let read = std::mem::take(&mut names.needs);
    for (name, node) in &exchange_nodes {
        exchanges.push(exchange::exchange(name, node, &mut names));
    }
    let asks_with = std::mem::replace(&mut names.needs, read);
    let proofs_and_nodes = proofs::proofs(root, choices, &mut names);
    let fresh = request::fresh(root, choices, &mut names);
    let batch = root.get("each").and_then(|node| request::batch(node, &mut names));
    let uses = Vec::new();
    let decimals = Decimals::default();
    let mut events = EventCompiler { names: &mut names, uses, environment, decimals };
    let event = events.event(root);
    let mut uses = std::mem::take(&mut events.uses);
    let guards_and_places = guards::guards(root, choices, &mut events);
    let mut always = events.names.needs.clone();
    always.extend(request.closed.iter().filter_map(|closed| closed.param));
    let asking = asks_with.difference(&always).copied().collect();
    let judges_by = JudgesBy { always: always.into_iter().collect(), asking };
    let replies = reply::replies(root, events.names);
    let mut questions = Vec::new();
    for node in root.get("questions").map_or(&[][..], Node::items) {
        if choices.apply(node) && node.get("request").is_none() {
            questions.push(reply::question(node, choices, &mut events));
        }
    }
    let mut needs = std::mem::take(&mut names.needs);
    needs.extend(&judges_by.asking);
    needs.extend(request.closed.iter().filter_map(|closed| closed.param));
    for node in root.get("questions").map_or(&[][..], Node::items) {
        if choices.apply(node) && node.get("request").is_some() {
            questions.push(handshake(given, node, &request, &mut needs, problems));
        }
    }
    // What is compared and what is dated must be covered too.
    let place_of = |key: &str| root.get(key).map_or(root.place, |node| node.place);
    for fresh in &fresh {
        let expr = fresh.time.value.clone();
        uses.push(Use { fact: "fresh", place: place_of("fresh"), expr });
    }
    // What is covered hangs on the proofs and the payload. Where one of them is broken, that has been
    // said, and every fact would only echo it.
    let (proofs, nodes): (Vec<Proof>, Vec<&Node>) = proofs_and_nodes?.into_iter().unzip();
    let documents: Vec<Document> = documents.into_iter().collect::<Option<_>>()?;
    let exchanges: Vec<ExchangePlan> = exchanges.into_iter().collect::<Option<_>>()?;
    let guards = guards_and_places.iter().map(|(guard, _)| guard.clone()).collect();
    let questions: Vec<Question> = questions.into_iter().flatten().collect();
    let mut plan = Plan {
        request: request.clone(),
        documents,
        exchanges,
        questions,
        proofs,
        fresh,
        guards,
        batch,
        event: event?,
        raw: Raw::Places(Vec::new()),
        replies,
    };
    tags_may_be_missing(&plan.proofs, &mut request);
    request.keep_all = sets(&plan.proofs).any(|set| !matches!(set.of, SetOf::Document(_)));
    plan.request = request;
    open_early(&mut plan);
    let covered = coverage::covered(&plan, params);
    for (proof, node) in plan.proofs.iter().zip(nodes) {
        for tag in coverage::tags(proof) {
            ambiguity::check(tag, &plan, params, &uses, node_of(node, "over"), problems);
        }
    }
    for (guard, place) in guards_and_places {
        // What is only a hint may be compared with what is covered; nothing else may be guarded.
        if !covered.is_guarded(&guard.check) {
            let uncovered = guard.values().into_iter().cloned();
            uses.extend(uncovered.map(|expr| Use { fact: "guard", place, expr }));
        }
    }
    let unsigned = root.get("event").and_then(|event| event.get("unsigned"));
    let coverage = coverage::check(&covered, &uses, unsigned, problems);
    let strength = strength(&plan, params, &uses);
    plan.raw = raw::raw(&plan, &covered);
    let title = choices.describe();
    let weak = proofs_weak(root, choices);
    let choices = choices.words.clone();
    let needs = needs.into_iter().collect();
    Some((
        Variant { choices, needs, judges_by, plan: Arc::new(plan), strength: strength.clone() },
        VariantReport { title, coverage, weak, strength },
    ))
}

/// What the proofs are worth, and under each algorithm that a route can choose.
fn strength(plan: &Plan, params: &[ParamSpec], uses: &[Use]) -> StrengthPlan {
    let worth = |params: &[ParamSpec]| coverage::strength(&coverage::covered(plan, params), uses);
    let chosen = plan.proofs.iter().flat_map(coverage::tags).find_map(|tag| match &tag.scheme {
        Scheme::Digest(Algorithms::Param(index))
        | Scheme::Hmac { algorithms: Algorithms::Param(index), .. } => Some(*index),
        _ => None,
    });
    let by_algorithm = chosen.and_then(|index| {
        let ParamKind::Choice(words) = &params.get(index)?.kind else { return None };
        let worth = |word: &String| {
            let mut params = params.to_vec();
            if let Some(spec) = params.get_mut(index) {
                spec.kind = ParamKind::Choice(vec![word.clone()]);
            }
            (word.clone(), worth(&params))
        };
        Some((index, words.iter().map(worth).collect()))
    });
    StrengthPlan { least: worth(params), by_algorithm }
}

/// A question that has a request of its own, and so names of its own.
fn handshake(
    given: &Given<'_>,
    node: &Node,
    callback: &RequestPlan,
    needs: &mut BTreeSet<usize>,
    problems: &mut Problems,
) -> Option<Question> {
    let Given { params, environment, choices, .. } = *given;
    let request = request::request(node.get("request"), params, choices, problems);
    let mut names = given.names(&request, Vec::new(), 0, problems);
    let decimals = Decimals::default();
    let uses = Vec::new();
    let mut events = EventCompiler { names: &mut names, uses, environment, decimals };
    let question = reply::handshake(node, request, callback, choices, &mut events);
    needs.append(&mut names.needs);
    question
}

/// The reasons that proofs of this variant give for being weak.
fn proofs_weak(root: &Node, choices: &Choices<'_>) -> Vec<String> {
    fn collect(node: &Node, choices: &Choices<'_>, into: &mut Vec<String>) {
        if !choices.apply(node) {
            return;
        }
        into.extend(node.get("weak").and_then(Node::as_text).map(str::to_owned));
        for node in node.get("of").map_or(&[][..], Node::items) {
            node.entries().iter().for_each(|(_, node)| collect(node, choices, into));
        }
    }
    let mut weak = Vec::new();
    for node in root.get("proofs").map_or(&[][..], Node::items) {
        node.entries().iter().for_each(|(_, node)| collect(node, choices, &mut weak));
    }
    weak
}

/// The sets of fields that tags are made of.
fn sets(proofs: &[Proof]) -> impl Iterator<Item = &SetPlan> {
    proofs.iter().flat_map(coverage::tags).flat_map(|tag| &tag.over).filter_map(|part| match &part
        .kind
    {
        PartKind::Set(set) => Some(&**set),
        PartKind::Value(_) => None,
    })
}

/// Marks the documents that a proof or a question looks into before anything is proved.
fn open_early(plan: &mut Plan) {
    let mut early: Vec<usize> = Vec::new();
    let mut wants = |exprs: Vec<&Expr>| {
        for place in exprs.into_iter().flat_map(Expr::places) {
            if let Ref::Document(index, _) = place {
                early.push(*index);
            }
        }
    };
    for proof in &plan.proofs {
        match proof {
            Proof::Basic { user, password } => wants(vec![user, password]),
            Proof::Decrypt { from, key, .. } => wants(vec![from, key]),
            Proof::Token { place, .. } => wants(vec![place]),
            Proof::Jws(token) => wants(vec![&token.token]),
            Proof::Confirm { .. }
            | Proof::HttpSignature(_)
            | Proof::Mtls(_)
            | Proof::Source { .. } => {}
            Proof::FirstPresent(_) | Proof::Tag(_) => {
                for tag in coverage::tags(proof) {
                    wants(tag.values());
                    wants(vec![&tag.tag]);
                    let conditions = tag.over.iter().filter_map(|part| part.when.as_ref());
                    wants(conditions.flat_map(Condition::values).collect());
                }
            }
        }
    }
    for question in &plan.questions {
        if let QuestionAt::Unproved(when) = &question.at {
            wants(when.values());
        }
    }
    // A certificate's address may stand in a document.
    for exchange in &plan.exchanges {
        wants(exchange::inserts(exchange));
    }
    early.extend(sets(&plan.proofs).filter_map(|set| match set.of {
        SetOf::Document(index) => Some(index),
        SetOf::Fields | SetOf::Form => None,
    }));
    // And those that these are packed in.
    while let Some(index) = early.pop() {
        if let Some(document) = plan.documents.get_mut(index)
            && !document.early
            && !matches!(document.from.source, Ref::Claims | Ref::Decrypted)
        {
            document.early = true;
            for place in document.from.places() {
                if let Ref::Document(index, _) = place {
                    early.push(*index);
                }
            }
        }
    }
}

/// A field or header that is the tag of a proof may be missing as far as reading goes: the proof
/// says `signature_missing`, which is what it is.
fn tags_may_be_missing(proofs: &[Proof], request: &mut RequestPlan) {
    let tags = proofs.iter().flat_map(coverage::tags).map(|tag| &tag.tag);
    let tokens = proofs.iter().filter_map(|proof| match proof {
        Proof::Token { place, .. } => Some(place),
        Proof::Jws(token) => Some(&token.token),
        _ => None,
    });
    for place in tags.chain(tokens) {
        match place.source {
            Ref::Field(index) | Ref::FieldPart(index, _) => {
                if let Some(field) = request.fields.get_mut(index) {
                    field.optional = true;
                }
            }
            Ref::Header(index) | Ref::HeaderPart(index, _) => {
                if let Some(header) = request.headers.get_mut(index) {
                    header.optional = true;
                }
            }
            _ => {}
        }
    }
}

fn node_of(node: &Node, key: &str) -> Place {
    // A `first_present` has no parts of its own; its place will do.
    node.get(key).map_or(node.place, |node| node.place)
}
