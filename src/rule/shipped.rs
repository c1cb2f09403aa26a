//! The rules that come with the binary. A file of the same gateway on disk replaces one.

/// Gateway and text of each shipped rule, by name.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    &[
        ("arca", include_str!("../../rules/arca.yaml")),
        ("liqpay", include_str!("../../rules/liqpay.yaml")),
        ("paymaster", include_str!("../../rules/paymaster.yaml")),
        ("paymaster_ua", include_str!("../../rules/paymaster_ua.yaml")),
        ("paysera", include_str!("../../rules/paysera.yaml")),
        ("rbs", include_str!("../../rules/rbs.yaml")),
        ("smartexpay", include_str!("../../rules/smartexpay.yaml")),
        ("stripe", include_str!("../../rules/stripe.yaml")),
        ("wallet_one", include_str!("../../rules/wallet_one.yaml")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_rule_compiles_and_refuses_hundreds_of_forgeries() {
        for (gateway, text) in shipped() {
            let rule = crate::rule::compile(gateway, text);
            let rule = rule.unwrap_or_else(|problems| panic!("{}", problems.render(text)));
            assert_eq!(rule.gateway(), *gateway);
            assert!(rule.forgeries() > 300, "{gateway}: {}", rule.forgeries());
        }
    }
}
