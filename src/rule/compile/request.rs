//! `request:`, `fresh:` and `payload:` of a rule.

use crate::engine::charset::Charset;
use crate::engine::params::ParamSpec;
use crate::engine::plan::{
    Batch, BodyKind, Closed, Document, DocumentField, Field, FieldPlace, Format, Freshness, Header,
    Instant, Limit, PairKey, Pairs, RequestCharset, RequestPlan,
};
use crate::engine::reason::Reason;
use crate::engine::time::TimeFormat;
use crate::rule::compile::names::{Names, pattern};
use crate::rule::compile::variants::Choices;
use crate::text::node::Node;
use crate::text::problem::{Problems, did_you_mean};

/// What is asked of the request. Fields that are the tag of a proof are made optional later: the
/// proof misses them.
pub(super) fn request(
    node: Option<&Node>,
    params: &[ParamSpec],
    choices: &Choices<'_>,
    problems: &mut Problems,
) -> RequestPlan {
    let get = |key| node.and_then(|node| node.get(key));
    let body = match get("body").and_then(Node::as_text) {
        Some("form") => BodyKind::Form,
        Some("form-or-json") => BodyKind::FormOrJson,
        Some("json") => BodyKind::Json,
        _ => BodyKind::Any,
    };
    let methods = get("method").map_or(&[][..], Node::one_or_many);
    let mut fields = Vec::new();
    for (key, node) in get("fields").map_or(&[][..], Node::entries) {
        if choices.apply(node) {
            fields.push(Field {
                name: key.text.clone(),
                place: place(node, choices, problems),
                optional: flag(node, "optional"),
                pattern: pattern(node.get("pattern"), problems),
                otherwise: otherwise(node),
                pairs: pairs(node, problems),
            });
        }
    }
    let absent = get("absent").map_or(&[][..], Node::entries);
    let absent = absent.iter().filter(|(_, node)| choices.apply(node));
    let charset = get("charset").and_then(|node| charset(node, &fields, choices, problems));
    let mut headers = Vec::new();
    for (key, node) in get("headers").map_or(&[][..], Node::entries) {
        if choices.apply(node) {
            if key.text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                let help = format!("write `{}`", key.text.to_ascii_lowercase());
                problems.add_with_help(key.place, "header names are in lower case here", help);
            }
            headers.push(Header {
                name: key.text.clone(),
                optional: flag(node, "optional"),
                pattern: pattern(node.get("pattern"), problems),
                otherwise: otherwise(node),
                pairs: pairs(node, problems),
            });
        }
    }
    RequestPlan {
        methods: methods.iter().filter_map(Node::as_text).map(str::to_owned).collect(),
        body,
        charset,
        closed: get("closed").map(|node| closed(node, params, problems)),
        keep_all: false,
        fields,
        absent: absent.map(|(key, _)| key.text.clone()).collect(),
        headers,
    }
}

pub(super) fn flag(node: &Node, key: &str) -> bool {
    node.get(key).and_then(Node::as_bool).unwrap_or(false)
}

/// The reason that `else` names.
fn otherwise(node: &Node) -> Reason {
    let word = node.get("else").and_then(Node::as_text);
    word.and_then(Reason::from_word).unwrap_or(Reason::FieldMalformed)
}

/// The names of a closed list.
fn closed(node: &Node, params: &[ParamSpec], problems: &mut Problems) -> Closed {
    let texts = |key| -> Vec<String> {
        let nodes = node.get(key).map_or(&[][..], Node::items);
        nodes.iter().filter_map(Node::as_text).map(str::to_owned).collect()
    };
    let param = node.get("param").and_then(|found| {
        let name = found.as_text()?.strip_prefix("param.").unwrap_or_default();
        let index = params.iter().position(|spec| spec.name == name);
        if index.is_none() {
            let names = params.iter().map(|spec| spec.name.as_str());
            let help = did_you_mean(name, names).map_or_else(
                || "expected a parameter that is a list: `param.NAME`".to_owned(),
                |near| format!("did you mean `param.{near}`?"),
            );
            problems.add_with_help(found.place, "no such parameter", help);
        }
        index
    });
    Closed { names: texts("names"), prefixes: texts("prefixes"), param }
}

fn charset(
    node: &Node,
    fields: &[Field],
    choices: &Choices<'_>,
    problems: &mut Problems,
) -> Option<RequestCharset> {
    let mut word = |node: &Node, text: &str| {
        let charset = Charset::from_word(text);
        if charset.is_none() {
            problems.add(node.place, format!("no such charset: `{text}`"));
        }
        charset
    };
    if let Some(text) = node.as_text() {
        let text = match text.strip_prefix("param.") {
            Some(name) => choices.word(name).unwrap_or_default(),
            None => text,
        };
        return word(node, text).map(RequestCharset::Fixed);
    }
    let otherwise = node.get("otherwise").and_then(|node| word(node, node.as_text()?));
    let named = node.get("field")?;
    let index = fields.iter().position(|field| Some(field.name.as_str()) == named.as_text());
    if index.is_none() {
        problems.add(named.place, "declare the field that names the charset first");
    }
    Some(RequestCharset::Field(index?, otherwise?))
}

fn place(node: &Node, choices: &Choices<'_>, problems: &mut Problems) -> FieldPlace {
    let Some(found) = node.get("in") else { return FieldPlace::Body };
    let text = found.as_text().unwrap_or_default();
    let word = match text.strip_prefix("param.") {
        Some(name) => choices.word(name).unwrap_or_default(),
        None => text,
    };
    match word {
        "body" => FieldPlace::Body,
        "query" => FieldPlace::Query,
        "either" => FieldPlace::Either,
        _ => {
            problems.add_with_help(
                found.place,
                format!("no such place: `{text}`"),
                "expected body, query, either, or `param.NAME` of a choice between these words",
            );
            FieldPlace::Body
        }
    }
}

fn pairs(node: &Node, problems: &mut Problems) -> Option<Pairs> {
    let pairs = node.get("pairs")?;
    let mut byte = |key: &str, otherwise: u8| match pairs.get(key) {
        None => otherwise,
        Some(node) => {
            if let Some([byte]) = node.as_text().map(str::as_bytes) {
                *byte
            } else {
                problems.add(node.place, format!("`{key}` is one byte"));
                otherwise
            }
        }
    };
    let (separator, equals) = (byte("separator", b','), byte("equals", b'='));
    let keys = pairs.get("keys").map_or(&[][..], Node::entries);
    let keys = keys.iter().map(|(key, node)| PairKey {
        name: key.text.clone(),
        many: flag(node, "many"),
        pattern: pattern(node.get("pattern"), problems),
    });
    Some(Pairs { separator, equals, keys: keys.collect(), trim: flag(pairs, "trim") })
}

/// The payloads of this variant: of those with the same name, the first that applies.
pub(super) fn payload_nodes<'n>(root: &'n Node, choices: &Choices<'_>) -> Vec<(String, &'n Node)> {
    let mut found: Vec<(String, &Node)> = Vec::new();
    for node in root.get("payload").map_or(&[][..], Node::one_or_many) {
        let name = node.get("name").and_then(Node::as_text).unwrap_or("payload");
        if choices.apply(node) && !found.iter().any(|(known, _)| known == name) {
            found.push((name.to_owned(), node));
        }
    }
    found
}

pub(super) fn document(name: &str, node: &Node, names: &mut Names<'_>) -> Option<Document> {
    let from = names.expr(node.get("from")?);
    let fields = document_fields(node, names);
    let format = match node.get("as").and_then(Node::as_text) {
        Some("form") => Format::Form,
        Some("json-list") => Format::JsonList,
        Some("json-or-form") => Format::JsonOrForm,
        Some("xml") => Format::Xml { lower: false },
        Some("xml-any-case") => Format::Xml { lower: true },
        _ => Format::Json,
    };
    let closed = node.get("closed").map(|node| closed(node, names.params, names.problems));
    if let Some(index) = closed.as_ref().and_then(|closed| closed.param) {
        names.needs.insert(index);
    }
    let (name, optional) = (name.to_owned(), flag(node, "optional"));
    Some(Document { name, from: from?, format, optional, closed, fields, early: false })
}

/// The list whose items are one event each.
pub(super) fn batch(node: &Node, names: &mut Names<'_>) -> Option<Batch> {
    let list = names.expr(node.get("of").unwrap_or(node))?;
    Some(Batch { list, fields: document_fields(node, names) })
}

/// What places of a document must look like.
pub(super) fn document_fields(node: &Node, names: &mut Names<'_>) -> Vec<DocumentField> {
    let mut fields = Vec::new();
    for (key, node) in node.get("fields").map_or(&[][..], Node::entries) {
        if let Some(at) = names.reference(&key.text, key.place) {
            let pattern = pattern(node.get("pattern"), names.problems);
            let otherwise = otherwise(node);
            fields.push(DocumentField { at, optional: flag(node, "optional"), pattern, otherwise });
        }
    }
    fields
}

pub(super) fn fresh(root: &Node, choices: &Choices<'_>, names: &mut Names<'_>) -> Vec<Freshness> {
    let mut all = Vec::new();
    for node in root.get("fresh").map_or(&[][..], Node::items) {
        if !choices.apply(node) {
            continue;
        }
        let time = node.get("time").and_then(|node| names.expr(node));
        let limit = match (node.get("max_age"), node.get("must_be").and_then(Node::as_text)) {
            (Some(node), None) => names.param(node, "seconds").map(Limit::Within),
            (None, Some("ahead")) => Some(Limit::Ahead),
            (None, Some(_)) => Some(Limit::Behind),
            _ => {
                names.problems.add(node.place, "expected either `max_age` or `must_be`");
                None
            }
        };
        let format = time_format(node, names.problems);
        if let (Some(value), Some(limit)) = (time, limit) {
            all.push(Freshness { time: Instant { value, format }, limit });
        }
    }
    all
}

/// How a time is written.
pub(super) fn time_format(node: &Node, problems: &mut Problems) -> TimeFormat {
    match node.get("unit").and_then(Node::as_text) {
        Some("ms") => TimeFormat::Milliseconds,
        Some("rfc3339") => TimeFormat::Rfc3339,
        Some("s-or-ms") => TimeFormat::SecondsOrMilliseconds,
        Some("local") => {
            let format = node.get("format").and_then(Node::as_text);
            if format.is_none() {
                let help = "such as `format: '%d.%m.%Y %H:%M:%S'`";
                problems.add_with_help(node.place, "a local time needs its format", help);
            }
            let offset = match node.get("offset") {
                None => Some(0),
                Some(node) => node.as_text().and_then(offset),
            };
            if offset.is_none() {
                problems.add(node.place, "expected an offset such as `+03:00`");
            }
            TimeFormat::Local(format.unwrap_or_default().to_owned(), offset.unwrap_or(0))
        }
        _ => TimeFormat::Seconds,
    }
}

/// Seconds of `+03:00`.
fn offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str, max: i32| {
        let number: i32 = text.parse().ok()?;
        (text.len() == 2 && (0..=max).contains(&number)).then_some(number)
    };
    Some(sign * (number(hours, 14)? * 3600 + number(minutes, 59)? * 60))
}
