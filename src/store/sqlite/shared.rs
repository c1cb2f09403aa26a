//! What the threads of a store tell each other.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::fault::Fault;
use crate::store::StoreError;

#[derive(Default)]
pub(super) struct Shared {
    /// 0: all is well; else the position of the error in [`StoreError::ALL`], from 1.
    health: AtomicUsize,
    /// Changes when the file is another.
    generation: AtomicU64,
    /// Device and inode of the file.
    place: Mutex<(u64, u64)>,
    /// What went wrong elsewhere than in the writer.
    fault: Mutex<Option<Fault>>,
}

impl Shared {
    pub(super) fn health(&self) -> Result<(), StoreError> {
        match self.health.load(Ordering::Relaxed) {
            0 => Ok(()),
            at => Err(StoreError::ALL[at - 1]),
        }
    }

    pub(super) fn set_health(&self, trouble: Option<StoreError>) {
        let at = StoreError::ALL.into_iter().position(|error| Some(error) == trouble);
        self.health.store(at.map_or(0, |at| at + 1), Ordering::Relaxed);
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Connections to the file are no good any more.
    pub(super) fn replaced(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The writer has opened the file at this path.
    pub(super) fn opened(&self, path: &Path) -> Result<(), Fault> {
        let place = place(path)?;
        let mut known = lock(&self.place);
        if *known != place {
            *known = place;
            self.replaced();
        }
        Ok(())
    }

    /// Whether the file at the path is still the one that was opened: what is written to one that
    /// was moved away is not where anybody looks for it.
    pub(super) fn is_in_place(&self, path: &Path) -> Result<(), Fault> {
        if place(path)? == *lock(&self.place) {
            return Ok(());
        }
        Err(Fault::new(StoreError::Disk, "the file was replaced by another"))
    }

    /// To be looked after by the writer.
    pub(super) fn report(&self, fault: Fault) {
        *lock(&self.fault) = Some(fault);
    }

    pub(super) fn take_fault(&self) -> Option<Fault> {
        lock(&self.fault).take()
    }
}

fn place(path: &Path) -> Result<(u64, u64), Fault> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Nothing is left half done under these locks.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
