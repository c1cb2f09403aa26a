//! The rules that come with the binary. A file of the same gateway on disk replaces one.

/// Gateway and text of each shipped rule, by name.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    &[
        ("adyen", include_str!("../../rules/adyen.yaml")),
        ("click", include_str!("../../rules/click.yaml")),
        ("cloudpayments", include_str!("../../rules/cloudpayments.yaml")),
        ("fondy", include_str!("../../rules/fondy.yaml")),
        ("freedom_pay", include_str!("../../rules/freedom_pay.yaml")),
        ("gocardless", include_str!("../../rules/gocardless.yaml")),
        ("liqpay", include_str!("../../rules/liqpay.yaml")),
        ("mercado_pago", include_str!("../../rules/mercado_pago.yaml")),
        ("monobank", include_str!("../../rules/monobank.yaml")),
        ("payme", include_str!("../../rules/payme.yaml")),
        ("paysera", include_str!("../../rules/paysera.yaml")),
        ("robokassa", include_str!("../../rules/robokassa.yaml")),
        ("smartexpay", include_str!("../../rules/smartexpay.yaml")),
        ("standard_webhooks", include_str!("../../rules/standard_webhooks.yaml")),
        ("stripe", include_str!("../../rules/stripe.yaml")),
        ("tbank", include_str!("../../rules/tbank.yaml")),
        ("twilio", include_str!("../../rules/twilio.yaml")),
        ("wayforpay", include_str!("../../rules/wayforpay.yaml")),
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
            // Of a call that nothing signs, only the sender can be forged.
            let senders = ["basic", "configuration", "source", "token"];
            let mut rows = rule.variants().iter().flat_map(|variant| &variant.coverage);
            let signs = rows.any(|row| row.covered_by.iter().any(|by| !senders.contains(by)));
            let least = if signs { 300 } else { 50 };
            assert!(rule.forgeries() > least, "{gateway}: {}", rule.forgeries());
        }
    }
}
