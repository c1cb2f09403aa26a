//! Bytes, lines and values, each read in the one way that everybody reads them in.

use std::net::Ipv6Addr;

use memchr::memchr;

use super::bad::Bad;

/// More than any name that is in use.
const NAME_BYTES_MAX: usize = 256;

/// What 64 bits hold, whatever the digits.
const LENGTH_DIGITS_MAX: usize = 18;

/// What 32 bits hold: a longer size is another size to those who count in them.
const CHUNK_DIGITS_MAX: usize = 8;

/// Which bytes a token of RFC 9110 §5.6.2 may have.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let other = matches!(
            byte,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        table[byte as usize] = byte.is_ascii_alphanumeric() || other;
        byte += 1;
    }
    table
};

pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// What stands before the end of a line, given with its line feed.
pub(super) fn line(bytes: &[u8]) -> Result<&[u8], Bad> {
    bytes.strip_suffix(b"\r\n").ok_or(Bad::BareLineFeed)
}

/// Name and value of a header or trailer line.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Bad> {
    if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        return Err(Bad::Fold);
    }
    let colon = memchr(b':', line).ok_or(Bad::Name)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_name(name) {
        return Err(Bad::Name);
    }
    if has_control(value) {
        return Err(Bad::Control);
    }
    // Of what this trims, only blank and tab are left.
    Ok((name, value.trim_ascii()))
}

/// `X_Signature` and `X-Signature` are one variable to CGI and its heirs.
pub(super) fn is_name(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES_MAX && is_token(name) && memchr(b'_', name).is_none()
}

/// Written so that many bytes are looked at at once.
pub(super) fn has_control(value: &[u8]) -> bool {
    value.iter().fold(false, |found, &byte| found | (byte.is_ascii_control() && byte != b'\t'))
}

/// Digits only: RFC 9112 §6.2 knows no sign, list or white space.
pub(super) fn length(value: &[u8]) -> Result<u64, Bad> {
    if value.is_empty() || value.len() > LENGTH_DIGITS_MAX {
        return Err(Bad::Length);
    }
    value.iter().try_fold(0, |length, byte| match byte {
        b'0'..=b'9' => Ok(length * 10 + u64::from(byte - b'0')),
        _ => Err(Bad::Length),
    })
}

/// Length of the line and size of the chunk, once the line is there. No sign, white space or
/// extension: nobody needs them, and many read them wrongly.
pub(super) fn chunk_size(bytes: &[u8]) -> Result<Option<(usize, u32)>, Bad> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let digits = digits.take(CHUNK_DIGITS_MAX + 1).count();
    if !(1..=CHUNK_DIGITS_MAX).contains(&digits) {
        return Err(Bad::ChunkSize);
    }
    let (size, rest) = bytes.split_at(digits);
    match rest {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => {
            let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(Bad::ChunkSize);
            let size = size.iter().try_fold(0, |size, &byte| Ok((size << 4) | digit(byte)?))?;
            Ok(Some((digits + 2, size)))
        }
        _ => Err(Bad::ChunkSize),
    }
}

/// A host and perhaps a port; no user, no list, no path.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (is_host, rest) = if let [b'[', rest @ ..] = value {
        let Some(end) = memchr(b']', rest) else { return false };
        let address = str::from_utf8(&rest[..end]).ok().map(str::parse::<Ipv6Addr>);
        (matches!(address, Some(Ok(_))), &rest[end + 1..])
    } else {
        let (host, port) = value.split_at(memchr(b':', value).unwrap_or(value.len()));
        let is_fit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        (!host.is_empty() && host.iter().all(is_fit), port)
    };
    let is_port = match rest {
        [] => true,
        [b':', port @ ..] => (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_host && is_port
}

/// A path and perhaps a query, as hyper takes them. A fragment it would drop without a word.
pub(super) fn is_path(target: &[u8]) -> bool {
    if target.first() != Some(&b'/') {
        return false;
    }
    let (path, query) = target.split_at(memchr(b'?', target).unwrap_or(target.len()));
    let is_fit = |byte: &u8| !matches!(byte, 0..=b' ' | b'#' | b'<' | b'>' | 0x7f);
    path.iter().all(|byte| is_fit(byte) && *byte != b'`')
        && query.iter().all(|byte| is_fit(byte) && *byte != b'"')
        && (target.is_ascii() || str::from_utf8(target).is_ok())
}
