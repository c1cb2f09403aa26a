//! The site of `examples/smarty`, started from the example's own files: a real nginx on both sides of
//! countersign, and the application behind a real uwsgi. Only ports differ.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use countersign::engine::inbound::UnixSeconds;
use countersign::rule;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::child::Guarded;
use super::free_address;
use super::shop::{Folder, WEBHOOK_SECRET};
use super::{eventually, tell};

/// What the operator copies and runs.
const FILES: [&str; 5] = [
    "billing/billing.py",
    "billing/uwsgi.ini",
    "countersign.yaml",
    "nginx.conf",
    "secrets/README.md",
];

/// Where events go.
pub(crate) const CANONICAL: &str = "/billing/payment/canonical/";

/// The application with the clock of the test, which stands in a file.
const CLOCKED: &str = "\
import pathlib
import billing

clock = pathlib.Path(__file__).with_name('clock')
billing.now = lambda: int(clock.read_text())
application = billing.application
";

pub(crate) struct Site {
    /// What was copied, and what the programs write.
    pub(crate) folder: Folder,
    /// Where gateways and browsers call.
    pub(crate) front: SocketAddr,
    /// Where countersign hands over.
    pub(crate) inner: SocketAddr,
    application: SocketAddr,
    programs: Vec<Guarded>,
}

/// A file of the example.
pub(crate) fn example(name: &str) -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/smarty").join(name)
}

/// `countersign.yaml` of the example.
pub(crate) fn example_config() -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(example("countersign.yaml")).unwrap()).unwrap()
}

impl Site {
    /// The files, on ports of their own. Nothing runs yet, and there is no secret.
    pub(crate) fn copy() -> Self {
        let folder = Folder::new();
        for name in FILES {
            folder.write(name, std::fs::read(example(name)).unwrap());
        }
        folder.write("run/uwsgi.log", "");
        let site = Self {
            folder,
            front: free_address(),
            inner: free_address(),
            application: free_address(),
            programs: Vec::new(),
        };
        let application = site.application.to_string();
        site.change("billing/uwsgi.ini", "127.0.0.1:8000", &application);
        site.change("nginx.conf", "server 127.0.0.1:8000;", &format!("server {application};"));
        site.change("nginx.conf", "listen 80;", &format!("listen {};", site.front));
        site.change("nginx.conf", "listen 127.0.0.1:8081;", &format!("listen {};", site.inner));
        site
    }

    /// The same with the secret between countersign and the billing, and with an application whose
    /// clock is [`Site::set_clock`].
    pub(crate) fn clocked() -> Self {
        let site = Self::copy();
        site.folder.write("secrets/upstream", WEBHOOK_SECRET);
        site.folder.write("billing/clocked.py", CLOCKED);
        site.change("billing/uwsgi.ini", "wsgi-file = billing.py", "wsgi-file = clocked.py");
        site.set_clock(super::NOW);
        site
    }

    /// From now on it is that late, for the application and for the daemon of this test.
    pub(crate) fn set_clock(&self, now: UnixSeconds) {
        super::shop::set_clock(now);
        self.folder.write("billing/clock", now.to_string());
    }

    /// This test becomes the operator's load balancer: it is believed whom it got a request from.
    pub(crate) fn behind_a_load_balancer(&self) {
        let theirs = "# set_real_ip_from 192.0.2.0/24;";
        self.change("nginx.conf", theirs, "set_real_ip_from 127.0.0.1;");
        self.change("nginx.conf", "# real_ip_header", "real_ip_header");
    }

    /// Puts `new` in the place of `old`, wherever it stands in the file; it stands there.
    pub(crate) fn change(&self, file: &str, old: &str, new: &str) {
        let text = self.folder.read(file);
        assert!(text.contains(old), "{file} of the example has no `{old}`");
        self.folder.write(file, text.replace(old, new));
    }

    /// The example's configuration, with the routes whose rule is shipped, on ports of its own.
    pub(crate) fn config(&self) -> Value {
        let mut config = example_config();
        assert_eq!(config["listen"][0]["address"], "127.0.0.1:8080");
        assert_eq!(config["admin"]["address"], "127.0.0.1:9464");
        assert_eq!(config["upstreams"]["smarty"]["url"], "http://127.0.0.1:8081");
        config["listen"][0]["address"] = json!("127.0.0.1:0");
        config["admin"]["address"] = json!("127.0.0.1:0");
        config["upstreams"]["smarty"]["url"] = json!(format!("http://{}", self.inner));
        let is_shipped =
            |route: &Value| rule::shipped().iter().any(|(gateway, _)| route["gateway"] == *gateway);
        config["routes"].as_array_mut().unwrap().retain(is_shipped);
        config
    }

    /// Writes `countersign.yaml`. JSON is YAML, too.
    pub(crate) fn configure(&self, config: &Value) {
        self.folder.write("countersign.yaml", config.to_string());
    }

    /// nginx, with countersign at that address.
    pub(crate) async fn start_nginx(&mut self, countersign: SocketAddr) {
        let countersign = format!("server {countersign};");
        self.change("nginx.conf", "server 127.0.0.1:8080;", &countersign);
        let mut command = Command::new("nginx");
        command.arg("-p").arg(self.folder.path()).args(["-c", "nginx.conf", "-g", "daemon off;"]);
        command.args(["-e", "run/error.log"]);
        self.start(&mut command, "nginx-light", self.front, "run/error.log").await;
    }

    /// uwsgi with the application.
    pub(crate) async fn start_uwsgi(&mut self) {
        let mut command = Command::new("uwsgi");
        command.args(["--ini", "billing/uwsgi.ini", "--logto"]);
        command.arg(self.folder.at("run/uwsgi.log"));
        let package = "uwsgi-core uwsgi-plugin-python3";
        self.start(&mut command, package, self.application, "run/uwsgi.log").await;
    }

    async fn start(
        &mut self,
        command: &mut Command,
        package: &str,
        address: SocketAddr,
        log: &str,
    ) {
        command.current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut program = Guarded::start(command, package);
        eventually("the program serves", async || {
            let ended = program.0.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?} ({package}?): {}", self.folder.read(log));
            TcpStream::connect(address).await.is_ok()
        })
        .await;
        self.programs.push(program);
    }

    /// What the billing has, in the order in which it came.
    pub(crate) async fn ledger(&self) -> Vec<Value> {
        let told = tell(self.inner, get(CANONICAL)).await.unwrap();
        assert_eq!(told.status, 200, "{told:?}");
        told.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// By HTTP/1.0, which knows no chunks.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.0\r\nHost: pay.example\r\n\r\n")
}
