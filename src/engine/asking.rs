//! Builds the questions that a rule asks its gateway, and reads the answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::engine::document;
use crate::engine::exchange::{Answer, Answered, Exchange};
use crate::engine::form;
use crate::engine::plan::{AnswerFormat, Auth, ExchangeBody, ExchangePlan, Expr, Plan};
use crate::engine::reason::{Reason, Reject};
use crate::engine::scope::Scope;

/// Why judging cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The gateway must be asked first.
    Ask(Box<Exchange>),
    /// For good.
    Reject(Reject),
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

/// Sees to it that an exchange has been answered and its answer read, and those that it needs
/// before it.
pub(crate) fn answered<'s>(
    plan: &'s Plan,
    index: usize,
    scope: Scope<'s>,
    answers: &'s [Answered],
) -> Result<(), Stop> {
    let Some(exchange) = plan.exchanges.get(index) else { return Ok(()) };
    let document = plan.documents.len() + index;
    if scope.room.documents.get(document).is_none_or(|cell| cell.get().is_some()) {
        return Ok(());
    }
    let last = |name: &str| answers.iter().rposition(|given| &*given.name == name);
    let mut needed_at = None;
    for &need in &exchange.needs {
        answered(plan, need, scope, answers)?;
        needed_at = needed_at.max(plan.exchanges.get(need).and_then(|need| last(&need.name)));
    }
    // An answer that was got with an older token is none.
    let Some(at) = last(&exchange.name).filter(|at| Some(*at) > needed_at) else {
        return Err(Stop::Ask(Box::new(question(exchange, scope, false)?)));
    };
    let reject = |reason| Reject::new(reason, format!("exchange.{}", exchange.name));
    let unavailable = || reject(Reason::ConfirmationUnavailable);
    let (status, body) = match answers.get(at).map(|given| &given.answer) {
        Some(Answer::Given { status, body, .. }) => (*status, body),
        Some(Answer::Unavailable) | None => return Err(unavailable().into()),
    };
    if matches!(status, 401 | 403) {
        renew(plan, exchange, scope, answers)?;
    }
    if exchange.refused.contains(&status) {
        return Err(reject(Reason::ConfirmationRefused).into());
    }
    if status != 200 {
        return Err(unavailable().into());
    }
    if let AnswerFormat::Words { yes, no } = &exchange.answer {
        match &**body {
            said if said == yes.as_bytes() => {}
            said if said == no.as_bytes() => {
                return Err(reject(Reason::ConfirmationRefused).into());
            }
            _ => return Err(unavailable().into()),
        }
    }
    let value = document::answer(&exchange.answer, body).ok_or_else(unavailable)?;
    if let Some(cell) = scope.room.documents.get(document) {
        cell.get_or_init(|| value);
    }
    document::check_places(&exchange.fields, scope).map_err(|_| unavailable())?;
    Ok(())
}

/// What an exchange answered has not done: it is asked once more, if it came out of the cache.
pub(crate) fn again<'s>(
    plan: &'s Plan,
    index: usize,
    scope: Scope<'s>,
    answers: &[Answered],
) -> Result<(), Stop> {
    let Some(exchange) = plan.exchanges.get(index) else { return Ok(()) };
    let given = answers.iter().rfind(|given| given.name == exchange.name);
    match given {
        Some(Answered { answer: Answer::Given { cached: true, .. }, .. }) => {
            Err(Stop::Ask(Box::new(question(exchange, scope, true)?)))
        }
        _ => Ok(()),
    }
}

/// Credentials out of the cache may have been withdrawn: they are fetched once more.
fn renew<'s>(
    plan: &'s Plan,
    exchange: &'s ExchangePlan,
    scope: Scope<'s>,
    answers: &[Answered],
) -> Result<(), Stop> {
    exchange.needs.iter().try_for_each(|&need| again(plan, need, scope, answers))
}

/// Whether a segment of a path leads somewhere else (RFC 3986 §5.2.4), however its dots are written.
fn is_dots(segment: &str) -> bool {
    let dots = segment.to_ascii_lowercase().replace("%2e", ".");
    dots == "." || dots == ".."
}

/// The question, its inserts filled in.
pub(crate) fn question<'s>(
    exchange: &'s ExchangePlan,
    scope: Scope<'s>,
    refresh: bool,
) -> Result<Exchange, Reject> {
    let bytes = |expr: &'s Expr| -> Result<Zeroizing<Vec<u8>>, Reject> {
        let found = scope.bytes(expr)?;
        let missing = || Reject::new(Reason::FieldMissing, &*expr.text);
        Ok(Zeroizing::new(found.ok_or_else(missing)?.into_owned()))
    };
    let text = |expr: &'s Expr| -> Result<Zeroizing<String>, Reject> {
        let malformed = || Reject::new(Reason::FieldMalformed, &*expr.text);
        let found = String::from_utf8(bytes(expr)?.to_vec()).map_err(|_| malformed())?;
        // What goes into a request line or a header must not end it.
        if found.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(malformed());
        }
        Ok(Zeroizing::new(found))
    };
    let mut headers = Vec::with_capacity(exchange.headers.len() + 2);
    for (name, expr) in &exchange.headers {
        headers.push((*name, text(expr)?));
    }
    match &exchange.auth {
        Auth::None => {}
        Auth::Basic(user, password) => {
            let password = password.as_ref().map(bytes).transpose()?.unwrap_or_default();
            let pair = Zeroizing::new([&bytes(user)?[..], b":", &password[..]].concat());
            let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
            headers.push(("authorization", basic));
        }
        Auth::Bearer(token) => {
            headers.push(("authorization", Zeroizing::new(format!("Bearer {}", &*text(token)?))));
        }
    }
    let body = match &exchange.body {
        ExchangeBody::None => Zeroizing::default(),
        ExchangeBody::Form(fields) => {
            let mut pairs = Vec::with_capacity(fields.len());
            for (name, expr) in fields {
                pairs.push((name.as_bytes(), bytes(expr)?));
            }
            let pairs: Vec<(&[u8], &[u8])> =
                pairs.iter().map(|(name, value)| (*name, &value[..])).collect();
            let media_type = "application/x-www-form-urlencoded".to_owned();
            headers.push(("content-type", Zeroizing::new(media_type)));
            Zeroizing::new(form::encode_pairs(&pairs))
        }
        ExchangeBody::Raw(media_type, expr) => {
            headers.push(("content-type", Zeroizing::new(media_type.clone())));
            bytes(expr)?
        }
    };
    let asked = Exchange {
        name: std::sync::Arc::clone(&exchange.name),
        method: exchange.method,
        url: text(&exchange.url)?,
        headers,
        body,
        cache_seconds: exchange.cache_seconds,
        refresh,
    };
    // A value that is `..` would make another question of it.
    let path = asked.url.split(['?', '#']).next().unwrap_or_default();
    if path.split('/').skip(3).any(is_dots) {
        return Err(Reject::new(Reason::FieldMalformed, &*exchange.url.text));
    }
    let known = exchange.hosts.iter().any(|host| host.eq_ignore_ascii_case(asked.host()));
    let at_known_host = known && asked.url.starts_with("https://");
    if !(exchange.hosts.is_empty() || at_known_host) {
        return Err(Reject::new(Reason::CertificateRejected, &*exchange.url.text));
    }
    Ok(asked)
}
