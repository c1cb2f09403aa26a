//! Words of a capture as YAML.

/// Characters of a value that a comment shows.
const SHOWN_MAX: usize = 40;

/// A scalar on one line, in quotes.
pub(super) fn quoted(text: &str) -> String {
    if text.contains(['"', '\\']) && !text.contains(must_be_escaped) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // None of them is beyond four digits.
            c if must_be_escaped(c) => out.extend(["\\u", &format!("{:04x}", u32::from(c))]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What is not printable in YAML 1.2 (§5.1), or is a line break to some readers, or hides.
fn must_be_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A key: bare where nobody can take it for something else.
pub(super) fn key(name: &str) -> String {
    const WORDS: [&str; 9] = ["false", "n", "no", "null", "off", "on", "true", "y", "yes"];
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && !WORDS.iter().any(|word| name.eq_ignore_ascii_case(word));
    if plain { name.to_owned() } else { quoted(name) }
}

/// A text as the value of a key, over several lines where it has some. `indent` is that of the key.
pub(super) fn text(text: &str, indent: usize) -> String {
    let is_block = text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && !text.contains(|c: char| c != '\n' && must_be_escaped(c));
    if !is_block {
        return quoted(text);
    }
    let (mark, body) = match text.strip_suffix('\n') {
        Some(body) => ("|", body),
        None => ("|-", text),
    };
    let margin = " ".repeat(indent + 2);
    let lines: Vec<String> = body
        .split('\n')
        .map(|line| if line.is_empty() { String::new() } else { format!("{margin}{line}") })
        .collect();
    format!("{mark}\n{}", lines.join("\n"))
}

/// The beginning of a value, for a comment.
pub(super) fn shown(text: &str) -> String {
    let mut chars = text.chars().map(|c| if must_be_escaped(c) { ' ' } else { c });
    let mut out: String = chars.by_ref().take(SHOWN_MAX).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}
