//! From an accepted inbound to the messages that are sent, and kept.

use std::sync::Arc;

use bytes::Bytes;

use crate::config::{Forward, Target};
use crate::deliver::allowed;
use crate::engine::event::Event;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::live::Route;
use crate::store::keys::{Keys, joint_id};
use crate::store::{Deposit, Form, Message};

/// An accepted inbound, as a route hands it over.
pub struct Accepted<'a> {
    /// On which it came.
    pub route: &'a Route,
    /// The request.
    pub inbound: &'a Inbound<'a>,
    /// Its body, which is not copied.
    pub body: &'a Bytes,
    /// What it says.
    pub events: Vec<Event>,
    /// When it came.
    pub received_at: UnixSeconds,
}

/// A message, and what it says.
pub(super) struct Sendable {
    pub(super) id: String,
    pub(super) message: Message,
    pub(super) event: Event,
    pub(super) events: usize,
}

impl Accepted<'_> {
    /// One message for each event, or one for the whole original. None where nothing is said.
    pub(super) fn sendables(self) -> Vec<Sendable> {
        let Self { route, inbound, body, events, received_at } = self;
        let to = match (&route.forward, &route.upstream.target) {
            (Forward::Canonical { to }, _) => to,
            // Nothing takes requests there; what they say is printed as events.
            (Forward::Original { .. }, Target::Print) => "/",
            (Forward::Original { to, headers }, Target::Http(_)) => {
                let to = to.clone().unwrap_or_else(|| inbound.target.to_owned());
                let message = original(inbound, to, headers, body.clone());
                let (id, said) = (joint_id(&events), events.len());
                let first = events.into_iter().next();
                return first
                    .map(|event| Sendable { id, message, event, events: said })
                    .into_iter()
                    .collect();
            }
        };
        let sendable = |event: Event| Sendable {
            id: event.id.clone(),
            message: Message {
                to: to.to_owned(),
                form: Form::Canonical,
                body: event.to_canonical_json(received_at).into(),
            },
            event,
            events: 1,
        };
        events.into_iter().map(sendable).collect()
    }

    /// The same, with what a store must know.
    pub fn deposits(self) -> Vec<Deposit> {
        let (route, received_at) = (self.route, self.received_at);
        let [name, upstream] =
            [&route.name, &route.upstream.name].map(|name| Arc::<str>::from(name.as_str()));
        let deposit = |Sendable { id, message, event, events }| {
            let mut keys = Keys::of(&event);
            if events > 1 {
                // Together they are one message, which credits more than one payment.
                keys.credit = None;
            }
            Deposit {
                id,
                event: Arc::new(event),
                events,
                route: Arc::clone(&name),
                upstream: Arc::clone(&upstream),
                received_at,
                keys,
                hold_regressive: route.hold_regressive,
                message,
            }
        };
        self.sendables().into_iter().map(deposit).collect()
    }
}

fn original(inbound: &Inbound<'_>, to: String, headers: &[String], body: Bytes) -> Message {
    let names = allowed(headers);
    let goes = |name: &str| {
        name.eq_ignore_ascii_case("content-type")
            || names.iter().any(|known| name.eq_ignore_ascii_case(known.as_str()))
    };
    let headers = inbound.headers.iter().filter(|(name, _)| goes(name));
    let form = Form::Original {
        method: inbound.method.to_owned(),
        headers: headers.map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
    };
    Message { to, form, body }
}
