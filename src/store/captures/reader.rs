//! The thread that reads, on a connection that cannot write.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::file;
use super::queue::Queue;
use crate::store::StoreError;

/// Questions that wait for an answer.
const WAITING_MAX: usize = 64;

type Question = Box<dyn FnOnce(&mut Thread) + Send>;

/// Where the thread is asked. It ends when this is dropped.
pub(super) struct Reader(SyncSender<Question>);

impl Reader {
    pub(super) fn spawn(
        path: PathBuf,
        queue: Arc<Queue>,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let (questions, asked) = sync_channel::<Question>(WAITING_MAX);
        let run = move || {
            let mut thread = Thread { path, queue, open: None };
            for question in asked {
                question(&mut thread);
            }
        };
        let thread = thread::Builder::new().name("captures-read".to_owned()).spawn(run);
        Ok((Self(questions), thread.map_err(|_| StoreError::Disk)?))
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        // Whoever asked may have gone.
        let question = Box::new(move |thread: &mut Thread| drop(answer.send(thread.read(ask))));
        self.0.try_send(question).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

struct Thread {
    path: PathBuf,
    queue: Arc<Queue>,
    /// The generation of the file, and its connection.
    open: Option<(u64, Connection)>,
}

impl Thread {
    fn read<T>(
        &mut self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let generation = self.queue.generation();
        let open = match self.open.take().filter(|(of, _)| *of == generation) {
            Some((_, open)) => Ok(open),
            None => file::open_to_read(&self.path),
        };
        let answer = open.and_then(|open| {
            let answer = ask(&open)?;
            self.open = Some((generation, open));
            Ok(answer)
        });
        answer.map_err(|error| {
            let why = file::why(&error);
            if why == StoreError::Corrupt {
                self.queue.damaged(generation);
            }
            why
        })
    }
}
