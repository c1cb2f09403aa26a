//! What is allowed, and hardly meant: in words for the operator.

use crate::config::Delivery;
use crate::engine::secret::Secret;
use crate::rule::Recommended;

/// Of a route that delivers `direct` because there is no store.
pub(super) fn keeps_nothing(route: &str, recommended: Option<&Recommended>) -> Option<String> {
    let Recommended { delivery: Delivery::Durable, because } = recommended? else { return None };
    Some(format!(
        "route `{route}` delivers `direct`, for there is no `store`, but its rule recommends \
         `durable`: {because}; add `store`, or write `delivery: direct` if it is meant so"
    ))
}

/// Of what stands around a secret and was hardly copied on purpose; the secret is not shown.
pub(super) fn around(secret: &Secret, place: &str) -> Option<String> {
    let bytes = secret.expose();
    let is_space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let what = match (is_space(bytes.first()), is_space(bytes.last())) {
        _ if bytes.starts_with("\u{feff}".as_bytes()) => "begins with a byte order mark",
        (true, true) => "has white space around it",
        (true, false) => "has white space before it",
        (false, true) => "has white space after it",
        (false, false) => return None,
    };
    Some(format!("the secret in {place} {what}: it is used as it stands there"))
}
