//! A connection of either kind.

use hyper::body::Incoming;
use hyper::{Request, Response};

use super::Deadlines;
use super::line::{Line, Lost};
use super::outgoing::Outgoing;
use super::shared::Shared;
use super::timer::Timer;

pub(super) enum Connection {
    /// HTTP/1.1: for one request at a time.
    Own(Line),
    /// HTTP/2.
    Shared(Shared),
}

/// The head of an answer, and what else will come of it.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Connection,
    pub(super) timer: Timer,
}

impl Connection {
    pub(super) async fn ask(
        self,
        request: Request<Outgoing>,
        deadlines: &Deadlines,
    ) -> Result<Answered, Lost> {
        match self {
            Self::Own(line) => {
                let (line, response, timer) = line.ask(request, deadlines).await?;
                Ok(Answered { response, connection: Self::Own(line), timer })
            }
            Self::Shared(shared) => {
                let (shared, response, timer) = shared.ask(request, deadlines).await?;
                Ok(Answered { response, connection: Self::Shared(shared), timer })
            }
        }
    }
}
