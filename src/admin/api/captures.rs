//! Inbounds that were kept.

use serde_json::{Value, json};

use super::ask::{self, Query};
use super::fault::Fault;
use super::{Api, show};

pub(super) async fn list(api: &Api, target: &str) -> Result<Value, Fault> {
    let mut query = Query::read(target, &[ask::Captures::NAMES, &["before", "limit"]])?;
    let (limit, before) = (query.limit()?, query.number("before")?);
    let filter = query.filter::<ask::Captures>()?.resolve()?;
    let found = api.captures.list(filter, before, limit).await?;
    let next = found.last().filter(|_| found.len() == limit).map(|listed| listed.id);
    let captures: Value = found.iter().map(show::capture).collect();
    Ok(json!({ "captures": captures, "next": next }))
}

pub(super) async fn show(api: &Api, target: &str, id: i64) -> Result<Value, Fault> {
    Query::read(target, &[])?;
    let found = api.captures.get(id).await?;
    let (listed, kept) = found.ok_or_else(|| {
        Fault::absent(format!("there is no capture {id}"), "it was never there, or made room")
    })?;
    // Absent: sealed under a key that is not here.
    let request = kept.as_ref().map(show::request);
    Ok(json!({ "capture": show::capture(&listed), "request": request }))
}
