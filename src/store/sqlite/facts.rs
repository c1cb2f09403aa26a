//! What an entry says and how it came to be: it never changes. What does is in `turn`.

use super::pack::{self, Unpack};
use super::row::Id;
use crate::engine::event::{Event, Status};
use crate::engine::inbound::UnixSeconds;
use crate::store::keys::Keys;
use crate::store::{Deposit, Marks, State};

const EQUIVOCATION: u8 = 1;
const REGRESSIVE: u8 = 2;
const OR_QUEUE: u8 = 4;

/// What an entry says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Facts<'a> {
    pub(super) id: Id,
    pub(super) keys: Keys,
    pub(super) credit: bool,
    pub(super) status: Status,
    pub(super) gateway: &'a str,
    pub(super) route: &'a str,
    pub(super) upstream: &'a str,
    pub(super) account: Option<&'a str>,
    pub(super) order_id: Option<&'a str>,
    pub(super) transaction_id: Option<&'a str>,
    /// Value and currency.
    pub(super) amount: Option<(&'a str, &'a str)>,
    pub(super) received_at: UnixSeconds,
    pub(super) birth: Birth,
}

/// Where it stood at first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Birth {
    pub(super) state: State,
    pub(super) marks: Marks,
    /// If it is still being sent when the daemon dies, it waits.
    pub(super) or_queue: bool,
    pub(super) at: UnixSeconds,
    pub(super) due: Option<UnixSeconds>,
}

/// What it says, as it is kept; what the writer need not do.
pub(super) fn pack(id: &Id, deposit: &Deposit) -> Vec<u8> {
    let Deposit { event, route, upstream, keys, received_at, .. } = deposit;
    let Event { gateway, account, status, credit, order_id, transaction_id, amount, .. } = &**event;
    let Keys { content, credit: money, order, transaction } = keys;
    let mut bytes = Vec::with_capacity(256);
    let integer = |bytes: &mut Vec<u8>, value: i64| bytes.extend_from_slice(&value.to_be_bytes());
    let word = |bytes: &mut Vec<u8>, word: &str| pack::put(bytes, word.as_bytes());
    match id {
        Id::Hash(hash) => {
            bytes.push(0);
            bytes.extend_from_slice(hash);
        }
        Id::Text(text) => {
            bytes.push(1);
            word(&mut bytes, text);
        }
    }
    bytes.extend_from_slice(content);
    pack::maybe(&mut bytes, *money, |bytes, money| bytes.extend_from_slice(&money));
    pack::maybe(&mut bytes, *order, integer);
    pack::maybe(&mut bytes, *transaction, integer);
    bytes.push(u8::from(*credit));
    for text in [status.as_str(), gateway, route, upstream] {
        word(&mut bytes, text);
    }
    for text in [account, order_id, transaction_id] {
        pack::maybe(&mut bytes, text.as_deref(), word);
    }
    pack::maybe(&mut bytes, amount.as_ref(), |bytes, amount| {
        word(bytes, &amount.value);
        word(bytes, &amount.currency);
    });
    integer(&mut bytes, *received_at);
    bytes
}

/// An entry as it is kept: what it says, how it came to be, and a checksum over both and its number,
/// so that none passes for another.
pub(super) fn put(bytes: &mut Vec<u8>, seq: i64, facts: &[u8], birth: &Birth) {
    let Birth { state, marks, or_queue, at, due } = birth;
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let flags = flag(marks.equivocation, EQUIVOCATION)
        | flag(marks.regressive, REGRESSIVE)
        | flag(*or_queue, OR_QUEUE);
    let mut end = [0; 19];
    (end[0], end[1], end[2]) = (*state as u8, flags, u8::from(due.is_some()));
    end[3..11].copy_from_slice(&at.to_be_bytes());
    end[11..].copy_from_slice(&due.unwrap_or_default().to_be_bytes());
    pack::count(bytes, facts.len() + end.len() + 4);
    let begin = bytes.len();
    bytes.extend_from_slice(facts);
    bytes.extend_from_slice(&end);
    let sum = sum(seq, &bytes[begin..]);
    bytes.extend_from_slice(&sum);
}

fn sum(seq: i64, bytes: &[u8]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&seq.to_be_bytes());
    sum.update(bytes);
    sum.finalize().to_be_bytes()
}

/// The entry of that number. `None`: damaged.
pub(super) fn unpack(seq: i64, bytes: &[u8]) -> Option<Facts<'_>> {
    let (bytes, found) = bytes.split_last_chunk::<4>()?;
    if sum(seq, bytes) != *found {
        return None;
    }
    let mut rest = Unpack(bytes);
    let id = match rest.byte()? {
        0 => Id::Hash(rest.array()?),
        1 => Id::Text(rest.word()?.to_owned()),
        _ => return None,
    };
    let keys = Keys {
        content: rest.array()?,
        credit: rest.maybe(Unpack::array)?,
        order: rest.maybe(Unpack::integer)?,
        transaction: rest.maybe(Unpack::integer)?,
    };
    Some(Facts {
        id,
        keys,
        credit: rest.byte()? != 0,
        status: Status::from_word(rest.word()?)?,
        gateway: rest.word()?,
        route: rest.word()?,
        upstream: rest.word()?,
        account: rest.maybe(Unpack::word)?,
        order_id: rest.maybe(Unpack::word)?,
        transaction_id: rest.maybe(Unpack::word)?,
        amount: rest.maybe(|rest| Some((rest.word()?, rest.word()?)))?,
        received_at: rest.integer()?,
        birth: birth(&mut rest)?,
    })
    .filter(|_| rest.0.is_empty())
}

fn birth(rest: &mut Unpack<'_>) -> Option<Birth> {
    let [state, flags, is_due] = rest.array()?;
    let (at, due) = (rest.integer()?, rest.integer()?);
    Some(Birth {
        state: State::ALL.into_iter().find(|known| *known as u8 == state)?,
        marks: Marks {
            equivocation: flags & EQUIVOCATION != 0,
            regressive: flags & REGRESSIVE != 0,
        },
        or_queue: flags & OR_QUEUE != 0,
        at,
        due: (is_due != 0).then_some(due),
    })
}
