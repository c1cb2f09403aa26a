//! Names and words that a filter may hold. One that is none of them is probably mistyped, unless
//! something is kept under it: routes leave a configuration, their events stay.

use serde_json::Value;

use super::show::cell;
use crate::live::loader::Access;
use crate::metrics::Outcome;
use crate::server::Refusal;
use crate::text::problem::did_you_mean;

/// Words that are listed, at most; of more only the nearest is named.
const LISTED_MAX: usize = 12;

/// Names of the configuration.
pub(super) struct Known {
    routes: Vec<String>,
    gateways: Vec<String>,
}

impl Known {
    pub(super) fn of(access: &Access) -> Self {
        Self { routes: access.routes.clone(), gateways: access.gateways.clone() }
    }

    /// What is to be said of a filter that found nothing; `None`: there might have been something.
    pub(super) fn doubt(&self, key: &str, value: &str) -> Option<String> {
        let names = |names: &[String]| names.to_vec();
        let words = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
        let (what, known): (_, Vec<String>) = match key {
            "route" => ("route", names(&self.routes)),
            "gateway" => ("gateway", names(&self.gateways)),
            "outcome" => ("outcome", words(Outcome::ALL.map(Outcome::as_str).to_vec())),
            "reason" | "why" => ("reason", words(Refusal::words().chain(["ok"]).collect())),
            _ => return None,
        };
        if known.iter().any(|known| known == value) {
            return None;
        }
        let known = || known.iter().map(String::as_str);
        let near = did_you_mean(value, known()).or(known().find(|name| name.contains(value)));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let list = if known().count() <= LISTED_MAX {
            let list: Vec<String> = known().map(|name| format!("`{name}`")).collect();
            format!("\n  help: there are {}", list.join(", "))
        } else {
            String::new()
        };
        let value = cell(&Value::from(value));
        Some(format!("no {what} `{value}` is known, and nothing of it is kept{near}{list}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic fails the test")]

    use super::*;

    #[test]
    fn what_is_not_known_is_named_with_what_was_probably_meant() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let known = Known {
            routes: names(&["/pay/liqpay/", "/pay/stripe"]),
            gateways: names(&["liqpay", "stripe"]),
        };
        for (key, value, near) in [
            (
                "route",
                "liqpay",
                "did you mean `/pay/liqpay/`?\n  help: there are `/pay/liqpay/`, `/pay/stripe`",
            ),
            ("route", "/pay/strip", "did you mean `/pay/stripe`?"),
            (
                "gateway",
                "lipqay",
                "no gateway `lipqay` is known, and nothing of it is kept; did you mean `liqpay`?",
            ),
            ("outcome", "rejcted", "did you mean `rejected`?"),
            ("reason", "signature_mismtach", "did you mean `signature_mismatch`?"),
            ("why", "upstream_dwon", "did you mean `upstream_down`?"),
            ("gateway", "\u{1b}[2J", "no gateway `\\u{1b}[2J` is known"),
        ] {
            let doubt = known.doubt(key, value).unwrap();
            assert!(doubt.contains(near), "{key} {value}: {doubt}");
        }
        for (key, value) in [
            ("route", "/pay/stripe"),
            ("gateway", "stripe"),
            ("outcome", "undelivered"),
            ("reason", "ok"),
            ("why", "rate_limited"),
            ("payment", "order-1"),
        ] {
            assert_eq!(known.doubt(key, value), None, "{key} {value}");
        }
    }
}
