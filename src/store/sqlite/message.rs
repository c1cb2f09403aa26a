//! A message as it is kept: lengths, parts and a checksum, then sealed. A body that was damaged on
//! the disk does not come back as another.

use bytes::Bytes;

use super::pack::{Unpack, count, put};
use crate::store::seal::Seal;
use crate::store::{Form, Message};

/// The message as it is kept.
pub(super) fn keep(seal: &Seal, id: &str, message: &Message) -> Vec<u8> {
    let Message { to, form, body } = message;
    let head = match form {
        Form::Canonical => 0,
        Form::Original { headers, .. } => 64 * headers.len(),
    };
    seal.seal(&place(id), to.len() + head + body.len() + 64, |text| {
        let begin = text.len();
        put(text, to.as_bytes());
        match form {
            Form::Canonical => text.push(0),
            Form::Original { method, headers } => {
                text.push(1);
                put(text, method.as_bytes());
                count(text, headers.len());
                for (name, value) in headers {
                    put(text, name.as_bytes());
                    put(text, value);
                }
            }
        }
        text.extend_from_slice(body);
        let sum = sum(id, &text[begin..]);
        text.extend_from_slice(&sum);
    })
}

/// The message. `None`: it was sealed under another key, or is damaged.
pub(super) fn read(seal: &Seal, id: &str, kept: &[u8]) -> Option<Message> {
    let text = Bytes::from(seal.open(&place(id), kept)?);
    let (parts, found) = text.split_last_chunk::<4>()?;
    if sum(id, parts) != *found {
        return None;
    }
    let mut rest = Unpack(parts);
    let to = rest.word()?.to_owned();
    let form = match rest.byte()? {
        0 => Form::Canonical,
        1 => {
            let method = rest.word()?.to_owned();
            let headers = (0..rest.count()?)
                .map(|_| Some((rest.word()?.to_owned(), rest.part()?.to_vec())))
                .collect::<Option<_>>()?;
            Form::Original { method, headers }
        }
        _ => return None,
    };
    Some(Message { to, form, body: text.slice_ref(rest.0) })
}

fn place(id: &str) -> Vec<u8> {
    [b"event", id.as_bytes()].concat()
}

/// With the id, so that no message passes for another's.
fn sum(id: &str, text: &[u8]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(id.as_bytes());
    sum.update(text);
    sum.finalize().to_be_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn message(form: Form) -> Message {
        Message { to: "/billing/?a=b".into(), form, body: Bytes::from_static(b"{\"a\":1}") }
    }

    #[test]
    fn a_message_comes_back_as_it_was_or_not_at_all() {
        let headers = vec![("content-type".into(), b"a/b".to_vec()), ("x".into(), vec![0xff])];
        for form in [Form::Canonical, Form::Original { method: "POST".into(), headers }] {
            let seal = Seal::default();
            let kept = keep(&seal, "evt_1", &message(form.clone()));
            assert_eq!(read(&seal, "evt_1", &kept), Some(message(form)));
            assert_eq!(read(&seal, "evt_2", &kept), None, "another's");
            for at in 0..kept.len() {
                let mut damaged = kept.clone();
                damaged[at] ^= 4;
                assert_eq!(read(&seal, "evt_1", &damaged), None, "byte {at}");
                assert_eq!(read(&seal, "evt_1", &kept[..at]), None, "cut at {at}");
            }
        }
    }
}
