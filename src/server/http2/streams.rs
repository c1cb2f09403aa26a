//! The tasks of a connection's streams. They end with it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::rt::Executor;
use tokio::task::JoinSet;

/// See the module. The last one that is dropped ends them.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        // A panic elsewhere can only have lost a task.
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic in one has been printed; its stream is reset.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(stream);
    }
}
