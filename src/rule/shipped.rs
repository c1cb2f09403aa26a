//! The rules that come with the binary. A file of the same gateway on disk replaces one.

/// Gateway and text of each shipped rule, by name.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    &[
        ("fortebank", include_str!("../../rules/fortebank.yaml")),
        ("liqpay", include_str!("../../rules/liqpay.yaml")),
        ("mollie", include_str!("../../rules/mollie.yaml")),
        ("paypal", include_str!("../../rules/paypal.yaml")),
        ("paypal_ipn", include_str!("../../rules/paypal_ipn.yaml")),
        ("paysera", include_str!("../../rules/paysera.yaml")),
        ("paysera_modern", include_str!("../../rules/paysera_modern.yaml")),
        ("smartexpay", include_str!("../../rules/smartexpay.yaml")),
        ("square", include_str!("../../rules/square.yaml")),
        ("stripe", include_str!("../../rules/stripe.yaml")),
        ("viva", include_str!("../../rules/viva.yaml")),
        ("viva_dataservices", include_str!("../../rules/viva_dataservices.yaml")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_rule_compiles_and_refuses_scores_of_forgeries() {
        for (gateway, text) in shipped() {
            let rule = crate::rule::compile(gateway, text);
            let rule = rule.unwrap_or_else(|problems| panic!("{}", problems.render(text)));
            assert_eq!(rule.gateway(), *gateway);
            assert!(rule.forgeries() > 80, "{gateway}: {}", rule.forgeries());
        }
    }
}
