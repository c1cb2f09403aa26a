//! The limiter, with the time given to it.

use super::*;

#[test]
fn the_first_ten_refusals_of_a_second_are_logged_and_the_rest_counted() {
    let (limiter, begun) = (Limiter::default(), Instant::now());
    let written = (0..1000).filter(|_| limiter.admit("pay", "signature_missing", begun)).count();
    assert_eq!(written, 10);
    assert!(limiter.admit("pay", "too_large", begun), "another reason has its own ten");
    assert!(limiter.admit("other", "signature_missing", begun), "so has another route");
    assert_eq!(limiter.suppressed(begun + WINDOW), [("pay".to_owned(), "signature_missing", 990)]);
    assert!(limiter.admit("pay", "signature_missing", begun + WINDOW));
    assert_eq!(limiter.windows().len(), 1, "what is over is forgotten");
}

#[test]
fn a_quiet_second_begins_a_new_window() {
    let (limiter, begun) = (Limiter::default(), Instant::now());
    for second in 0..100 {
        assert!(limiter.admit("pay", "busy", begun + WINDOW * second));
    }
    assert!(limiter.suppressed(begun + WINDOW * 200).is_empty());
}
