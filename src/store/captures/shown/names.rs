//! What must not be seen, by its name and by how it looks.

/// A name that says one of these is that of a secret or a signature.
const SECRET: [&str; 25] = [
    "bearer",
    "checksum",
    "cookie",
    "credential",
    "crc",
    "cvc",
    "cvn",
    "cvv",
    "digest",
    "hash",
    "hmac",
    "jwt",
    "md5",
    "passphrase",
    "passw",
    "pwd",
    "salt",
    "secret",
    "sha1",
    "sha2",
    "sha5",
    "sign",
    "token",
    "track1",
    "track2",
];
/// So does one that says one of these, unless it says one of [`HARMLESS`] too.
const PERHAPS_SECRET: [&str; 4] = ["auth", "code", "key", "mac"];
const HARMLESS: [&str; 18] = [
    "action", "amount", "bank", "country", "currency", "date", "decline", "err", "lang", "mcc",
    "merchant", "public", "reason", "reject", "response", "result", "status", "time",
];
/// Names that are too short to be looked for in others.
const SHORT: [&str; 11] =
    ["csc", "ecp", "iv", "otp", "pass", "pin", "sgn", "sig", "ss1", "ss2", "ss3"];
/// Ends of the names of what operators look for, however random it looks.
const REFERENCES: [&str; 10] =
    ["guid", "id", "ids", "invoice", "number", "order", "reference", "rrn", "transaction", "uuid"];

/// Characters of the shortest text that may be a secret by its looks alone.
const SECRET_MIN: usize = 24;
/// Characters of the longest reference.
const REFERENCE_MAX: usize = 64;
/// Words have fewer.
const UNBROKEN_MAX: usize = 40;

/// How much a name says about its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Says {
    /// Nothing.
    Nothing,
    /// It is a reference.
    Reference,
    /// It is a secret if it is text; a structure of that name may be anything.
    PerhapsSecret,
    /// It is a secret, whatever it is.
    Secret,
}

impl Says {
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::PerhapsSecret | Self::Secret)
    }
}

pub(super) fn says(name: &str) -> Says {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let has = |words: &[&str]| words.iter().any(|word| plain.contains(word));
    let last = name.rsplit(['.', '[', ' ']).next().unwrap_or_default().trim_end_matches(']');
    let is_short = |name: &str| {
        let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| SHORT.iter().any(|short| word.eq_ignore_ascii_case(short)))
    };
    if has(&SECRET) || is_short(name) || is_short(last) {
        Says::Secret
    } else if has(&PERHAPS_SECRET) && !has(&HARMLESS) {
        Says::PerhapsSecret
    } else if REFERENCES.iter().any(|word| plain.ends_with(word)) {
        Says::Reference
    } else {
        Says::Nothing
    }
}

/// Whether a name says that its value is a document that is signed, or the name of a signature.
pub(super) fn says_signed(name: &str) -> bool {
    name.to_ascii_lowercase().contains("signed")
}

/// Whether it may be a reference: one word, not longer than references are.
pub(super) fn is_reference(text: &str) -> bool {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.len() <= REFERENCE_MAX && text.bytes().all(is_of_word)
}

/// What runs of secrets are made of: hexadecimal, both alphabets of base64, percent escapes.
pub(super) fn is_of_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/-_%".contains(c)
}

/// Whether a run looks like nothing that somebody would read.
pub(super) fn looks_secret(run: &str) -> bool {
    if run.len() < SECRET_MIN || run.bytes().all(|byte| byte.is_ascii_digit()) || is_uuid(run) {
        return false;
    }
    run.split('/').chain([run]).any(|part| part.len() >= SECRET_MIN && !is_readable(part))
}

fn is_readable(text: &str) -> bool {
    let has = |test: fn(&u8) -> bool| text.bytes().any(|byte| test(&byte));
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return !has(u8::is_ascii_alphabetic);
    }
    // Of base64: numbers aside, nobody writes it so.
    if has(|byte| *byte == b'+') && has(u8::is_ascii_alphabetic) {
        return false;
    }
    let words = || text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_long = words().any(|word| {
        word.len() >= UNBROKEN_MAX
            || (word.len() >= SECRET_MIN
                && changes(word, |byte| u8::from(byte.is_ascii_digit())) >= 4)
    });
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        _ => 2,
    };
    // Of random base64 two letters of three are followed by another kind, of words one of six.
    let changes: usize = words().map(|word| changes(word, class)).sum();
    let has_all =
        has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    // Words written together begin with one letter of another kind and go on.
    let small = || text.split(|c: char| !c.is_ascii_lowercase()).filter(|run| !run.is_empty());
    let large = text.bytes().filter(u8::is_ascii_uppercase).count();
    let is_mixed = large > 2 && 2 * small().map(str::len).sum::<usize>() < 5 * small().count();
    let is_mixed = is_mixed || words().any(is_shuffled);
    !is_long && !is_mixed && changes * 10 < text.len() * if has_all { 2 } else { 3 }
}

/// Whether capitals stand together again and again in the midst of small letters.
fn is_shuffled(word: &str) -> bool {
    let large = word.split(|c: char| !c.is_ascii_uppercase()).filter(|run| run.len() > 1);
    word.len() >= SECRET_MIN / 2
        && word.bytes().any(|b| b.is_ascii_lowercase())
        && large.count() > 1
}

/// How often the class of the characters changes.
fn changes(word: &str, class: impl Fn(u8) -> u8) -> usize {
    word.as_bytes().windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count()
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let is_digits = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_digits && lengths.eq([8, 4, 4, 4, 12])
}
