//! `exchanges:` of a rule.

use std::sync::Arc;

use crate::engine::params::ParamKind;
use crate::engine::plan::{
    AnswerFormat, Auth, Escape, ExchangeBody, ExchangePlan, Expr, Ref, Step,
};
use crate::rule::compile::names::Names;
use crate::rule::compile::request::document_fields;
use crate::rule::compile::variants::Choices;
use crate::text::node::Node;
use crate::text::problem::Place;
use crate::text::unit::parse_duration;

/// Names of headers that an exchange may set.
const HEADERS: [&str; 8] = [
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "revolut-api-version",
    "user-agent",
    "x-api-key",
    "x-api-version",
];

/// The exchanges of this variant, by name: of several with one name, the first that applies.
pub(super) fn nodes<'n>(root: &'n Node, choices: &Choices<'_>) -> Vec<(String, &'n Node)> {
    let entries = root.get("exchanges").map_or(&[][..], Node::entries);
    let applies = |node: &'n Node| node.one_or_many().iter().find(|node| choices.apply(node));
    entries.iter().filter_map(|(key, node)| Some((key.text.clone(), applies(node)?))).collect()
}

pub(super) fn exchange(name: &str, node: &Node, names: &mut Names<'_>) -> Option<ExchangePlan> {
    let url_node = node.get("url")?;
    let url = names.expr_into(url_node, Some(Escape::Percent))?;
    let hosts: Vec<String> = node
        .get("hosts")
        .map_or(&[][..], Node::items)
        .iter()
        .filter_map(Node::as_text)
        .map(str::to_ascii_lowercase)
        .collect();
    if hosts.is_empty() && !begins_with_a_host(&url, names) {
        names.problems.add_with_help(
            url_node.place,
            "nobody says which host this leads to",
            "begin with `https://…`, with a parameter of type url, or list the `hosts`",
        );
    }
    let mut headers = Vec::new();
    for (key, node) in node.get("headers").map_or(&[][..], Node::entries) {
        let Some(known) = HEADERS.into_iter().find(|known| *known == key.text) else {
            let help = format!("expected one of {}", HEADERS.join(", "));
            names.problems.add_with_help(key.place, "not a header that may be set", help);
            continue;
        };
        headers.push((known, names.expr(node)?));
    }
    let credentials = [
        node.get("basic"),
        node.get("bearer"),
        node.get("headers").and_then(|headers| headers.get("authorization")),
    ];
    if let Some(second) = credentials.into_iter().flatten().nth(1) {
        names.problems.add(second.place, "credentials are given once");
    }
    let auth = match (node.get("basic"), node.get("bearer")) {
        (Some(basic), _) => {
            let user = basic.get("user").and_then(|node| names.expr(node))?;
            let password = match basic.get("password") {
                Some(node) => Some(names.expr(node)?),
                None => None,
            };
            Auth::Basic(user, password)
        }
        (None, Some(token)) => Auth::Bearer(names.expr(token)?),
        (None, None) => Auth::None,
    };
    let body = body(node, names)?;
    let answer_node = node.get("answer")?;
    let answer = answer(answer_node, names)?;
    let fields = document_fields(answer_node, names);
    let exchange = ExchangePlan {
        name: Arc::from(name),
        method: if node.get("method").and_then(Node::as_text) == Some("GET") {
            "GET"
        } else {
            "POST"
        },
        url,
        hosts,
        headers,
        auth,
        body,
        needs: Vec::new(),
        cache_seconds: node
            .get("cache")
            .and_then(Node::as_text)
            .and_then(parse_duration)
            .and_then(|kept| u32::try_from(kept.as_secs()).ok()),
        refused: node
            .get("refused")
            .map_or(&[][..], Node::items)
            .iter()
            .filter_map(Node::as_integer)
            .filter_map(|status| u16::try_from(status).ok())
            .collect(),
        answer,
        fields,
    };
    let needs = needs(&exchange, names.payloads);
    check_inserts(&exchange, names, node.place);
    Some(ExchangePlan { needs, ..exchange })
}

fn body(node: &Node, names: &mut Names<'_>) -> Option<ExchangeBody> {
    if let Some(form) = node.get("form") {
        let mut fields = Vec::new();
        for (key, node) in form.entries() {
            fields.push((key.text.clone(), names.expr(node)?));
        }
        return Some(ExchangeBody::Form(fields));
    }
    let Some(raw) = node.get("body") else { return Some(ExchangeBody::None) };
    let media_type = raw.get("type").and_then(Node::as_text)?.to_owned();
    let escape = escape_for(&media_type);
    let mut bytes = names.expr_into(raw.get("of")?, escape)?;
    // A gateway that wants its form back wants it as it came.
    if let (true, Ref::Joined(parts)) = (is_form(&media_type), &mut bytes.source) {
        for part in parts.iter_mut().filter(|part| part.source == Ref::Body) {
            part.steps.retain(|step| *step != Step::Escape(Escape::Percent));
        }
    }
    Some(ExchangeBody::Raw(media_type, bytes))
}

/// How inserts into a body of that type are made safe.
pub(super) fn escape_for(media_type: &str) -> Option<Escape> {
    match essence(media_type).as_str() {
        "application/json" => Some(Escape::Json),
        "application/x-www-form-urlencoded" => Some(Escape::Percent),
        "application/xml" | "text/html" | "text/xml" => Some(Escape::Xml),
        other if other.ends_with("+json") => Some(Escape::Json),
        other if other.ends_with("+xml") => Some(Escape::Xml),
        _ => None,
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_form(media_type: &str) -> bool {
    essence(media_type) == "application/x-www-form-urlencoded"
}

fn answer(node: &Node, names: &mut Names<'_>) -> Option<AnswerFormat> {
    let text = |key| node.get(key).and_then(Node::as_text).map(str::to_owned);
    Some(match text("as").as_deref() {
        Some("form") => AnswerFormat::Form,
        Some("keys") => AnswerFormat::Keys,
        Some("xml") => AnswerFormat::Xml { lower: false },
        Some("xml-any-case") => AnswerFormat::Xml { lower: true },
        Some("words") => {
            let (Some(yes), Some(no)) = (text("yes"), text("no")) else {
                names.problems.add(node.place, "`as: words` needs `yes` and `no`");
                return None;
            };
            AnswerFormat::Words { yes, no }
        }
        _ => AnswerFormat::Json,
    })
}

/// Whether an address begins with a scheme and a whole host that no sender can move.
fn begins_with_a_host(url: &Expr, names: &Names<'_>) -> bool {
    let first = match &url.source {
        Ref::Joined(parts) => parts.first(),
        _ => Some(url),
    };
    let alone = !matches!(&url.source, Ref::Joined(parts) if parts.len() > 1);
    match first.map(|expr| &expr.source) {
        Some(Ref::Literal(words)) => {
            let host = words.strip_prefix("https://");
            host.is_some_and(|host| {
                let name = host.split('/').next().unwrap_or_default();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
                // Without a `/` an insert would go on with the host.
                let ends = host.contains('/') || alone;
                ends && name.contains('.') && name.bytes().all(plain)
            })
        }
        Some(Ref::Param(index)) => {
            names.params.get(*index).is_some_and(|spec| spec.kind == ParamKind::Url)
        }
        _ => false,
    }
}

/// Exchanges whose answers it is made of.
fn needs(exchange: &ExchangePlan, payloads: usize) -> Vec<usize> {
    let mut needs: Vec<usize> = inserts(exchange)
        .into_iter()
        .flat_map(Expr::places)
        .filter_map(|place| match place {
            Ref::Document(index, _) => index.checked_sub(payloads),
            _ => None,
        })
        .collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// Every value that is put into a question.
pub(super) fn inserts(exchange: &ExchangePlan) -> Vec<&Expr> {
    let mut all = vec![&exchange.url];
    all.extend(exchange.headers.iter().map(|(_, expr)| expr));
    match &exchange.auth {
        Auth::Basic(user, password) => all.extend(std::iter::once(user).chain(password)),
        Auth::Bearer(token) => all.push(token),
        Auth::None => {}
    }
    match &exchange.body {
        ExchangeBody::Form(fields) => all.extend(fields.iter().map(|(_, expr)| expr)),
        ExchangeBody::None => {}
        ExchangeBody::Raw(_, bytes) => all.push(bytes),
    }
    all
}

/// What a sender gives and we pass on must look a certain way. The body that a gateway wants back
/// as it came is checked by the gateway, and its content type says that it is a form.
fn check_inserts(exchange: &ExchangePlan, names: &mut Names<'_>, place: Place) {
    let sends_form =
        matches!(&exchange.body, ExchangeBody::Raw(media_type, _) if is_form(media_type));
    for expr in inserts(exchange) {
        for part in leaves(expr) {
            if part.source == Ref::Body && part.steps.is_empty() && sends_form {
                continue;
            }
            if !is_patterned(part, names) {
                let message = format!("`{}` goes to the gateway and may be anything", part.text);
                let help = "give it a pattern where it is declared";
                names.problems.add_with_help(place, message, help);
            }
        }
    }
}

/// The values that a joined one is made of.
fn leaves(expr: &Expr) -> Vec<&Expr> {
    match &expr.source {
        Ref::Joined(parts) => parts.iter().flat_map(leaves).collect(),
        _ => vec![expr],
    }
}

fn is_patterned(expr: &Expr, names: &Names<'_>) -> bool {
    // What is unpacked looks like nothing that is known of its wrapping; what is packed is letters
    // and digits, whatever is in it.
    for step in expr.steps.iter().rev() {
        match step {
            Step::Decode(_) | Step::Unjws => return false,
            Step::Crc32 | Step::Currency | Step::Digest(_) | Step::Encode(_) | Step::Number => {
                return true;
            }
            _ => {}
        }
    }
    match &expr.source {
        Ref::Literal(_) | Ref::Now | Ref::Param(_) => true,
        Ref::Field(index) => names.fields.get(*index).is_some_and(|field| field.pattern.is_some()),
        Ref::Header(index) => {
            names.headers.get(*index).is_some_and(|header| header.pattern.is_some())
        }
        Ref::Document(index, path) => {
            // The gateway's own answer, or a place that its payload declares with a pattern.
            *index >= names.payloads
                || names.patterned.iter().any(|known| *known == Ref::Document(*index, path.clone()))
        }
        _ => false,
    }
}
