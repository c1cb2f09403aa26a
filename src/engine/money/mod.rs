//! Money as exact decimal text. No floats, no rounding: what does not fit is refused.

mod sum;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use iso_currency::Currency;

use crate::engine::event::Amount;

pub use sum::Sums;

/// Digits before the decimal point.
pub const WHOLE_DIGITS_MAX: usize = 30;
/// Digits after the decimal point, and the most decimals that a rule may give a currency.
pub const DECIMALS_MAX: usize = 18;
/// Characters of a currency code.
pub const CODE_MAX: usize = 16;

/// Decimals of a thousandth.
const MILLI_DECIMALS: usize = 3;

/// What an amount counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// `100.10`: hryvnias.
    Major,
    /// `100100`: thousandths of a hryvnia, whatever decimals it has (Apple).
    Milli,
    /// `10010`: kopiykas.
    Minor,
}

/// How an amount is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notation {
    /// Also what JavaScript writes for very large and very small numbers, and only so: `1e+21`,
    /// `1.5e-7`.
    JavaScript,
    /// Digits and at most one decimal point, digits on both sides of it.
    Plain,
}

/// How many decimals a currency has: the gateway's own count before that of ISO 4217.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Decimals {
    /// By letter code in upper case, at most [`DECIMALS_MAX`].
    pub own: BTreeMap<String, u8>,
    /// Of every currency that `own` does not name; `None`: ISO 4217.
    pub otherwise: Option<u8>,
}

/// How a gateway writes one amount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MoneyRule {
    /// Major, milli or minor.
    pub unit: Unit,
    /// With or without exponents.
    pub notation: Notation,
    /// Decimals of ISO 4217 currencies.
    pub decimals: Decimals,
    /// Codes that are not ISO 4217 (`WMZ`) stay as they are, and their amount keeps its digits.
    pub foreign_codes: bool,
}

/// Why an amount was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MoneyError {
    /// Not a code that the rule allows, or one without a known number of decimals.
    Currency,
    /// Not an amount: sign, space, separator, exponent, too many digits.
    Malformed,
    /// Digits other than zero beyond the currency's decimals.
    TooPrecise,
}

/// The canonical amount. `currency` may be ISO 4217 letters in any letter case or its number, with
/// or without leading zeros.
pub fn amount(text: &str, currency: &str, how: &MoneyRule) -> Result<Amount, MoneyError> {
    let (whole, fraction) = match how.notation {
        Notation::Plain => plain(text),
        Notation::JavaScript => plain(text).or_else(|| with_exponent(text)),
    }
    .ok_or(MoneyError::Malformed)?;
    if currency.len() > CODE_MAX || !currency.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(MoneyError::Currency);
    }
    let Some(iso) = iso(currency) else {
        // Nobody says how many minor units a foreign unit has.
        if currency.is_empty() || !how.foreign_codes || how.unit != Unit::Major {
            return Err(MoneyError::Currency);
        }
        return Ok(Amount { value: join(&whole, &fraction), currency: currency.to_owned() });
    };
    let decimals = how.decimals.of(iso).ok_or(MoneyError::Currency)?;
    let value = match how.unit {
        Unit::Major => join(&whole, &fit(&fraction, decimals)?),
        Unit::Milli | Unit::Minor if !fraction.is_empty() => return Err(MoneyError::Malformed),
        Unit::Minor => {
            let (whole, fraction) = shifted(&whole, decimals);
            join(&whole, &fraction)
        }
        Unit::Milli => {
            let (whole, fraction) = shifted(&whole, MILLI_DECIMALS);
            join(&whole, &fit(&fraction, decimals)?)
        }
    };
    Ok(Amount { value, currency: iso.code().to_owned() })
}

/// Which is more, of one currency; `None` for two currencies, or for what is no amount.
pub fn compare(a: &Amount, b: &Amount) -> Option<Ordering> {
    let (a_whole, a_fraction) = plain(&a.value)?;
    let (b_whole, b_fraction) = plain(&b.value)?;
    (a.currency == b.currency).then(|| {
        // Without leading zeros the longer number is the larger; without trailing zeros fractions
        // compare as text.
        (a_whole.len().cmp(&b_whole.len()))
            .then_with(|| a_whole.cmp(&b_whole))
            .then_with(|| a_fraction.trim_end_matches('0').cmp(b_fraction.trim_end_matches('0')))
    })
}

/// Whether it is no money at all.
pub fn is_zero(amount: &Amount) -> bool {
    amount.value.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// The letters of an ISO 4217 code that is written in letters of any case or as a number.
pub fn letters(code: &str) -> Option<&'static str> {
    iso(code).map(|currency| currency.code())
}

/// A decimal number in its shortest writing: `19.90` and `19.9` are one number, and so are `-0` and
/// `0`. `None`: not a plain decimal number.
pub fn shortest(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = plain(digits)?;
    let number = join(&whole, fraction.trim_end_matches('0'));
    Some(if number == "0" { number } else { format!("{sign}{number}") })
}

impl Decimals {
    fn of(&self, currency: Currency) -> Option<usize> {
        let own = self.own.get(currency.code()).copied().or(self.otherwise);
        own.map(usize::from).or_else(|| currency.exponent().map(usize::from))
    }
}

/// Digits before and after the decimal point.
type Digits<'a> = (Cow<'a, str>, Cow<'a, str>);

fn plain(text: &str) -> Option<Digits<'_>> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    let canonical = whole == "0" || !whole.is_empty() && !whole.starts_with('0');
    let read = canonical && are_digits(whole) && are_digits(fraction) && fits(whole, fraction);
    read.then_some((Cow::Borrowed(whole), Cow::Borrowed(fraction)))
}

/// The form of ECMA-262 `Number::toString` from 1e21 up and below 1e-6: one digit other than zero,
/// no trailing zeros, a sign, no leading zeros.
fn with_exponent(text: &str) -> Option<Digits<'static>> {
    let (mantissa, exponent) = text.split_once('e')?;
    let (first, rest) = match mantissa.split_once('.') {
        Some((_, rest)) if rest.is_empty() || rest.ends_with('0') => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let (up, size) = match (exponent.strip_prefix('+'), exponent.strip_prefix('-')) {
        (Some(size), _) => (true, size),
        (_, Some(size)) => (false, size),
        _ => return None,
    };
    if !matches!(first.as_bytes(), [b'1'..=b'9'])
        || !are_digits(rest)
        || !matches!(size.as_bytes(), [b'1'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'])
        || !are_digits(size)
    {
        return None;
    }
    let size: usize = size.parse().ok()?;
    let (whole, fraction) = if up {
        let zeros = size.checked_sub(rest.len()).filter(|_| size >= 21)?;
        (format!("{first}{rest}{}", "0".repeat(zeros)), String::new())
    } else {
        let zeros = size.checked_sub(1).filter(|_| size >= 7)?;
        ("0".to_owned(), format!("{}{first}{rest}", "0".repeat(zeros)))
    };
    fits(&whole, &fraction).then_some((Cow::Owned(whole), Cow::Owned(fraction)))
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn fits(whole: &str, fraction: &str) -> bool {
    whole.len() <= WHOLE_DIGITS_MAX && fraction.len() <= DECIMALS_MAX
}

fn iso(code: &str) -> Option<Currency> {
    match code.len() {
        1..=3 if are_digits(code) => Currency::from_numeric(code.parse().ok()?),
        3 => Currency::from_code(&code.to_ascii_uppercase()),
        _ => None,
    }
}

/// The fraction with exactly that many digits.
fn fit(fraction: &str, decimals: usize) -> Result<Cow<'_, str>, MoneyError> {
    match fraction.split_at_checked(decimals) {
        Some((kept, beyond)) if beyond.bytes().all(|digit| digit == b'0') => Ok(kept.into()),
        Some(_) => Err(MoneyError::TooPrecise),
        None => Ok(format!("{fraction:0<decimals$}").into()),
    }
}

/// The digits with a point before the last `decimals` of them.
fn shifted(units: &str, decimals: usize) -> (String, String) {
    // At least one digit before the point.
    let mut whole = format!("{units:0>width$}", width = decimals + 1);
    let fraction = whole.split_off(whole.len() - decimals);
    (whole, fraction)
}

fn join(whole: &str, fraction: &str) -> String {
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests;
