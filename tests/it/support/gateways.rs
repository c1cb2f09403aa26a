//! The four gateways as they would sign, written down a second time: nothing here uses the engine.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use serde_json::json;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::NOW;
use super::wire::{Callback, FORM};

/// What both the gateway and the shop know.
pub(crate) const LIQPAY_KEY: &str = "canary-liqpay-private-key-7f3a91";
pub(crate) const SMARTEXPAY_SECRET: &str = "canary-smartexpay-ipn-secret-20c4";
pub(crate) const PAYSERA_PASSWORD: &str = "canary-paysera-sign-password-b81e";
pub(crate) const STRIPE_SECRET: &str = "whsec_canaryStripeSigningSecret5d02";

pub(crate) const GATEWAYS: [&str; 4] = ["liqpay", "paysera", "smartexpay", "stripe"];

/// The name of the one secret that each gateway's route has, and its value.
pub(crate) fn secret(gateway: &str) -> (&'static str, &'static str) {
    match gateway {
        "liqpay" => ("private_key", LIQPAY_KEY),
        "paysera" => ("sign_password", PAYSERA_PASSWORD),
        "smartexpay" => ("secret", SMARTEXPAY_SECRET),
        "stripe" => ("signing_secrets", STRIPE_SECRET),
        other => panic!("no such gateway: {other}"),
    }
}

/// A payment of 10.00 for order `order-<n>`, signed with that secret.
pub(crate) fn genuine_by(gateway: &str, secret: &str, n: usize) -> Callback {
    match gateway {
        "liqpay" => liqpay(secret, n, ""),
        "paysera" => paysera(secret, n, ""),
        "smartexpay" => smartexpay(secret, n),
        "stripe" => stripe(secret, n, "IPTV"),
        other => panic!("no such gateway: {other}"),
    }
}

/// The same, with the secret that the shop knows.
pub(crate) fn genuine(gateway: &str, n: usize) -> Callback {
    genuine_by(gateway, secret(gateway).1, n)
}

/// The same by somebody who does not know the secret.
pub(crate) fn forged(gateway: &str, n: usize) -> Callback {
    genuine_by(gateway, "whsec_not the secret", n)
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect::<String>()
    };
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    pairs.join("&")
}

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `more` is added to the fields that `data` packs.
pub(crate) fn liqpay(key: &str, n: usize, description: &str) -> Callback {
    let data = json!({
        "payment_id": 1_000_000 + n, "action": "pay", "status": "success", "version": 3,
        "public_key": "i00000000001", "order_id": format!("order-{n}"), "amount": 10.0,
        "currency": "UAH", "description": description, "end_date": NOW * 1000,
    });
    let data = STANDARD.encode(data.to_string());
    let signature = STANDARD.encode(Sha1::digest(format!("{key}{data}{key}")));
    Callback::post(FORM, form(&[("data", &data), ("signature", &signature)]))
}

/// In the mode `ss1`: the only one whose secret is a secret.
pub(crate) fn paysera(password: &str, n: usize, text: &str) -> Callback {
    let order = format!("order-{n}");
    let request = format!("{}", 5_000_000 + n);
    let data = form(&[
        ("projectid", "123456"),
        ("orderid", &order),
        ("amount", "1000"),
        ("currency", "EUR"),
        ("status", "1"),
        ("test", "0"),
        ("requestid", &request),
        ("paytext", text),
    ]);
    let data = URL_SAFE.encode(data);
    let ss1 = hex(Md5::digest(format!("{data}{password}")));
    let mut callback = Callback::post(FORM, "");
    callback.method = "GET".into();
    callback.headers.clear();
    callback.query = format!("?{}", form(&[("data", &data), ("ss1", &ss1)]));
    callback
}

pub(crate) fn smartexpay(secret: &str, n: usize) -> Callback {
    let (order, time) = (format!("order-{n}"), (NOW * 1000).to_string());
    let signed = format!("{order}:done:10:310.5:ETH:WMZ:{time}:{secret}");
    let hash = hex(Sha256::digest(signed));
    let fields = [
        ("orderUID", "1409"),
        ("orderId", &order),
        ("newStatus", "done"),
        ("inAmount", "10"),
        ("outAmount", "310.5"),
        ("xml_from", "ETH"),
        ("xml_to", "WMZ"),
        ("timestamp", &time),
        ("hash", &hash),
    ];
    Callback::post(FORM, form(&fields))
}

pub(crate) fn stripe(secret: &str, n: usize, description: &str) -> Callback {
    let body = json!({
        "id": format!("evt_{n}"), "object": "event", "created": NOW, "livemode": true,
        "type": "payment_intent.succeeded",
        "data": {"object": {
            "id": format!("pi_{n}"), "object": "payment_intent", "amount": 1000,
            "amount_received": 1000, "currency": "eur", "description": description,
            "metadata": {"order_id": format!("order-{n}")},
        }},
    });
    stripe_signed(secret, &body.to_string())
}

pub(crate) fn stripe_signed(secret: &str, body: &str) -> Callback {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{NOW}.{body}").as_bytes());
    let signature = format!("t={NOW},v1={}", hex(mac.finalize().into_bytes()));
    Callback::post("application/json", body).with("stripe-signature", signature)
}
