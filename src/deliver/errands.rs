//! Work that is done to its end although whoever asked for it may go away meanwhile.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What is under way so. It holds the store open, so a daemon that ends waits for it, or cuts it off.
#[derive(Default)]
pub struct Errands {
    under_way: TaskTracker,
    cut: CancellationToken,
}

impl Errands {
    /// Does this in a task of its own. `None`: it was cut off, or has panicked.
    pub async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let cut = self.cut.clone();
        let task = self.under_way.spawn(async move { cut.run_until_cancelled(work).await });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "what was begun for a request has failed");
            None
        })
    }

    /// Resolves when nothing is under way.
    pub async fn over(&self) {
        self.under_way.close();
        self.under_way.wait().await;
    }

    /// Cuts off what is under way: what it holds is free afterwards.
    pub async fn cut_off(&self) {
        self.cut.cancel();
        self.over().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_is_done_to_its_end() {
        let errands = Errands::default();
        let (go, gone) = tokio::sync::oneshot::channel();
        let (done, is_done) = tokio::sync::oneshot::channel();
        let work = async move {
            gone.await.ok();
            done.send(()).ok();
        };
        tokio::select! {
            biased;
            _ = errands.see_through(work) => panic!("it waits"),
            () = std::future::ready(()) => {}
        }
        go.send(()).expect("it goes on");
        errands.over().await;
        assert_eq!(is_done.await, Ok(()));
    }

    #[tokio::test]
    async fn what_is_cut_off_holds_nothing_any_more() {
        let (errands, held) = (Errands::default(), Arc::new(()));
        let hold = Arc::clone(&held);
        let work = errands.see_through(async move {
            std::future::pending::<()>().await;
            drop(hold);
        });
        let (done, ()) = tokio::join!(work, errands.cut_off());
        assert_eq!((done, Arc::strong_count(&held)), (None, 1));
    }
}
