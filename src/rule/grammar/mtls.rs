//! The proof by a client's certificate.

use crate::rule::grammar::{ONLY, ONLY_DOC, REFERENCE};
use crate::text::shape::{Key, Kind, Shape};

pub(super) static MTLS: Shape = Shape {
    name: "mtls",
    doc: "The certificate that the sender shows when it connects, and whose key it holds. It says who \
          is at the other end of the connection that the whole request came over, unread and unchanged \
          by others: what a gateway says so is worth what its own answer over TLS is. The listener \
          must speak TLS and ask (`client_certificates: ask`). Whether a certificate was revoked is \
          not asked.",
    exactly_one: false,
    keys: &[
        Key::required(
            "roots",
            REFERENCE,
            "A parameter of type certificate: the authorities that certify senders. Better the \
             gateway's own than one that certifies everybody.",
        ),
        Key::optional(
            "intermediates",
            REFERENCE,
            "A parameter of type certificate: those between, where senders leave them out.",
        ),
        Key::optional(
            "names",
            REFERENCE,
            "A parameter of type text: names of which the certificate has one, as `dns:`, `uri:`, \
             `email:` or `cn:` and the name. In a certificate that is restricted to certain uses, \
             TLS clients must be among these.",
        ),
        Key::optional(
            "any_name",
            Kind::Text,
            "Instead of `names`: why everybody whom these authorities certify may send.",
        ),
        Key::optional("only", ONLY, ONLY_DOC),
    ],
};
