//! The thread that only reads: listings, and what may be forgotten. The writer never waits for it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::Fault;
use super::schema;
use super::shared::Shared;
use crate::store::StoreError;

/// Questions that wait, at most.
const WAITING_MAX: usize = 64;

type Question = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Result<(), Fault> + Send>;

pub(super) struct Reader {
    /// `None` once it is closed.
    questions: Option<SyncSender<Question>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    pub(super) fn start(path: PathBuf, shared: Arc<Shared>) -> io::Result<Self> {
        let (questions, asked) = sync_channel(WAITING_MAX);
        let work = move || answer(&path, &shared, &asked);
        let thread = thread::Builder::new().name("outbox-reader".to_owned()).spawn(work)?;
        Ok(Self { questions: Some(questions), thread: Some(thread) })
    }

    /// What `read` finds.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question = Box::new(move |conn: Result<&Connection, StoreError>| {
            let found = match conn {
                Ok(conn) => read(conn),
                Err(error) => Err(Fault::new(error, "")),
            };
            let (answer, fault) = match found {
                Ok(found) => (Ok(found), Ok(())),
                Err(fault) => (Err(fault.error), Err(fault)),
            };
            // Whoever asked may have gone away.
            drop(reply.send(answer));
            fault
        });
        let questions = self.questions.as_ref().ok_or(StoreError::Closed)?;
        questions.try_send(question).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Reader {
    /// Answers what has been asked and closes the file.
    pub(super) fn close(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been printed where it happened.
            drop(thread.join());
        }
    }
}

fn answer(path: &std::path::Path, shared: &Shared, asked: &Receiver<Question>) {
    let mut open: Option<(u64, Connection)> = None;
    while let Ok(question) = asked.recv() {
        let generation = shared.generation();
        let opened = match open.take().filter(|(of, _)| *of == generation) {
            Some(open) => Ok(open),
            None => schema::reader(path).map(|conn| (generation, conn)),
        };
        let read = match opened {
            Ok((of, conn)) => {
                let read = question(Ok(&conn));
                if read.is_ok() {
                    open = Some((of, conn));
                }
                read
            }
            Err(fault) => question(Err(fault.error)).and(Err(fault)),
        };
        // The writer will see what else is wrong by itself; this it may never come across.
        let is_current = generation == shared.generation();
        if let Some(fault) =
            read.err().filter(|fault| fault.error == StoreError::Corrupt && is_current)
        {
            shared.report(fault);
        }
    }
}
