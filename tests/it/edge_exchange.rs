//! Gateways that must be asked, over the sockets: while one does not answer, the sender is asked to
//! come again, and the payment arrives once it does.

use std::path::Path;

use countersign::app::Running;
use serde_json::{Value, json};

use crate::support::asked::Asked;
use crate::support::cases::{Case, named};
use crate::support::counts::{Counts, ended};
use crate::support::shop::*;
use crate::support::wire::Callback;
use crate::support::*;

/// A payment of each gateway of the mission that is asked.
const PAYMENTS: [(&str, &str); 5] = [
    ("arca", "deposited"),
    ("paypal", "unicode_body"),
    ("paypal_ipn", "completed"),
    ("payture", "charged"),
    ("viva", "payment_created"),
];

/// A daemon before that upstream with one route for the case, whose gateway answers with `answers`.
async fn daemon_for(case: &Case, upstream: &Stub, answers: &[Value]) -> (Asked, Folder, Running) {
    let asked = Asked::start(answers).await;
    let folder = folder("");
    let mut params = case.params(&folder);
    if params.get("trusted_proxies").is_some() {
        params["trusted_proxies"] = json!(["127.0.0.1/32"]);
    }
    let route = Wired {
        name: case.name.clone(),
        gateway: case.gateway.clone(),
        params: params.to_string(),
        ..Wired::usual("stripe")
    };
    let top = format!("exchanges: {}\n", asked.config());
    let upstream = format!("http://{}", upstream.address);
    folder.write("countersign.yaml", config_with(&upstream, &top, &[route]));
    let running = open(&folder).await;
    (asked, folder, running)
}

/// The callback as it comes through a proxy.
fn sent(case: &Case) -> Vec<u8> {
    let callback: Callback = match &case.remote_addr {
        Some(address) => case.callback.clone().with("X-Forwarded-For", address.as_bytes()),
        None => case.callback.clone(),
    };
    callback.once(&format!("/{}/", case.name))
}

#[tokio::test]
async fn while_a_gateway_does_not_answer_the_sender_comes_again_and_the_payment_arrives_then() {
    for (gateway, name) in PAYMENTS {
        let case = named(gateway, name);
        set_clock(case.now.unwrap_or(NOW));
        let stub = Stub::start(&[OK]).await;
        // The last question is the one that decides; before it may be one for a token.
        let mut silent = case.exchanges.clone();
        silent.last_mut().unwrap()["response"] = json!({ "status": 503, "headers": [] });
        let (_asked, _folder, running) = daemon_for(&case, &stub, &silent).await;
        for time in 1..=2 {
            let told = tell(running.addresses[0], sent(&case)).await.unwrap();
            assert_eq!((told.status, told.body.as_str()), (503, "refused\n"), "{gateway}");
            assert!(told.has("retry-after: 60"), "{gateway}: {told:?}");
            let counts = Counts::of(&running);
            let ended = [gateway, "unavailable", "confirmation_unavailable", &case.name];
            assert_eq!(counts.ended(ended), time, "{gateway}: {counts:?}");
        }
        assert!(stub.got().is_empty(), "{gateway}: {:?}", stub.got());

        let (asked, _folder, running) = daemon_for(&case, &stub, &case.exchanges).await;
        let before = Counts::of(&running);
        let told = tell(running.addresses[0], sent(&case)).await.unwrap();
        assert_eq!(told.status, 200, "{gateway}: {told:?}");
        let accepted = ended([gateway, "accepted", "ok", &case.name]);
        assert_eq!(Counts::of(&running).callbacks_since(&before), [(accepted, 1)], "{gateway}");
        let got = stub.take();
        assert_eq!(got.len(), 1, "{gateway}: {got:?}");
        let event: Value = serde_json::from_str(&got[0].body).unwrap();
        assert_eq!(event["credit"], true, "{gateway}: {event}");
        assert_eq!(event["amount"], case.expect["event"]["amount"], "{gateway}");
        let all = case.exchanges.len();
        eventually("each question is asked once", async || asked.questions().len() == all).await;
    }
}

#[tokio::test]
async fn a_gateway_that_says_no_is_believed_and_nothing_arrives() {
    for (gateway, name, reason) in [
        ("payture", "get_state_error", "confirmation_refused"),
        ("payture", "forged_amount", "confirmation_mismatch"),
        ("paypal_ipn", "tampered", "confirmation_refused"),
        ("viva", "retrieve_404", "confirmation_refused"),
    ] {
        let case = named(gateway, name);
        set_clock(case.now.unwrap_or(NOW));
        let stub = Stub::start(&[OK]).await;
        let (_asked, _folder, running) = daemon_for(&case, &stub, &case.exchanges).await;
        let told = tell(running.addresses[0], sent(&case)).await.unwrap();
        assert_eq!((told.status, told.body.as_str()), (403, "refused\n"), "{gateway}/{name}");
        let counts = Counts::of(&running);
        assert_eq!(counts.ended([gateway, "rejected", reason, &case.name]), 1, "{counts:?}");
        assert!(stub.got().is_empty(), "{gateway}/{name}: {:?}", stub.got());
    }
}

#[test]
fn a_route_that_demands_more_than_its_proofs_are_worth_does_not_load() {
    let case = named("liqpay", "success_sha1");
    let folder = folder("");
    let params = case.params(&folder);
    let text = |strength: &str, algorithm: &str| {
        let mut params = params.clone();
        params["algorithms"] = json!([algorithm]);
        let route = Wired { params: params.to_string(), ..Wired::usual("liqpay") };
        let text = config("http://127.0.0.1:1", &[route]);
        text.replace("mode: enforce", &format!("mode: enforce, strength: {strength}"))
    };
    for (strength, algorithm, wanted) in [
        ("weak", "sha1", None),
        ("sound", "sha1", Some("the proofs of `liqpay` are weak, not sound")),
        ("sound", "sha3-256", None),
        ("strong", "sha3-256", Some("the proofs of `liqpay` are sound, not strong")),
    ] {
        folder.write("countersign.yaml", text(strength, algorithm));
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args([Path::new("check"), Path::new("--config"), &folder.at("countersign.yaml")])
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        match wanted {
            None => assert!(output.status.success(), "{strength} {algorithm}: {said}"),
            Some(wanted) => {
                assert!(!output.status.success(), "{strength} {algorithm}: {said}");
                assert!(said.contains(wanted), "{strength} {algorithm}: {said}");
            }
        }
    }
}
