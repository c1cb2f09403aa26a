//! A captured request as the start of a rule.

use crate::cli::new::capture::{Capture, Kind, Place};
use crate::cli::new::facts::Facts;
use crate::cli::new::proofs::{self, Guess};
use crate::cli::new::yaml::{key, quoted, shown, text};

/// Parameters of an example whose values nobody but the author knows.
const PLACEHOLDER: &str = "TODO";
/// Bytes of the shortest secret that is also found within a text.
const WITHIN_MIN: usize = 8;

/// The text of the rule. `hidden`: card numbers were taken out of the capture.
pub(super) fn draft(name: &str, capture: &Capture, hidden: bool) -> String {
    let guess = proofs::guess(capture);
    let places = capture.places.iter().filter(|place| {
        place.kind != Kind::Header && !guess.tags.iter().any(|tag| tag.reference == place.reference)
    });
    // What is packed says more than what it is packed in.
    let (leaves, fields): (Vec<&Place>, Vec<&Place>) =
        places.partition(|place| place.kind == Kind::Leaf);
    let facts = Facts::guess(&[leaves, fields].concat());
    let mut draft = Draft { capture, guess, facts, hidden, lines: Vec::new() };
    draft.head(name);
    draft.params();
    draft.request();
    draft.proofs();
    draft.payload();
    draft.guards();
    draft.event();
    draft.example();
    draft.lines.push(String::new());
    draft.lines.join("\n")
}

struct Draft<'c> {
    capture: &'c Capture,
    guess: Guess,
    facts: Facts<'c>,
    hidden: bool,
    lines: Vec<String>,
}

/// A reference, in quotes where YAML would read something else.
pub(super) fn reference(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-. |".contains(c));
    if is_plain { text.to_owned() } else { quoted(text) }
}

impl Draft<'_> {
    fn add(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn head(&mut self, name: &str) {
        let mut letters = name.chars();
        let title: String =
            letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect();
        self.add("# yaml-language-server: $schema=./rule.schema.json");
        self.add(format!("# What {title}'s callbacks look like. Started from one captured request. What is marked TODO only"));
        self.add("# the gateway's documentation can decide.");
        self.add(format!("gateway: {}", key(name)));
        self.add(format!("title: {} # TODO: the gateway's name for people", key(&title)));
        self.add(
            "docs: TODO # TODO: the page that says how callbacks are signed, and when you read it",
        );
        self.add("");
    }

    fn params(&mut self) {
        self.add("params:");
        for (name, declared) in self.guess.params.clone() {
            self.add(format!("  {name}: {declared}"));
        }
        if self.facts.account.is_some() {
            self.add("  # account: { type: text, hint: \"the number of our shop\" }");
        }
        self.add("");
    }

    fn request(&mut self) {
        let Capture { method, body, charset, fields, headers, .. } = self.capture;
        self.add("request:");
        self.add(format!("  method: {method}"));
        self.add(format!("  body: {body}"));
        if let Some(charset) = charset {
            self.add(format!("  charset: {charset} # TODO: which is it?"));
        }
        if !fields.is_empty() {
            self.add("  # TODO: which may be missing (`optional: true`), and what does each look like (`pattern`)?");
            self.add("  fields:");
        }
        for field in fields {
            let mut words = Vec::new();
            words.extend(field.in_query.then_some("in: query"));
            words.extend(field.is_empty.then_some("optional: true"));
            let inner =
                if words.is_empty() { String::new() } else { format!(" {} ", words.join(", ")) };
            self.add(format!("    {}: {{{inner}}}", key(&field.name)));
        }
        if !headers.is_empty() {
            self.add("  headers:");
        }
        for header in headers {
            if header.pairs.is_empty() {
                self.add(format!("    {}: {{}}", key(&header.name)));
                continue;
            }
            self.add(format!("    {}:", key(&header.name)));
            self.add("      pairs:");
            self.add("        keys:");
            for (name, value) in &header.pairs {
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                let inner = if digits { "{ pattern: \"[0-9]{1,20}\" }" } else { "{ many: true }" };
                self.add(format!("          {}: {inner}", key(name)));
            }
        }
        self.add("");
    }

    fn proofs(&mut self) {
        let Guess { proofs, fresh, .. } = self.guess.clone();
        self.lines.extend(proofs);
        self.add("");
        if !fresh.is_empty() {
            self.lines.extend(fresh);
            self.add("");
        }
    }

    fn payload(&mut self) {
        let payloads = &self.capture.payloads;
        match payloads.as_slice() {
            [] => return,
            [one] => {
                let from = reference(&one.from);
                self.add(format!("payload: {{ from: {from}, as: {} }}", one.format));
            }
            several => {
                self.add("payload:");
                for one in several {
                    let name = if one.name == "payload" {
                        String::new()
                    } else {
                        format!("name: {}, ", one.name)
                    };
                    let from = reference(&one.from);
                    self.add(format!("  - {{ {name}from: {from}, as: {} }}", one.format));
                }
            }
        }
        self.add("");
    }

    fn guards(&mut self) {
        let Some(account) = self.facts.account else { return };
        self.add(
            "# TODO: is it for us? Then declare the parameter `account`, and take the `#` away.",
        );
        self.add("# guards:");
        let place = reference(&account.reference);
        self.add(format!("#   - {{ equal: [{place}, param.account], else: account_mismatch }}"));
        self.add("");
    }

    fn event(&mut self) {
        let Facts {
            account,
            amount,
            currency,
            event_id,
            occurred_at,
            order_id,
            status,
            test,
            transaction_id,
        } = self.facts.clone();
        self.add("event:");
        self.add("  # TODO: what does it say? These are guesses by name: take the `#` away where one is right.");
        for (fact, place) in [
            ("account", account),
            ("event_id", event_id),
            ("order_id", order_id),
            ("transaction_id", transaction_id),
        ] {
            if let Some(Place { reference: found, value, .. }) = place {
                self.add(format!("  # {fact}: {} # {}", reference(found), shown(value)));
            }
        }
        if let Some(amount) = amount {
            let unit = if amount.value.contains('.') { "major" } else { "minor" };
            let of =
                currency.map_or("{ text: EUR }".to_owned(), |place| reference(&place.reference));
            let value = reference(&amount.reference);
            let values = [Some(amount), currency].into_iter().flatten();
            let values: Vec<String> = values.map(|place| shown(&place.value)).collect();
            let values = values.join(" ");
            self.add(format!(
                "  # amount: {{ value: {value}, currency: {of}, unit: {unit} }} # {values}"
            ));
        }
        if let Some(place) = occurred_at {
            let unit = unit_of_time(&place.value);
            let value = reference(&place.reference);
            self.add(format!(
                "  # occurred_at: {{ value: {value}, {unit} }} # {}",
                shown(&place.value)
            ));
        }
        if let Some(place) = test {
            let holds = match (place.is_bool, place.name.to_ascii_lowercase().contains("live")) {
                (true, true) => ("unless", "true"),
                (false, true) => ("unless", "[\"1\", \"true\"]"),
                (true, false) => ("when", "true"),
                (false, false) => ("when", "[\"1\", \"true\"]"),
            };
            let (word, wanted) = holds;
            let at = reference(&place.reference);
            self.add(format!(
                "  # test: {{ {word}: {{ {at}: {wanted} }} }} # {}",
                shown(&place.value)
            ));
        }
        self.status(status);
        let dedupe: Vec<String> = match (event_id, transaction_id.or(order_id)) {
            (Some(id), _) => vec![reference(&id.reference)],
            (None, id) => {
                id.into_iter().chain(status).map(|place| reference(&place.reference)).collect()
            }
        };
        let dedupe = if dedupe.is_empty() { vec!["TODO".to_owned()] } else { dedupe };
        self.add(format!(
            "  dedupe: [{}] # TODO: what tells two notifications apart?",
            dedupe.join(", ")
        ));
        self.add("");
        self.add("reply:");
        self.add("  accepted: { status: 200 } # TODO: with which body, if any?");
        self.add("");
    }

    fn status(&mut self, status: Option<&Place>) {
        self.add("  status:");
        let Some(Place { reference: from, value, .. }) = status else {
            self.add("    from: TODO # TODO: where does it say what has happened?");
            self.add("    map: {}");
            return;
        };
        self.add(format!("    from: {}", reference(from)));
        self.add("    # TODO: what does each of its words mean? What is not here is unknown, which is never money.");
        self.add("    map:");
        let word = if value.trim().is_empty() { "TODO" } else { value };
        self.add(format!("      {}: unknown", quoted(word)));
    }

    fn example(&mut self) {
        let Capture { query, form, headers, credentials, raw, remarks, .. } = self.capture;
        self.add("examples:");
        if self.hidden || !self.guess.secret_values.is_empty() {
            self.add("  # TODO: card numbers and secrets were taken out. Were they signed? Then sign it anew.");
        }
        for what in remarks {
            self.add(format!("  # TODO: {what}"));
        }
        self.add("  # TODO: never a real secret. Capture from the sandbox, or sign it anew under a made-up one.");
        self.add("  - name: captured");
        self.add("    params:");
        for (name, _) in self.guess.params.clone() {
            if name != "max_age" {
                self.add(format!("      {name}: {PLACEHOLDER}"));
            }
        }
        if let Some(at) = &self.guess.at {
            let at = format!("    at: {at}");
            self.add(at);
        }
        let secrets = self.guess.secret_values.clone();
        let without = |text: &str| {
            secrets.iter().fold(text.to_owned(), |text, secret| without(&text, secret))
        };
        let mut lines = Vec::new();
        let mut fields = |title: &str, pairs: &[(String, String)]| {
            if !pairs.is_empty() {
                lines.push(format!("      {title}:"));
            }
            for (name, value) in pairs {
                lines.push(format!("        {}: {}", key(name), quoted(&without(value))));
            }
        };
        fields("query", query);
        let mut sent: Vec<(String, String)> =
            headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
        if let Some(line) = credentials
            && !headers.iter().any(|header| header.name == "authorization")
        {
            sent.push(("authorization".to_owned(), line.clone()));
        }
        fields("headers", &sent);
        fields("form", form);
        if form.is_empty() && !raw.is_empty() {
            lines.push(format!("      body: {}", text(&without(raw), 6)));
        }
        if lines.is_empty() {
            self.add("    request: {}");
        } else {
            self.add("    request:");
            self.lines.extend(lines);
        }
        self.expect();
    }

    fn expect(&mut self) {
        let Facts { amount, currency, order_id, .. } = self.facts.clone();
        self.add("    expect:");
        self.add("      accept:");
        self.add("        # TODO: every fact that it must say");
        if let Some(order) = order_id {
            self.add(format!("        # order_id: {}", quoted(&shown(&order.value))));
        }
        if let Some(amount) = amount {
            let currency = currency.map_or("EUR".to_owned(), |place| shown(&place.value));
            let value = quoted(&shown(&amount.value));
            self.add(format!(
                "        # amount: {{ value: {value}, currency: {} }}",
                quoted(&currency)
            ));
        }
        self.add("        # credit: true");
        self.add("        status: unknown");
    }
}

/// The text without a secret. A short one may be part of something else: only as a whole value.
fn without(text: &str, secret: &str) -> String {
    if text == secret {
        return PLACEHOLDER.to_owned();
    }
    if secret.len() >= WITHIN_MIN {
        return text.replace(secret, PLACEHOLDER);
    }
    [("\"", "\""), (">", "<")].into_iter().fold(text.to_owned(), |text, (before, after)| {
        text.replace(&format!("{before}{secret}{after}"), &format!("{before}{PLACEHOLDER}{after}"))
    })
}

/// How a time is written, as far as one can see.
fn unit_of_time(text: &str) -> &'static str {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match (digits, text.len()) {
        (true, 13) => "unit: ms",
        (true, _) => "unit: s",
        (false, _) if text.contains('T') => "unit: rfc3339",
        (false, _) => "unit: local, format: \"%Y-%m-%d %H:%M:%S\"",
    }
}

/// `| strip sha256=`, where something stands before a tag.
pub(super) fn stripped(place: &str, scheme: &str) -> String {
    match scheme {
        "" => reference(place),
        // A blank at its end counts.
        _ => quoted(&format!("{place} | strip '{scheme}'")),
    }
}
