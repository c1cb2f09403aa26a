//! Values one after another in bytes, as entries and messages are kept. A length has four bytes, the
//! most significant first.

pub(super) fn count(bytes: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).expect("what is kept is shorter than 4 GiB");
    bytes.extend_from_slice(&number.to_be_bytes());
}

/// Its length and its bytes.
pub(super) fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    count(bytes, part.len());
    bytes.extend_from_slice(part);
}

/// Whether it is there, and then what it is.
pub(super) fn maybe<T>(bytes: &mut Vec<u8>, value: Option<T>, put: impl Fn(&mut Vec<u8>, T)) {
    bytes.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(bytes, value);
    }
}

/// Takes them from the front. `None`: these are not the bytes that were written.
#[derive(Clone, Copy)]
pub(super) struct Unpack<'a>(pub(super) &'a [u8]);

impl<'a> Unpack<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn integer(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.array()?)).ok()
    }

    pub(super) fn part(&mut self) -> Option<&'a [u8]> {
        let len = self.count()?;
        let (part, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(part)
    }

    pub(super) fn word(&mut self) -> Option<&'a str> {
        str::from_utf8(self.part()?).ok()
    }

    /// Outside, whether these are the bytes that were written; inside, whether it is there.
    #[allow(clippy::option_option, reason = "two questions")]
    pub(super) fn maybe<T>(&mut self, get: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => get(self).map(Some),
            _ => None,
        }
    }
}
