//! wrk, a client that nobody here has written: what it says of a listener.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::child::Guarded;
use super::shop::Folder;
use super::wire::Callback;

/// How wrk uses its connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Connections {
    /// One for all requests, until it is told otherwise.
    Kept,
    /// One for each request.
    Fresh,
}

/// It asks until its time is over.
pub(crate) struct Wrk {
    process: Guarded,
    output: std::process::ChildStdout,
}

impl Wrk {
    /// Sends this callback again and again.
    pub(crate) fn start(
        folder: &Folder,
        address: SocketAddr,
        path: &str,
        callback: &Callback,
        connections: Connections,
        seconds: u32,
    ) -> Self {
        let lua = |bytes: &[u8]| {
            let bytes: String = bytes.iter().map(|byte| format!("\\{byte:03}")).collect();
            format!("\"{bytes}\"")
        };
        let mut script = format!("wrk.method = \"POST\"\nwrk.body = {}\n", lua(&callback.body));
        for (name, value) in &callback.headers {
            script += &format!("wrk.headers[{}] = {}\n", lua(name.as_bytes()), lua(value));
        }
        if connections == Connections::Fresh {
            script += "wrk.headers[\"Connection\"] = \"close\"\n";
        }
        script += "function done(summary, latency, requests)\n  local e = summary.errors\n  \
                   io.write(string.format(\"COUNTED %d %d %d %d %d %d\\n\", summary.requests, \
                   e.connect, e.read, e.write, e.status, e.timeout))\nend\n";
        let name = format!("wrk-{connections:?}.lua");
        folder.write(&name, script);
        let mut process = Guarded::start(
            Command::new("wrk")
                .args(["--threads", "1", "--connections", "16", "--timeout", "20s"])
                .arg(format!("--duration={seconds}s"))
                .arg("--script")
                .arg(folder.at(&name))
                .arg(format!("http://{address}{path}"))
                .stdin(Stdio::null())
                .stdout(Stdio::piped()),
            "wrk",
        );
        let output = process.0.stdout.take().unwrap();
        Self { process, output }
    }

    pub(crate) fn is_over(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_some()
    }

    /// How many requests were answered, when its time is over; fails where one has failed.
    pub(crate) async fn requests(self) -> u64 {
        let Self { mut process, output } = self;
        let text = tokio::task::spawn_blocking(|| std::io::read_to_string(output).unwrap());
        let text = text.await.unwrap();
        assert!(process.ended().await.success(), "{text}");
        let counted = text.lines().find_map(|line| line.strip_prefix("COUNTED "));
        let counted = counted.unwrap_or_else(|| panic!("{text}"));
        let (requests, errors) = counted.split_once(' ').unwrap();
        assert_eq!(errors, "0 0 0 0 0", "errors (connect, read, write, status, timeout)\n{text}");
        requests.parse().unwrap()
    }
}
