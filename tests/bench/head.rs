//! What the filter in front of hyper costs a request: `cargo bench --bench head`.
#![allow(clippy::print_stdout, missing_docs, reason = "a benchmark prints")]

use std::hint::black_box;
use std::time::Instant;

use countersign::server::head::{HeadLimits, Scanner};

const LIMITS: HeadLimits = HeadLimits { bytes_max: 16 * 1024, lines_max: 100 };
const TURNS: usize = 60;
const REQUESTS: u32 = 2000;

fn main() {
    let line = "POST /billing/payment/stripe/ HTTP/1.1\r\nHost: pay.example\r\n";
    let stripe = format!(
        "{line}User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n\
         Accept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\n\
         Content-Type: application/json; charset=utf-8\r\n\
         Stripe-Signature: t=1760000000,v1={0},v0={0}\r\nContent-Length: 2000\r\n\
         X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n{1}",
        "0123456789abcdef".repeat(4),
        "x".repeat(2000)
    );
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let chunks = format!("{line}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(2));
    let large = format!("{line}Cookie: {}\r\n\r\n", "a=b; ".repeat(1600));
    println!("ns a request, best (median)");
    for (name, request) in [("stripe", stripe), ("chunks", chunks), ("8 KiB head", large)] {
        let mut turns: Vec<_> = (0..TURNS).map(|_| turn(request.as_bytes())).collect();
        turns.sort_unstable();
        println!("{name:<12}{:>8} ({}), {} bytes", turns[0], turns[TURNS / 2], request.len());
    }
}

/// Nanoseconds a request.
fn turn(request: &[u8]) -> u128 {
    let mut scanner = Scanner::new(LIMITS);
    let begun = Instant::now();
    for _ in 0..REQUESTS {
        let (passed, verdict) = black_box(scanner.scan(black_box(request)));
        assert!(passed == request.len() && verdict.is_ok());
    }
    begun.elapsed().as_nanos() / u128::from(REQUESTS)
}
