//! What hyper and h2 leave open about a connection of HTTP/2: how long a head may take, how long
//! nothing may happen, how long a peer may keep an answer waiting by not opening its window, and how
//! much it may send that brings nothing. Pure: it is told what passes and what time it is.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::frames::{Frame, Kind, Passed};
use crate::config::Http2;

/// What a peer takes of an answer that waits within the limit, if there is as much for it; as over
/// HTTP/1.1.
const TAKEN_BYTES_MIN: u64 = 16 * 1024;

/// What a frame of data gives back: a client that reads opens two windows for it.
const DATA_WORTH: u32 = 2;

/// What an answer gives back, with or without data: browsers say a word or two about each request
/// beside it.
const ANSWER_WORTH: u32 = 4;

/// Windows of RFC 9113 §6.9.2, before anybody says otherwise.
const WINDOW_BYTES: i64 = 65_535;

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
const INITIAL_WINDOW: u16 = 0x4;

/// Resets that are nobody's fault: all was said, or nothing was begun.
const NO_ERROR: u32 = 0x0;

/// Streams that h2 has still to refuse.
const REFUSED_MAX: usize = 256;

/// Budgets are whole again after so long.
const REFILL: Duration = Duration::from_secs(60);

/// What is waited for, and how long.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) http2: Http2,
    pub(super) head: Duration,
    /// As long as an answer may be kept waiting.
    pub(super) write: Duration,
}

/// Why a connection is at its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    /// Heads that do not come to their end, or none at all.
    HeadTimeout,
    /// Nothing was asked for a while; or it was told to go, and stays.
    Idle,
    /// Too much that brings nothing.
    IdleFrames,
    /// Too many streams that were reset.
    Resets,
    /// An answer that the peer does not take.
    Stalled,
}

/// One connection.
pub(super) struct Watch {
    bounds: Bounds,
    streams: HashMap<u32, Stream>,
    /// The highest stream that was opened.
    highest: u32,
    /// That peer's.
    initial_window: i64,
    window: i64,
    /// Since when a head is read or, before the first one, awaited.
    head_since: Option<Instant>,
    /// Since when no stream is open.
    quiet_since: Instant,
    resets: Budget,
    idle_frames: Budget,
    /// What was told since it was asked for.
    told: Told,
}

/// What is to be counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Told {
    pub(super) reset_by_peer: u32,
    pub(super) refused: u32,
    pub(super) reset_by_us: u32,
}

struct Stream {
    window: i64,
    sent: u64,
    /// Whether the answer has begun.
    is_answered: bool,
    /// Since when it waits for a window, and what had been sent then.
    waits: Option<(Instant, u64)>,
}

impl Watch {
    pub(super) fn new(bounds: Bounds, now: Instant) -> Self {
        Self {
            streams: HashMap::new(),
            highest: 0,
            initial_window: WINDOW_BYTES,
            window: WINDOW_BYTES,
            head_since: Some(now),
            quiet_since: now,
            resets: Budget::new(bounds.http2.resets_max, now),
            idle_frames: Budget::new(bounds.http2.idle_frames_max, now),
            told: Told::default(),
            bounds,
        }
    }

    /// How often [`Watch::look`] is to be called, so that nothing lasts much longer than it may.
    pub(super) fn pace(&self) -> Duration {
        let Bounds { http2, head, write } = &self.bounds;
        let shortest = (*head).min(*write).min(http2.idle_timeout);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_millis(2500))
    }

    /// The peer has said that.
    pub(super) fn came(&mut self, passed: Passed, now: Instant) -> Result<(), Over> {
        match passed {
            Passed::Begun(frame) => return self.begun(frame, now),
            Passed::Setting(INITIAL_WINDOW, size) => {
                let change = i64::from(size) - self.initial_window;
                self.initial_window += change;
                self.streams.values_mut().for_each(|stream| stream.window += change);
            }
            Passed::Word(Frame { kind: Kind::WindowUpdate, stream, .. }, by) => {
                let window = match stream {
                    0 => Some(&mut self.window),
                    id => self.streams.get_mut(&id).map(|stream| &mut stream.window),
                };
                if let Some(window) = window {
                    *window += i64::from(by & 0x7fff_ffff);
                }
            }
            Passed::Word(Frame { kind: Kind::Reset, stream, .. }, _) => {
                self.told.reset_by_peer += 1;
                self.close(stream, now);
                self.resets.take(1, now).map_err(|()| Over::Resets)?;
            }
            Passed::Ended(frame) if frame.ends_headers() => self.head_since = None,
            Passed::Setting(..) | Passed::Word(..) | Passed::Ended(_) => {}
        }
        Ok(())
    }

    fn begun(&mut self, frame: Frame, now: Instant) -> Result<(), Over> {
        match frame.kind {
            Kind::Headers => {
                self.head_since = Some(now);
                // Of an older stream, it is a trailer or a mistake.
                if frame.stream > self.highest {
                    self.highest = frame.stream;
                    let (window, sent) = (self.initial_window, 0);
                    let stream = Stream { window, sent, is_answered: false, waits: None };
                    self.streams.insert(frame.stream, stream);
                }
                let most = usize::try_from(self.bounds.http2.streams_max).unwrap_or(usize::MAX);
                if self.streams.len() > most.saturating_add(REFUSED_MAX) {
                    return Err(Over::Resets);
                }
                Ok(())
            }
            Kind::Data if frame.length > 0 => {
                self.idle_frames.give(DATA_WORTH);
                Ok(())
            }
            Kind::Data if frame.ends_stream() => Ok(()),
            Kind::Continuation
            | Kind::Data
            | Kind::GoAway
            | Kind::Ping
            | Kind::Priority
            | Kind::Reset
            | Kind::Settings
            | Kind::Unknown
            | Kind::WindowUpdate => self.idle_frames.take(1, now).map_err(|()| Over::IdleFrames),
        }
    }

    /// We have said that.
    pub(super) fn went(&mut self, passed: Passed, now: Instant) -> Result<(), Over> {
        match passed {
            Passed::Begun(frame) => match frame.kind {
                Kind::Data => {
                    self.window -= i64::from(frame.length);
                    if let Some(stream) = self.streams.get_mut(&frame.stream) {
                        stream.window -= i64::from(frame.length);
                        stream.sent += u64::from(frame.length);
                    }
                    self.idle_frames.give(DATA_WORTH);
                }
                Kind::Headers => {
                    if let Some(stream) = self.streams.get_mut(&frame.stream) {
                        stream.is_answered = true;
                    }
                }
                _ => {}
            },
            Passed::Word(Frame { kind: Kind::Reset, stream, .. }, code) => {
                self.close(stream, now);
                if code != NO_ERROR {
                    const REFUSED_STREAM: u32 = 0x7;
                    let is_refused = code == REFUSED_STREAM;
                    let count = if is_refused {
                        &mut self.told.refused
                    } else {
                        &mut self.told.reset_by_us
                    };
                    *count += 1;
                    self.resets.take(1, now).map_err(|()| Over::Resets)?;
                }
            }
            Passed::Ended(frame) if frame.ends_stream() => {
                self.close(frame.stream, now);
                self.resets.give(1);
                self.idle_frames.give(ANSWER_WORTH);
            }
            Passed::Setting(..) | Passed::Word(..) | Passed::Ended(_) => {}
        }
        Ok(())
    }

    fn close(&mut self, stream: u32, now: Instant) {
        if self.streams.remove(&stream).is_some() && self.streams.is_empty() {
            self.quiet_since = now;
        }
    }

    /// Whether it may go on.
    pub(super) fn look(&mut self, now: Instant) -> Result<(), Over> {
        let Bounds { http2, head, write } = &self.bounds;
        if self.head_since.is_some_and(|since| now - since >= *head) {
            return Err(Over::HeadTimeout);
        }
        if self.streams.is_empty() && now - self.quiet_since >= http2.idle_timeout {
            return Err(Over::Idle);
        }
        let window = self.window;
        for stream in self.streams.values_mut() {
            if !stream.is_answered || stream.window.min(window) > 0 {
                stream.waits = None;
                continue;
            }
            let (since, sent) = *stream.waits.get_or_insert((now, stream.sent));
            if now - since >= *write {
                if stream.sent - sent < TAKEN_BYTES_MIN {
                    return Err(Over::Stalled);
                }
                stream.waits = Some((now, stream.sent));
            }
        }
        Ok(())
    }

    /// What is to be counted since it was last asked.
    pub(super) fn told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }
}

/// So much at once, and as much again each [`REFILL`].
struct Budget {
    most: u32,
    left: u32,
    /// Up to when time has been given back for.
    at: Instant,
}

impl Budget {
    fn new(most: u32, now: Instant) -> Self {
        Self { most, left: most, at: now }
    }

    fn take(&mut self, count: u32, now: Instant) -> Result<(), ()> {
        let each = REFILL / self.most.max(1);
        let due = now.saturating_duration_since(self.at).as_nanos() / each.as_nanos().max(1);
        let due = u32::try_from(due).unwrap_or(u32::MAX).min(self.most);
        if due > 0 {
            self.give(due);
            self.at = now;
        }
        self.left = self.left.checked_sub(count).ok_or(())?;
        Ok(())
    }

    fn give(&mut self, count: u32) {
        self.left = self.left.saturating_add(count).min(self.most);
    }
}
#[cfg(test)]
mod tests;
