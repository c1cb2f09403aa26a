//! What `/metrics` says after this and that.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.text().unwrap()).unwrap()
}

fn labels<'a>(route: &'a str, keys: &'a [String]) -> RouteLabels<'a> {
    RouteLabels {
        route,
        gateway: "acme",
        upstream: "shop",
        ready: true,
        strength: Some("strong"),
        keys,
    }
}

#[test]
fn what_happened_is_counted_under_the_documented_names() {
    let metrics = Metrics::new().unwrap();
    let keys = ["secrets.0".to_owned()];
    metrics.published([labels("pay", &keys)].into_iter());
    metrics.reloaded(3, 1_700_000_000);
    let route = metrics.route("pay", "acme", &keys);
    route.callback(Outcome::Accepted, "ok");
    route.callback(Outcome::Rejected, "signature_missing");
    route.took(Stage::Judge, Duration::from_micros(30));
    route.key_matched("secrets.0", 1_700_000_001);
    route.key_matched("secrets.9", 1_700_000_001);
    metrics.refused_before_route(Outcome::Rejected, "no_route");
    metrics.upstream("shop").answered(Class::Timeout, Duration::from_secs(3));
    let exchanges = metrics.exchanges();
    exchanges.ended("acme", "certificate", ExchangeOutcome::TlsFailed);
    exchanges.took("acme", "certificate", Duration::from_secs(1));
    exchanges.breaker("api.acme.example", true);
    exchanges.breaker("other.example", true);
    exchanges.breaker_forgotten("other.example");
    let captures = metrics.captures();
    captures.now(3, 4096, None, 1);
    captures.now(2, 8192, Some(1_700_000_002), 5);
    let _open = metrics.connections().opened();
    let text = text(&metrics);
    for line in [
        "countersign_callbacks_total{gateway=\"acme\",outcome=\"accepted\",reason=\"ok\",route=\"pay\"} 1",
        "countersign_callbacks_total{gateway=\"acme\",outcome=\"rejected\",reason=\"signature_missing\",route=\"pay\"} 1",
        "countersign_callbacks_total{gateway=\"none\",outcome=\"rejected\",reason=\"no_route\",route=\"none\"} 1",
        "countersign_callback_duration_seconds_bucket{gateway=\"acme\",stage=\"judge\",le=\"0.00005\"} 1",
        "countersign_upstream_responses_total{class=\"timeout\",upstream=\"shop\"} 1",
        "countersign_upstream_duration_seconds_count{upstream=\"shop\"} 1",
        "countersign_exchanges_total{exchange=\"certificate\",gateway=\"acme\",outcome=\"tls_failed\"} 1",
        "countersign_exchange_seconds_count{exchange=\"certificate\",gateway=\"acme\"} 1",
        "countersign_exchange_breaker_open{host=\"api.acme.example\"} 1",
        "countersign_config_last_reload_successful 1",
        "countersign_config_last_reload_success_timestamp_seconds 1700000000",
        "countersign_config_generation 3",
        "countersign_route_ready{route=\"pay\"} 1",
        "countersign_key_last_match_timestamp_seconds{key=\"secrets.0\",route=\"pay\"} 1700000001",
        "countersign_captures_kept 2",
        "countersign_captures_bytes 8192",
        "countersign_captures_oldest_timestamp_seconds 1700000002",
        "countersign_captures_lost_total 5",
        "countersign_connections_open 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("countersign_build_info{version=\""), "{text}");
    assert!(!text.contains("secrets.9"), "{text}");
    assert!(!text.contains("other.example"), "{text}");
}

#[test]
fn a_failed_reload_keeps_generation_and_time() {
    let metrics = Metrics::new().unwrap();
    metrics.reloaded(2, 1_700_000_000);
    metrics.reload_failed();
    let text = text(&metrics);
    assert!(text.contains("countersign_config_last_reload_successful 0\n"), "{text}");
    assert!(text.contains("countersign_config_generation 2\n"), "{text}");
    assert!(text.contains("_success_timestamp_seconds 1700000000\n"), "{text}");
}

#[test]
fn the_series_of_a_removed_route_vanish() {
    let metrics = Metrics::new().unwrap();
    let keys = ["a.0".to_owned()];
    metrics.published([labels("old", &keys), labels("kept", &keys)].into_iter());
    for route in ["old", "kept"] {
        let route = metrics.route(route, "acme", &keys);
        route.callback(Outcome::Accepted, "ok");
        route.callback(Outcome::Rejected, "too_large");
    }
    metrics.refused_before_route(Outcome::Rejected, "no_route");
    metrics.published([labels("kept", &[])].into_iter());
    let text = text(&metrics);
    assert!(!text.contains("route=\"old\""), "{text}");
    assert!(!text.contains("key=\"a.0\""), "{text}");
    assert!(text.contains("route=\"none\""), "{text}");
    assert_eq!(text.matches("route=\"kept\"").count(), 4, "{text}");
}

#[test]
fn questions_of_a_removed_gateway_and_breakers_of_before_vanish() {
    let metrics = Metrics::new().unwrap();
    let exchanges = metrics.exchanges();
    for gateway in ["acme", "gone"] {
        exchanges.ended(gateway, "token", ExchangeOutcome::Answered);
        exchanges.took(gateway, "token", Duration::from_millis(1));
    }
    exchanges.breaker("api.acme.example", true);
    metrics.published([labels("pay", &[])].into_iter());
    let before = text(&metrics);
    assert!(!before.contains("gateway=\"gone\""), "{before}");
    assert!(
        before.contains("exchange=\"token\",gateway=\"acme\",outcome=\"answered\""),
        "{before}"
    );
    assert!(before.contains("api.acme.example"), "{before}");
    metrics.exchanges();
    assert!(!text(&metrics).contains("api.acme.example"));
}
