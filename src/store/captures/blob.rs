//! A request as one blob: its parts, each behind its length, and the body.

use super::Kept;

/// What its seal is bound to.
pub(super) const PLACE: &[u8] = b"capture";

/// About how many bytes it will be.
pub(super) fn len(kept: &Kept) -> usize {
    kept.body.len() + kept.target.len() + 64 * kept.headers.len() + 64
}

pub(super) fn pack(out: &mut Vec<u8>, kept: &Kept) {
    let Kept { method, target, headers, body, masked: _ } = kept;
    part(out, method.as_bytes());
    part(out, target.as_bytes());
    length(out, headers.len());
    for (name, value) in headers {
        part(out, name.as_bytes());
        part(out, value);
    }
    out.extend_from_slice(body);
}

fn part(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&(length as u64).to_be_bytes());
}

/// `None`: it is not what [`pack`] wrote.
pub(super) fn unpack(bytes: &[u8], masked: bool) -> Option<Kept> {
    let mut rest = bytes;
    let method = text(take_part(&mut rest)?)?;
    let target = text(take_part(&mut rest)?)?;
    let count = take_length(&mut rest)?;
    // No room is made for what a damaged count says.
    let headers = (0..count)
        .map(|_| Some((text(take_part(&mut rest)?)?, take_part(&mut rest)?.to_vec())))
        .collect::<Option<_>>()?;
    Some(Kept { method, target, headers, body: rest.to_vec(), masked })
}

fn take_part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(rest)?;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (length, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    usize::try_from(u64::from_be_bytes(*length)).ok()
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_as_it_was_and_half_of_one_does_not() {
        let kept = Kept {
            method: "POST".into(),
            target: "/a?b=c".into(),
            headers: vec![("X".into(), vec![0xff, 0]), (String::new(), Vec::new())],
            body: b"body".to_vec(),
            masked: true,
        };
        let mut packed = Vec::new();
        pack(&mut packed, &kept);
        assert_eq!(unpack(&packed, true).as_ref(), Some(&kept));
        let head = packed.len() - kept.body.len();
        for end in 0..head {
            assert_eq!(unpack(&packed[..end], true), None, "cut at {end}");
        }
        let mut huge = packed;
        huge[0] = 0xff;
        assert_eq!(unpack(&huge, true), None);
    }
}
