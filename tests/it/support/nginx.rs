//! A real nginx, as the legacy site behind the daemon and as the proxy in front of it.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde::Deserialize;
use tokio::net::TcpStream;

use super::child::Guarded;
use super::eventually;
use super::free_address;
use super::shop::Folder;

/// The endpoints of the middleware that have a built-in gateway, and the one for events.
const ENDPOINTS: [&str; 8] = [
    "/billing/payment/canonical/",
    "/billing/payment/payture/validate_notify/",
    "/billing/payment/w1/result/",
    "/billing/payment/paypal/result/",
    "/billing/payment/paymaster/validate_notify/",
    "/billing/payment/squareup/process/",
    "/billing/payment/stripe/validate_notify",
    "/billing/payment/viva/result",
];

/// What the legacy site says to everything that it takes.
pub(crate) const TAKEN: &str = "legacy: taken";

/// One nginx with its own configuration, folder and pid file.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    pub(crate) process: Guarded,
    pub(crate) folder: Folder,
}

/// One request as the legacy site wrote it down.
#[derive(Debug, Deserialize)]
pub(crate) struct Call {
    pub(crate) line: String,
    pub(crate) media_type: String,
    pub(crate) id: String,
    pub(crate) time: String,
    pub(crate) signature: String,
    pub(crate) stripe: String,
    pub(crate) body: String,
}

impl Nginx {
    /// Takes callbacks and events, and writes them down.
    pub(crate) async fn legacy() -> Self {
        Self::legacy_at(free_address()).await
    }

    /// The same where it was before.
    pub(crate) async fn legacy_at(address: SocketAddr) -> Self {
        let endpoints: String = ENDPOINTS
            .iter()
            .map(|path| {
                format!(
                    "location = {path} {{ access_log calls.log calls; proxy_pass http://app; }}\n"
                )
            })
            .collect();
        // nginx reads a body only where it hands it on: to a second server of its own.
        let servers = format!(
            "log_format calls escape=json '{{\"line\":\"$request\",\"id\":\"$http_webhook_id\",\
             \"media_type\":\"$http_content_type\",\"time\":\"$http_webhook_timestamp\",\
             \"signature\":\"$http_webhook_signature\",\"stripe\":\"$http_stripe_signature\",\
             \"body\":\"$request_body\"}}';\n\
             upstream app {{ server unix:app.sock; }}\n\
             server {{ listen unix:app.sock; default_type text/html; return 200 \"{TAKEN}\"; }}\n\
             server {{ listen {address};\n{endpoints}location / {{ return 404; }} }}\n"
        );
        Self::start(address, &servers).await
    }

    /// Hands everything on to the daemon.
    pub(crate) async fn in_front_of(daemon: SocketAddr) -> Self {
        let address = free_address();
        let servers = format!(
            "upstream daemon {{ server {daemon}; keepalive 8; }}\n\
             server {{ listen {address}; location / {{ proxy_pass http://daemon; \
             proxy_http_version 1.1; proxy_set_header Connection \"\"; \
             proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr; }} }}\n"
        );
        Self::start(address, &servers).await
    }

    /// The API of a gateway over TLS, with this `ssl_certificate` and its key.
    pub(crate) async fn gateway(ssl: &str) -> Self {
        let address = free_address();
        let servers = format!(
            "log_format asked '$request|$host|$http_user_agent|$http_accept_encoding|$status';\n\
             server {{ listen {address} ssl; {ssl} access_log asked.log asked;\n\
             location = /state {{ return 200 \"state: {TAKEN}\"; }}\n\
             location = /none {{ return 404 none; }}\n\
             location = /moved {{ return 302 https://$host/state; }}\n\
             location = /large {{ return 200 \"{}\"; }}\n\
             location = /slow {{ limit_rate 1; return 200 \"{TAKEN}\"; }}\n\
             location = /encoded {{ add_header Content-Encoding gzip; return 200 gz; }}\n\
             }}\n",
            "x".repeat(3000)
        );
        Self::start(address, &servers).await
    }

    /// With these servers; what they log is in its folder.
    pub(crate) async fn start(address: SocketAddr, servers: &str) -> Self {
        let folder = Folder::new();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .collect();
        let servers = servers.replace("app.sock", &folder.at("app.sock").display().to_string());
        let config = format!(
            "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\naccess_log off;\nclient_body_buffer_size 1m;\nclient_max_body_size 1m;\n\
             {temporary}{servers}}}\n"
        );
        folder.write("nginx.conf", config);
        let mut process = Guarded::start(
            Command::new("nginx")
                .arg("-p")
                .arg(folder.path())
                .arg("-c")
                .arg(folder.at("nginx.conf"))
                .args(["-e", "error.log"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
            "nginx-light",
        );
        eventually("nginx serves", async || {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", folder.read("error.log"));
            TcpStream::connect(address).await.is_ok()
        })
        .await;
        Self { address, process, folder }
    }

    /// What it has taken so far. It writes a line when it has answered.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let text = self.folder.read("calls.log");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What the gateway was asked: request, host, agent, codings taken, status.
    pub(crate) async fn asked(&self, times: usize) -> Vec<String> {
        let lines = || self.folder.read("asked.log").lines().map(str::to_owned).collect::<Vec<_>>();
        eventually("all questions are written down", async || lines().len() >= times).await;
        let lines = lines();
        assert_eq!(lines.len(), times, "{lines:?}");
        lines
    }

    /// The same as soon as there are this many.
    pub(crate) async fn called(&self, times: usize) -> Vec<Call> {
        eventually("all calls are written down", async || self.calls().len() >= times).await;
        let calls = self.calls();
        assert_eq!(calls.len(), times, "{calls:?}");
        calls
    }
}
