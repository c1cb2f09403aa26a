//! The admin listener.

use countersign::config::Mode;

use crate::support::*;

fn ask(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn health_names_the_routes_that_are_not_ready_but_not_why() {
    let stub = Stub::start(&[OK]).await;
    let routes = vec![route("/pay/", Mode::Enforce, canonical(), upstream(stub.target()))];
    let running = daemon(limits(), routes).await;
    let admin = running.admin.unwrap();
    let alive = tell(admin, ask("GET", "/livez")).await.unwrap();
    assert_eq!((alive.status, alive.body.as_str()), (200, "alive\n"));
    let ready = tell(admin, ask("GET", "/readyz")).await.unwrap();
    assert_eq!(ready.status, 200);
    assert_eq!(ready.body, "ready, generation 1\nroute not ready: pay\n");
}

#[tokio::test]
async fn metrics_are_served_in_the_text_format() {
    let stub = Stub::start(&[OK]).await;
    let routes = vec![route("/pay/", Mode::Enforce, canonical(), upstream(stub.target()))];
    let running = daemon(limits(), routes).await;
    let told = tell(running.admin.unwrap(), ask("GET", "/metrics")).await.unwrap();
    assert!(told.has("content-type: text/plain; version=0.0.4; charset=utf-8"), "{told:?}");
    assert!(told.body.contains("countersign_route_ready{route=\"pay\"} 0\n"), "{told:?}");
    assert!(told.body.contains("\nprocess_cpu_seconds_total "), "{told:?}");
    assert!(told.body.contains("countersign_config_generation 1\n"), "{told:?}");
}

#[tokio::test]
async fn there_is_nothing_else_and_nothing_but_get() {
    let running = daemon(limits(), vec![]).await;
    let admin = running.admin.unwrap();
    for path in ["/", "/metrics/", "/config", "/debug"] {
        assert_eq!(tell(admin, ask("GET", path)).await.unwrap().status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "HEAD"] {
        let told = tell(admin, ask(method, "/metrics")).await.unwrap();
        assert_eq!(told.status, 405, "{method}");
        assert!(told.has("allow: GET"), "{told:?}");
    }
    let told = tell(running.addresses[0], ask("GET", "/metrics")).await.unwrap();
    assert_eq!(told.status, 404, "and it is not on the public listener");
}
