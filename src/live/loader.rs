//! The one way from files to a snapshot: for start, reload, `check` and tests alike.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{self, At, Boot, ClientCertificates, Config};
use crate::live::build::{Builder, site};
use crate::live::rules::{Compiler, LoadedRule, RuleSet};
use crate::live::sources::{Sources, Unread};
use crate::live::tls::{self, Tickets};
use crate::live::watch::{Pace, Watch, Watched};
use crate::live::{Exchanges, Route, Site, Snapshot, Store, Tls, Token, Upstream, store};
use crate::text::node::Node;
use crate::text::problem::{Place, Problem, Problems};

/// The problems of one file, and its text for the excerpts.
pub struct Report {
    /// What is wrong.
    pub problems: Problems,
    /// The file as it was read; empty where it could not be.
    pub source: String,
}

impl Report {
    /// A file that cannot be read.
    pub(super) fn unreadable(path: &Path, unread: Unread) -> Self {
        let Unread { place, why } = unread;
        let mut problems = Problems::new(path.display().to_string());
        problems.push(Problem::new(place, format!("cannot be read: {why}")).sensitive());
        Self { problems, source: String::new() }
    }

    /// For people; ends with a line break.
    pub fn render(&self) -> String {
        self.problems.render(&self.source)
    }
}

/// Why there is no new snapshot: every problem of every file.
pub struct Failure {
    /// One for each file that has problems; never empty.
    pub reports: Vec<Report>,
}

impl Failure {
    /// For people, file by file.
    pub fn render(self) -> Vec<String> {
        self.reports.iter().map(Report::render).collect()
    }
}

/// A new snapshot.
pub struct Loaded {
    /// What is fixed at start. After a reload, what the start had.
    pub boot: Boot,
    /// What the store is opened with. `None`: there is none, or this is a reload.
    pub store: Option<Store>,
    /// To be published. Its generation is one more than that of the one before.
    pub snapshot: Snapshot,
    /// What was left as it was, at a reload: broken rules, and settings that need a restart. Not
    /// empty: the reload has failed in part.
    pub reports: Vec<Report>,
}

/// What is needed to speak to a daemon, or to open its files while it does not run.
pub struct Access {
    /// Where its API is.
    pub admin: Option<SocketAddr>,
    /// What opens that.
    pub token: Result<Token, String>,
    /// Its files.
    pub store: Option<Store>,
    /// The names of its routes, in the order of the file.
    pub routes: Vec<String>,
    /// The gateways of its routes, by the alphabet.
    pub gateways: Vec<String>,
}

/// Builds snapshots of one configuration file, and remembers what must survive a bad one.
pub struct Loader {
    path: PathBuf,
    sources: Sources,
    compiler: Compiler,
    /// What was published last.
    active: Option<Active>,
    /// The rules of the last attempt.
    rules: RuleSet,
    /// As soon as TLS is spoken.
    tickets: Option<Tickets>,
    watched: Arc<Watched>,
}

struct Active {
    boot: Boot,
    generation: u64,
    routes: HashMap<String, Arc<Route>>,
    tls: Option<Arc<Tls>>,
    rules: RuleSet,
}

/// What has been built of one configuration.
struct Built {
    store: Option<Store>,
    routes: HashMap<String, Arc<Route>>,
    upstreams: HashMap<String, Arc<Upstream>>,
    site: Arc<Site>,
    tls: Option<Arc<Tls>>,
    exchanges: Arc<Exchanges>,
    token: Result<Token, String>,
    warnings: Vec<String>,
}

/// Where problems of a whole file stand.
const TOP: Place = Place { line: 1, column: 1, len: 1 };

impl Loader {
    /// For the configuration at this path. Paths within it are relative to its folder.
    pub fn new(path: impl Into<PathBuf>, sources: Sources) -> Self {
        Self {
            path: path.into(),
            sources,
            compiler: Compiler::default(),
            active: None,
            rules: RuleSet::default(),
            tickets: None,
            watched: Arc::default(),
        }
    }

    /// Reads everything anew. The first success is the start: until then every problem is a
    /// failure. After it, a broken configuration is a failure, and a broken rule file leaves the
    /// rule that it held in place.
    pub fn load(&mut self) -> Result<Loaded, Failure> {
        self.sources.begin();
        let loaded = self.attempt();
        // Also after a failure: the next change may mend it.
        self.watched.set(self.sources.seen());
        loaded
    }

    /// Builds a snapshot of what is on disk when it is called, as a start would have it; else every
    /// problem, for people. For those who look and publish nothing.
    pub fn on_disk(&self) -> impl Fn() -> Result<Snapshot, Vec<String>> + Send + Sync + use<> {
        let (path, sources) = (self.path.clone(), self.sources.anew());
        move || {
            let loaded = Self::new(&path, sources.anew()).load();
            loaded.map(|loaded| loaded.snapshot).map_err(Failure::render)
        }
    }

    /// The rules of the last attempt, by gateway: all of those on disk that are good, and the
    /// shipped ones that routes name.
    pub fn rules(&self) -> impl Iterator<Item = &LoadedRule> {
        self.rules.all()
    }

    /// How many rule texts have been compiled since the start.
    pub fn compilations(&self) -> u64 {
        self.compiler.compilations
    }

    /// Calls `changed` from a thread of its own whenever something on disk is no longer what the
    /// last [`Loader::load`] saw, until the returned guard is dropped.
    pub fn watch(&self, changed: Box<dyn Fn() + Send>) -> std::io::Result<Watch> {
        Watch::start(Arc::clone(&self.watched), Pace::default(), changed)
    }

    /// What the configuration says of the API and the store. No rule is read.
    pub fn access(&mut self) -> Result<Access, Failure> {
        let text = self.text()?;
        let base = self.path.parent().unwrap_or(Path::new("")).to_owned();
        let config = match config::parse(&text, &self.path.display().to_string()) {
            Ok(config) => config,
            Err(problems) => {
                return Err(Failure { reports: vec![Report { problems, source: text }] });
            }
        };
        let mut problems = Problems::new(self.path.display().to_string());
        let kept = config.boot.store.as_ref();
        let store = store::store(kept, &base, &mut self.sources, &mut problems);
        if !problems.is_empty() {
            return Err(Failure { reports: vec![Report { problems, source: text }] });
        }
        let token = self.token(&config, &base);
        let routes = config.hot.routes.iter().map(|route| route.name.clone()).collect();
        let gateways = config.hot.routes.iter().map(|route| &route.gateway.value);
        let gateways: BTreeSet<&String> = gateways.collect();
        let gateways = gateways.into_iter().cloned().collect();
        Ok(Access { admin: config.boot.admin, token, store, routes, gateways })
    }

    fn text(&mut self) -> Result<String, Failure> {
        let unreadable =
            |unread: Unread| Failure { reports: vec![Report::unreadable(&self.path, unread)] };
        self.sources.text(&self.path).map_err(unreadable)
    }

    fn token(&mut self, config: &Config, base: &Path) -> Result<Token, String> {
        match &config.hot.admin_token {
            Some(reference) => store::token(reference, base, &mut self.sources),
            None => Err("no `token` is configured".to_owned()),
        }
    }

    fn attempt(&mut self) -> Result<Loaded, Failure> {
        let text = self.text()?;
        let base = self.path.parent().unwrap_or(Path::new("")).to_owned();
        let parsed = config::parse(&text, &self.path.display().to_string());
        // The rules are looked at even where the configuration is broken: one attempt names all.
        let rules = match &parsed {
            Ok(config) => config.hot.rules.clone(),
            Err(_) => config::rules(&text),
        };
        let paths: Vec<PathBuf> = rules.iter().map(|At { value, .. }| base.join(value)).collect();
        let wanted: BTreeSet<&str> = parsed
            .iter()
            .flat_map(|config| &config.hot.routes)
            .map(|route| route.gateway.value.as_str())
            .collect();
        let none = RuleSet::default();
        let before = self.active.as_ref().map_or(&none, |active| &active.rules);
        let (rules, mut reports) = self.compiler.load(&paths, &wanted, before, &mut self.sources);
        self.rules = rules;
        let config = match parsed {
            Ok(config) => config,
            Err(problems) => {
                reports.insert(0, Report { problems, source: text });
                return Err(Failure { reports });
            }
        };
        let mut problems = Problems::new(self.path.display().to_string());
        let no_routes = HashMap::new();
        // Those that listen do so until the next start.
        let listen = self.active.as_ref().map_or(&config.boot.listen, |active| &active.boot.listen);
        let asks = listen.iter().any(|one| one.tls == Some(ClientCertificates::Ask));
        let mut builder = Builder {
            rules: &self.rules,
            before: self.active.as_ref().map_or(&no_routes, |active| &active.routes),
            base: &base,
            sources: &mut self.sources,
            problems: &mut problems,
            has_store: config.boot.store.is_some(),
            asks,
            warnings: Vec::new(),
        };
        let upstreams = builder.upstreams(&config.hot);
        let routes = builder.routes(&config.hot, &upstreams);
        let exchanges = builder.exchanges(&config.hot);
        let site = site(&config.hot, &upstreams);
        let warnings = builder.warnings;
        let kept = match self.active {
            None => {
                store::store(config.boot.store.as_ref(), &base, &mut self.sources, &mut problems)
            }
            Some(_) => None,
        };
        let token = self.token(&config, &base);
        let mut stale = Problems::new(self.path.display().to_string());
        let before = tls::Before {
            active: self.active.as_ref().and_then(|active| active.tls.as_deref()),
            tickets: &mut self.tickets,
            stale: &mut stale,
        };
        let tls = match &config.hot.tls {
            Some(shown) => tls::tls(shown, before, &base, &mut self.sources, &mut problems),
            // Who listens by TLS does so until the next start.
            None => self.active.as_ref().and_then(|active| active.tls.clone()),
        };
        let good = problems.is_empty();
        if !good {
            reports.insert(0, Report { problems, source: text.clone() });
        }
        if !stale.is_empty() {
            reports.push(Report { problems: stale, source: text.clone() });
        }
        if !good || (self.active.is_none() && !reports.is_empty()) {
            return Err(Failure { reports });
        }
        let upstreams = upstreams.into_iter().map(|(name, built)| (name, built.upstream)).collect();
        let built = Built { store: kept, routes, upstreams, site, tls, exchanges, token, warnings };
        Ok(self.activate(config, text, built, reports))
    }

    fn activate(
        &mut self,
        config: Config,
        text: String,
        built: Built,
        mut reports: Vec<Report>,
    ) -> Loaded {
        let Built { store, routes, upstreams, site, tls, exchanges, token, warnings } = built;
        let (boot, generation) = match self.active.take() {
            None => (config.boot, 1),
            Some(active) => {
                reports.extend(self.needs_restart(&active.boot, &config.boot, text));
                (active.boot, active.generation + 1)
            }
        };
        self.active = Some(Active {
            boot: boot.clone(),
            generation,
            routes: routes.clone(),
            tls: tls.clone(),
            rules: self.rules.clone(),
        });
        let snapshot =
            Snapshot { generation, routes, upstreams, site, tls, exchanges, token, warnings };
        Loaded { boot, store, snapshot, reports }
    }

    fn needs_restart(&self, old: &Boot, new: &Boot, text: String) -> Option<Report> {
        let Boot { listen, admin, limits, store, log } = old;
        let changed = [
            ("listen", *listen != new.listen),
            ("admin", *admin != new.admin),
            ("limits", *limits != new.limits),
            ("store", *store != new.store),
            ("log", *log != new.log),
        ];
        let file = self.path.display().to_string();
        let root = Node::parse(&file, &text).ok();
        let mut problems = Problems::new(file);
        for (name, _) in changed.iter().filter(|(_, changed)| *changed) {
            let mut keys = root.iter().flat_map(Node::entries).map(|(key, _)| key);
            // What was taken out stands nowhere.
            let place = keys.find(|key| key.text == *name).map_or(TOP, |key| key.place);
            let what = format!("the change of `{name}` needs a restart; the rest has been applied");
            problems.push(Problem::new(place, what).sensitive());
        }
        (!problems.is_empty()).then_some(Report { problems, source: text })
    }
}
