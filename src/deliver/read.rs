//! Reads a body that is not trusted to end.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;

/// A body, or as much of it as was wanted.
pub struct Read {
    /// At most `max` bytes.
    pub bytes: Bytes,
    /// There was more.
    pub cut: bool,
}

/// Reads to the end or to `max` bytes, whichever is first. Trailers are ignored. The caller gives
/// it a deadline.
pub async fn read<B>(mut body: B, max: usize) -> Result<Read, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame?.into_data() else { continue };
        let cut = data.len() > max - length;
        data.truncate(max - length);
        length += data.len();
        // Nearly every body is one frame: it is passed on without a copy.
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
        if cut {
            return Ok(Read { bytes: whole(first, &rest), cut });
        }
    }
    Ok(Read { bytes: whole(first, &rest), cut: false })
}

fn whole(first: Bytes, rest: &BytesMut) -> Bytes {
    if rest.is_empty() {
        return first;
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(rest);
    whole.freeze()
}
