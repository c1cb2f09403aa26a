//! Amounts that are exact, and amounts that are refused.
#![allow(clippy::unwrap_used, reason = "a test that panics fails, which is what it is for")]

use proptest::prelude::*;

use super::MoneyError::{Currency as NoCurrency, Malformed, TooPrecise};
use super::*;

fn rule(unit: Unit) -> MoneyRule {
    MoneyRule {
        unit,
        notation: Notation::Plain,
        decimals: Decimals::default(),
        foreign_codes: false,
    }
}

fn read(text: &str, currency: &str, how: &MoneyRule) -> Result<String, MoneyError> {
    amount(text, currency, how).map(|amount| format!("{} {}", amount.value, amount.currency))
}

#[test]
fn major_units_get_the_decimals_of_their_currency_and_are_never_rounded() {
    let cases = [
        ("100.1", "UAH", Ok("100.10 UAH")),
        ("100", "UAH", Ok("100.00 UAH")),
        ("0", "UAH", Ok("0.00 UAH")),
        ("0.00", "UAH", Ok("0.00 UAH")),
        ("0.01", "UAH", Ok("0.01 UAH")),
        ("12.500", "UAH", Ok("12.50 UAH")),
        ("12.505", "UAH", Err(TooPrecise)),
        ("12.501", "UAH", Err(TooPrecise)),
        ("5.12", "KWD", Ok("5.120 KWD")),
        ("5.1200", "KWD", Ok("5.120 KWD")),
        ("5.1201", "KWD", Err(TooPrecise)),
        ("500", "JPY", Ok("500 JPY")),
        ("500.00", "JPY", Ok("500 JPY")),
        ("500.50", "JPY", Err(TooPrecise)),
        ("15000", "AMD", Ok("15000.00 AMD")),
        ("1.2345", "CLF", Ok("1.2345 CLF")),
        ("999999999999999999999999999999.99", "USD", Ok("999999999999999999999999999999.99 USD")),
        ("1000000000000000000000000000000", "USD", Err(Malformed)),
        ("1.000000000000000000", "USD", Ok("1.00 USD")),
        ("1.0000000000000000000", "USD", Err(Malformed)),
    ];
    for (text, currency, expected) in cases {
        let expected = expected.map(str::to_owned);
        assert_eq!(read(text, currency, &rule(Unit::Major)), expected, "{text} {currency}");
    }
}

#[test]
fn thousandths_get_the_decimals_of_their_currency_and_are_never_rounded() {
    let cases = [
        ("1990", "USD", Ok("1.99 USD")),
        ("12990", "usd", Ok("12.99 USD")),
        ("0", "USD", Ok("0.00 USD")),
        ("10", "USD", Ok("0.01 USD")),
        ("120000", "JPY", Ok("120 JPY")),
        ("1234", "KWD", Ok("1.234 KWD")),
        ("1234", "CLF", Ok("1.2340 CLF")),
        ("1995", "USD", Err(TooPrecise)),
        ("1", "USD", Err(TooPrecise)),
        ("120500", "JPY", Err(TooPrecise)),
        ("1990.0", "USD", Err(Malformed)),
    ];
    for (text, currency, expected) in cases {
        let expected = expected.map(str::to_owned);
        assert_eq!(read(text, currency, &rule(Unit::Milli)), expected, "{text} {currency}");
    }
    let foreign = MoneyRule { foreign_codes: true, ..rule(Unit::Milli) };
    assert_eq!(read("1990", "WMZ", &foreign), Err(NoCurrency));
}

#[test]
fn what_is_no_amount_is_refused() {
    let ten_to_the_40 = format!("1{}", "0".repeat(40));
    let cases = [
        "",
        " ",
        ".",
        "-",
        "-1",
        "-0",
        "-0.00",
        "+1",
        "1 ",
        " 1",
        "1 000",
        "1,000.00",
        "1,00",
        "1'000",
        "1_000",
        "1.",
        ".5",
        "1.2.3",
        "1..2",
        "00",
        "01",
        "00.5",
        "1e3",
        "1E3",
        "1e+3",
        "1e-7",
        "1e+21",
        "0x10",
        "NaN",
        "Infinity",
        "null",
        "\u{663}",
        "\u{ff11}",
        "1\u{a0}000",
        "1\0",
        "1.0\n",
        "10^40",
        "$1",
        "1 UAH",
        "½",
        &ten_to_the_40,
    ];
    for text in cases {
        for unit in [Unit::Major, Unit::Milli, Unit::Minor] {
            assert_eq!(read(text, "UAH", &rule(unit)), Err(Malformed), "{text:?}");
        }
    }
}

#[test]
fn minor_units_are_counted_in_the_decimals_of_their_currency() {
    let cases = [
        ("10010", "UAH", Ok("100.10 UAH")),
        ("0", "UAH", Ok("0.00 UAH")),
        ("5", "UAH", Ok("0.05 UAH")),
        ("50", "UAH", Ok("0.50 UAH")),
        ("5120", "KWD", Ok("5.120 KWD")),
        ("500", "JPY", Ok("500 JPY")),
        ("50000", "ISK", Ok("50000 ISK")),
        ("100.0", "UAH", Err(Malformed)),
        ("100.10", "UAH", Err(Malformed)),
    ];
    for (text, currency, expected) in cases {
        let expected = expected.map(str::to_owned);
        assert_eq!(read(text, currency, &rule(Unit::Minor)), expected, "{text} {currency}");
    }
}

#[test]
fn the_gateway_s_own_count_of_decimals_comes_first() {
    let stripe = MoneyRule {
        decimals: Decimals {
            own: [("ISK".to_owned(), 2), ("UGX".to_owned(), 2)].into(),
            otherwise: None,
        },
        ..rule(Unit::Minor)
    };
    assert_eq!(read("50000", "isk", &stripe).unwrap(), "500.00 ISK");
    assert_eq!(read("50000", "UGX", &stripe).unwrap(), "500.00 UGX");
    assert_eq!(read("50000", "jpy", &stripe).unwrap(), "50000 JPY");
    assert_eq!(read("50000", "kwd", &stripe).unwrap(), "50.000 KWD");
    let paysera = MoneyRule {
        decimals: Decimals { otherwise: Some(2), ..Decimals::default() },
        ..rule(Unit::Minor)
    };
    assert_eq!(read("50000", "JPY", &paysera).unwrap(), "500.00 JPY");
    assert_eq!(read("50000", "KWD", &paysera).unwrap(), "500.00 KWD");
}

#[test]
fn a_currency_is_iso_letters_in_any_case_or_its_number() {
    let cases = [
        ("uah", Ok("1.00 UAH")),
        ("Uah", Ok("1.00 UAH")),
        ("980", Ok("1.00 UAH")),
        ("643", Ok("1.00 RUB")),
        ("051", Ok("1.00 AMD")),
        ("51", Ok("1.00 AMD")),
        ("8", Ok("1.00 ALL")),
        ("0051", Err(NoCurrency)),
        ("000", Err(NoCurrency)),
        ("810", Err(NoCurrency)),
        ("", Err(NoCurrency)),
        ("UA", Err(NoCurrency)),
        ("UAH ", Err(NoCurrency)),
        ("ETH", Err(NoCurrency)),
        ("WMZ", Err(NoCurrency)),
        ("XAU", Err(NoCurrency)),
        ("₴", Err(NoCurrency)),
    ];
    for (code, expected) in cases {
        let expected = expected.map(str::to_owned);
        assert_eq!(read("1", code, &rule(Unit::Major)), expected, "{code}");
    }
}

#[test]
fn foreign_codes_stay_as_they_are_where_the_rule_allows_them() {
    let how = MoneyRule { foreign_codes: true, ..rule(Unit::Major) };
    let cases = [
        ("1.500", "WMZ", Ok("1.500 WMZ")),
        ("0.00000001", "eth", Ok("0.00000001 eth")),
        ("7", "USDTTRC20", Ok("7 USDTTRC20")),
        ("1.5", "uah", Ok("1.50 UAH")),
        ("1.555", "UAH", Err(TooPrecise)),
        ("1e-7", "ETH", Err(Malformed)),
        ("1", "", Err(NoCurrency)),
        ("1", "US D", Err(NoCurrency)),
        ("1", "USDT-TRC", Err(NoCurrency)),
        ("1", "ЕТН", Err(NoCurrency)),
        ("1", "A2345678901234567", Err(NoCurrency)),
        ("1", "A234567890123456", Ok("1 A234567890123456")),
        ("1", "XAU", Err(NoCurrency)),
    ];
    for (text, code, expected) in cases {
        assert_eq!(read(text, code, &how), expected.map(str::to_owned), "{text} {code}");
    }
    let minor = MoneyRule { foreign_codes: true, ..rule(Unit::Minor) };
    assert_eq!(read("1", "ETH", &minor), Err(NoCurrency));
}

#[test]
fn exponents_are_written_out_where_javascript_writes_them() {
    let how =
        MoneyRule { notation: Notation::JavaScript, foreign_codes: true, ..rule(Unit::Major) };
    let cases = [
        ("1e-7", "ETH", Ok("0.0000001 ETH")),
        ("1.25e-9", "ETH", Ok("0.00000000125 ETH")),
        ("1e-18", "ETH", Ok("0.000000000000000001 ETH")),
        ("1e-19", "ETH", Err(Malformed)),
        ("1e+21", "ETH", Ok("1000000000000000000000 ETH")),
        ("1.5e+21", "UAH", Ok("1500000000000000000000.00 UAH")),
        ("9e+29", "ETH", Ok("900000000000000000000000000000 ETH")),
        ("1e+30", "ETH", Err(Malformed)),
        ("1e+999999999999999999999", "ETH", Err(Malformed)),
        ("1e-7", "UAH", Err(TooPrecise)),
        ("12.5", "UAH", Ok("12.50 UAH")),
        ("1e3", "ETH", Err(Malformed)),
        ("1e+3", "ETH", Err(Malformed)),
        ("1e21", "ETH", Err(Malformed)),
        ("1E+21", "ETH", Err(Malformed)),
        ("1e-6", "ETH", Err(Malformed)),
        ("1e-07", "ETH", Err(Malformed)),
        ("1e-+7", "ETH", Err(Malformed)),
        ("1.0e-7", "ETH", Err(Malformed)),
        ("1.e-7", "ETH", Err(Malformed)),
        (".1e-7", "ETH", Err(Malformed)),
        ("10e-7", "ETH", Err(Malformed)),
        ("0e-7", "ETH", Err(Malformed)),
        ("-1e-7", "ETH", Err(Malformed)),
        ("e-7", "ETH", Err(Malformed)),
        ("1e-", "ETH", Err(Malformed)),
        ("1e", "ETH", Err(Malformed)),
    ];
    for (text, code, expected) in cases {
        assert_eq!(read(text, code, &how), expected.map(str::to_owned), "{text} {code}");
    }
}

#[test]
fn amounts_of_one_currency_compare_by_what_they_are_worth() {
    use Ordering::{Equal, Greater, Less};
    let of =
        |value: &str, currency: &str| Amount { value: value.into(), currency: currency.into() };
    let cases = [
        ("1.00", "1.00", Equal),
        ("1", "1.00", Equal),
        ("0", "0.000", Equal),
        ("9.99", "10.00", Less),
        ("10.00", "9.99", Greater),
        ("1.09", "1.1", Less),
        ("1.10", "1.1", Equal),
        ("1.100001", "1.1", Greater),
        ("123456789012345678901234567890", "123456789012345678901234567891", Less),
    ];
    for (a, b, expected) in cases {
        assert_eq!(compare(&of(a, "UAH"), &of(b, "UAH")), Some(expected), "{a} {b}");
        assert_eq!(compare(&of(b, "UAH"), &of(a, "UAH")), Some(expected.reverse()), "{b} {a}");
    }
    assert_eq!(compare(&of("1", "UAH"), &of("1", "USD")), None);
    assert_eq!(compare(&of("1e3", "UAH"), &of("1", "UAH")), None);
}

#[test]
fn iso_4217_counts_decimals_as_the_standard_does() {
    // ISO 4217 list one: those that do not have two, and some that are often got wrong.
    let cases = [
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
        (
            2,
            "AED ALL AMD AZN BYN CNY COP CZK EUR GBP GEL HUF IDR ILS INR KGS KZT MDL MGA MRU PLN RON RSD \
             RUB SEK SLE TJS TMT TRY TWD UAH USD UZS VES",
        ),
    ];
    for (decimals, codes) in cases {
        for code in codes.split(' ') {
            let currency = Currency::from_code(code).unwrap_or_else(|| panic!("{code} is unknown"));
            assert_eq!(Decimals::default().of(currency), Some(decimals), "{code}");
        }
    }
}

proptest! {
    #[test]
    fn minor_units_come_back_from_major_text(
        units in "0|[1-9][0-9]{0,25}",
        currency in prop::sample::select(&["UAH", "JPY", "KWD", "CLF"][..]),
    ) {
        let from_minor = amount(&units, currency, &rule(Unit::Minor)).unwrap();
        let from_major = amount(&from_minor.value, currency, &rule(Unit::Major)).unwrap();
        prop_assert_eq!(&from_minor, &from_major);
        let digits = from_major.value.replace('.', "");
        let stripped = digits.trim_start_matches('0');
        prop_assert_eq!(if stripped.is_empty() { "0" } else { stripped }, units);
    }

    #[test]
    fn amounts_compare_as_whole_numbers_of_minor_units_do(a in any::<u32>(), b in any::<u32>()) {
        let of = |units: u32| amount(&units.to_string(), "UAH", &rule(Unit::Minor)).unwrap();
        prop_assert_eq!(compare(&of(a), &of(b)), Some(a.cmp(&b)));
    }

    #[test]
    fn any_text_is_an_amount_or_refused(text in "[0-9.e+-]{0,9}|.{0,9}", code in "[A-Za-z0-9]{0,4}|.{0,9}") {
        let how = MoneyRule { notation: Notation::JavaScript, foreign_codes: true, ..rule(Unit::Major) };
        if let Ok(amount) = amount(&text, &code, &how) {
            prop_assert!(plain(&amount.value).is_some());
            prop_assert!(compare(&amount, &amount) == Some(Ordering::Equal));
        }
    }
}

#[test]
fn a_number_has_one_shortest_writing() {
    let cases = [
        ("19.90", Some("19.9")),
        ("19.9", Some("19.9")),
        ("-19.90", Some("-19.9")),
        ("0.00", Some("0")),
        ("-0.0", Some("0")),
        ("100", Some("100")),
        ("9007199254740993", Some("9007199254740993")),
        ("1e3", None),
        ("--1", None),
        ("007", None),
        ("", None),
    ];
    for (text, want) in cases {
        assert_eq!(shortest(text).as_deref(), want, "{text}");
    }
}

#[test]
fn a_code_in_any_writing_has_the_same_letters() {
    for code in ["AMD", "amd", "051", "51"] {
        assert_eq!(letters(code), Some("AMD"), "{code}");
    }
    assert_eq!(letters("WMZ"), None);
    assert_eq!(letters("1051"), None);
}
