//! Dictionaries of structured fields (RFC 8941), the part of them that signatures and digests of
//! messages use, and stricter: a key that comes twice is refused where the RFC lets the last one
//! win, base64 has one spelling, and there are no decimals.

use crate::engine::encoding::Encoding;

/// Bytes of all lines of one field.
pub(super) const FIELD_BYTES_MAX: usize = 16 * 1024;
/// Members of a dictionary.
pub(super) const MEMBERS_MAX: usize = 16;
/// Items of an inner list.
pub(super) const ITEMS_MAX: usize = 64;
/// Parameters of one item or inner list.
pub(super) const PARAMS_MAX: usize = 16;

/// Why a field was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FieldError {
    /// A key comes twice.
    Duplicate,
    /// Not a dictionary as described above.
    Malformed,
    /// Longer than it may be, or with more parts.
    TooLong,
}

/// A key and its value.
pub(super) type Member = (String, MemberValue);

/// A value of a dictionary.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum MemberValue {
    Item(Item),
    List(InnerList),
}

#[derive(Debug, Eq, PartialEq)]
pub(super) struct InnerList {
    pub(super) items: Vec<Item>,
    pub(super) params: Params,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) struct Item {
    pub(super) bare: Bare,
    pub(super) params: Params,
}

/// In order, no key twice.
pub(super) type Params = Vec<(String, Bare)>;

/// A value without parameters.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Bare {
    Boolean(bool),
    Bytes(Vec<u8>),
    Integer(i64),
    Text(String),
    Token(String),
}

/// Reads the lines of a field as one dictionary. Each line is whole: no text runs from one to the
/// next.
pub(super) fn dictionary<'l>(
    lines: impl Iterator<Item = &'l [u8]>,
) -> Result<Vec<Member>, FieldError> {
    let (mut members, mut bytes) = (Vec::<Member>::new(), 0);
    for line in lines {
        bytes += line.len();
        if bytes > FIELD_BYTES_MAX {
            return Err(FieldError::TooLong);
        }
        let mut reader = Reader { rest: line.trim_ascii() };
        while !reader.rest.is_empty() {
            let member = reader.member()?;
            if members.iter().any(|(key, _)| *key == member.0) {
                return Err(FieldError::Duplicate);
            }
            if members.len() == MEMBERS_MAX {
                return Err(FieldError::TooLong);
            }
            members.push(member);
            reader.next_member()?;
        }
    }
    Ok(members)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn member(&mut self) -> Result<Member, FieldError> {
        let key = self.key()?;
        let value = if !self.skip(b'=') {
            let (bare, params) = (Bare::Boolean(true), self.params()?);
            MemberValue::Item(Item { bare, params })
        } else if self.skip(b'(') {
            MemberValue::List(self.inner_list()?)
        } else {
            MemberValue::Item(self.item()?)
        };
        Ok((key, value))
    }

    /// Past a comma and what may stand around it, or at the end. After a comma there is a member.
    fn next_member(&mut self) -> Result<(), FieldError> {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t'));
        if self.rest.is_empty() {
            return Ok(());
        }
        let comma = self.skip(b',');
        self.skip_while(|byte| matches!(byte, b' ' | b'\t'));
        if comma && !self.rest.is_empty() { Ok(()) } else { Err(FieldError::Malformed) }
    }

    /// From behind the opening bracket.
    fn inner_list(&mut self) -> Result<InnerList, FieldError> {
        let mut items = Vec::new();
        loop {
            let spaces = self.skip_while(|byte| byte == b' ');
            if self.skip(b')') {
                return Ok(InnerList { items, params: self.params()? });
            }
            if spaces.is_empty() && !items.is_empty() {
                return Err(FieldError::Malformed);
            }
            if items.len() == ITEMS_MAX {
                return Err(FieldError::TooLong);
            }
            items.push(self.item()?);
        }
    }

    fn item(&mut self) -> Result<Item, FieldError> {
        Ok(Item { bare: self.bare()?, params: self.params()? })
    }

    fn params(&mut self) -> Result<Params, FieldError> {
        let mut params = Params::new();
        while self.skip(b';') {
            self.skip_while(|byte| byte == b' ');
            let key = self.key()?;
            let value = if self.skip(b'=') { self.bare()? } else { Bare::Boolean(true) };
            if params.iter().any(|(found, _)| *found == key) {
                return Err(FieldError::Duplicate);
            }
            if params.len() == PARAMS_MAX {
                return Err(FieldError::TooLong);
            }
            params.push((key, value));
        }
        Ok(params)
    }

    fn key(&mut self) -> Result<String, FieldError> {
        let key = self.skip_while(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
        });
        let begins = key.first().is_some_and(|byte| byte.is_ascii_lowercase() || *byte == b'*');
        if begins { text(key) } else { Err(FieldError::Malformed) }
    }

    fn bare(&mut self) -> Result<Bare, FieldError> {
        match self.rest.first() {
            Some(b'"') => self.string(),
            Some(b':') => self.bytes(),
            Some(b'?') => self.boolean(),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            Some(b'*' | b'a'..=b'z' | b'A'..=b'Z') => {
                let token = self.skip_while(|byte| is_tchar(byte) || matches!(byte, b':' | b'/'));
                text(token).map(Bare::Token)
            }
            _ => Err(FieldError::Malformed),
        }
    }

    fn string(&mut self) -> Result<Bare, FieldError> {
        let mut out = String::new();
        self.skip(b'"');
        loop {
            match *self.rest {
                [b'"', ref rest @ ..] => {
                    self.rest = rest;
                    return Ok(Bare::Text(out));
                }
                [b'\\', escaped @ (b'"' | b'\\'), ref rest @ ..] => {
                    out.push(char::from(escaped));
                    self.rest = rest;
                }
                [b'\\', ..] => return Err(FieldError::Malformed),
                [plain @ b' '..=b'~', ref rest @ ..] => {
                    out.push(char::from(plain));
                    self.rest = rest;
                }
                _ => return Err(FieldError::Malformed),
            }
        }
    }

    fn bytes(&mut self) -> Result<Bare, FieldError> {
        self.skip(b':');
        let encoded = self.skip_while(|byte| byte != b':');
        let bytes = Encoding::Base64.decode(encoded).filter(|_| self.skip(b':'));
        bytes.map(Bare::Bytes).ok_or(FieldError::Malformed)
    }

    fn boolean(&mut self) -> Result<Bare, FieldError> {
        self.skip(b'?');
        let truth = self.skip(b'1');
        if truth || self.skip(b'0') { Ok(Bare::Boolean(truth)) } else { Err(FieldError::Malformed) }
    }

    /// At most fifteen digits, so that it always fits. It is written as it is read: no zeros in
    /// front, which the RFC would read and write otherwise.
    fn integer(&mut self) -> Result<Bare, FieldError> {
        let negative = self.skip(b'-');
        let digits = self.skip_while(|byte| byte.is_ascii_digit());
        let plain = matches!(digits, [b'0'] if !negative) || matches!(digits, [b'1'..=b'9', ..]);
        if !plain || digits.len() > 15 || self.rest.first() == Some(&b'.') {
            return Err(FieldError::Malformed);
        }
        let value: i64 = text(digits)?.parse().map_err(|_| FieldError::Malformed)?;
        Ok(Bare::Integer(if negative { -value } else { value }))
    }

    fn skip(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_while(&mut self, is_part: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !is_part(byte)).unwrap_or(self.rest.len());
        let (part, rest) = self.rest.split_at(end);
        self.rest = rest;
        part
    }
}

/// RFC 9110 §5.6.2.
pub(super) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn text(bytes: &[u8]) -> Result<String, FieldError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| FieldError::Malformed)
}

impl InnerList {
    /// RFC 8941 §4.1.1.1.
    pub(super) fn write(&self, out: &mut String) {
        out.push('(');
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                out.push(' ');
            }
            item.write(out);
        }
        out.push(')');
        write_params(&self.params, out);
    }
}

impl Item {
    /// RFC 8941 §4.1.3.
    pub(super) fn write(&self, out: &mut String) {
        self.bare.write(out);
        write_params(&self.params, out);
    }
}

fn write_params(params: &Params, out: &mut String) {
    for (key, value) in params {
        out.push(';');
        out.push_str(key);
        if *value != Bare::Boolean(true) {
            out.push('=');
            value.write(out);
        }
    }
}

impl Bare {
    fn write(&self, out: &mut String) {
        match self {
            Self::Boolean(truth) => out.push_str(if *truth { "?1" } else { "?0" }),
            Self::Bytes(bytes) => {
                out.push(':');
                out.push_str(&Encoding::Base64.encode(bytes));
                out.push(':');
            }
            Self::Integer(value) => out.push_str(&value.to_string()),
            Self::Text(text) => {
                out.push('"');
                for char in text.chars() {
                    if matches!(char, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(char);
                }
                out.push('"');
            }
            Self::Token(token) => out.push_str(token),
        }
    }
}
