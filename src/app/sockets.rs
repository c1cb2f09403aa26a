//! Listening sockets: those that were passed when the process was started (by systemd, or by the
//! process that this one replaces), and those that it binds itself.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use tokio::net::TcpListener;

use super::upgrade;

/// Where listeners come from.
#[derive(Default)]
pub(super) struct Sockets {
    /// Passed, and not yet claimed by a listener of the configuration; in the order of passing.
    passed: Vec<(SocketAddr, StdListener)>,
    /// Whether any were passed.
    are_passed: bool,
    /// More of each listener that was given out, to be passed on.
    given_out: Vec<OwnedFd>,
}

impl Sockets {
    /// What was passed to this process, and its line to the process that it replaces, if it does.
    /// Changes the environment: to be called before there are threads.
    pub(super) fn of_process() -> io::Result<(Self, Option<UnixStream>)> {
        let successor = std::env::var_os(upgrade::SUCCESSOR).is_some();
        let mut all = ListenFd::from_env();
        let listeners = all.len().saturating_sub(usize::from(successor));
        let mut passed = Vec::new();
        for index in 0..listeners {
            passed.extend(listener(&mut all, index)?);
        }
        let line = if successor { all.take_unix_listener(listeners)? } else { None };
        let line = line.map(|line| UnixStream::from(OwnedFd::from(line)));
        if successor && line.is_none() {
            let name = upgrade::SUCCESSOR;
            return Err(io::Error::other(format!(
                "the environment has {name}, which only SIGUSR2 to a running daemon sets; unset it"
            )));
        }
        let are_passed = !passed.is_empty();
        Ok((Self { passed, are_passed, given_out: Vec::new() }, line))
    }

    /// The listener of this address: the passed one, or a new one.
    pub(super) async fn listen(&mut self, address: SocketAddr) -> io::Result<TcpListener> {
        let fail = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        };
        let listener = if let Some(listener) = self.claim(address) {
            listener.set_nonblocking(true).map_err(fail)?;
            TcpListener::from_std(listener).map_err(fail)?
        } else {
            if self.are_passed {
                tracing::info!(%address, "no passed socket has this address; it is bound");
            }
            TcpListener::bind(address).await.map_err(fail)?
        };
        self.given_out.push(listener.as_fd().try_clone_to_owned().map_err(fail)?);
        Ok(listener)
    }

    /// The same address; where the configuration leaves the port to the system, the first that is
    /// left with the same host.
    fn claim(&mut self, address: SocketAddr) -> Option<StdListener> {
        let same = |passed: &SocketAddr| {
            passed.ip() == address.ip() && [passed.port(), 0].contains(&address.port())
        };
        let at = self.passed.iter().position(|(passed, _)| same(passed))?;
        Some(self.passed.remove(at).1)
    }

    /// Closes and names what no listener has claimed.
    pub(super) fn close_unclaimed(&mut self) {
        for (address, _) in self.passed.drain(..) {
            tracing::warn!(
                %address,
                "a passed socket is not used: neither `listen` nor `admin` has this address"
            );
        }
    }

    /// All that were given out, once more.
    pub(super) fn more(&self) -> io::Result<Vec<OwnedFd>> {
        self.given_out.iter().map(OwnedFd::try_clone).collect()
    }
}

/// The passed descriptor at this index.
fn listener(all: &mut ListenFd, index: usize) -> io::Result<Option<(SocketAddr, StdListener)>> {
    let fail = |why: &dyn std::fmt::Display| {
        io::Error::other(format!(
            "the passed socket {index} is no TCP listener: {why}; \
             pass addresses and ports (`ListenStream=127.0.0.1:8080`, `Accept=no`)"
        ))
    };
    let Some(listener) = all.take_tcp_listener(index).map_err(|error| fail(&error))? else {
        return Ok(None);
    };
    if !socket_acceptconn(&listener).map_err(|error| fail(&error))? {
        return Err(fail(&"it is a connection"));
    }
    let address = listener.local_addr().map_err(|error| fail(&error))?;
    Ok(Some((address, listener)))
}
