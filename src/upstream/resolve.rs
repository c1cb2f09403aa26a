//! From what the configuration says to addresses that can be connected to. Names are looked up at
//! the first request, and in the background from then on; never for a connection.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::config::Address;

/// How long a name may take. The resolver cannot be interrupted, but it is not waited for.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// What can be connected to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Spot {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is known of one address of the configuration.
pub(super) struct Known {
    pub(super) address: Address,
    /// As of the last time that anything was found.
    pub(super) spots: Vec<Spot>,
}

impl Known {
    pub(super) fn new(address: Address) -> Self {
        let spots = match &address {
            Address::Ip(address) => vec![Spot::Tcp(*address)],
            Address::Unix(path) => vec![Spot::Unix(path.clone())],
            Address::Name { .. } => Vec::new(),
        };
        Self { address, spots }
    }

    pub(super) fn is_name(&self) -> bool {
        matches!(self.address, Address::Name { .. })
    }

    /// Looks up what is a name. What was found before stays if nothing is found now.
    pub(super) async fn look_up(&mut self) -> io::Result<()> {
        let Address::Name { host, port } = &self.address else { return Ok(()) };
        let found = timeout(LOOKUP_TIMEOUT, lookup_host((host.as_str(), *port))).await??;
        let found: Vec<_> = found.map(Spot::Tcp).collect();
        if found.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        self.spots = found;
        Ok(())
    }
}
