//! As many descriptors as the system lets us have: each connection takes one, each one passed on two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For files, listeners and what else is open.
const OTHERS: u64 = 256;

/// Raises the soft limit to the hard one, and says how many there are; `None`: without bound.
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    let raised = Rlimit { current: maximum, maximum };
    // Where that is not allowed, what there is must do.
    if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current }
}

/// Says so where there are too few for so many connections, of clients and to upstreams.
pub(super) fn check(connections_max: usize) {
    let needed = 2 * connections_max as u64 + OTHERS;
    if let Some(there) = raise().filter(|there| *there < needed) {
        tracing::warn!(
            there,
            needed,
            "fewer file descriptors than `limits.connections` may need; raise the limit of the \
             process (`ulimit -Hn`, `LimitNOFILE=`) or lower `limits.connections`"
        );
    }
}
