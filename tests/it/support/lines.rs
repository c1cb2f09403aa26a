//! The daemon's log, caught. One subscriber for all tests, because tracing remembers across threads
//! who wants a line; each test gets what its own thread logs.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};

use serde_json::Value;

thread_local! {
    static CAUGHT: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

/// Everything that this thread logs while the guard lives, in the form that the daemon gives it.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

/// Ends the catching.
pub(crate) struct Catching;

impl Drop for Catching {
    fn drop(&mut self) {
        CAUGHT.take();
    }
}

impl Lines {
    pub(crate) fn catch() -> (Self, Catching) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_writer(|| ToThread)
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        let lines = Self::default();
        CAUGHT.set(Some(lines.clone()));
        (lines, Catching)
    }

    /// Of one request each; takes them out.
    pub(crate) fn take_callbacks(&self) -> Vec<Value> {
        self.take("countersign::callback")
    }

    /// Those that this part of the daemon has written; takes all of them out.
    pub(crate) fn take(&self, target: &str) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"] == target).collect()
    }
}

/// To whoever catches on this thread; to nobody otherwise.
struct ToThread;

impl io::Write for ToThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAUGHT.with_borrow(|caught| {
            if let Some(Lines(lines)) = caught {
                lines.lock().unwrap().extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
