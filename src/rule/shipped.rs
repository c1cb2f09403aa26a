//! The rules that come with the binary. A file of the same gateway on disk replaces one.

/// Gateway and text of each shipped rule, by name.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    &[
        ("liqpay", include_str!("../../rules/liqpay.yaml")),
        ("paysera", include_str!("../../rules/paysera.yaml")),
        ("smartexpay", include_str!("../../rules/smartexpay.yaml")),
        ("stripe", include_str!("../../rules/stripe.yaml")),
    ]
}
