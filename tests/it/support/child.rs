//! Programs started by a test: the daemon itself, nginx, Prometheus. Each is ended by its id, also
//! when the test fails.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::eventually;
use super::shop::Folder;

/// A program that ends with the test.
pub(crate) struct Guarded(pub(crate) Child);

impl Guarded {
    /// Starts it; `package` is what to install where it is missing.
    pub(crate) fn start(command: &mut Command, package: &str) -> Self {
        let program = command.get_program().to_owned();
        match command.spawn() {
            Ok(child) => Self(child),
            Err(error) => {
                panic!("{}: {error}; apt-get install {package}", program.to_string_lossy())
            }
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.0.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert!(status.success(), "kill -s {signal} {id}");
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the program ends", async || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may be gone already. SIGTERM first: nginx has children of its own.
        if let Ok(None) = self.0.try_wait() {
            let id = self.0.id().to_string();
            Command::new("kill").args(["-s", "TERM", &id]).status().ok();
            for _ in 0..200 {
                if let Ok(Some(_)) = self.0.try_wait() {
                    return;
                }
                thread::sleep(std::time::Duration::from_millis(10));
            }
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
}

/// `countersign run` as an operator starts it.
pub(crate) struct Daemon {
    pub(crate) process: Guarded,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) stdout: Caught,
    pub(crate) stderr: Caught,
}

impl Daemon {
    pub(crate) async fn start(folder: &Folder) -> Self {
        Self::start_by(folder, Command::new(env!("CARGO_BIN_EXE_countersign"))).await
    }

    /// Under another program, which is told to run it.
    pub(crate) async fn start_under(folder: &Folder, by: &mut Command) -> Self {
        by.arg(env!("CARGO_BIN_EXE_countersign"));
        let mut command = Command::new(by.get_program());
        command.args(by.get_args());
        Self::start_by(folder, command).await
    }

    /// By a command that lacks the arguments of `countersign` only.
    pub(crate) async fn start_by(folder: &Folder, mut command: Command) -> Self {
        let mut process = Guarded::start(
            command
                .args(["run", "--config"])
                .arg(folder.at("countersign.yaml"))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
            "strace (the daemon itself is built by cargo)",
        );
        let stdout = Caught::from(process.0.stdout.take().unwrap());
        let stderr = Caught::from(process.0.stderr.take().unwrap());
        eventually("it serves", async || {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", stderr.text());
            address(&stderr, "metrics and health are served").is_some()
        })
        .await;
        let address = |message| address(&stderr, message).unwrap();
        let (callbacks, admin) =
            (address("callbacks are served"), address("metrics and health are served"));
        Self { process, address: callbacks, admin, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }
}

/// Where it says that it serves.
fn address(log: &Caught, message: &str) -> Option<SocketAddr> {
    log.text()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["message"] == message)
        .map(|line| line["address"].as_str().unwrap().parse().unwrap())
}

/// What a program has written so far.
#[derive(Clone)]
pub(crate) struct Caught(Arc<Mutex<Vec<u8>>>);

impl Caught {
    pub(crate) fn from(pipe: impl Read + Send + 'static) -> Self {
        let all = Arc::new(Mutex::new(Vec::new()));
        let caught = Self(Arc::clone(&all));
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                all.lock().unwrap().append(&mut line);
            }
        });
        caught
    }

    /// All of it as soon as this is said: it comes on a way of its own.
    pub(crate) async fn says(&self, part: &str) -> String {
        eventually(part, async || self.text().contains(part)).await;
        self.text()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}
