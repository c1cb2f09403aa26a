//! A raw HTTP/1.1 message as text: what `verify` reads and `send --print` writes.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::rule::request::Wire;

/// Bytes of a request file.
const REQUEST_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Header lines of a message, at most.
const HEADERS_MAX: usize = 100;

/// A request read from a file.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

/// The bytes of a file; `-`: of standard input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let name = path.display();
    if path.as_os_str() == "-" {
        std::io::stdin().take(REQUEST_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(REQUEST_BYTES_MAX + 1).read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {name}"))?;
    }
    ensure!(bytes.len() as u64 <= REQUEST_BYTES_MAX, "{name}: more than {REQUEST_BYTES_MAX} bytes");
    Ok(bytes)
}

/// Reads a request: request line, header lines, an empty line, the body. Lines may end in LF alone,
/// as an editor leaves them; the body is taken as it is.
pub(super) fn parse(text: &[u8]) -> Result<Message> {
    let mut rest = text;
    let line = next_line(&mut rest).ok_or_else(|| anyhow!("the request is empty"))?;
    let line = std::str::from_utf8(line)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        bail!(
            "expected a request line such as `POST /path HTTP/1.1`, found `{}`",
            line.escape_debug()
        );
    };
    ensure!(
        version.starts_with("HTTP/1."),
        "expected HTTP/1.1, found `{}`",
        version.escape_debug()
    );
    let mut headers = Vec::new();
    loop {
        let line =
            next_line(&mut rest).ok_or_else(|| anyhow!("no empty line after the headers"))?;
        if line.is_empty() {
            break;
        }
        ensure!(headers.len() < HEADERS_MAX, "more than {HEADERS_MAX} header lines");
        let at = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(at.ok_or_else(|| anyhow!("a header line without `:`"))?);
        // Also the daemon refuses these: who takes them for a header is not who reads it (RFC 9112 §5).
        ensure!(
            !name.is_empty() && !name.iter().any(u8::is_ascii_whitespace),
            "white space in, or instead of, the name of a header"
        );
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        headers.push((std::str::from_utf8(name)?.to_owned(), value.to_vec()));
    }
    let message = Message {
        method: method.to_owned(),
        target: target.to_owned(),
        body: body(&headers, rest)?,
        headers,
    };
    Ok(message)
}

/// Cut to `Content-Length`, where there is one.
fn body(headers: &[(String, Vec<u8>)], rest: &[u8]) -> Result<Vec<u8>> {
    let find = |wanted: &'static str| {
        headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted))
    };
    if find("transfer-encoding").next().is_some() {
        bail!("Transfer-Encoding is not read: give the body as it is, with Content-Length or none");
    }
    let mut lengths = find("content-length");
    let Some((_, length)) = lengths.next() else { return Ok(rest.to_vec()) };
    ensure!(lengths.next().is_none(), "Content-Length comes twice");
    // `parse` would take a sign.
    let digits = std::str::from_utf8(length)?;
    let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let length: usize = digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| anyhow!("Content-Length is not a number"))?;
    let body = rest.get(..length).ok_or_else(|| {
        anyhow!("the body has {} bytes, Content-Length says {length}", rest.len())
    })?;
    Ok(body.to_vec())
}

fn next_line<'t>(rest: &mut &'t [u8]) -> Option<&'t [u8]> {
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let (line, after) = rest.split_at(end);
    *rest = after.strip_prefix(b"\n").unwrap_or_default();
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// A request as it goes over the wire.
pub(super) fn write(wire: &Wire, host: &str) -> Vec<u8> {
    let mut out =
        format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", wire.method(), wire.target()).into_bytes();
    for (name, value) in wire.headers() {
        if !["connection", "content-length", "host"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
        {
            out.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
    }
    let length = wire.body().len();
    out.extend(format!("Content-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes());
    out.extend(wire.body());
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn lines_may_end_in_either_way_and_the_body_stays_as_it_is() {
        for text in [
            "POST /a?b HTTP/1.1\r\nHost: x\r\nX-Sign:  00 \r\n\r\nbody\r\n",
            "POST /a?b HTTP/1.1\nHost: x\nX-Sign:  00 \n\nbody\r\n",
        ] {
            let message = parse(text.as_bytes()).unwrap();
            assert_eq!((message.method.as_str(), message.target.as_str()), ("POST", "/a?b"));
            assert_eq!(message.headers[1], ("X-Sign".to_owned(), b"00".to_vec()));
            assert_eq!(message.body, b"body\r\n");
        }
    }

    #[test]
    fn the_body_is_cut_to_its_length_and_a_short_one_is_refused() {
        let text = |length: usize| format!("POST / HTTP/1.1\nContent-Length: {length}\n\nabc\n");
        assert_eq!(parse(text(3).as_bytes()).unwrap().body, b"abc");
        assert!(parse(text(9).as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "",
            "GET",
            "GET / FTP/1\n\n",
            "GET / HTTP/1.1\nno colon\n\n",
            "GET / HTTP/1.1\nA: b\n",
            "GET / HTTP/1.1\nA : b\n\n",
            "GET / HTTP/1.1\nA: b\n c: d\n\n",
            "GET / HTTP/1.1\n: b\n\n",
            "GET / HTTP/1.1\nContent-Length: +1\n\nx",
            "GET / HTTP/1.1\nContent-Length:\n\nx",
            "GET / HTTP/1.1\nContent-Length: 1\nContent-Length: 1\n\nx",
            "GET / HTTP/1.1\nTransfer-Encoding: chunked\n\n1\nx\n0\n\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
