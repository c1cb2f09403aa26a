//! The thread that writes.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::file::{self, File, Lock, Row};
use super::queue::{Batch, Queue, Step};
use super::{Capture, Kept, Settings, blob};
use crate::engine::inbound::UnixSeconds;
use crate::engine::pan::packed;
use crate::store::StoreError;

pub(super) struct Writer {
    settings: Settings,
    queue: Arc<Queue>,
    /// `None`: the disk has failed.
    file: Option<File>,
    /// Given back when the file is closed.
    lock: Option<Lock>,
}

impl Writer {
    pub(super) fn open(settings: Settings, queue: Arc<Queue>) -> Result<Self, StoreError> {
        let mut writer = Self { settings, queue, file: None, lock: None };
        match writer.attempt(|_| Ok(())) {
            Ok(()) => {}
            Err(StoreError::Full) => writer.queue.failed(StoreError::Full, 0),
            Err(error) => return Err(error),
        }
        Ok(writer)
    }

    pub(super) fn spawn(self) -> Result<JoinHandle<()>, StoreError> {
        let thread = thread::Builder::new().name("captures-write".to_owned());
        thread.spawn(move || self.run()).map_err(|_| StoreError::Disk)
    }

    /// The file can grow no more until it is opened again.
    #[cfg(test)]
    pub(super) fn fill_disk(&mut self) {
        if let Some(file) = &self.file {
            file.stop_growing();
        }
    }

    fn run(mut self) {
        while let Some(batch) = self.queue.take() {
            let Batch { captures, prunes, damaged } = batch;
            if damaged.is_some_and(|generation| generation == self.queue.generation()) {
                self.begin_anew();
            }
            let rows: Vec<Row> = captures.into_iter().map(|capture| self.row(capture)).collect();
            let bytes_max = self.settings.bytes_max;
            if !rows.is_empty() || self.queue.health().is_err() {
                let written = self.attempt(|file| file.write(&rows, bytes_max));
                if let Err(error) = written {
                    self.queue.failed(error, rows.len());
                }
            }
            for prune in prunes {
                // Whoever asked may have gone.
                prune.answer.send(self.prune(prune.now)).ok();
            }
        }
    }

    fn prune(&mut self, now: UnixSeconds) -> Result<Step, StoreError> {
        let age = i64::try_from(self.settings.age_max.as_secs()).unwrap_or(i64::MAX);
        let (before, bytes_max) = (now.saturating_sub(age), self.settings.bytes_max);
        let done = self.attempt(|file| file.prune(before, bytes_max));
        done.inspect_err(|error| self.queue.failed(*error, 0))
    }

    /// Does it, on a new file if this one is damaged, and says what is kept now.
    fn attempt<T>(
        &mut self,
        mut act: impl FnMut(&mut File) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut once = |writer: &mut Self| {
            let file = writer.file()?;
            let done = act(file).and_then(|done| Ok((done, file.totals()?)));
            done.map_err(|error| file::why(&error))
        };
        let done = once(self).or_else(|error| {
            if error != StoreError::Corrupt || !self.begin_anew() {
                return Err(error);
            }
            once(self)
        });
        match done {
            Ok((done, totals)) => {
                self.queue.written(totals);
                Ok(done)
            }
            Err(error) => {
                // What a connection still knows of a failed disk need not be true.
                self.file = None;
                Err(error)
            }
        }
    }

    fn file(&mut self) -> Result<&mut File, StoreError> {
        if self.lock.is_none() {
            self.lock = Some(Lock::take(&self.settings.path)?);
        }
        let file = if let Some(file) = self.file.take() {
            file
        } else {
            self.queue.begin();
            File::open(&self.settings.path).map_err(|error| file::why(&error))?
        };
        Ok(self.file.insert(file))
    }

    /// Sets the damaged file aside; `false`: it is still there.
    fn begin_anew(&mut self) -> bool {
        self.file = None;
        file::set_aside(&self.settings.path).is_ok()
    }

    /// A capture as it is kept: whole under a key, else without card numbers.
    fn row(&self, capture: Capture) -> Row {
        let Capture { summary, mut inbound } = capture;
        if !self.settings.seal.seals() {
            inbound = without_cards(&inbound);
        }
        let pack = |out: &mut Vec<u8>| blob::pack(out, &inbound);
        let sealed = self.settings.seal.seal(blob::PLACE, blob::len(&inbound), pack);
        Row { summary, masked: inbound.masked, sealed }
    }
}

fn without_cards(kept: &Kept) -> Kept {
    let headers = kept.headers.iter();
    let mut out = Kept {
        method: kept.method.clone(),
        target: packed::mask_target(&kept.target),
        headers: headers.map(|(name, value)| (name.clone(), packed::mask(value))).collect(),
        body: packed::mask(&kept.body),
        masked: kept.masked,
    };
    out.masked |= out != *kept;
    out
}
