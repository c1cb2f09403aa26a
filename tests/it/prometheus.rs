//! A real Prometheus, and its own judge of metrics.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use countersign::app::Running;
use serde_json::Value;

use crate::support::child::Guarded;
use crate::support::counts::Counts;
use crate::support::free_address;
use crate::support::gateways::{GATEWAYS, forged, genuine};
use crate::support::shop::*;
use crate::support::wire::Line;
use crate::support::*;

/// Traffic of every kind: accepted, refused by rule and by transport, undelivered, observed, on a
/// route that is out, and to nowhere.
async fn busy() -> (Stub, Folder, Running) {
    let no = Act::Say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let stub = Stub::start(&[OK, OK, OK, OK, no, OK]).await;
    let watch = Wired {
        name: "watch".into(),
        mode: "observe",
        forward: "{ as: original }".into(),
        ..Wired::usual("stripe")
    };
    let out = Wired {
        name: "out".into(),
        params: "{ signing_secrets: \"file:secrets/missing\" }".into(),
        ..Wired::usual("stripe")
    };
    let routes = [usual_routes(), vec![watch, out]].concat();
    let folder = folder(&config(&format!("http://{}", stub.address), &routes));
    let running = open(&folder).await;
    for gateway in GATEWAYS {
        let path = format!("/{gateway}/");
        send(&running, 200, genuine(gateway, 1).once(&path)).await;
        send(&running, 401, forged(gateway, 1).once(&path)).await;
    }
    send(&running, 502, genuine("stripe", 2).once("/stripe/")).await;
    send(&running, 200, genuine("stripe", 3).once("/watch/")).await;
    send(&running, 200, forged("stripe", 3).once("/watch/")).await;
    send(&running, 503, genuine("stripe", 3).once("/out/")).await;
    send(&running, 404, genuine("stripe", 3).once("/nowhere/")).await;
    let gzip = genuine("stripe", 3).with("content-encoding", "gzip");
    send(&running, 415, gzip.once("/stripe/")).await;
    (stub, folder, running)
}

async fn send(running: &Running, status: u16, bytes: Vec<u8>) {
    assert_eq!(tell(running.addresses[0], bytes).await.unwrap().status, status);
}

async fn scrape(running: &Running) -> String {
    let told = ask(running.admin.unwrap(), "/metrics").await.expect("metrics");
    assert_eq!(told.status, 200);
    told.body
}

/// By HTTP/1.0, which knows no chunks.
async fn ask(address: SocketAddr, target: &str) -> Option<Told> {
    let request = format!("GET {target} HTTP/1.0\r\nHost: a\r\n\r\n");
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.ok()?;
    told(&mut stream).await
}

#[tokio::test]
async fn promtool_is_silent_about_the_metrics_of_a_busy_daemon() {
    let (_stub, _folder, running) = busy().await;
    let mut promtool = Guarded::start(
        Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
        "prometheus",
    );
    let metrics = scrape(&running).await;
    promtool.0.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let status = promtool.ended().await;
    let mut said = std::io::read_to_string(promtool.0.stdout.take().unwrap()).unwrap();
    said += &std::io::read_to_string(promtool.0.stderr.take().unwrap()).unwrap();
    assert_eq!((said.as_str(), status.success()), ("", true));
}

#[tokio::test]
async fn every_metric_that_was_promised_is_there_with_its_labels() {
    let (_stub, _folder, running) = busy().await;
    let text = scrape(&running).await;
    for (name, kind, labels) in [
        ("countersign_callbacks_total", "counter", "gateway,outcome,reason,route"),
        ("countersign_callback_duration_seconds", "histogram", "gateway,stage"),
        ("countersign_upstream_responses_total", "counter", "class,upstream"),
        ("countersign_upstream_duration_seconds", "histogram", "upstream"),
        ("countersign_upstream_requests_total", "counter", "address,class,upstream"),
        ("countersign_upstream_busy_total", "counter", "upstream"),
        ("countersign_upstream_retries_total", "counter", "reason,upstream"),
        ("countersign_upstream_addresses", "gauge", "upstream"),
        ("countersign_upstream_addresses_usable", "gauge", "upstream"),
        ("countersign_upstream_addresses_unused", "gauge", "upstream"),
        ("countersign_upstream_health_changes_total", "counter", "address,to,upstream"),
        ("countersign_upstream_dns_failures_total", "counter", "upstream"),
        ("countersign_upstream_connections", "gauge", "state,upstream"),
        ("countersign_config_last_reload_successful", "gauge", ""),
        ("countersign_config_last_reload_success_timestamp_seconds", "gauge", ""),
        ("countersign_config_generation", "gauge", ""),
        ("countersign_route_ready", "gauge", "route"),
        ("countersign_key_last_match_timestamp_seconds", "gauge", "key,route"),
        ("countersign_upgrades_failed_total", "counter", ""),
        ("countersign_build_info", "gauge", "version"),
    ] {
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}\n{text}");
        let suffix = if kind == "histogram" { "_count" } else { "" };
        let of_it: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name}{suffix}")))
            .filter(|rest| rest.starts_with(['{', ' ']))
            .collect();
        assert!(!of_it.is_empty(), "{name}\n{text}");
        for line in of_it {
            let found = line.trim_start_matches('{').split_once('}').map_or("", |(found, _)| found);
            let found: Vec<_> =
                found.split(',').map(|pair| pair.split('=').next().unwrap()).collect();
            assert_eq!(found.join(","), labels, "{name}{line}");
        }
    }
    let counts = Counts::read(&text);
    for (labels, count) in [
        (["stripe", "accepted", "ok", "stripe"], 1),
        (["stripe", "rejected", "signature_mismatch", "stripe"], 1),
        (["stripe", "rejected", "unsupported_encoding", "stripe"], 1),
        (["stripe", "undelivered", "upstream_refused", "stripe"], 1),
        (["stripe", "observed_accepted", "ok", "watch"], 1),
        (["stripe", "observed_rejected", "signature_mismatch", "watch"], 1),
        (["stripe", "unavailable", "not_ready", "out"], 1),
        (["none", "rejected", "no_route", "none"], 1),
    ] {
        assert_eq!(counts.ended(labels), count, "{labels:?}\n{text}");
    }
    for (series, value) in [
        ("countersign_route_ready{route=\"stripe\"}", 1),
        ("countersign_route_ready{route=\"out\"}", 0),
        ("countersign_config_generation", 1),
        ("countersign_config_last_reload_successful", 1),
        ("countersign_config_last_reload_success_timestamp_seconds", NOW),
        (
            "countersign_key_last_match_timestamp_seconds{key=\"signing_secrets.0\",route=\"stripe\"}",
            NOW,
        ),
        ("countersign_upstream_responses_total{class=\"2xx\",upstream=\"smarty\"}", 6),
        ("countersign_upstream_responses_total{class=\"5xx\",upstream=\"smarty\"}", 1),
        ("countersign_upstream_duration_seconds_count{upstream=\"smarty\"}", 7),
        ("countersign_callbacks_in_flight", 0),
    ] {
        assert_eq!(counts.whole(series), value, "{series}\n{text}");
    }
}

#[tokio::test]
async fn a_real_prometheus_scrapes_and_answers() {
    let (_stub, _folder, running) = busy().await;
    let (admin, address) = (running.admin.unwrap(), free_address());
    let folder = Folder::new();
    folder.write(
        "prometheus.yml",
        format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: countersign\n    \
             static_configs: [{{ targets: [\"{admin}\"] }}]\n"
        ),
    );
    let _prometheus = Guarded::start(
        Command::new("prometheus")
            .arg(format!("--config.file={}", folder.at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.at("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .stdout(Stdio::null()),
        "prometheus",
    );
    let mut found = Vec::new();
    eventually("Prometheus has scraped", async || {
        found = query(address, "countersign_callbacks_total").await;
        !found.is_empty()
    })
    .await;
    let value = |route: &str, outcome: &str, reason: &str| {
        let mut of = found.iter().filter(|series| {
            let labels = &series["metric"];
            (&labels["route"], &labels["outcome"], &labels["reason"])
                == (&route.into(), &outcome.into(), &reason.into())
        });
        let value = of.next().map(|series| series["value"][1].clone());
        assert!(of.next().is_none(), "{found:?}");
        value
    };
    for gateway in GATEWAYS {
        assert_eq!(value(gateway, "accepted", "ok"), Some("1".into()));
        assert_eq!(value(gateway, "rejected", "signature_mismatch"), Some("1".into()));
    }
    assert_eq!(value("stripe", "undelivered", "upstream_refused"), Some("1".into()));
    assert_eq!(value("watch", "observed_rejected", "signature_mismatch"), Some("1".into()));
    assert_eq!(value("none", "rejected", "no_route"), Some("1".into()));
    let total = query(address, "sum(countersign_callbacks_total)").await;
    assert_eq!(total[0]["value"][1], "14");
    assert_eq!(query(address, "up").await[0]["value"][1], "1");
    let judged = query(address, "countersign_callback_duration_seconds_count").await;
    assert!(judged.iter().any(|series| series["metric"]["stage"] == "judge"), "{judged:?}");
}

/// The instant vector of a query; empty while there is no answer.
async fn query(address: SocketAddr, query: &str) -> Vec<Value> {
    let Some(told) = ask(address, &format!("/api/v1/query?query={query}")).await else {
        return Vec::new();
    };
    if told.status != 200 {
        return Vec::new();
    }
    let answer: Value = serde_json::from_str(&told.body).unwrap();
    answer["data"]["result"].as_array().unwrap().clone()
}

#[tokio::test]
async fn no_sender_can_make_the_metrics_grow() {
    let (_stub, _folder, running) = busy().await;
    let before = scrape(&running).await.lines().count();
    let mut line = Line::to(running.addresses[0]);
    let callback = genuine("stripe", 1);
    let mut seed = 7_u64;
    for _ in 0..10_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bytes = callback.keep(&format!("/{seed:x}/{}", seed % 97));
        assert_eq!(line.say(&bytes).await.unwrap().status, 404);
    }
    let text = scrape(&running).await;
    assert_eq!(text.lines().count(), before);
    assert_eq!(Counts::read(&text).ended(["none", "rejected", "no_route", "none"]), 10_001);
}
