//! One process replaces another without a listening socket being closed. The old one starts the new
//! one with its sockets and a line to it. On the line:
//!
//! | who | says | when |
//! |---|---|---|
//! | new | `serving` | it has no store: it serves already, beside the old one |
//! | new | `prepared` | its configuration is good and it waits for the store |
//! | old | `yours` | it accepts nothing any more, what it began is finished, the store is closed |
//! | new | `serving` | it has opened the store |
//!
//! Until the first word the old one goes on as if nothing were; whatever goes wrong is the new one's
//! end. In between connections wait in the queue of the socket that both have.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::process::{Child, Command};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The variable that tells a process that it is to replace the one that started it.
pub(super) const SUCCESSOR: &str = "COUNTERSIGN_SUCCESSOR";

/// How long a successor may take to load its configuration.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long it may take to open a store that is free.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Descriptors are passed from here on, as systemd does it.
const FIRST: i32 = 3;

/// What is said on the line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Word {
    Prepared,
    Serving,
    Yours,
}

impl Word {
    const ALL: [Self; 3] = [Self::Prepared, Self::Serving, Self::Yours];

    fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Serving => "serving",
            Self::Yours => "yours",
        }
    }
}

/// Words to and from the other process.
struct Line(BufReader<UnixStream>);

impl Line {
    fn new(stream: StdStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self(BufReader::new(UnixStream::from_std(stream)?)))
    }

    async fn say(&mut self, word: Word) -> io::Result<()> {
        self.0.write_all(format!("{}\n", word.as_str()).as_bytes()).await
    }

    /// The next word; `None` when the other process has ended, or speaks another language.
    async fn hear(&mut self) -> Option<Word> {
        let mut text = String::new();
        self.0.read_line(&mut text).await.ok()?;
        Word::ALL.into_iter().find(|word| text.trim_end() == word.as_str())
    }
}

/// How far the successor is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// It serves.
    Serving,
    /// It waits for the store.
    Prepared,
}

/// The process that is to replace this one. Killed when it is dropped, unless it serves.
pub(super) struct Successor {
    child: Option<Child>,
    line: Line,
}

impl Successor {
    /// Starts this program as it was started itself, and waits for its first word.
    pub(super) async fn start(sockets: Vec<OwnedFd>) -> Result<(Self, Stage), String> {
        let mut arguments: Vec<OsString> = std::env::args_os().collect();
        let program = arguments.remove(0);
        Self::start_as(&program, arguments, sockets, PREPARE_TIMEOUT).await
    }

    async fn start_as(
        program: &OsStr,
        arguments: Vec<OsString>,
        sockets: Vec<OwnedFd>,
        patience: Duration,
    ) -> Result<(Self, Stage), String> {
        let started = (|| {
            let (ours, theirs) = StdStream::pair()?;
            let passed = sockets.into_iter().chain([OwnedFd::from(theirs)]);
            let mappings: Vec<_> = (FIRST..)
                .zip(passed)
                .map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd })
                .collect();
            let mut command = Command::new(program);
            command
                .args(arguments)
                .env("LISTEN_FDS", mappings.len().to_string())
                .env(SUCCESSOR, "1")
                // These name the process that they were meant for.
                .env_remove("LISTEN_PID")
                .env_remove("LISTEN_FDNAMES")
                .env_remove("WATCHDOG_PID")
                .fd_mappings(mappings)
                .map_err(io::Error::other)?;
            let child = command.spawn()?;
            tracing::info!(process = child.id(), "a successor is started");
            // With the command, our copy of their end is closed: that they have ended can be heard.
            drop(command);
            Ok(Self { child: Some(child), line: Line::new(ours)? })
        })();
        let mut successor = started
            .map_err(|error: io::Error| format!("cannot start {}: {error}", program.display()))?;
        match timeout(patience, successor.line.hear()).await {
            Ok(Some(Word::Prepared)) => Ok((successor, Stage::Prepared)),
            Ok(Some(Word::Serving)) => Ok((successor.live(), Stage::Serving)),
            Ok(Some(Word::Yours) | None) => {
                Err("it has ended; what it said of its configuration stands before this".to_owned())
            }
            Err(_) => Err(format!("it has said nothing for {} s", patience.as_secs())),
        }
    }

    /// It has a life of its own now.
    fn live(mut self) -> Self {
        self.child = None;
        self
    }

    /// Gives it the store, which is closed, and waits until it serves.
    pub(super) async fn hand_over(mut self) -> io::Result<()> {
        // What is wrong with the line is heard at once.
        self.line.say(Word::Yours).await.ok();
        match timeout(OPEN_TIMEOUT, self.line.hear()).await {
            Ok(Some(Word::Serving)) => {
                self.live();
                Ok(())
            }
            Ok(_) | Err(_) => Err(io::Error::other(
                "the successor has not come up with the store that was left to it; start anew",
            )),
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The process that this one is to replace.
pub(super) struct Predecessor(Line);

impl Predecessor {
    pub(super) fn new(line: StdStream) -> io::Result<Self> {
        Ok(Self(Line::new(line)?))
    }

    /// Resolves when it has left the store, or is no more. It sets itself the deadline.
    pub(super) async fn leaves(&mut self) {
        self.0.say(Word::Prepared).await.ok();
        self.0.hear().await;
    }

    /// Lets it go.
    pub(super) async fn let_go(mut self) {
        self.0.say(Word::Serving).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Successor;

    async fn why(script: &str, patience: Duration) -> String {
        let arguments = vec!["-c".into(), script.into()];
        let started = Successor::start_as("sh".as_ref(), arguments, Vec::new(), patience).await;
        started.err().expect("no successor")
    }

    #[tokio::test]
    async fn a_successor_that_ends_is_noticed_at_once() {
        let why = why("exit 2", Duration::from_secs(60)).await;
        assert!(why.contains("it has ended"), "{why}");
    }

    #[tokio::test]
    async fn a_successor_that_says_nothing_is_killed() {
        let began = Instant::now();
        let why = why("exec sleep 60", Duration::from_millis(100)).await;
        assert!(why.contains("it has said nothing"), "{why}");
        assert!(began.elapsed() < Duration::from_secs(30), "it was not waited for");
    }

    #[tokio::test]
    async fn a_successor_that_speaks_another_language_is_none() {
        let why = why("echo who is there >&3; exec sleep 60", Duration::from_secs(60)).await;
        assert!(why.contains("it has ended"), "{why}");
    }
}
