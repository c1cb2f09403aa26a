//! Loading, isolation and watching, on real files in a folder of each test's own.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::live::loader::{Failure, Loaded, Loader, Report};
use crate::live::sources::Sources;
use crate::live::watch::{Pace, Watch, Watched};
use crate::live::*;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("countersign-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A loader in a folder, with an environment that the test can change.
struct Setting {
    folder: Folder,
    environment: Arc<Mutex<HashMap<String, String>>>,
    loader: Loader,
}

const WEBHOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

impl Setting {
    fn new(config: &str) -> Self {
        let folder = Folder::new();
        folder.write("c.yaml", config);
        let environment: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        for (name, value) in [("KEY", "k1"), ("UP", WEBHOOK_SECRET)] {
            environment.lock().unwrap().insert(name.into(), value.into());
        }
        let of_test = Arc::clone(&environment);
        let sources = Sources::new(Arc::new(move |name: &str| {
            of_test.lock().unwrap().get(name).map(OsString::from)
        }));
        let loader = Loader::new(folder.path("c.yaml"), sources);
        Self { folder, environment, loader }
    }

    fn set(&self, name: &str, value: &str) {
        self.environment.lock().unwrap().insert(name.into(), value.into());
    }

    #[track_caller]
    fn good(&mut self) -> Loaded {
        let loaded = self.loader.load().map_err(|failure| shown(&failure)).unwrap();
        let reports: String = loaded.reports.iter().map(Report::render).collect();
        assert_eq!(reports, "");
        loaded
    }

    /// A reload that took effect in part; what it says.
    #[track_caller]
    fn partly(&mut self) -> (Loaded, String) {
        let loaded = self.loader.load().map_err(|failure| shown(&failure)).unwrap();
        let said: String = loaded.reports.iter().map(Report::render).collect();
        assert_ne!(said, "");
        (loaded, said.replace(&format!("{}/", self.folder.0.display()), ""))
    }

    #[track_caller]
    fn bad(&mut self) -> String {
        let failure = self.loader.load().err().unwrap();
        shown(&failure).replace(&format!("{}/", self.folder.0.display()), "")
    }
}

fn shown(failure: &Failure) -> String {
    failure.reports.iter().map(Report::render).collect()
}

/// The first lines of problems only.
fn heads(shown: &str) -> Vec<&str> {
    shown.lines().filter(|line| line.contains(": error: ")).collect()
}

const HEAD: &str = "\
listen: [ { address: 127.0.0.1:1 } ]
upstreams: { u: { url: http://h, secret: env:UP }, p: { print: events } }
";

fn config(routes: &str) -> String {
    format!("{HEAD}rules: [ rules ]\nroutes:\n{routes}")
}

/// A route of the gateway at `/gateway`.
fn route(gateway: &str, params: &str) -> String {
    format!(
        "  - {{ path: /{gateway}, gateway: {gateway}, upstream: p, forward: {{ as: original }}, params: {{ {params} }} }}\n"
    )
}

const PARAMS: &str = "public_key: i1, private_key: env:KEY";

/// A rule that is quick to compile: that of `LiqPay` under another name.
fn rule(gateway: &str) -> String {
    let text = include_str!("../../rules/liqpay.yaml");
    // The ids of events are made of the gateway's name, too.
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("id: evt_"));
    let text: Vec<_> = lines.collect();
    text.join("\n").replace("gateway: liqpay", &format!("gateway: {gateway}")) + "\n"
}

fn is_ready(loaded: &Loaded, path: &str) -> bool {
    loaded.snapshot.routes[path].bound.is_ok()
}

fn reasons(loaded: &Loaded, path: &str) -> String {
    match &loaded.snapshot.routes[path].bound {
        Ok(_) => "ready".into(),
        Err(reasons) => reasons.join("; "),
    }
}

fn hash(loaded: &Loaded, path: &str) -> String {
    let Ok(bound) = &loaded.snapshot.routes[path].bound else { panic!("{path} is out of service") };
    bound.rule_hash().to_owned()
}

#[test]
fn routes_are_built_from_shipped_rules_and_those_on_disk() {
    let mut setting = Setting::new(&config(&(route("acme", PARAMS) + &route("liqpay", PARAMS))));
    setting.folder.write("rules/acme.yaml", &rule("acme"));
    setting.folder.write("rules/.draft.yaml", "broken: [");
    setting.folder.write("rules/notes.txt", "not a rule");
    let loaded = setting.good();
    assert_eq!(loaded.snapshot.generation, 1);
    assert!(is_ready(&loaded, "/acme") && is_ready(&loaded, "/liqpay"));
    let rules: Vec<_> =
        setting.loader.rules().map(|loaded| (loaded.rule.gateway(), loaded.path.clone())).collect();
    let acme = setting.folder.path("rules/acme.yaml");
    assert_eq!(rules, [("acme", Some(acme)), ("liqpay", None)]);
}

#[test]
fn a_rule_file_may_end_in_yml() {
    let mut setting = Setting::new(&config(&route("acme", PARAMS)));
    setting.folder.write("rules/acme.yml", &rule("acme"));
    setting.good();
    let acme = setting.folder.path("rules/acme.yml");
    let paths: Vec<_> = setting.loader.rules().map(|loaded| loaded.path.clone()).collect();
    assert_eq!(paths, [Some(acme)]);
}

#[test]
fn at_the_start_every_problem_of_every_file_is_named() {
    let mut setting = Setting::new(
        &config(
            &(route("acme", "public_key: x, private_key: hunter2, algoritms: sha1")
                + &route("liqpay", "public_key: [a, b], private_key: env:KEY, algorithms: md5")
                + &route("stripee", "a: b")),
        )
        .replace("[ rules ]", "[ rules, extra.yaml ]"),
    );
    setting.folder.write("rules/acme.yaml", &rule("acme"));
    setting.folder.write("rules/twin.yaml", &rule("acme"));
    let text = setting.bad();
    // `stripee` may be the gateway of a broken file: it is blamed once all of them are good.
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(
        heads(&text),
        [
            "c.yaml:5:113: error: the parameter `private_key` is secret and is not written here",
            "c.yaml:5:122: error: the rule has no parameter `algoritms`",
            "c.yaml:6:89: error: the parameter `public_key` takes one value, not a list",
            "c.yaml:6:143: error: parameter `algorithms`: expected one of sha1, sha3-256",
            "extra.yaml:1:1: error: cannot be read: it does not exist",
            "rules/twin.yaml:3:10: error: the gateway `acme` has a rule already",
        ]
    );
    fs::remove_file(setting.folder.path("rules/twin.yaml")).unwrap();
    setting.folder.write("extra.yaml", &rule("extra"));
    let text = setting.bad();
    assert!(text.contains("no rule for the gateway `stripee`"), "{text}");
    assert!(text.contains("did you mean `stripe`?"), "{text}");
}

#[test]
fn a_broken_configuration_does_not_hide_broken_rules() {
    let mut setting = Setting::new(&config("  - { path: x }\n"));
    setting.folder.write("rules/acme.yaml", "gateway: acme\nnonsense: 1\n");
    let text = setting.bad();
    assert!(text.contains("c.yaml:5:"), "{text}");
    assert!(text.contains("rules/acme.yaml:2:1: error: unknown key `nonsense`"), "{text}");
}

#[test]
fn a_missing_or_empty_secret_takes_its_own_route_out_of_service() {
    let mut setting = Setting::new(&config(
        &(route("liqpay", "public_key: x, private_key: env:NONE")
            + &route("acme", "public_key: x, private_key: file:secrets/key")
            + &route("extra", PARAMS)),
    ));
    setting.folder.write("rules/acme.yaml", &rule("acme"));
    setting.folder.write("rules/extra.yaml", &rule("extra"));
    let loaded = setting.good();
    assert_eq!(
        reasons(&loaded, "/liqpay"),
        "parameter `private_key`: environment variable NONE is not set"
    );
    assert!(reasons(&loaded, "/acme").ends_with("secrets/key: it does not exist"));
    assert!(is_ready(&loaded, "/extra"));

    setting.set("NONE", " ");
    setting.folder.write("secrets/key", "\n");
    let loaded = setting.good();
    assert!(reasons(&loaded, "/liqpay").ends_with("NONE is empty"));
    assert!(reasons(&loaded, "/acme").ends_with("secrets/key is empty"));

    setting.set("NONE", "changeme");
    setting.folder.write("secrets/key", "real\n");
    let loaded = setting.good();
    assert!(reasons(&loaded, "/liqpay").contains("placeholder"));
    assert!(is_ready(&loaded, "/acme"));
}

#[test]
fn a_gateway_that_sends_once_is_warned_of_where_nothing_is_kept() {
    let routes = route("smartexpay", "secret: env:KEY") + &route("liqpay", PARAMS);
    let store = "store: { path: state }\n";
    let direct = routes.replace("params: { secret", "delivery: direct, params: { secret");
    for (text, warns) in [
        (config(&routes), true),
        (store.to_owned() + &config(&routes), false),
        (config(&direct), false),
    ] {
        let mut setting = Setting::new(&text);
        fs::create_dir(setting.folder.path("rules")).unwrap();
        let warnings = setting.good().snapshot.warnings;
        assert_eq!(warnings.len(), usize::from(warns), "{text}{warnings:?}");
        for warning in warnings {
            assert!(warning.starts_with("route `/smartexpay` delivers `direct`"), "{warning}");
            assert!(warning.contains("recommends `durable`") && warning.contains("add `store`"));
        }
    }
}

#[test]
fn what_stands_around_a_secret_is_warned_of_and_never_shown() {
    let routes = route("liqpay", "public_key: i1, private_key: \"file:key\"");
    let mut setting = Setting::new(&config(&routes));
    fs::create_dir(setting.folder.path("rules")).unwrap();
    for (text, what) in [
        ("geheim", None),
        ("geheim\n", None),
        ("geheim\r\n", None),
        ("ge heim\n", None),
        ("\u{feff}geheim\n", Some("begins with a byte order mark")),
        (" geheim\n", Some("has white space before it")),
        ("geheim \n", Some("has white space after it")),
        ("geheim\n\n", Some("has white space after it")),
        ("\ngeheim\t", Some("has white space around it")),
    ] {
        setting.folder.write("key", text);
        let warnings = setting.good().snapshot.warnings;
        let want: Vec<_> = what
            .iter()
            .map(|what| {
                let file = setting.folder.path("key").display().to_string();
                format!("the secret in file {file} {what}: it is used as it stands there")
            })
            .collect();
        assert_eq!(warnings, want, "{text:?}");
    }
}

#[test]
fn a_parameter_that_is_not_there_is_the_authors_problem() {
    let mut setting = Setting::new(&config(&route("liqpay", "public_key: x")));
    fs::create_dir(setting.folder.path("rules")).unwrap();
    assert_eq!(heads(&setting.bad()), ["c.yaml:5:5: error: parameter `private_key` is missing"]);
}

#[test]
fn canonical_events_need_a_webhook_secret_of_24_to_64_bytes() {
    let canonical = "  - { path: /c, gateway: liqpay, upstream: u, forward: { as: canonical, to: /e }, params: { public_key: i, private_key: env:KEY } }\n";
    let original = route("liqpay", PARAMS).replace("upstream: p", "upstream: u");
    let mut setting = Setting::new(&config(&format!("{canonical}{original}")));
    fs::create_dir(setting.folder.path("rules")).unwrap();
    let base64 = |n: usize| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(vec![7; n])
    };
    for (secret, good) in [
        (WEBHOOK_SECRET.to_owned(), true),
        (base64(24), true),
        (format!("whsec_{}", base64(64)), true),
        (format!("{}\n", base64(25).trim_end_matches('=')), true),
        (base64(23), false),
        (base64(65), false),
        ("whsec_".into(), false),
        ("not base64 at all, is it?!".into(), false),
    ] {
        setting.set("UP", &secret);
        let loaded = setting.good();
        assert_eq!(is_ready(&loaded, "/c"), good, "{secret}");
        assert!(is_ready(&loaded, "/liqpay"), "{secret}");
        assert_eq!(loaded.snapshot.routes["/c"].upstream.secret.is_some(), good);
    }
}

#[test]
fn a_broken_configuration_at_reload_is_a_failure_and_the_next_good_one_takes_effect() {
    let good = config(&route("liqpay", PARAMS));
    let mut setting = Setting::new(&good);
    fs::create_dir(setting.folder.path("rules")).unwrap();
    setting.good();
    setting.folder.write("c.yaml", &good.replace("routes:", "rootes:"));
    assert!(setting.bad().contains("did you mean `routes`?"));
    fs::remove_file(setting.folder.path("c.yaml")).unwrap();
    assert_eq!(heads(&setting.bad()), ["c.yaml:1:1: error: cannot be read: it does not exist"]);
    setting.folder.write("c.yaml", &good);
    assert_eq!(setting.good().snapshot.generation, 2);
}

#[test]
fn a_broken_rule_keeps_its_old_version_while_everything_else_is_renewed() {
    let mut setting = Setting::new(&config(&(route("acme", PARAMS) + &route("extra", PARAMS))));
    setting.folder.write("rules/acme.yaml", &rule("acme"));
    setting.folder.write("rules/extra.yaml", &rule("extra"));
    let first = setting.good();

    setting.folder.write("rules/acme.yaml", "gateway: acme\nproofs: [");
    setting.folder.write("rules/extra.yaml", &format!("{}# new\n", rule("extra")));
    let routes = route("acme", "public_key: i1, private_key: env:KEY, new_one: x")
        + &route("extra", PARAMS)
        + &route("later", PARAMS);
    setting.folder.write("c.yaml", &config(&routes));
    let (second, said) = setting.partly();
    assert!(said.starts_with("rules/acme.yaml:"), "{said}");
    assert_eq!(hash(&second, "/acme"), hash(&first, "/acme"));
    assert_ne!(hash(&second, "/extra"), hash(&first, "/extra"));
    // Nobody knows whether the broken file was to be its rule: closed, and nobody else suffers.
    assert!(reasons(&second, "/later").contains("a rule file is broken"));

    let routes = route("acme", PARAMS) + &route("extra", PARAMS);
    setting.folder.write("c.yaml", &config(&routes));
    setting.folder.write("rules/acme.yaml", &format!("{}# mended\n", rule("acme")));
    let third = setting.good();
    assert_eq!(third.snapshot.generation, 3);
    assert_ne!(hash(&third, "/acme"), hash(&first, "/acme"));
}

#[test]
fn a_rule_that_stays_the_same_is_compiled_once() {
    let mut setting = Setting::new(&config(&route("acme", PARAMS)));
    setting.folder.write("rules/acme.yaml", &rule("acme"));
    setting.good();
    setting.set("KEY", "k2");
    setting.good();
    assert_eq!(setting.loader.compilations(), 1);
    setting.folder.write("rules/acme.yaml", &format!("{}# new\n", rule("acme")));
    setting.good();
    assert_eq!(setting.loader.compilations(), 2);
}

#[test]
fn what_needs_a_restart_is_said_and_the_rest_applied() {
    let text = config(&route("liqpay", PARAMS));
    let mut setting = Setting::new(&text);
    fs::create_dir(setting.folder.path("rules")).unwrap();
    let boot = setting.good().boot;
    let other = text.replace("127.0.0.1:1", "127.0.0.1:2").replace("/liqpay", "/elsewhere");
    setting.folder.write("c.yaml", &format!("# Moved.\n{other}log: {{ level: warn }}\n"));
    let (loaded, said) = setting.partly();
    assert_eq!(
        heads(&said),
        [
            "c.yaml:2:1: error: the change of `listen` needs a restart; the rest has been applied",
            "c.yaml:7:1: error: the change of `log` needs a restart; the rest has been applied",
        ]
    );
    assert_eq!(loaded.boot, boot);
    assert!(is_ready(&loaded, "/elsewhere"));
}

#[test]
fn files_that_are_not_text_or_too_large_are_refused() {
    let mut setting = Setting::new("");
    fs::write(setting.folder.path("c.yaml"), b"# ok\n# caf\xe9\n").unwrap();
    let what =
        "c.yaml:2:6: error: cannot be read: the file is not UTF-8 from here on; save it as UTF-8";
    assert_eq!(heads(&setting.bad()), [what]);
    setting.folder.write("c.yaml", &"#".repeat(1024 * 1024 + 1));
    assert!(setting.bad().contains("larger than 1048576 bytes"));
    fs::remove_file(setting.folder.path("c.yaml")).unwrap();
    fs::create_dir(setting.folder.path("c.yaml")).unwrap();
    assert!(setting.bad().contains("this is a folder"));
}

/// Of an authority that nobody has ever heard of.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBejCCAR+gAwIBAgIUET+0c0mbWdeTiBxkLt+b4IJiWg0wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGYSB0ZXN0MCAXDTI2MTEyNDE0MDIwNVoYDzIxMjYxMDMxMTQw
MjA1WjARMQ8wDQYDVQQDDAZhIHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAScZaaAkaOYscBACKkC14W2Oes2jkhWBLe9c15q78LMy9DJGBSC+u+3WObhkJN3
xG3U9N07Xjq4KTi0iyuXbQWto1MwUTAdBgNVHQ4EFgQU2B8s1vf0z6Xc58dGjhzY
erIK7mkwHwYDVR0jBBgwFoAU2B8s1vf0z6Xc58dGjhzYerIK7mkwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA423kFgYz6Ymgrj+IT4gGvQeLMtS4
9/c4MH5/D9mpzsYCIQCg1ykoAYq0TlVrwjXth6V1Nf+wTtbHxM5t+aqzgKSyfg==
-----END CERTIFICATE-----
";

fn with_roots(roots: &str) -> String {
    config(&route("liqpay", PARAMS))
        + &format!("exchanges: {{ timeout: 3s, roots: \"{roots}\" }}\n")
}

#[test]
fn roots_are_read_with_the_configuration_and_again_with_each_reload() {
    let mut setting = Setting::new(&with_roots("file:ca.pem"));
    fs::create_dir(setting.folder.path("rules")).unwrap();
    setting.folder.write("ca.pem", CERTIFICATE);
    let first = setting.good().snapshot.exchanges;
    assert_eq!((first.roots.len(), first.timeout), (1, Duration::from_secs(3)));
    assert_eq!(setting.good().snapshot.exchanges, first);
    setting.folder.write("ca.pem", &format!("# two\n{CERTIFICATE}{CERTIFICATE}"));
    assert_eq!(setting.good().snapshot.exchanges.roots.len(), 2);
    setting.set("CA", CERTIFICATE);
    setting.folder.write("c.yaml", &with_roots("env:CA"));
    assert_eq!(setting.good().snapshot.exchanges, first);
}

#[test]
fn roots_that_are_none_are_a_problem_of_the_configuration() {
    let mut setting = Setting::new(&with_roots("file:ca.pem"));
    fs::create_dir(setting.folder.path("rules")).unwrap();
    let no_certificate = CERTIFICATE.replace("MII", "MIA");
    let cut = CERTIFICATE.replace("-----END", "");
    for (text, why) in [
        ("", "file ca.pem is empty"),
        ("hunter2", "there is no certificate in PEM"),
        (&no_certificate, "certificate 1 cannot be read"),
        (&cut, "certificate 1 cannot be read"),
        (&format!("{CERTIFICATE}{no_certificate}"), "certificate 2 cannot be read"),
    ] {
        setting.folder.write("ca.pem", text);
        let said = setting.bad();
        let heads = heads(&said);
        assert!(heads[0].starts_with("c.yaml:6:34: error: `roots`: "), "{said}");
        assert!(heads[0].ends_with(why), "{why}: {said}");
        assert_eq!(heads.len(), 1, "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// Watches what these sources have seen.
struct Watching {
    sources: Sources,
    watched: Arc<Watched>,
    changes: mpsc::Receiver<()>,
    path: PathBuf,
    _watch: Watch,
}

/// No test waits that long unless it fails.
const DEADLINE: Duration = Duration::from_secs(20);

impl Watching {
    fn new(path: PathBuf, rescan: Duration) -> Self {
        let watched = Arc::new(Watched::default());
        let (sender, changes) = mpsc::channel();
        let pace = Pace { settle: Duration::from_millis(20), rescan };
        let tell = Box::new(move || sender.send(()).unwrap());
        let watch = Watch::start(Arc::clone(&watched), pace, tell).unwrap();
        let sources = Sources::new(Arc::new(|_| None));
        let mut watching = Self { sources, watched, changes, path, _watch: watch };
        watching.load();
        watching
    }

    /// What a loader would do.
    fn load(&mut self) -> String {
        self.sources.begin();
        let text = self.sources.text(&self.path).unwrap_or_default();
        self.watched.set(self.sources.seen());
        text
    }

    /// Loads at every change until this is what is there.
    #[track_caller]
    fn until(&mut self, want: &str) {
        while self.load() != want {
            self.changes.recv_timeout(DEADLINE).unwrap();
        }
    }

    /// The watcher speaks up, and what is loaded then, or soon after, is this.
    #[track_caller]
    fn becomes(&mut self, want: &str) {
        self.changes.recv_timeout(DEADLINE).unwrap();
        self.until(want);
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_editors_rename_is_noticed() {
    let folder = Folder::new();
    folder.write("c.yaml", "one");
    let mut watching = Watching::new(folder.path("c.yaml"), HOUR);
    for text in ["two", "three"] {
        folder.write(".c.yaml.swp", text);
        fs::rename(folder.path(".c.yaml.swp"), folder.path("c.yaml")).unwrap();
        watching.becomes(text);
    }
}

#[test]
fn a_symlink_swap_like_that_of_kubernetes_is_noticed() {
    let folder = Folder::new();
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, folder.path(name)).unwrap();
    };
    folder.write("..1/c.yaml", "one");
    link("..1", "..data");
    link("..data/c.yaml", "c.yaml");
    let mut watching = Watching::new(folder.path("c.yaml"), HOUR);
    for (number, text) in [(2, "two"), (3, "three")] {
        folder.write(&format!("..{number}/c.yaml"), text);
        link(&format!("..{number}"), "..data_tmp");
        fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
        fs::remove_dir_all(folder.path(&format!("..{}", number - 1))).unwrap();
        watching.becomes(text);
    }
}

#[test]
fn a_change_behind_a_symlink_to_elsewhere_is_noticed() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    elsewhere.write("real.yaml", "one");
    std::os::unix::fs::symlink(elsewhere.path("real.yaml"), folder.path("c.yaml")).unwrap();
    let mut watching = Watching::new(folder.path("c.yaml"), HOUR);
    elsewhere.write("real.yaml", "two");
    watching.becomes("two");
}

#[test]
fn a_half_written_file_is_followed_to_its_end() {
    let folder = Folder::new();
    folder.write("c.yaml", "one");
    let mut watching = Watching::new(folder.path("c.yaml"), HOUR);
    folder.write("c.yaml", "tw");
    watching.becomes("tw");
    folder.write("c.yaml", "two");
    watching.becomes("two");
}

#[test]
fn a_checkout_that_replaces_the_folder_is_noticed() {
    let folder = Folder::new();
    folder.write("repo/conf/c.yaml", "one");
    let mut watching = Watching::new(folder.path("repo/conf/c.yaml"), HOUR);
    for text in ["two", "three"] {
        fs::remove_dir_all(folder.path("repo/conf")).unwrap();
        watching.until("");
        folder.write("repo/conf/c.yaml", text);
        watching.until(text);
    }
}

#[test]
fn a_touch_without_a_change_is_no_news() {
    let folder = Folder::new();
    folder.write("c.yaml", "one");
    let mut sources = Sources::new(Arc::new(|_| None));
    sources.text(&folder.path("c.yaml")).unwrap();
    sources.text(&folder.path("missing")).unwrap_err();
    let seen = sources.seen();
    folder.write("c.yaml", "two");
    assert_ne!(seen.now(), seen);
    folder.write("c.yaml", "one");
    folder.write("other.yaml", "x");
    assert_eq!(seen.now(), seen);
    folder.write("missing", "");
    assert_ne!(seen.now(), seen);
}

#[test]
fn a_rescan_finds_what_nobody_told() {
    // The kernel tells of a change in the folder of the name that was written to, no other.
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    elsewhere.write("real.yaml", "one");
    fs::hard_link(elsewhere.path("real.yaml"), folder.path("c.yaml")).unwrap();
    let mut watching = Watching::new(folder.path("c.yaml"), Duration::from_millis(50));
    elsewhere.write("real.yaml", "two");
    watching.becomes("two");
}

#[test]
fn a_loader_tells_of_rules_and_secrets_that_change() {
    let mut setting = Setting::new(&config(&route("acme", "public_key: x, private_key: file:key")));
    setting.folder.write("rules/acme.yaml", &rule("acme"));
    setting.folder.write("key", "secret one");
    setting.good();
    let (sender, changes) = mpsc::channel();
    let _watch = setting.loader.watch(Box::new(move || sender.send(()).unwrap())).unwrap();
    setting.folder.write("key", "secret two");
    changes.recv_timeout(DEADLINE).unwrap();
    setting.good();
    setting.folder.write("rules/extra.yaml", &rule("extra"));
    changes.recv_timeout(DEADLINE).unwrap();
    setting.good();
    assert_eq!(setting.loader.rules().count(), 2);
}

#[test]
fn the_cell_hands_out_what_was_published_last() {
    let mut setting = Setting::new(&config(&route("liqpay", PARAMS)));
    fs::create_dir(setting.folder.path("rules")).unwrap();
    let live = Live::new(setting.good().snapshot);
    let kept = live.load();
    live.publish(setting.good().snapshot);
    assert_eq!((kept.generation, live.load().generation), (1, 2));
}
