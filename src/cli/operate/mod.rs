//! Where the operators' verbs are done: by the running daemon, or in its files while it does not run.
//! Both do them by the same [`Api`].

mod client;
mod confirm;
mod filter;
mod known;
mod show;
mod table;

use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use hyper::StatusCode;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::interval;

use crate::admin::api::{Answer, Api, Asked};
use crate::app::{self, wall_clock};
use crate::cli::{Exit, complain};
use crate::live::Store;
use crate::live::loader::{Access, Loader};
use crate::live::sources::Sources;
use crate::metrics::Metrics;
use crate::server::Keeping;
use client::{Client, Nobody};
use known::Known;

pub(super) use confirm::confirmed;
pub(super) use filter::{CaptureFilter, EventFilter, target};
pub(super) use show::{Sum, cell, credits, details, lines, request};
pub(super) use table::Table;

/// What every verb takes.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// The configuration of the daemon.
    #[arg(long, value_name = "FILE", default_value = "countersign.yaml")]
    config: PathBuf,
    /// Print JSON, a list as one object a line.
    #[arg(long)]
    pub(super) json: bool,
}

/// How often somebody at a terminal is told how far it is.
const TICK: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Desk {
    runtime: Runtime,
    way: Way,
    known: Known,
}

enum Way {
    Daemon(Client),
    Files(Api),
}

/// The API has said no.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}{}", if hint.is_empty() { "" } else { "\n  help: " }, hint)]
pub(super) struct Declined {
    status: StatusCode,
    error: String,
    hint: String,
    problems: Vec<String>,
}

impl Declined {
    fn of(answer: &Answer) -> Self {
        let text = |key: &str| answer.body[key].as_str().unwrap_or_default().to_owned();
        let problems = answer.body["problems"].as_array().map_or(&[][..], Vec::as_slice);
        Self {
            status: answer.status,
            error: text("error"),
            hint: text("hint"),
            problems: problems.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect(),
        }
    }

    /// Says so; `No` where asking once more may help, or there is nothing there.
    pub(super) fn tell(&self) -> Exit {
        self.problems.iter().for_each(|problem| complain(problem));
        complain(&format!("error: {self}"));
        match self.status {
            StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE => {
                Exit::No
            }
            _ => Exit::Problem,
        }
    }
}

impl Desk {
    /// Finds the way, and says which it is. `None`: the configuration has problems, which have been
    /// told.
    pub(super) fn open(common: &Common) -> Result<Option<Self>> {
        let mut loader = Loader::new(&common.config, Sources::of_process());
        let access = match loader.access() {
            Ok(access) => access,
            Err(failure) => {
                failure.render().iter().for_each(|text| complain(text));
                return Ok(None);
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let known = Known::of(&access);
        let way = runtime.block_on(way(common, access, &loader))?;
        Ok(Some(Self { runtime, way, known }))
    }

    /// Nothing fits this filter. `No` where that is because of a name that is none, which is said.
    pub(super) fn nothing(&self, filter: &[(&'static str, String)]) -> Exit {
        let doubts = filter.iter().filter_map(|(key, value)| self.known.doubt(key, value));
        let doubts: Vec<String> = doubts.collect();
        for doubt in &doubts {
            complain(&format!("error: {doubt}"));
        }
        if doubts.is_empty() { Exit::Fine } else { Exit::No }
    }

    pub(super) fn get(&self, target: &str) -> Result<Value> {
        self.runtime.block_on(self.way.ask("GET", target, None))
    }

    pub(super) fn post(&self, target: &str, body: &Value) -> Result<Value> {
        self.runtime.block_on(self.way.ask("POST", target, Some(body)))
    }

    /// The same for what may take long. While it does, `progress` is asked, and shown to whoever
    /// sits before a terminal.
    pub(super) fn post_long(
        &self,
        target: &str,
        body: &Value,
        progress: &str,
        show: impl Fn(&Value) -> String,
    ) -> Result<Value> {
        let watched = std::io::stderr().is_terminal();
        self.runtime.block_on(async {
            let mut done = std::pin::pin!(self.way.ask_patiently(target, body));
            let mut ticks = interval(TICK);
            ticks.tick().await;
            loop {
                tokio::select! {
                    answer = &mut done => {
                        clear(watched);
                        return answer;
                    }
                    _ = ticks.tick() => {
                        // A daemon that does not answer here will not answer there.
                        let far = self.way.ask("GET", progress, None).await?;
                        if watched {
                            write!(std::io::stderr(), "\r{}\x1b[K", show(&far)).ok();
                        }
                    }
                }
            }
        })
    }

    /// Lets time pass.
    pub(super) fn wait(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// Whether anything can come while we look.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.way, Way::Daemon(_))
    }
}

fn clear(watched: bool) {
    if watched {
        write!(std::io::stderr(), "\r\x1b[K").ok();
    }
}

impl Way {
    async fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = match self {
            Self::Daemon(client) => client.ask(method, target, body).await?,
            Self::Files(api) => {
                api.answer(Asked { by: "local", method, target, body: body.as_bytes() }).await
            }
        };
        if answer.status.is_success() { Ok(answer.body) } else { Err(Declined::of(&answer).into()) }
    }

    async fn ask_patiently(&self, target: &str, body: &Value) -> Result<Value> {
        match self {
            Self::Daemon(client) => {
                let client = client.patient();
                let answer = client.ask("POST", target, body.to_string()).await?;
                if answer.status.is_success() {
                    Ok(answer.body)
                } else {
                    Err(Declined::of(&answer).into())
                }
            }
            Self::Files(_) => self.ask("POST", target, Some(body)).await,
        }
    }
}

async fn way(common: &Common, access: Access, loader: &Loader) -> Result<Way> {
    let Access { admin, token, store, routes: _, gateways: _ } = access;
    let config = common.config.display();
    let silent = match admin {
        None => format!("{config} has no `admin.address` at which it could be asked"),
        Some(address) => {
            let address = near(address);
            match Client::reach(address).await {
                Ok(()) => {
                    let token = token.map_err(|why| {
                        anyhow!(
                            "the daemon at {address} cannot be asked: {why}\n  help: write `token: \
                             file:PATH` under `admin` in {config}, and let this user read the file"
                        )
                    })?;
                    complain(&format!("asking the daemon at {address}"));
                    return Ok(Way::Daemon(Client::new(address, token)));
                }
                Err(Nobody::Refused) => format!(
                    "nobody answers at {address} (`admin.address`; a change of it needs a restart)"
                ),
                Err(Nobody::Silent(why)) => bail!("the daemon at {address} cannot be asked: {why}"),
            }
        }
    };
    let store = store.with_context(|| {
        format!("{silent}, and there is no `store`: nothing is kept that could be looked at")
    })?;
    files(common, &store, loader, &silent).map(Way::Files)
}

/// Opens the files of a daemon that does not run.
fn files(common: &Common, store: &Store, loader: &Loader, silent: &str) -> Result<Api> {
    let folder = store.folder.display();
    if !store.folder.is_dir() {
        bail!("{silent}, and there is no folder {folder}: nothing has been kept yet");
    }
    let metrics = Arc::new(Metrics::new()?);
    let Keeping { outbox, captures } =
        app::open_store(store, &metrics, wall_clock).map_err(|error| match error.kind() {
            std::io::ErrorKind::ResourceBusy => anyhow!(
                "a daemon runs, since {folder} is in use, but it cannot be asked: {silent}\n  help: \
                 set `admin.address` and `admin.token` in {}, and restart the daemon",
                common.config.display()
            ),
            _ => anyhow!(error).context(silent.to_owned()),
        })?;
    let (Some(outbox), Some(captures)) = (outbox, captures) else { bail!("there is no store") };
    complain(&format!("the daemon does not run; using its files in {folder}"));
    Ok(Api::new(outbox, captures, Arc::new(loader.on_disk()), metrics, wall_clock))
}

/// Where to connect to whoever listens there.
fn near(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
