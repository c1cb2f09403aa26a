//! Text of which what must not be seen has been replaced.

use std::borrow::Cow;

use super::names::{Says, is_of_run, is_reference, looks_secret, says};
use crate::engine::pan;

/// What stands for what is hidden.
pub(super) fn hidden(bytes: usize) -> String {
    format!("‹{bytes} bytes hidden›")
}

/// What stands for what cannot be read.
pub(super) fn not_text(bytes: usize) -> String {
    format!("‹{bytes} bytes, not text›")
}

/// The text of a field of that name, which is not that of a secret.
pub(super) fn shown(name: &str, text: &str) -> String {
    if says(name) == Says::Reference && is_reference(text) {
        return safe(text);
    }
    safe(&without_runs(&without_credentials(&without_named(text))))
}

/// Without card numbers, also packed ones, and what a terminal would obey or hide.
fn safe(text: &str) -> String {
    let masked = pan::mask(text);
    let packed = pan::packed::mask(masked.as_bytes());
    let masked = match String::from_utf8(packed) {
        // Of something packed, the whole is made anew.
        Ok(packed) if packed != masked => Cow::Owned(packed),
        _ => masked,
    };
    let mut out = String::with_capacity(masked.len());
    for c in masked.chars() {
        let invisible = matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if invisible || (c.is_control() && !matches!(c, '\n' | '\t')) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Without the values in `name=value`, `"name": "value"`, `<name>value</name>` whose names are
/// those of secrets.
fn without_named(text: &str) -> String {
    let is_between = |c: char| matches!(c, '"' | '\'' | '\\' | ' ' | '\t');
    let is_of_name = |c: char| c.is_alphanumeric() || "_-.[]".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':', '>']) {
        let (before, from) = rest.split_at(at);
        let mut chars = from.chars();
        let sign = chars.next().unwrap_or_default();
        out.push_str(before);
        out.push(sign);
        rest = chars.as_str();
        let name = before.trim_end_matches(is_between);
        let start = name.rfind(|c| !is_of_name(c)).map_or(0, |at| at + 1);
        let name = name.get(start..).unwrap_or(name);
        if !says(name).is_secret() {
            continue;
        }
        let value = rest.trim_start_matches(is_between);
        let (between, _) = rest.split_at(rest.len() - value.len());
        let is_end = |c: char| match c {
            '<' => true,
            _ if sign == '>' => false,
            '"' | '\'' | '\\' | ',' | ';' | '&' | '}' | ')' | '\n' | '\r' => true,
            c => sign == '=' && c.is_whitespace(),
        };
        let end = value.find(is_end).unwrap_or(value.len());
        out.push_str(between);
        if end > 0 {
            out.push_str(&hidden(end));
        }
        rest = value.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Without what follows `Basic` and `Bearer`, and `user:password@` in URLs.
fn without_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut hide_next = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let (_, space) = word.split_at(bare.len());
        let user = bare.split_once("://").and_then(|(scheme, rest)| {
            let host = rest.split('/').next()?;
            let (user, _) = host.rsplit_once('@')?;
            Some((scheme, user, rest.get(user.len()..)?))
        });
        match user {
            _ if hide_next && !bare.is_empty() => out.push_str(&hidden(bare.len())),
            Some((scheme, user, after)) => {
                out.extend([scheme, "://", &hidden(user.len()), after]);
            }
            None => out.push_str(bare),
        }
        out.push_str(space);
        let is_scheme = |scheme: &str| {
            let from = bare.len().saturating_sub(scheme.len());
            bare.get(from..).is_some_and(|end| end.eq_ignore_ascii_case(scheme))
        };
        hide_next = is_scheme("basic") || is_scheme("bearer") || (hide_next && bare.is_empty());
    }
    out
}

/// Without runs that look like signatures or keys.
fn without_runs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.find(is_of_run).unwrap_or(rest.len());
        let (plain, from) = rest.split_at(start);
        let end = from.find(|c| !is_of_run(c)).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        out.push_str(plain);
        if looks_secret(run) {
            let padding = after.len() - after.trim_start_matches('=').len();
            out.push_str(&hidden(run.len() + padding));
            rest = after.get(padding..).unwrap_or_default();
        } else {
            out.push_str(run);
            rest = after;
        }
    }
    out
}
