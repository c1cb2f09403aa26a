//! The rules that come with the binary. A file of the same gateway on disk replaces one.

/// Gateway and text of each shipped rule, by name.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    &[
        ("adyen", include_str!("../../rules/adyen.yaml")),
        ("apple_app_store", include_str!("../../rules/apple_app_store.yaml")),
        ("arca", include_str!("../../rules/arca.yaml")),
        ("authorize_net", include_str!("../../rules/authorize_net.yaml")),
        ("aws_sns", include_str!("../../rules/aws_sns.yaml")),
        ("braintree", include_str!("../../rules/braintree.yaml")),
        ("btcpay", include_str!("../../rules/btcpay.yaml")),
        ("checkout_com", include_str!("../../rules/checkout_com.yaml")),
        ("click", include_str!("../../rules/click.yaml")),
        ("cloudpayments", include_str!("../../rules/cloudpayments.yaml")),
        ("coinbase_commerce", include_str!("../../rules/coinbase_commerce.yaml")),
        ("flutterwave", include_str!("../../rules/flutterwave.yaml")),
        ("fondy", include_str!("../../rules/fondy.yaml")),
        ("fortebank", include_str!("../../rules/fortebank.yaml")),
        ("freedom_pay", include_str!("../../rules/freedom_pay.yaml")),
        ("github", include_str!("../../rules/github.yaml")),
        ("gocardless", include_str!("../../rules/gocardless.yaml")),
        ("google_play", include_str!("../../rules/google_play.yaml")),
        ("google_pubsub", include_str!("../../rules/google_pubsub.yaml")),
        ("http_message_signatures", include_str!("../../rules/http_message_signatures.yaml")),
        ("iyzico", include_str!("../../rules/iyzico.yaml")),
        ("lemonsqueezy", include_str!("../../rules/lemonsqueezy.yaml")),
        ("liqpay", include_str!("../../rules/liqpay.yaml")),
        ("mercado_pago", include_str!("../../rules/mercado_pago.yaml")),
        ("midtrans", include_str!("../../rules/midtrans.yaml")),
        ("mollie", include_str!("../../rules/mollie.yaml")),
        ("monobank", include_str!("../../rules/monobank.yaml")),
        ("paddle", include_str!("../../rules/paddle.yaml")),
        ("paymaster", include_str!("../../rules/paymaster.yaml")),
        ("paymaster_ua", include_str!("../../rules/paymaster_ua.yaml")),
        ("payme", include_str!("../../rules/payme.yaml")),
        ("paypal", include_str!("../../rules/paypal.yaml")),
        ("paypal_ipn", include_str!("../../rules/paypal_ipn.yaml")),
        ("paysera", include_str!("../../rules/paysera.yaml")),
        ("paysera_modern", include_str!("../../rules/paysera_modern.yaml")),
        ("paystack", include_str!("../../rules/paystack.yaml")),
        ("paytr", include_str!("../../rules/paytr.yaml")),
        ("payture", include_str!("../../rules/payture.yaml")),
        ("payu", include_str!("../../rules/payu.yaml")),
        ("portmone", include_str!("../../rules/portmone.yaml")),
        ("przelewy24", include_str!("../../rules/przelewy24.yaml")),
        ("przelewy24_refunds", include_str!("../../rules/przelewy24_refunds.yaml")),
        ("razorpay", include_str!("../../rules/razorpay.yaml")),
        ("rbs", include_str!("../../rules/rbs.yaml")),
        ("revolut", include_str!("../../rules/revolut.yaml")),
        ("robokassa", include_str!("../../rules/robokassa.yaml")),
        ("sendgrid", include_str!("../../rules/sendgrid.yaml")),
        ("shopify", include_str!("../../rules/shopify.yaml")),
        ("slack", include_str!("../../rules/slack.yaml")),
        ("smartexpay", include_str!("../../rules/smartexpay.yaml")),
        ("square", include_str!("../../rules/square.yaml")),
        ("standard_webhooks", include_str!("../../rules/standard_webhooks.yaml")),
        ("stripe", include_str!("../../rules/stripe.yaml")),
        ("tbank", include_str!("../../rules/tbank.yaml")),
        ("twilio", include_str!("../../rules/twilio.yaml")),
        ("viva", include_str!("../../rules/viva.yaml")),
        ("viva_dataservices", include_str!("../../rules/viva_dataservices.yaml")),
        ("wallet_one", include_str!("../../rules/wallet_one.yaml")),
        ("wayforpay", include_str!("../../rules/wayforpay.yaml")),
        ("woocommerce", include_str!("../../rules/woocommerce.yaml")),
        ("worldpay", include_str!("../../rules/worldpay.yaml")),
        ("xendit", include_str!("../../rules/xendit.yaml")),
        ("yookassa", include_str!("../../rules/yookassa.yaml")),
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
