//! The daemon's own settings: `countersign.yaml`, compiled. Pure: text in, settings or every
//! problem out. What is a reference here (`env:`, `file:`) is resolved by `live`.

mod check;
mod compile;
mod exchanges;
mod grammar;
mod hide;
mod host;
mod limits;
mod proxy;
mod store;
mod tls;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::event::Strength;
use crate::engine::net::Network;
use crate::text::node::Node;
use crate::text::problem::{Place, Problems};

pub use crate::rule::Delivery;
pub use check::reference;
pub use host::Host;
pub use limits::{Http2, Limits};
pub use proxy::{Hosts, Proxy, Rate, Upgrade};
pub use upstream::{ADDRESSES_MAX, Address, HealthCheck, Http, ProxyProtocol, Reach, UpstreamTls};

/// Parses and compiles `countersign.yaml`, or says everything that is wrong with it. `file` is its
/// name in problems. No literal parameter is ever shown in them.
pub fn parse(text: &str, file: &str) -> Result<Config, Problems> {
    match Node::parse(file, text) {
        Ok(node) => compile::compile(&node, file),
        Err(mut problems) => {
            // Nobody knows what stands in the line.
            problems.list.iter_mut().for_each(|problem| problem.sensitive = true);
            Err(problems)
        }
    }
}

/// The rule files and folders that even a broken configuration names.
pub fn rules(text: &str) -> Vec<At<PathBuf>> {
    Node::parse("", text).map_or(Vec::new(), |node| compile::rules(&node))
}

/// The JSON Schema of `countersign.yaml`.
pub fn schema() -> serde_json::Value {
    crate::text::schema::schema("urn:countersign:schema:config:1", &grammar::CONFIG)
}

/// A value and where it stands in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// One configuration. What `boot` holds cannot change without a restart; the type says so.
#[derive(Clone, Debug)]
pub struct Config {
    /// Needs a restart.
    pub boot: Boot,
    /// Takes effect at the next reload.
    pub hot: Hot,
}

/// What is fixed at start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Boot {
    /// Where callbacks arrive. Never empty.
    pub listen: Vec<Listener>,
    /// Where metrics and health are served; `None`: nowhere.
    pub admin: Option<SocketAddr>,
    /// What outlives a restart; `None`: nothing.
    pub store: Option<Store>,
    /// What one client may use.
    pub limits: Limits,
    /// How the log looks.
    pub log: Log,
}

/// One address, and how it is spoken to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Whether clients are asked for certificates; `None`: it does not speak TLS.
    pub tls: Option<ClientCertificates>,
    /// Whether each connection begins with the PROXY protocol.
    pub proxy_protocol: bool,
}

/// See [`Listener::tls`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientCertificates {
    /// They may show one.
    Ask,
    /// Nobody is asked.
    Ignore,
}

/// What outlives a restart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Store {
    /// A folder, relative to the configuration's folder.
    pub path: PathBuf,
    /// What bodies are encrypted with: the first encrypts, all decrypt.
    pub keys: Vec<At<SecretRef>>,
    /// How long delivered events are remembered.
    pub events_age: Duration,
    /// Events that wait at a time.
    pub waiting_max: usize,
    /// Bytes of the outbox.
    pub events_bytes_max: u64,
    /// How long captures are kept.
    pub captures_age: Duration,
    /// Bytes of the captures.
    pub captures_bytes_max: u64,
}

/// The log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// One JSON object a line, or text for people.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// See [`Log::format`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Pretty,
}

/// See [`Log::level`]. An accepted callback is `Info`, a refused one `Warn`, an undelivered one
/// `Error`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Losses only.
    Error,
    /// Every callback.
    Info,
    /// Refusals and losses.
    Warn,
}

/// What a reload changes.
#[derive(Clone, Debug)]
pub struct Hot {
    /// Rule files, and folders whose `*.yaml` and `*.yml` are rule files, relative to the
    /// configuration's folder. A file of a shipped gateway's name replaces the shipped rule.
    pub rules: Vec<At<PathBuf>>,
    /// Who receives events.
    pub upstreams: Vec<Upstream>,
    /// What the listeners that speak TLS show; `None`: none does.
    pub tls: Option<Tls>,
    /// How gateways are asked.
    pub exchanges: Exchanges,
    /// What is wired to what.
    pub routes: Vec<Route>,
    /// What passes through, unjudged.
    pub proxies: Vec<Proxy>,
    /// Whose word on the client's address is believed.
    pub trusted_proxies: Vec<Network>,
    /// What opens the API for operators; `None`: it is shut.
    pub admin_token: Option<At<SecretRef>>,
}

/// What listeners that speak TLS show and accept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    /// Never empty; the first is for clients that ask for no name.
    pub certificates: Vec<CertificatePair>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether clients may choose HTTP/2.
    pub http2: bool,
}

/// Where a certificate is kept, with its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificatePair {
    /// It, and those that lead towards its root.
    pub chain: At<SecretRef>,
    /// Its private key.
    pub key: At<SecretRef>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    V12,
    /// RFC 8446.
    V13,
}

/// How gateways are asked what a rule must know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchanges {
    /// Until a connection stands: name, TCP and TLS.
    pub connect_timeout: Duration,
    /// The whole exchange.
    pub timeout: Duration,
    /// Bytes of an answer's body; a longer one is no answer.
    pub answer_bytes_max: usize,
    /// Exchanges under way at a time, over all hosts.
    pub in_flight_max: usize,
    /// Hosts that are asked at this address instead of by DNS.
    pub addresses: BTreeMap<Host, SocketAddr>,
    /// Hosts that may be at private addresses.
    pub private: BTreeSet<Host>,
    /// Certificates that are trusted beside those of the system, in PEM.
    pub roots: Option<At<SecretRef>>,
}

/// Who receives events.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name in routes and metrics.
    pub name: String,
    /// Where it is.
    pub target: Target,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte of the answer.
    pub timeout: Duration,
    /// Requests under way at a time; further ones are asked to come again.
    pub in_flight_max: usize,
    /// The Standard Webhooks secret that events are counter-signed with.
    pub secret: Option<SecretRef>,
    /// When what it did not take is sent again.
    pub retry: Retry,
    /// Its addresses, and how they are spoken to.
    pub reach: Reach,
    /// How it is spoken to over TLS.
    pub tls: UpstreamTls,
}

/// When an event that an upstream did not take is sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// After it failed once. Whole seconds.
    pub first: Duration,
    /// The longest wait. Whole seconds.
    pub longest: Duration,
    /// How old an event may become before it is given up.
    pub horizon: Duration,
}

/// Where an upstream is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// `http://host[:port]` or `https://host[:port]`, no path.
    Http(String),
    /// Built in: each event is printed on standard output.
    Print,
}

/// A path, the rule that judges what arrives there, and who receives it.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in metrics and logs; the path where none is given.
    pub name: String,
    /// The exact path.
    pub path: String,
    /// Name of the rule.
    pub gateway: At<String>,
    /// The rule's parameters.
    pub params: Vec<Param>,
    /// Name of an upstream of this configuration.
    pub upstream: String,
    /// In which form.
    pub forward: Forward,
    /// Whether a refusal stops the request.
    pub mode: Mode,
    /// When the gateway is told that all is well; `None`: as the rule recommends.
    pub delivery: Option<At<Delivery>>,
    /// Which inbounds are kept as they came.
    pub capture: Capture,
    /// Whether an event that tells of a state left behind is held.
    pub hold_regressive: bool,
    /// Who may call; `None`: everybody.
    pub allow: Option<Vec<Network>>,
    /// How often each client address may call; `None`: as often as it likes.
    pub rate: Option<Rate>,
    /// What the proofs must be worth at least.
    pub strength: At<Strength>,
    /// Where the route stands in the file.
    pub place: Place,
}

/// One parameter of a route.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name in the rule.
    pub name: String,
    /// One value, or several of a list.
    pub values: Vec<At<ParamValue>>,
    /// Whether it was written as a list.
    pub list: bool,
    /// Where its name stands in the file.
    pub place: Place,
}

/// A value, or where it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ParamValue {
    /// Written in the configuration.
    Literal(String),
    /// Kept elsewhere.
    Reference(SecretRef),
}

/// Where a secret is kept. The secret itself never stands in a configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretRef {
    /// `env:NAME`
    Env(String),
    /// `file:PATH`, relative to the configuration's folder; one line break at its end is not part
    /// of the secret.
    File(PathBuf),
}

/// What is forwarded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Forward {
    /// The canonical event, counter-signed, as POST to this path and query.
    Canonical {
        /// Path and query at the upstream.
        to: String,
    },
    /// The verified request, byte for byte.
    Original {
        /// Path and query at the upstream; `None`: those of the request.
        to: Option<String>,
        /// Request headers that go with it, beside `content-type`; lower case.
        headers: Vec<String>,
    },
}

impl Forward {
    /// Path and query at the upstream; `None`: those of the request.
    pub fn to(&self) -> Option<&str> {
        match self {
            Self::Canonical { to } => Some(to),
            Self::Original { to, .. } => to.as_deref(),
        }
    }
}

/// Which inbounds are kept as they came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Capture {
    /// Every one.
    All,
    /// None.
    None,
    /// Those that were not accepted.
    Rejected,
}

/// Whether a refusal stops the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Refused is refused.
    Enforce,
    /// Judged, counted and logged; the original goes upstream whatever the verdict.
    Observe,
}

#[cfg(test)]
mod tests;
