//! Heads and bodies that pass, and those that do not, whole and cut at every byte.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 500, lines_max: 20 };

/// Pushes `parts` through a new scanner as a stream would. What passed, and the end of it.
fn scan(parts: &[&[u8]]) -> (Vec<u8>, Scanner, Result<(), Bad>) {
    let (mut scanner, mut waiting, mut out) = (Scanner::new(LIMITS), Vec::new(), Vec::new());
    for part in parts {
        waiting.extend_from_slice(part);
        let (passed, verdict) = scanner.scan(&waiting);
        out.extend(waiting.drain(..passed));
        if verdict.is_err() {
            return (out, scanner, verdict);
        }
    }
    (out, scanner, Ok(()))
}

/// Whole, in every two parts, and byte by byte.
fn cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let two = (0..=bytes.len()).map(|at| <[&[u8]; 2]>::from(bytes.split_at(at)).to_vec());
    two.chain([bytes.chunks(1).collect()])
}

/// All of it passes, and is whole.
#[track_caller]
fn passes(text: impl AsRef<[u8]>) {
    let bytes = text.as_ref();
    for parts in cuts(bytes) {
        let (out, scanner, verdict) = scan(&parts);
        let shown = bytes.escape_ascii();
        assert_eq!(verdict, Ok(()), "{shown}");
        assert_eq!(out.escape_ascii().to_string(), shown.to_string());
        assert!(scanner.is_in_head(), "the body goes on: {shown}");
    }
}

/// None of it passes but the first `passed` bytes.
#[track_caller]
fn fails(text: impl AsRef<[u8]>, passed: usize, bad: Bad) {
    let bytes = text.as_ref();
    for parts in cuts(bytes) {
        let (out, _, verdict) = scan(&parts);
        let shown = bytes.escape_ascii();
        assert_eq!((verdict, out.len()), (Err(bad), passed), "{shown}");
    }
}

fn head(lines: &str) -> String {
    format!("POST /pay HTTP/1.1\r\nHost: pay.example\r\n{lines}\r\n")
}

fn chunked(body: &str) -> String {
    head("Transfer-Encoding: chunked\r\n") + body
}

#[test]
fn what_gateways_send_passes() {
    for text in [
        head(""),
        head("Content-Length: 0\r\n"),
        head("Content-Length:3\r\n") + "a=1",
        head("CONTENT-LENGTH: \t 0003 \t\r\n") + "a\n1",
        head("Transfer-Encoding: Chunked\r\n") + "0\r\n\r\n",
        head("Expect: 100-Continue\r\nContent-Length: 1\r\n") + "a",
        head("Connection: keep-alive, Upgrade,\r\nConnection: close\r\n"),
        head("X-Empty:\r\nX-Text: caf\u{e9} \"{}\" \t \r\nX!#$%&'*+-.^`|~9: y\r\n"),
        chunked("3\r\na=1\r\n0\r\n\r\n"),
        chunked("0000000b\r\n0\r\n\r\n0\r\n\r\nx\r\n00\r\nX-Sum: 1\r\nY: z\r\n\r\n"),
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n".into(),
        "GET /a?b=c&d[]={%20}|^~\u{20ac} HTTP/1.1\r\nhost: a_b-c.example.:65535\r\n\r\n".into(),
        "GET http://a.example:80/b HTTP/1.1\r\nHost: A.example:80\r\n\r\n".into(),
        "GET https://[::1]/b HTTP/1.1\r\nHost: [::1]\r\n\r\n".into(),
        "\r\n\r\nHEAD / HTTP/1.1\r\nHost: [2001:db8::1]:1\r\n\r\n".into(),
    ] {
        passes(text);
    }
}

#[test]
fn one_after_another_they_pass_as_they_pass_alone() {
    let all = [
        head("Content-Length: 3\r\n") + "a=1",
        chunked("3\r\na=1\r\n0\r\n\r\n"),
        head(""),
        "\r\n".to_owned() + &chunked("0\r\nX: y\r\n\r\n"),
        head("Content-Length: 20\r\n") + "GET / HTTP/1.1\r\n\r\n..",
    ];
    passes(all.concat());
    let before = all.concat();
    fails(before.clone() + "GET / HTTP/1.1\r\nHost: a\n\r\n", before.len(), Bad::BareLineFeed);
    passes(all.iter().cycle().take(12).map(String::as_str).collect::<String>());
}

#[test]
fn framing_that_can_be_read_in_two_ways_fails() {
    for (lines, bad) in [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked", Bad::LengthAndCoding),
        ("transfer-encoding: chunked\r\nX: y\r\nCONTENT-LENGTH: 3", Bad::LengthAndCoding),
        ("Content-Length: 3\r\nContent-Length: 3", Bad::Length),
        ("Content-Length: 3\r\nContent-Length: 0", Bad::Length),
        ("Content-Length: 3, 3", Bad::Length),
        ("Content-Length: +3", Bad::Length),
        ("Content-Length: -3", Bad::Length),
        ("Content-Length: 0x3", Bad::Length),
        ("Content-Length: 1 3", Bad::Length),
        ("Content-Length: 3;", Bad::Length),
        ("Content-Length: 1e3", Bad::Length),
        ("Content-Length: \u{ff13}", Bad::Length),
        ("Content-Length:", Bad::Length),
        ("Content-Length: 18446744073709551619", Bad::Length),
        ("Content-Length : 3", Bad::Name),
        ("Content_Length: 3", Bad::Name),
        ("Transfer-Encoding: gzip, chunked", Bad::Coding),
        ("Transfer-Encoding: chunked, chunked", Bad::Coding),
        ("Transfer-Encoding: ,chunked", Bad::Coding),
        ("Transfer-Encoding: chunked,", Bad::Coding),
        ("Transfer-Encoding: chunked;x=1", Bad::Coding),
        ("Transfer-Encoding: \"chunked\"", Bad::Coding),
        ("Transfer-Encoding: xchunked", Bad::Coding),
        ("Transfer-Encoding: identity", Bad::Coding),
        ("Transfer-Encoding: chunked\u{a0}", Bad::Coding),
        ("Transfer-Encoding:", Bad::Coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Bad::Coding),
        ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", Bad::Coding),
        ("Transfer-Encoding: \u{b}chunked", Bad::Control),
        ("Transfer-Encoding: chunked\0", Bad::Control),
        ("Transfer-Encoding: chunked\r", Bad::Control),
        ("Transfer-Encoding\t: chunked", Bad::Name),
        ("Transfer_Encoding: chunked", Bad::Name),
        ("Transfer Encoding: chunked", Bad::Name),
        ("Transfer-Encoding\0: chunked", Bad::Name),
        ("Transfer-Encoding chunked", Bad::Name),
        ("Connection: content-length", Bad::Connection),
        ("Connection: close, Transfer-Encoding", Bad::Connection),
        ("Connection: \"close\"", Bad::Connection),
        ("Connection: Host\t,", Bad::Connection),
        ("Expect: 200-ok", Bad::Expect),
        ("Expect: y 100-continue", Bad::Expect),
        ("Expect:", Bad::Expect),
    ] {
        fails(head(&format!("{lines}\r\n")), 0, bad);
        fails(head(&format!("X: y\r\n{lines}\r\nX: y\r\n")), 0, bad);
    }
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    fails(old, 0, Bad::Coding);
}

#[test]
fn lines_that_can_be_read_in_two_ways_fail() {
    for (lines, bad) in [
        ("X: y\n", Bad::BareLineFeed),
        ("X: y\n\r\n", Bad::BareLineFeed),
        ("X: y\r\n\n", Bad::BareLineFeed),
        ("X: y\rTransfer-Encoding: chunked\r\n", Bad::Control),
        ("X: y\r\r\n", Bad::Control),
        ("X: \u{7f}\r\n", Bad::Control),
        ("X: \u{1}\r\n", Bad::Control),
        ("X: y\r\n z\r\n", Bad::Fold),
        ("X: y\r\n\tz: 1\r\n", Bad::Fold),
        (" X: y\r\n", Bad::Fold),
        (": y\r\n", Bad::Name),
        ("X\r\n", Bad::Name),
        ("\rX: y\r\n", Bad::Name),
        ("X y: z\r\n", Bad::Name),
        ("X_y: z\r\n", Bad::Name),
        ("\u{e9}: z\r\n", Bad::Name),
        ("(X): y\r\n", Bad::Name),
    ] {
        fails(head(lines), 0, bad);
    }
}

#[test]
fn there_is_exactly_one_good_host() {
    for host in [
        "",
        " ",
        "a, b",
        "u@a",
        "a/b",
        "a?",
        "a#",
        "a b",
        "a:",
        "a:x",
        "a:123456",
        "a:1:2",
        ":80",
        "a%20",
        "[::1",
        "::1",
        "[::1]x",
        "[::g]",
        "[::1%eth0]",
        "\u{e9}",
        "a\\b",
        "\"a\"",
    ] {
        fails(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), 0, Bad::Host);
    }
    fails("GET / HTTP/1.1\r\n\r\n", 0, Bad::Host);
    fails("GET / HTTP/1.0\r\n\r\n", 0, Bad::Host);
    fails("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n", 0, Bad::Host);
    for target in ["http://b/", "http://a:80/", "http://u@a/", "http://a.b/", "https:///"] {
        fails(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), 0, Bad::Host);
    }
}

#[test]
fn request_lines_have_one_form() {
    for (line, bad) in [
        ("CONNECT a:80 HTTP/1.1", Bad::Method),
        ("CONNECT / HTTP/1.1", Bad::Method),
        ("G(T / HTTP/1.1", Bad::Method),
        ("G\u{1}T / HTTP/1.1", Bad::Method),
        (" GET / HTTP/1.1", Bad::Method),
        ("\u{16}\u{3}\u{1}", Bad::Method),
        ("\0", Bad::Method),
        ("GET", Bad::Method),
        ("GET\t/\tHTTP/1.1", Bad::Method),
        ("\rGET / HTTP/1.1", Bad::Method),
        ("GET /", Bad::Target),
        ("OPTIONS * HTTP/1.1", Bad::Target),
        ("PRI * HTTP/2.0", Bad::Target),
        ("GET  / HTTP/1.1", Bad::Target),
        ("GET a HTTP/1.1", Bad::Target),
        ("GET a:80 HTTP/1.1", Bad::Target),
        ("GET http://a HTTP/1.1", Bad::Target),
        ("GET http://a?b HTTP/1.1", Bad::Target),
        ("GET ftp://a/ HTTP/1.1", Bad::Target),
        ("GET HTTP://a/ HTTP/1.1", Bad::Target),
        ("GET /#a HTTP/1.1", Bad::Target),
        ("GET /?#a HTTP/1.1", Bad::Target),
        ("GET /<a> HTTP/1.1", Bad::Target),
        ("GET /\0 HTTP/1.1", Bad::Target),
        ("GET /\t HTTP/1.1", Bad::Target),
        ("GET /\r HTTP/1.1", Bad::Target),
        ("GET / HTTP/1.2", Bad::Version),
        ("GET / HTTP/2.0", Bad::Version),
        ("GET / HTTP/0.9", Bad::Version),
        ("GET / HTTP/1.11", Bad::Version),
        ("GET / http/1.1", Bad::Version),
        ("GET / HTTP/1.1 ", Bad::Version),
        ("GET / HTTP/1.1 HTTP/1.1", Bad::Version),
        ("GET / x HTTP/1.1", Bad::Version),
        ("GET /\u{20} HTTP/1.1", Bad::Version),
    ] {
        fails(format!("{line}\r\nHost: a\r\n\r\n"), 0, bad);
    }
    fails(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 0, Bad::Target);
    fails("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, Bad::Method);
    fails("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, Bad::Method);
}

#[test]
fn what_does_not_begin_like_a_request_is_not_waited_for() {
    for start in [&b"\x16\x03\x01\x02"[..], b"\n", b"\0", b" ", b"\xff"] {
        assert_eq!(scan(&[start]).2, Err(Bad::Method), "{}", start.escape_ascii());
    }
}

#[test]
fn chunks_have_one_form() {
    let first = chunked("").len();
    for (body, passed, bad) in [
        ("0x3\r\na=1\r\n", 0, Bad::ChunkSize),
        ("+3\r\na=1\r\n", 0, Bad::ChunkSize),
        ("-3\r\na=1\r\n", 0, Bad::ChunkSize),
        (" 3\r\na=1\r\n", 0, Bad::ChunkSize),
        ("3 \r\na=1\r\n", 0, Bad::ChunkSize),
        ("3;\r\na=1\r\n", 0, Bad::ChunkSize),
        ("3;a=b\r\na=1\r\n", 0, Bad::ChunkSize),
        ("3;a=\"\r\n0\r\n\r\n", 0, Bad::ChunkSize),
        ("3;a\nxx\r\n", 0, Bad::ChunkSize),
        ("3g\r\na=1\r\n", 0, Bad::ChunkSize),
        ("3\na=1\r\n", 0, Bad::ChunkSize),
        ("3\rXa=1\r\n", 0, Bad::ChunkSize),
        ("\r\n\r\n", 0, Bad::ChunkSize),
        ("100000000\r\n\r\n", 0, Bad::ChunkSize),
        ("10000000000000003\r\na=1\r\n", 0, Bad::ChunkSize),
        ("000000003\r\na=1\r\n", 0, Bad::ChunkSize),
        ("3\r\na=1\n0\r\n\r\n", 6, Bad::ChunkEnd),
        ("3\r\na=10\r\n\r\n", 6, Bad::ChunkEnd),
        ("3\r\na=1\r0\r\n", 6, Bad::ChunkEnd),
        ("3\r\na=1\r\n\r\n", 8, Bad::ChunkSize),
        ("0\n\r\n", 0, Bad::ChunkSize),
        ("0\r\n\n", 3, Bad::BareLineFeed),
        ("0\r\nX: y\n\n", 3, Bad::BareLineFeed),
        ("0\r\nX: y\r\n z\r\n\r\n", 9, Bad::Fold),
        ("0\r\nX: \0\r\n\r\n", 3, Bad::Control),
        ("0\r\nXX\r\n\r\n", 3, Bad::Name),
        ("0\r\nX_Y: z\r\n\r\n", 3, Bad::Name),
        ("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 3, Bad::Name),
        ("0\r\nContent-Length: 3\r\n\r\n", 3, Bad::Trailer),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", 3, Bad::Trailer),
        ("0\r\nHost: a\r\n\r\n", 3, Bad::Trailer),
    ] {
        fails(chunked(body), first + passed, bad);
    }
}

#[test]
fn heads_and_trailers_have_limits() {
    let long = |bytes: usize| {
        let rest = bytes - head("X: \r\n").len();
        head(&format!("X: {}\r\n", "y".repeat(rest)))
    };
    passes(long(500));
    fails(long(501), 0, Bad::TooLarge);
    fails("x".repeat(500), 0, Bad::TooLarge);
    passes(head(&"X: y\r\n".repeat(19)));
    fails(head(&"X: y\r\n".repeat(20)), 0, Bad::TooLarge);

    let trailer = format!("X: {}\r\n", "y".repeat(495));
    let text = chunked(&format!("0\r\n{}\r\n", trailer.repeat(8)));
    passes(&text);
    let (out, _, verdict) = scan(&[chunked(&format!("0\r\n{}", trailer.repeat(9))).as_bytes()]);
    assert_eq!((verdict, out.len()), (Err(Bad::Trailer), text.len() - 2));
    let (.., verdict) = scan(&[chunked(&format!("0\r\n{}", "X:\r\n".repeat(30))).as_bytes()]);
    assert_eq!(verdict, Err(Bad::Trailer));
}

#[test]
fn the_words_are_distinct() {
    let all = [
        Bad::BareLineFeed,
        Bad::ChunkEnd,
        Bad::ChunkSize,
        Bad::Coding,
        Bad::Connection,
        Bad::Control,
        Bad::Expect,
        Bad::Fold,
        Bad::Host,
        Bad::Length,
        Bad::LengthAndCoding,
        Bad::Method,
        Bad::Name,
        Bad::Target,
        Bad::TooLarge,
        Bad::Trailer,
        Bad::Version,
    ];
    let words: std::collections::HashSet<_> = all.map(Bad::as_str).into_iter().collect();
    assert_eq!(words.len(), all.len());
}
