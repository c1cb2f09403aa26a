//! JSON of the API for people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::Value;

use crate::engine::event::Amount;
use crate::engine::money::Sums;

/// A value in a cell or a line: nothing that moves a cursor, and `-` for nothing.
pub(in crate::cli) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Object(amount) if amount.contains_key("currency") => {
            format!("{} {}", cell(&value["value"]), cell(&value["currency"]))
        }
        other => other.to_string(),
    }
}

fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

/// `120.00 EUR, 30.00 UAH`
pub(in crate::cli) fn credits(sums: &Value) -> String {
    let sums: Vec<String> = sums.as_array().into_iter().flatten().map(cell).collect();
    if sums.is_empty() { "none".to_owned() } else { sums.join(", ") }
}

/// An object, one member a line.
pub(in crate::cli) fn details(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    let Some(members) = value.as_object() else { return Ok(()) };
    let width = members.keys().map(|key| key.chars().count()).max().unwrap_or_default();
    for (key, value) in members {
        match value {
            Value::Object(inner) if !inner.contains_key("currency") => {
                writeln!(out, "{key}:")?;
                let text = serde_json::to_string_pretty(value)?;
                text.lines().try_for_each(|line| writeln!(out, "  {}", plain(line)))?;
            }
            value => writeln!(out, "{key:width$}  {}", cell(value))?,
        }
    }
    Ok(())
}

/// A list, one object a line.
pub(in crate::cli) fn lines(out: &mut dyn Write, list: &Value) -> io::Result<()> {
    list.as_array().into_iter().flatten().try_for_each(|item| writeln!(out, "{item}"))
}

/// A request that was kept.
pub(in crate::cli) fn request(out: &mut dyn Write, request: &Value) -> io::Result<()> {
    writeln!(out, "{} {}", cell(&request["method"]), cell(&request["target"]))?;
    for header in request["headers"].as_array().into_iter().flatten() {
        writeln!(out, "{}: {}", cell(&header["name"]), cell(&header["value"]))?;
    }
    let body = request["body"].as_str().unwrap_or_default();
    writeln!(out)?;
    body.lines().try_for_each(|line| writeln!(out, "{}", plain(line)))
}

/// How many there were, and the credits among them by what has become of them: what was dropped is
/// no money.
#[derive(Default)]
pub(in crate::cli) struct Sum {
    count: u64,
    credits: BTreeMap<String, Sums>,
}

impl Sum {
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One more, of which this has become, and that says this.
    pub(in crate::cli) fn add(&mut self, became: &Value, said: &Value) {
        self.count += 1;
        let text = |key: &str| said["amount"][key].as_str().map(str::to_owned);
        if let (true, Some(value), Some(currency)) =
            (said["credit"] == true, text("value"), text("currency"))
        {
            self.credits.entry(cell(became)).or_default().add(&Amount { value, currency });
        }
    }

    /// `9 events, credits: delivered 62.50 EUR, dropped 99.00 EUR`
    pub(in crate::cli) fn said(&self, noun: &str) -> String {
        let plural = if self.count == 1 { "" } else { "s" };
        let of = |(became, sums): (&String, &Sums)| -> Vec<String> {
            let said = |Amount { value, currency }| format!("{became} {value} {currency}");
            sums.amounts().map(said).collect()
        };
        let credits: Vec<String> = self.credits.iter().flat_map(of).collect();
        let credits = if credits.is_empty() { "none".to_owned() } else { credits.join(", ") };
        format!("{} {noun}{plural}, credits: {credits}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn credits_are_summed_up_by_what_has_become_of_them() {
        let mut sum = Sum::default();
        assert_eq!(sum.said("event"), "0 events, credits: none");
        for (state, value, currency, credit) in [
            ("delivered", "50.00", "EUR", true),
            ("dropped", "99.00", "EUR", true),
            ("delivered", "12.50", "EUR", true),
            ("delivered", "3", "UAH", true),
            ("held", "7.00", "EUR", false),
        ] {
            let amount = json!({ "value": value, "currency": currency });
            sum.add(&json!(state), &json!({ "credit": credit, "amount": amount }));
        }
        let want = "5 events, credits: delivered 62.50 EUR, delivered 3 UAH, dropped 99.00 EUR";
        assert_eq!(sum.said("event"), want);
    }
}
