//! Whom the certificate of a client names.

use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::Flaw;

/// A name of a client, as rules and routes write it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientName {
    /// `cn:Acme Payments`: the only common name, letter for letter. For authorities of your own:
    /// no constraint of an authority bears on it.
    CommonName(String),
    /// `dns:gateway.acme.example`: one of the DNS names, in any letter case, not as a wildcard.
    Dns(String),
    /// `email:ops@acme.example`: one of the addresses, letter for letter.
    Email(String),
    /// `uri:spiffe://acme.example/sender`: one of the URIs, letter for letter.
    Uri(String),
}

impl ClientName {
    /// Reads what kind of name it is, and the name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            "expected `dns:`, `uri:`, `email:` or `cn:` and the name: `dns:gateway.acme.example`"
                .to_owned()
        };
        let (kind, name) = text.split_once(':').ok_or_else(expected)?;
        if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
            return Err(expected());
        }
        Ok(match kind {
            "cn" => Self::CommonName(name.to_owned()),
            "dns" => Self::Dns(name.to_owned()),
            "email" => Self::Email(name.to_owned()),
            "uri" => Self::Uri(name.to_owned()),
            _ => return Err(expected()),
        })
    }
}

/// Whether one of these is among the names of the leaf; of none, any will do.
pub(super) fn has_one(leaf: &Certificate, wanted: &[ClientName]) -> Result<bool, Flaw> {
    let found = leaf.tbs_certificate().get_extension::<SubjectAltName>();
    let found = found.map_err(|_| Flaw::Unreadable)?.map(|(_critical, names)| names.0);
    let found = found.unwrap_or_default();
    let is = |wanted: &ClientName| match wanted {
        ClientName::CommonName(name) => super::is_only_common_name(leaf, name),
        ClientName::Dns(name) => found.iter().any(|one| match one {
            GeneralName::DnsName(found) => found.as_str().eq_ignore_ascii_case(name),
            _ => false,
        }),
        ClientName::Email(name) => found.iter().any(|one| match one {
            GeneralName::Rfc822Name(found) => found.as_str() == name,
            _ => false,
        }),
        ClientName::Uri(name) => found.iter().any(|one| match one {
            GeneralName::UniformResourceIdentifier(found) => found.as_str() == name,
            _ => false,
        }),
    };
    Ok(wanted.is_empty() || wanted.iter().any(is))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_of_what_kind_it_is() {
        let parsed = ClientName::parse("uri:spiffe://acme.example/a");
        assert_eq!(parsed, Ok(ClientName::Uri("spiffe://acme.example/a".into())));
        assert_eq!(ClientName::parse("dns:a.b"), Ok(ClientName::Dns("a.b".into())));
        assert_eq!(ClientName::parse("email:a@b"), Ok(ClientName::Email("a@b".into())));
        assert_eq!(ClientName::parse("cn:A: B"), Ok(ClientName::CommonName("A: B".into())));
        for bad in ["", "a.b", "dns:", "DNS:a.b", "ip:1.2.3.4", "dns: a.b", "cn:a\n", "xdns:a"] {
            assert!(ClientName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
