//! The grammar of how gateways are asked.

use super::{KIB, MIB, millis, secs};
use crate::text::shape::{Key, Kind, Shape};

pub(crate) static EXCHANGES: Shape = Shape {
    name: "exchanges",
    doc: "How gateways are asked, where a rule needs their answer: a certificate, a token, the \
          state of a payment. They are asked over TLS, and their certificates are verified; plain \
          HTTP is for the hosts named here only. What cannot be asked now makes the gateway send \
          its callback again.",
    exactly_one: false,
    keys: &[
        Key::optional(
            "connect_timeout",
            Kind::Duration { min: millis(10), max: secs(60) },
            "Until a connection stands, 10ms to 1m. Default `2s`.",
        ),
        Key::optional(
            "timeout",
            Kind::Duration { min: millis(10), max: secs(300) },
            "The whole exchange, 10ms to 5m. With the upstream's, less than the gateway waits. \
             Default `5s`.",
        ),
        Key::optional(
            "answer_bytes_max",
            Kind::Size { min: KIB, max: 4 * MIB },
            "The body of an answer, 1KiB to 4MiB; a longer one counts as none. Default `256KiB`.",
        ),
        Key::optional(
            "in_flight_max",
            Kind::Integer { min: 1, max: 4096 },
            "Exchanges under way at a time, over all hosts; the gateway of a further one is asked \
             to come again. Default `64`.",
        ),
        Key::optional(
            "addresses",
            Kind::Named(&Kind::Text),
            "Hosts that are asked at a fixed IP address and port, whatever DNS and the URL say: \
             `api.paypal.com: 10.0.0.5:8443`. For gateways behind a proxy of your own.",
        ),
        Key::optional(
            "private",
            Kind::List(&Kind::Text),
            "Hosts that may be at private addresses. Every other host is asked at public ones \
             only, so that no callback can make countersign call your own network.",
        ),
        Key::optional(
            "roots",
            Kind::Text,
            "PEM certificates of authorities that are trusted beside those of the system, as a \
             reference: `file:PATH` or `env:NAME`.",
        ),
    ],
};
