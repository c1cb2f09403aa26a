//! Whether the names and values of a set can be told apart again.

use crate::engine::pattern::Pattern;
use crate::engine::plan::{Expr, PathStep, Plan, Ref, Render, SetOf, SetPlan};
use crate::rule::ambiguity::pattern_at;
use crate::text::problem::{Place, Problems};

/// What keeps a set from having one reading.
pub(super) fn what_is_wrong(set: &SetPlan) -> Option<String> {
    if !set.signs_names() {
        return Some("values are joined and not their names: one can stand for another".to_owned());
    }
    // `a[b]` becomes `a001b001`, and so does `a001b`.
    if set.flatten {
        return Some("flattened names may be those of other fields".to_owned());
    }
    let gaps = gaps(set);
    if gaps.iter().any(Vec::is_empty) {
        return Some("nothing stands between a name or value of the set and the next".to_owned());
    }
    let Some(pattern) = &set.pattern else {
        return Some("names and values of the set may be anything".to_owned());
    };
    // Each name and value stands between two places that are found by counting.
    let told = |gap: &Vec<u8>| excludes(pattern, gap) && (set.charset.is_none() || gap.is_ascii());
    if !gaps.iter().all(told) {
        return Some(
            "what stands between names and values of the set may occur in them as well".to_owned(),
        );
    }
    let loose =
        set.insert.iter().find(|(name, expr)| !pattern.matches(name.as_bytes()) || !is_ours(expr));
    loose.map(|(name, _)| format!("what is inserted as `{name}` may be anything"))
}

/// The words between one name or value and the next, from an entry to the next one as well.
fn gaps(set: &SetPlan) -> Vec<Vec<u8>> {
    let mut gaps = vec![Vec::new()];
    for piece in &set.render {
        match (piece, gaps.last_mut()) {
            (Render::Text(words), Some(gap)) => gap.extend(words.as_bytes()),
            _ => gaps.push(Vec::new()),
        }
    }
    let before = gaps.remove(0);
    if let Some(last) = gaps.last_mut() {
        last.extend(set.separator.iter().chain(&before));
    }
    gaps
}

/// Whether none of these bytes occurs in a value.
fn excludes(pattern: &Pattern, words: &[u8]) -> bool {
    words.iter().all(|byte| !pattern.may_contain(*byte))
}

/// Whether a value is the same in every message.
fn is_ours(expr: &Expr) -> bool {
    expr.places().into_iter().all(|place| matches!(place, Ref::Literal(_) | Ref::Param(_)))
}

/// Complains of a set without names in which any name may occur, or in which a value may hold what
/// stands between values: then a genuine message is another one, with neighbours in one value.
pub(super) fn names_are_closed(set: &SetPlan, plan: &Plan, place: Place, problems: &mut Problems) {
    let closed = match set.of {
        SetOf::Document(index) => plan.documents.get(index).and_then(|one| one.closed.as_ref()),
        SetOf::Fields | SetOf::Form => plan.request.closed.as_ref(),
    };
    let Some(closed) = closed else {
        let help = "list what may occur under `closed:` of the request or payload";
        problems.add_with_help(place, "values are signed and their names are not", help);
        return;
    };
    let gap = gaps(set).concat();
    let told = |pattern: Option<&Pattern>| pattern.is_some_and(|one| excludes(one, &gap));
    // Where nothing stands between values, only their own looks can keep them apart.
    if gap.is_empty() || told(set.pattern.as_deref()) {
        return;
    }
    let mut loose: Vec<&str> = Vec::new();
    match set.of {
        SetOf::Document(index) => {
            loose.extend(closed.names.iter().map(String::as_str).filter(|name| {
                let at = Ref::Document(index, vec![PathStep::Key((*name).to_owned())]);
                !told(pattern_at(&at, plan).map(|pattern| &**pattern))
            }));
        }
        // What is declared is looked at for itself, whatever the list says.
        SetOf::Fields | SetOf::Form => {
            let declared =
                |name: &&str| plan.request.fields.iter().any(|field| field.name == *name);
            let fields = plan.request.fields.iter();
            let fields = fields.filter(|field| !told(field.pattern.as_deref()));
            loose.extend(fields.map(|field| field.name.as_str()));
            loose.extend(closed.names.iter().map(String::as_str).filter(|name| !declared(name)));
        }
    }
    loose.retain(|name| set.takes(name.as_bytes()));
    loose.extend(closed.prefixes.iter().map(String::as_str));
    let inserted = set.insert.iter().filter(|(_, expr)| !is_ours(expr));
    loose.extend(inserted.map(|(name, _)| name.as_str()));
    if closed.param.is_some() {
        loose.push("param");
    }
    if !loose.is_empty() {
        let (names, gap) = (loose.join("`, `"), gap.escape_ascii());
        let message = format!(
            "names are not signed, and `{names}` may hold the `{gap}` that stands between values"
        );
        let help = format!("give these a pattern without it, or all of the set: `[^{gap}]*`");
        problems.add_with_help(place, message, help);
    }
}
