//! Processes that come and go: sockets that are passed to them, and those that they start themselves.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use serde_json::Value;

use super::child::Daemon;
use super::eventually;

/// The daemon as systemd starts it: with these sockets, from descriptor 3 on, and with its own id.
pub(crate) fn activated(sockets: &[&TcpListener]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh", env!("CARGO_BIN_EXE_countersign")]);
    let mappings = (3..).zip(sockets).map(|(child_fd, socket)| FdMapping {
        parent_fd: socket.try_clone().unwrap().into(),
        child_fd,
    });
    command.env("LISTEN_FDS", sockets.len().to_string());
    command.fd_mappings(mappings.collect()).unwrap();
    command
}

/// A socket that a parent holds.
pub(crate) fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A process that a daemon has started. Ended with the test.
pub(crate) struct Successor(pub(crate) u64);

impl Successor {
    /// The last one that the log names.
    pub(crate) fn last_of(daemon: &Daemon) -> Option<Self> {
        let log = daemon.stderr.text();
        log.lines()
            .rev()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|line| line["message"] == "a successor is started")
            .map(|line| Self(line["process"].as_u64().unwrap()))
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args(["-s", signal, &self.0.to_string()]).status();
        assert!(status.unwrap().success(), "kill -s {signal} {}", self.0);
    }

    pub(crate) fn runs(&self) -> bool {
        // Whoever has inherited it may not look after it.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    }

    pub(crate) async fn ended(&self) {
        eventually("the successor ends", async || !self.runs()).await;
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if self.runs() {
            Command::new("kill").args(["-s", "KILL", &self.0.to_string()]).status().ok();
        }
    }
}

/// How often callbacks have begun to be served.
pub(crate) fn starts(daemon: &Daemon) -> usize {
    daemon.stderr.text().matches("\"callbacks are served\"").count()
}
