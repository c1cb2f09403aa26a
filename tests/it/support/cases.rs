//! The vectors of `tests/vectors`, each as a route of its own and a callback to send there.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::engine::inbound::UnixSeconds;
use countersign::engine::params::ParamKind;
use countersign::rule::{self, Rule};
use serde_json::Value;

use super::gateways::GATEWAYS;
use super::shop::{Folder, Wired};
use super::wire::Callback;

/// One vector.
pub(crate) struct Case {
    /// Also of its route.
    pub(crate) name: String,
    pub(crate) gateway: String,
    /// When it is; `None`: whenever.
    pub(crate) now: Option<UnixSeconds>,
    pub(crate) callback: Callback,
    /// `event`, `reply`, `reasons`.
    pub(crate) expect: Value,
    /// What the gateway is asked, and its canned answers.
    pub(crate) exchanges: Vec<Value>,
    /// Whence it comes, where that matters.
    pub(crate) remote_addr: Option<String>,
    params: Vec<(String, Vec<String>)>,
}

pub(crate) fn rule(gateway: &str) -> Rule {
    let (_, text) = rule::shipped().iter().find(|(name, _)| *name == gateway).unwrap();
    rule::compile(gateway, text).unwrap_or_else(|problems| panic!("{}", problems.render(text)))
}

/// Our own vectors with this verdict, of the four gateways.
pub(crate) fn own(verdict: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for gateway in GATEWAYS {
        for vector in vectors(gateway) {
            if vector["provenance"] == "own" && vector["expect"]["verdict"] == verdict {
                cases.push(Case::of(&vector));
            }
        }
    }
    assert!(cases.len() > 60, "{} vectors", cases.len());
    cases
}

/// The one vector of that name.
pub(crate) fn named(gateway: &str, name: &str) -> Case {
    let vector = vectors(gateway).into_iter().find(|vector| vector["name"] == name);
    Case::of(&vector.unwrap_or_else(|| panic!("tests/vectors/{gateway}.jsonl has no `{name}`")))
}

fn vectors(gateway: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let text = std::fs::read_to_string(folder.join(format!("{gateway}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Case {
    fn of(vector: &Value) -> Self {
        let request = &vector["request"];
        let target = text(&request["target"]);
        let headers = request["headers"].as_array().unwrap();
        let headers = headers
            .iter()
            .map(|header| (text(&header[0]), text(&header[1]).into_bytes()))
            .collect();
        let callback = Callback {
            method: text(&request["method"]),
            query: target.find('?').map_or("", |at| &target[at..]).to_owned(),
            headers,
            body: STANDARD.decode(text(&request["body_base64"])).unwrap(),
        };
        let params = vector["params"].as_object().unwrap().iter().map(|(name, value)| {
            let values = match value {
                Value::Array(values) => values.iter().map(text).collect(),
                value => vec![text(value)],
            };
            (name.clone(), values)
        });
        Self {
            name: format!("{}-{}", text(&vector["gateway"]), text(&vector["name"])),
            gateway: text(&vector["gateway"]),
            now: vector["now"].as_i64(),
            callback,
            expect: vector["expect"].clone(),
            exchanges: vector["exchanges"].as_array().unwrap().clone(),
            remote_addr: request["remote_addr"].as_str().map(str::to_owned),
            params: params.collect(),
        }
    }

    /// A route for it; its secrets are put into the folder.
    pub(crate) fn route(&self, folder: &Folder) -> Wired {
        Wired {
            name: self.name.clone(),
            gateway: self.gateway.clone(),
            // JSON is YAML, too.
            params: self.params(folder).to_string(),
            ..Wired::usual(&self.gateway)
        }
    }

    /// The parameters of its route; its secrets are put into the folder.
    pub(crate) fn params(&self, folder: &Folder) -> Value {
        let rule = rule(&self.gateway);
        let params = self.params.iter().map(|(name, values)| {
            let spec = rule.params().iter().find(|spec| spec.name == *name).unwrap();
            let mut values = values.iter().enumerate().map(|(n, value)| {
                if spec.kind == ParamKind::Secret {
                    let file = format!("secrets/{}.{name}.{n}", self.name);
                    folder.write(&file, value);
                    Value::from(format!("file:{file}"))
                } else {
                    Value::from(value.as_str())
                }
            });
            let value = if spec.list { values.collect() } else { values.next().unwrap() };
            (name.clone(), value)
        });
        params.collect::<serde_json::Map<_, _>>().into()
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
