//! What is there now, and what operators have done.

use serde_json::{Value, json};

use super::ask::Query;
use super::fault::Fault;
use super::{Api, show};
use crate::store::Totals;

pub(super) async fn totals(api: &Api, target: &str) -> Result<Value, Fault> {
    Query::read(target, &[])?;
    let Totals { entries, oldest, held, bytes } = api.store().totals().await?;
    let kept = api.captures.totals();
    let entries: Value = entries
        .iter()
        .map(|(upstream, state, count)| {
            json!({ "upstream": upstream, "state": state.as_str(), "count": count })
        })
        .collect();
    let oldest: Value = oldest
        .iter()
        .map(|(upstream, at)| json!({ "upstream": upstream, "received_at": show::time(*at) }))
        .collect();
    let credits: Value = held
        .iter()
        .map(|(state, amount)| json!({ "state": state.as_str(), "amount": show::amount(amount) }))
        .collect();
    Ok(json!({
        "events": entries,
        "oldest": oldest,
        "credits": credits,
        "bytes": bytes,
        "captures": {
            "count": kept.count,
            "bytes": kept.bytes,
            "oldest": kept.oldest.map(show::time),
        },
    }))
}

pub(super) async fn audit(api: &Api, target: &str) -> Result<Value, Fault> {
    let limit = Query::read(target, &[&["limit"]])?.limit()?;
    let acts = api.store().acts(limit).await?;
    Ok(json!({ "acts": acts.iter().map(show::act).collect::<Value>() }))
}
