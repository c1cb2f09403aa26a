//! Notices that what a snapshot was loaded from has changed. Looks at the contents: what touches
//! a file without changing it reloads nothing. Folders are watched, not files, so that renames,
//! symlink swaps and files that come and go are seen; a rescan finds what the kernel did not tell.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::live::sources::Seen;

/// Symlinks that lead to each other.
const LINKS_MAX: usize = 16;
/// Pauses waited for while changes go on.
const SETTLES_MAX: usize = 10;

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// For the next change after one: editors and checkouts make several.
    pub(super) settle: Duration,
    /// Between looks without cause.
    pub(super) rescan: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { settle: Duration::from_millis(200), rescan: Duration::from_secs(30) }
    }
}

/// What is watched; shared by the loader, the kernel's messenger and the watching thread.
#[derive(Default)]
pub(super) struct Watched {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// What the loader saw last.
    loaded: Seen,
    /// Something may have changed.
    touched: bool,
    stop: bool,
}

impl Watched {
    /// Takes note of what the loader saw.
    pub(super) fn set(&self, seen: Seen) {
        self.change(|state| {
            state.loaded = seen;
            state.touched = true;
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole at any time: a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits to be touched or stopped, at most this long. Whether it was touched.
    fn wait(&self, at_most: Duration) -> bool {
        let quiet = |state: &mut State| !state.touched && !state.stop;
        let (mut state, _) = self
            .wake
            .wait_timeout_while(self.lock(), at_most, quiet)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.touched)
    }
}

/// Watches until it is dropped.
pub struct Watch {
    watched: Arc<Watched>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(
        watched: Arc<Watched>,
        pace: Pace,
        changed: Box<dyn Fn() + Send>,
    ) -> io::Result<Self> {
        watched.change(|state| (state.stop, state.touched) = (false, true));
        let shared = Arc::clone(&watched);
        let thread = thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || run(&shared, pace, &*changed))?;
        Ok(Self { watched, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watched.change(|state| state.stop = true);
        if let Some(thread) = self.thread.take() {
            // A panic over there was printed there.
            thread.join().ok();
        }
    }
}

fn run(watched: &Arc<Watched>, pace: Pace, changed: &dyn Fn()) {
    // Kept for the watches in it.
    let mut _kernel = None;
    let mut told = None;
    loop {
        if watched.wait(pace.rescan) {
            for _ in 0..SETTLES_MAX {
                if !watched.wait(pace.settle) {
                    break;
                }
            }
        }
        let loaded = {
            let state = watched.lock();
            if state.stop {
                return;
            }
            state.loaded.clone()
        };
        // Made anew each time: a folder may have been replaced by another of its name. It stands
        // before the look, so that no change falls between.
        _kernel = kernel(watched, &folders(&loaded));
        let now = loaded.now();
        // What was told is not told again while the loader is not done with it.
        let news = Some((loaded, now));
        if news.as_ref().is_some_and(|(loaded, now)| loaded != now) && told != news {
            changed();
        }
        told = news;
    }
}

/// Watches of the operating system. Without them the rescan has to do.
fn kernel(shared: &Arc<Watched>, folders: &BTreeSet<PathBuf>) -> Option<RecommendedWatcher> {
    let shared = Arc::clone(shared);
    let on_event = move |event: notify::Result<Event>| {
        let kind = event.map_or(EventKind::Any, |event| event.kind);
        // Our own reading is no change.
        let is_read =
            kind.is_access() && kind != EventKind::Access(AccessKind::Close(AccessMode::Write));
        if !is_read {
            shared.change(|state| state.touched = true);
        }
    };
    let mut watcher = notify::recommended_watcher(on_event).ok()?;
    for folder in folders {
        // A folder that cannot be watched is left to the rescan.
        watcher.watch(folder, RecursiveMode::NonRecursive).ok();
    }
    Some(watcher)
}

/// The folders in which a change can make a difference to these paths.
fn folders(seen: &Seen) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for path in seen.paths() {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if path.is_dir() {
            folders.insert(path.clone());
        }
        around(&path, LINKS_MAX, &mut folders);
    }
    folders
}

/// The folder of a path (or the nearest that exists), and of every symlink on the way to it.
fn around(path: &Path, links_max: usize, folders: &mut BTreeSet<PathBuf>) {
    if let Some(parent) = path.ancestors().skip(1).find(|ancestor| ancestor.is_dir()) {
        folders.insert(parent.to_owned());
    }
    if links_max == 0 {
        return;
    }
    for ancestor in path.ancestors() {
        let Ok(target) = fs::read_link(ancestor) else { continue };
        let Some(parent) = ancestor.parent() else { continue };
        folders.insert(parent.to_owned());
        let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
        around(&parent.join(target).join(rest), links_max - 1, folders);
    }
}
