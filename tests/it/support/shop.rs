//! A shop with a folder of files: configuration, rules and secrets, as an operator has them.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign::app::{self, Running, Setup};
use countersign::engine::inbound::UnixSeconds;
use countersign::live::Live;
use countersign::live::loader::{Loaded, Loader, Report};
use countersign::live::sources::Sources;

use super::NOW;
use super::gateways::{GATEWAYS, secret};

/// The Standard Webhooks secret of every shop, and the key in it.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_Y2FuYXJ5LXVwc3RyZWFtLXNlY3JldC0wOTg3NjU=";
pub(crate) const WEBHOOK_KEY: &[u8] = b"canary-upstream-secret-098765";

thread_local! {
    /// Tests are single-threaded, and so is the daemon in them.
    static CLOCK: Cell<UnixSeconds> = const { Cell::new(NOW) };
}

/// From now on it is that late, for the daemons of this test.
pub(crate) fn set_clock(now: UnixSeconds) {
    CLOCK.set(now);
}

/// A folder that goes away with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("countersign-it-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// As an editor saves: the new text beside the old one, then one rename.
    pub(crate) fn replace(&self, name: &str, text: impl AsRef<[u8]>) {
        let draft = format!("{name}.tmp~");
        self.write(&draft, text);
        fs::rename(self.at(&draft), self.at(name)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// One route of a configuration.
#[derive(Clone)]
pub(crate) struct Wired {
    pub(crate) name: String,
    /// Where the gateway calls: `/<name>/` unless it is set.
    pub(crate) path: Option<&'static str>,
    pub(crate) gateway: String,
    /// YAML of `params`, in flow style.
    pub(crate) params: String,
    /// YAML of `forward`.
    pub(crate) forward: String,
    pub(crate) mode: &'static str,
    pub(crate) upstream: &'static str,
}

impl Wired {
    /// The usual route of a gateway: one secret, which lies in `secrets/<gateway>`.
    pub(crate) fn usual(gateway: &str) -> Self {
        let secret = format!("{}: \"file:secrets/{gateway}\"", secret(gateway).0);
        let params = match gateway {
            "liqpay" => format!("{{ public_key: i00000000001, {secret} }}"),
            "paysera" => format!("{{ project_id: \"123456\", mode: ss1, {secret} }}"),
            _ => format!("{{ {secret} }}"),
        };
        Self { params, ..Self::usual_of(gateway) }
    }

    /// The route of a gateway, without parameters.
    pub(crate) fn usual_of(gateway: &str) -> Self {
        Self {
            name: gateway.to_owned(),
            path: None,
            gateway: gateway.to_owned(),
            params: "{}".to_owned(),
            forward: "{ as: canonical, to: /billing/payment/canonical/ }".to_owned(),
            mode: "enforce",
            upstream: "smarty",
        }
    }
}

/// `countersign.yaml`.
pub(crate) fn config(upstream: &str, routes: &[Wired]) -> String {
    config_with(upstream, "", routes)
}

/// The same with more keys at the top.
pub(crate) fn config_with(upstream: &str, top: &str, routes: &[Wired]) -> String {
    let mut text = format!(
        "listen: [{{ address: \"127.0.0.1:0\" }}]\nadmin: {{ address: \"127.0.0.1:0\" }}\n{top}\
         upstreams:\n  smarty: {{ url: \"{upstream}\", secret: \"file:secrets/upstream\", \
         timeout: 500ms, connect_timeout: 500ms }}\nroutes:\n"
    );
    for Wired { name, path, gateway, params, forward, mode, upstream } in routes {
        let path = path.map_or(format!("/{name}/"), str::to_owned);
        writeln!(
            text,
            "  - {{ path: \"{path}\", name: {name}, gateway: {gateway}, params: {params}, \
             upstream: {upstream}, forward: {forward}, mode: {mode} }}"
        )
        .unwrap();
    }
    text
}

/// The four usual routes.
pub(crate) fn usual_routes() -> Vec<Wired> {
    GATEWAYS.iter().map(|gateway| Wired::usual(gateway)).collect()
}

/// The same where it is not [`NOW`]: a process has the clock of the machine.
pub(crate) fn timeless_routes() -> Vec<Wired> {
    let stripe = "{ signing_secrets: \"file:secrets/stripe\", max_age: \"999999999\" }";
    let mut routes = usual_routes();
    for route in routes.iter_mut().filter(|route| route.gateway == "stripe") {
        stripe.clone_into(&mut route.params);
    }
    routes
}

/// A folder with that configuration and every secret that it may name.
pub(crate) fn folder(config: &str) -> Folder {
    let folder = Folder::new();
    for gateway in GATEWAYS {
        folder.write(&format!("secrets/{gateway}"), secret(gateway).1);
    }
    folder.write("secrets/upstream", format!("{WEBHOOK_SECRET}\n"));
    folder.write("countersign.yaml", config);
    folder
}

/// The first load of that folder.
pub(crate) fn load(folder: &Folder) -> (Loader, Loaded) {
    let mut loader = Loader::new(folder.at("countersign.yaml"), Sources::of_process());
    let loaded = loader.load().unwrap_or_else(|failure| {
        let reports: Vec<_> = failure.reports.iter().map(Report::render).collect();
        panic!("{}", reports.join("\n"))
    });
    (loader, loaded)
}

/// The daemon in this process.
pub(crate) async fn start(loaded: Loaded, source: Option<Loader>) -> Running {
    let live = Arc::new(Live::new(loaded.snapshot));
    let source = source.map(|loader| Box::new(loader) as Box<dyn app::Source>);
    let clock = || CLOCK.get();
    app::start(Setup { boot: loaded.boot, store: loaded.store, live, source, clock }).await.unwrap()
}

/// The daemon of that folder, in this process, with the real loader and its watch.
pub(crate) async fn open(folder: &Folder) -> Running {
    let (loader, loaded) = load(folder);
    start(loaded, Some(loader)).await
}

/// The four usual routes before an upstream.
pub(crate) async fn usual(upstream: SocketAddr) -> (Folder, Running) {
    let folder = folder(&config(&format!("http://{upstream}"), &usual_routes()));
    let running = open(&folder).await;
    (folder, running)
}
