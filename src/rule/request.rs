//! A request that can be changed: what an example is, and what forgeries are bred from.

use std::net::IpAddr;

use crate::engine::charset::Charset;
use crate::engine::form;
use crate::engine::inbound::Inbound;
use crate::engine::plan::{RequestCharset, RequestPlan};

/// One request, owned. Query and form keep their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// `POST`
    pub method: String,
    /// Without query.
    pub path: String,
    /// Fields of the query, decoded.
    pub query: Vec<(Vec<u8>, Vec<u8>)>,
    /// Header lines.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Body,
    /// The peer; `None`: it does not matter.
    pub peer: Option<IpAddr>,
    /// What the peer has shown in the handshake, in DER.
    pub certificates: Vec<Vec<u8>>,
}

/// A body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// Fields of a form, decoded.
    Form(Vec<(Vec<u8>, Vec<u8>)>),
    /// Any bytes.
    Raw(Vec<u8>),
}

/// The encoded parts of a request, for an [`Inbound`] to borrow.
pub struct Wire {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    peer: Option<IpAddr>,
    certificates: Vec<Vec<u8>>,
}

impl Request {
    /// As it goes over the wire.
    pub fn encode(&self) -> Wire {
        let encode = |pairs: &[(Vec<u8>, Vec<u8>)]| {
            let pairs: Vec<(&[u8], &[u8])> =
                pairs.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            form::encode_pairs(&pairs)
        };
        let mut target = self.path.clone();
        if !self.query.is_empty() {
            target.push('?');
            target.extend(encode(&self.query).into_iter().map(char::from));
        }
        let body = match &self.body {
            Body::Form(pairs) => encode(pairs),
            Body::Raw(bytes) => bytes.clone(),
        };
        let (method, headers) = (self.method.clone(), self.headers.clone());
        let certificates = self.certificates.clone();
        Wire { method, target, headers, body, peer: self.peer, certificates }
    }

    /// Puts fields, which a rule file writes as UTF-8, in the charset that the rule reads them in.
    /// What that has no letters for stays as it is.
    pub(crate) fn recode(&mut self, plan: &RequestPlan) {
        let charset = match &plan.charset {
            None => return,
            Some(RequestCharset::Fixed(charset)) => *charset,
            Some(RequestCharset::Field(index, otherwise)) => {
                let name = plan.fields.get(*index).map_or("", |field| field.name.as_str());
                let named = self.fields_mut(name).find_map(|value| std::str::from_utf8(value).ok());
                named.and_then(Charset::from_word).unwrap_or(*otherwise)
            }
        };
        let form = match &mut self.body {
            Body::Form(pairs) => pairs.as_mut_slice(),
            Body::Raw(_) => &mut [],
        };
        for bytes in self.query.iter_mut().chain(form).flat_map(|(name, value)| [name, value]) {
            let text = std::str::from_utf8(bytes).ok();
            if let Some(encoded) = text.and_then(|text| charset.encode(text)) {
                *bytes = encoded.into_owned();
            }
        }
    }

    /// Every place that holds a field of that name.
    pub fn fields_mut(&mut self, name: &str) -> impl Iterator<Item = &mut Vec<u8>> {
        let form = match &mut self.body {
            Body::Form(pairs) => pairs.as_mut_slice(),
            Body::Raw(_) => &mut [],
        };
        self.query
            .iter_mut()
            .chain(form)
            .filter(move |(found, _)| found == name.as_bytes())
            .map(|(_, value)| value)
    }

    /// The value of a header.
    pub fn header_mut(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        self.headers
            .iter_mut()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl Wire {
    /// Lends the request to the engine.
    pub fn with<T>(&self, judge: impl FnOnce(&Inbound<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        let certificates: Vec<&[u8]> = self.certificates.iter().map(Vec::as_slice).collect();
        judge(&Inbound {
            method: &self.method,
            target: &self.target,
            headers: &headers,
            body: &self.body,
            remote_addr: self.peer,
            client_certificates: &certificates,
        })
    }

    /// Method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Header lines.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
