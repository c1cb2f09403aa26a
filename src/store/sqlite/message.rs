//! A message as it is kept: lengths, parts and a checksum, then sealed. A body that was damaged on
//! the disk does not come back as another.

use bytes::Bytes;

use crate::store::seal::Seal;
use crate::store::{Form, Message};

/// The message as it is kept.
pub(super) fn keep(seal: &Seal, id: &str, message: &Message) -> Vec<u8> {
    let mut text = Vec::with_capacity(message.body.len() + message.to.len() + 64);
    put(&mut text, message.to.as_bytes());
    match &message.form {
        Form::Canonical => text.push(0),
        Form::Original { method, headers } => {
            text.push(1);
            put(&mut text, method.as_bytes());
            count(&mut text, headers.len());
            for (name, value) in headers {
                put(&mut text, name.as_bytes());
                put(&mut text, value);
            }
        }
    }
    text.extend_from_slice(&message.body);
    let sum = sum(id, &text);
    text.extend_from_slice(&sum);
    seal.seal(&place(id), &text)
}

/// The message. `None`: it was sealed under another key, or is damaged.
pub(super) fn read(seal: &Seal, id: &str, kept: &[u8]) -> Option<Message> {
    let text = Bytes::from(seal.open(&place(id), kept)?);
    let (parts, found) = text.split_last_chunk::<4>()?;
    if sum(id, parts) != *found {
        return None;
    }
    let mut rest = parts;
    let to = word(&mut rest)?;
    let (kind, after) = rest.split_first()?;
    rest = after;
    let form = match kind {
        0 => Form::Canonical,
        1 => {
            let method = word(&mut rest)?;
            let headers = (0..number(&mut rest)?)
                .map(|_| Some((word(&mut rest)?, part(&mut rest)?.to_vec())))
                .collect::<Option<_>>()?;
            Form::Original { method, headers }
        }
        _ => return None,
    };
    Some(Message { to, form, body: text.slice_ref(rest) })
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

fn count(text: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).expect("a message is shorter than 4 GiB");
    text.extend_from_slice(&number.to_be_bytes());
}

fn put(text: &mut Vec<u8>, part: &[u8]) {
    count(text, part.len());
    text.extend_from_slice(part);
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_be_bytes(*number)).ok()
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(rest)?;
    let (part, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(part)
}

fn word(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(part(rest)?.to_vec()).ok()
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
