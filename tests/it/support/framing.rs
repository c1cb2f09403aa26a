//! Where the filter sees a request end, and where hyper does. The fuzzer uses it, too.

use std::convert::Infallible;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use countersign::server::head::{HeadLimits, Scanner};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 16 * 1024, lines_max: 100 };

/// What must be read next, if the request before it was read to its end and no further.
const CANARY: &[u8] = b"GET /canary HTTP/1.1\r\nHost: a\r\n\r\n";

/// hyper reads each request that passes as one whole request, up to the same byte. How many do.
pub(crate) fn same_boundaries(bytes: &[u8]) -> usize {
    let (mut begun, ends) = (0, ends(bytes));
    for end in &ends {
        let request = &bytes[begun..*end];
        let shown = request.escape_ascii();
        let read = hyper_reads([request, CANARY].concat());
        let (last, others) = read.split_last().unwrap_or_else(|| panic!("refused: {shown}"));
        assert!(read.iter().all(|read| read.is_whole), "not whole: {read:?} of {shown}");
        match others {
            [] => assert!(last.ends, "read on: {read:?} of {shown}"),
            [_] => assert_eq!(last.path, "/canary", "{shown}"),
            _ => panic!("more than one: {read:?} of {shown}"),
        }
        begun = *end;
    }
    ends.len()
}

/// The same whether the bytes come one by one or all at once.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut scanner = Scanner::new(LIMITS);
    let (mut passed, mut ends, mut verdict) = (0, Vec::new(), Ok(()));
    for come in 1..=bytes.len() {
        let (length, found) = scanner.scan(&bytes[passed..come]);
        passed += length;
        verdict = found;
        if verdict.is_err() {
            break;
        }
        if passed == come && scanner.is_in_head() {
            ends.push(passed);
        }
    }
    assert_eq!(Scanner::new(LIMITS).scan(bytes), (passed, verdict), "{}", bytes.escape_ascii());
    ends
}

/// A request as hyper has read it.
#[derive(Debug)]
struct Read {
    path: String,
    /// Its body has ended as it said.
    is_whole: bool,
    /// Nothing is read after it.
    ends: bool,
}

fn hyper_reads(bytes: Vec<u8>) -> Vec<Read> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let read = Arc::clone(&all);
    let service = service_fn(move |request: Request<Incoming>| {
        let all = Arc::clone(&read);
        async move {
            let (head, body) = request.into_parts();
            let lines = head.headers.get_all(CONNECTION).into_iter();
            let mut options = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
            let ends = head.version == Version::HTTP_10
                || options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
            let is_whole = body.collect().await.is_ok();
            all.lock().unwrap().push(Read { path: head.uri.path().to_owned(), is_whole, ends });
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let stream = tokio::io::join(Cursor::new(bytes), tokio::io::sink());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let served = runtime.block_on(
        http1::Builder::new()
            .max_headers(LIMITS.lines_max)
            .max_header_size(LIMITS.bytes_max)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service),
    );
    drop(runtime);
    let read = std::mem::take(&mut *all.lock().unwrap());
    if served.is_ok() { read } else { Vec::new() }
}
