//! What is said of keeping and of sending again.

use super::{MIB, secs};
use crate::text::shape::{Key, Kind, Shape};

const GIB: u64 = 1024 * MIB;
const DAY: u64 = 24 * 3600;

pub(super) static STORE: Shape = Shape {
    name: "store",
    doc: "What outlives a restart: the outbox, the memory of what was delivered, captures.",
    exactly_one: false,
    keys: &[
        Key::required(
            "path",
            Kind::Text,
            "A folder of its own, relative to this file. It is made where its parent exists.",
        ),
        Key::optional(
            "keys",
            Kind::OneOrMany(&Kind::Text),
            "What bodies are encrypted with at rest (AES-256-GCM), as references: `env:NAME` or \
             `file:PATH`. Each is 32 bytes in Base64. The first encrypts, all decrypt. Left out: \
             bodies are kept as they are, and captures lose their card numbers.",
        ),
        Key::optional("events", Kind::Map(&KEPT_EVENTS), "How much of events is kept."),
        Key::optional("captures", Kind::Map(&KEPT_CAPTURES), "How much of captures is kept."),
    ],
};

static KEPT_EVENTS: Shape = Shape {
    name: "kept_events",
    doc: "How much of events is kept. What waits, is held or dead is never thrown away.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "age",
            Kind::Duration { min: secs(3600), max: secs(3660 * DAY) },
            "How long delivered events are remembered, 1h to 10 years: a repetition after that is \
             new. Longer than any gateway repeats. Default `90d`.",
        ),
        Key::optional(
            "waiting",
            Kind::Integer { min: 1, max: 100_000_000 },
            "Events that wait at a time; the gateway of a further one is asked to come again. \
             Default `2000000`.",
        ),
        Key::optional(
            "bytes",
            Kind::Size { min: 4 * MIB, max: 4096 * GIB },
            "Bytes of the file, 4MiB to 4096GiB. Default `64GiB`.",
        ),
    ],
};

static KEPT_CAPTURES: Shape = Shape {
    name: "kept_captures",
    doc: "How much of captures is kept; the oldest make room.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "age",
            Kind::Duration { min: secs(60), max: secs(3660 * DAY) },
            "How long, 1m to 10 years. Default `30d`.",
        ),
        Key::optional(
            "bytes",
            Kind::Size { min: MIB, max: 4096 * GIB },
            "Bytes of the file, 1MiB to 4096GiB. Default `1GiB`.",
        ),
    ],
};

pub(super) static RETRY: Shape = Shape {
    name: "retry",
    doc: "When an event that an upstream did not take is sent again: after `first`, then after twice \
          as long each time, never longer than `longest`, with chance mixed in. An upstream that \
          cannot be reached at all is tried every few seconds, and its events do not wait longer for \
          it.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "first",
            Kind::Duration { min: secs(1), max: secs(3600) },
            "1s to 1h. Default `5s`.",
        ),
        Key::optional(
            "longest",
            Kind::Duration { min: secs(1), max: secs(DAY) },
            "1s to 1d. Default `1h`.",
        ),
        Key::optional(
            "horizon",
            Kind::Duration { min: secs(60), max: secs(366 * DAY) },
            "How old an event may become before it is given up as a dead letter, 1m to 366d. \
             Default `14d`.",
        ),
    ],
};
