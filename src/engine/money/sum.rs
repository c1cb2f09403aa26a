//! Sums of money, exact: decimal text, digit by digit.

use std::collections::BTreeMap;

use crate::engine::event::Amount;

/// A sum for each currency.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sums(BTreeMap<String, String>);

impl Sums {
    /// One more. What is no decimal text counts as nothing: the engine makes no such amounts.
    pub fn add(&mut self, amount: &Amount) {
        let Amount { value, currency } = amount;
        let sum = self.0.get(currency).map_or("0", String::as_str);
        if let Some(sum) = plus(sum, value) {
            self.0.insert(currency.clone(), sum);
        }
    }

    /// All of these too.
    pub fn extend(&mut self, others: &Self) {
        others.amounts().for_each(|amount| self.add(&amount));
    }

    /// In the order of their currencies.
    pub fn amounts(&self) -> impl Iterator<Item = Amount> {
        self.0
            .iter()
            .map(|(currency, value)| Amount { value: value.clone(), currency: currency.clone() })
    }
}

/// With as many decimals as the one that has more.
fn plus(a: &str, b: &str) -> Option<String> {
    let ((a_whole, a_fraction), (b_whole, b_fraction)) = (halves(a)?, halves(b)?);
    let decimals = a_fraction.len().max(b_fraction.len());
    let width = a_whole.len().max(b_whole.len());
    let digits = |whole: &str, fraction: &str| format!("{whole:0>width$}{fraction:0<decimals$}");
    let (a, b) = (digits(a_whole, a_fraction), digits(b_whole, b_fraction));
    let mut carry = 0;
    let mut sum: Vec<u8> = a
        .bytes()
        .zip(b.bytes())
        .rev()
        .map(|(a, b)| {
            let digit = (a - b'0') + (b - b'0') + carry;
            carry = digit / 10;
            b'0' + digit % 10
        })
        .collect();
    sum.push(b'0' + carry);
    sum.reverse();
    let sum = String::from_utf8(sum).ok()?;
    let (whole, fraction) = sum.split_at_checked(sum.len() - decimals)?;
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    Some(super::join(whole, fraction))
}

fn halves(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    (!whole.is_empty() && super::are_digits(whole) && super::are_digits(fraction))
        .then_some((whole, fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parts: &[&str], want: &[&str]) {
        let mut sums = Sums::default();
        for part in parts {
            sums.add(&Amount { value: (*part).to_owned(), currency: "EUR".to_owned() });
        }
        let sums: Vec<_> = sums.amounts().map(|amount| amount.value).collect();
        assert_eq!(sums, want, "{parts:?}");
    }

    #[test]
    fn sums_are_exact() {
        check(&[], &[]);
        check(&["0.1", "0.2"], &["0.3"]);
        check(&["10.00", "5.5"], &["15.50"]);
        check(&["0.99", "0.01"], &["1.00"]);
        check(&["999", "1"], &["1000"]);
        check(&["0.00", "0.00"], &["0.00"]);
        check(&["0.00000001", "20999999.99999999"], &["21000000.00000000"]);
        check(&["0.000000000000000001", "1"], &["1.000000000000000001"]);
        check(&["99999999999999999999.99"; 100], &["9999999999999999999999.00"]);
    }

    #[test]
    fn what_is_no_amount_is_nothing() {
        check(&["", ".5", "-1", "1e3", "1,0", "1.2.3", "NaN"], &[]);
        check(&["1", "x"], &["1"]);
    }

    #[test]
    fn each_currency_has_its_own_sum() {
        let amount = |value: &str, currency: &str| Amount {
            value: value.to_owned(),
            currency: currency.to_owned(),
        };
        let (mut sums, mut more) = (Sums::default(), Sums::default());
        sums.add(&amount("1.50", "UAH"));
        more.add(&amount("2", "EUR"));
        more.add(&amount("0.25", "UAH"));
        sums.extend(&more);
        assert_eq!(sums.amounts().collect::<Vec<_>>(), [amount("2", "EUR"), amount("1.75", "UAH")]);
    }
}
