//! The frames of one direction of a connection (RFC 9113 §4.1), told apart as their bytes pass. Only
//! what flow control and bounds need to know is looked at; whether they are right, h2 decides.

/// What a client says first.
const PREFACE_BYTES: usize = 24;

const HEAD_BYTES: usize = 9;

/// Whether the sender has said all that it has to say on the stream.
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const ACK: u8 = 0x1;

/// What a frame is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Continuation,
    Data,
    GoAway,
    Headers,
    Ping,
    Priority,
    Reset,
    Settings,
    /// Of an extension, or nothing that a client may send.
    Unknown,
    WindowUpdate,
}

impl Kind {
    fn of(byte: u8) -> Self {
        match byte {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::Reset,
            0x4 => Self::Settings,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }
}

/// What stands before the payload of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) stream: u32,
    /// Bytes of the payload.
    pub(super) length: u32,
    flags: u8,
}

impl Frame {
    fn of(head: [u8; HEAD_BYTES]) -> Self {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        Self {
            kind: Kind::of(head[3]),
            stream: number(&head[5..]) & 0x7fff_ffff,
            length: number(&head[..3]),
            flags: head[4],
        }
    }

    /// Whether it is the last of its sender on its stream.
    pub(super) fn ends_stream(self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers) && self.flags & END_STREAM != 0
    }

    /// Whether a block of headers is whole with it.
    pub(super) fn ends_headers(self) -> bool {
        matches!(self.kind, Kind::Headers | Kind::Continuation) && self.flags & END_HEADERS != 0
    }
}

/// What has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Passed {
    /// The head of a frame.
    Begun(Frame),
    /// A setting, by its number.
    Setting(u16, u32),
    /// The first four bytes of a payload: the increment of a window, the code of a reset.
    Word(Frame, u32),
    /// The end of a frame.
    Ended(Frame),
}

/// Bytes of a setting.
const SETTING_BYTES: usize = 6;

/// Follows one direction, however its bytes are cut.
pub(super) struct Reader {
    preface_left: usize,
    head: [u8; HEAD_BYTES],
    have: usize,
    /// The frame whose payload is passing, and how much of that is left.
    payload: Option<(Frame, u32)>,
    /// The part of the payload that is looked at.
    part: [u8; SETTING_BYTES],
    part_have: usize,
}

impl Reader {
    /// Of what the client says.
    pub(super) fn of_client() -> Self {
        Self { preface_left: PREFACE_BYTES, ..Self::of_server() }
    }

    /// Of what we say.
    pub(super) fn of_server() -> Self {
        Self {
            preface_left: 0,
            head: [0; HEAD_BYTES],
            have: 0,
            payload: None,
            part: [0; SETTING_BYTES],
            part_have: 0,
        }
    }

    /// These bytes pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Passed)) {
        let preface = self.preface_left.min(bytes.len());
        self.preface_left -= preface;
        bytes = &bytes[preface..];
        while !bytes.is_empty() {
            let taken = match self.payload {
                None => self.head(bytes, &mut tell),
                Some((frame, left)) => self.payload(frame, left, bytes, &mut tell),
            };
            bytes = &bytes[taken..];
        }
    }

    fn head(&mut self, bytes: &[u8], tell: &mut impl FnMut(Passed)) -> usize {
        let taken = bytes.len().min(HEAD_BYTES - self.have);
        self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
        self.have += taken;
        if self.have == HEAD_BYTES {
            let frame = Frame::of(self.head);
            (self.have, self.part_have) = (0, 0);
            tell(Passed::Begun(frame));
            self.left(frame, frame.length, tell);
        }
        taken
    }

    fn payload(
        &mut self,
        frame: Frame,
        left: u32,
        bytes: &[u8],
        tell: &mut impl FnMut(Passed),
    ) -> usize {
        let there = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let looked_at = match frame.kind {
            Kind::Settings if frame.flags & ACK == 0 => SETTING_BYTES,
            Kind::Reset | Kind::WindowUpdate => size_of::<u32>(),
            _ => 0,
        };
        let taken = if looked_at == 0 { there } else { there.min(looked_at - self.part_have) };
        if looked_at > 0 {
            self.part[self.part_have..self.part_have + taken].copy_from_slice(&bytes[..taken]);
            self.part_have += taken;
            if self.part_have == looked_at {
                self.part_have = 0;
                let [id @ .., _, _, _, _] = self.part;
                let [_, _, value @ ..] = self.part;
                let [word @ .., _, _] = self.part;
                tell(match frame.kind {
                    Kind::Settings => {
                        Passed::Setting(u16::from_be_bytes(id), u32::from_be_bytes(value))
                    }
                    _ => Passed::Word(frame, u32::from_be_bytes(word)),
                });
            }
        }
        // Not more than `left`, which is one.
        self.left(frame, left - u32::try_from(taken).unwrap_or(left), tell);
        taken
    }

    fn left(&mut self, frame: Frame, left: u32, tell: &mut impl FnMut(Passed)) {
        self.payload = (left > 0).then_some((frame, left));
        if left == 0 {
            tell(Passed::Ended(frame));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn frames_are_told_apart_however_their_bytes_are_cut() {
        let settings = [[0, 4, 0, 0, 0, 9], [0, 3, 0, 0, 0, 1]].concat();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &settings));
        bytes.extend(frame(4, 1, 0, &[]));
        bytes.extend(frame(1, 0x5, 1, b"head"));
        bytes.extend(frame(0, 0, 0x8000_0003, b"some data"));
        bytes.extend(frame(8, 0, 0, &[0, 0, 1, 0]));
        bytes.extend(frame(3, 0, 3, &[0, 0, 0, 8]));
        bytes.extend(frame(0x77, 0xff, 5, &[1; 300]));
        let read = |size: usize| {
            let (mut reader, mut found) = (Reader::of_client(), Vec::new());
            for part in bytes.chunks(size) {
                reader.pass(part, |passed| found.push(passed));
            }
            found
        };
        let whole = read(bytes.len());
        let kinds: Vec<_> = whole
            .iter()
            .filter_map(|passed| match passed {
                Passed::Begun(frame) => Some((frame.kind, frame.stream, frame.length)),
                _ => None,
            })
            .collect();
        assert_eq!(
            kinds,
            [
                (Kind::Settings, 0, 12),
                (Kind::Settings, 0, 0),
                (Kind::Headers, 1, 4),
                (Kind::Data, 3, 9),
                (Kind::WindowUpdate, 0, 4),
                (Kind::Reset, 3, 4),
                (Kind::Unknown, 5, 300),
            ]
        );
        assert!(whole.contains(&Passed::Setting(4, 9)) && whole.contains(&Passed::Setting(3, 1)));
        let words = whole.iter().filter_map(|passed| match passed {
            Passed::Word(frame, word) => Some((frame.kind, *word)),
            _ => None,
        });
        assert_eq!(words.collect::<Vec<_>>(), [(Kind::WindowUpdate, 256), (Kind::Reset, 8)]);
        let ends = |frame: &Frame| (frame.ends_stream(), frame.ends_headers());
        let ended: Vec<_> = whole
            .iter()
            .filter_map(|passed| match passed {
                Passed::Ended(frame) => Some(ends(frame)),
                _ => None,
            })
            .collect();
        assert_eq!(ended.len(), 7);
        assert_eq!(ended[2], (true, true));
        assert!(ended.iter().filter(|end| **end != (false, false)).count() == 1);
        for size in 1..20 {
            assert_eq!(read(size), whole, "{size}");
        }
    }
}
