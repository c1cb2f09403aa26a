//! What a payload holds, borrowed from its bytes: JSON's types, with numbers kept as text, because
//! a number that was rounded once is not the gateway's number any more.

use std::borrow::Cow;

/// One value of a payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// The text exactly as sent: `12.50` is not `12.5`.
    Number(&'a str),
    /// Unescaped.
    Text(Cow<'a, str>),
    /// In order.
    List(Vec<Value<'a>>),
    /// No name twice.
    Object(Object<'a>),
}

/// A name and its value.
pub type Member<'a> = (Cow<'a, str>, Value<'a>);

/// Members in the order they were sent, no name twice: [`Object::new`] sees to it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Object<'a>(Vec<Member<'a>>);

impl<'a> Value<'a> {
    /// The text, if this is text. A number is none.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The object, if this is one.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The items, if this is a list.
    pub fn as_list(&self) -> Option<&[Value<'a>]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }
}

impl<'a> Object<'a> {
    /// `None` where two members have the same name.
    pub fn new(members: Vec<Member<'a>>) -> Option<Self> {
        names_differ(&members).then_some(Self(members))
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        // Slices compare their lengths first, so nearly every other name costs one comparison.
        self.0.iter().find(|(found, _)| found.as_bytes() == name.as_bytes()).map(|(_, value)| value)
    }

    /// The members in the order they were sent.
    pub fn members(&self) -> &[Member<'a>] {
        &self.0
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Members that there is room for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Whether it is `{}`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Below this many names, comparing each with each is the cheapest.
const FEW: usize = 8;
/// Up to this many, a table on the stack sorts them out; it is never more than half full.
const SOME: usize = 128;

fn names_differ(members: &[Member<'_>]) -> bool {
    if members.len() <= FEW {
        names_differ_in_pairs(members)
    } else if members.len() <= SOME {
        names_differ_by_table(members)
    } else {
        // Sorting has no bad case that a sender could prepare.
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1])
    }
}

fn names_differ_in_pairs(members: &[Member<'_>]) -> bool {
    let mut rest = members;
    while let Some(((name, _), others)) = rest.split_first() {
        if others.iter().any(|(other, _)| other == name) {
            return false;
        }
        rest = others;
    }
    true
}

fn names_differ_by_table(members: &[Member<'_>]) -> bool {
    // Open addressing: position of a member plus one, or nothing.
    let mut table = [0_u8; 2 * SOME];
    for (at, (name, _)) in (1_u8..).zip(members) {
        let mut slot = usize::from(fingerprint(name.as_bytes()));
        while table[slot] != 0 {
            if members[usize::from(table[slot] - 1)].0 == *name {
                return false;
            }
            slot = (slot + 1) % table.len();
        }
        table[slot] = at;
    }
    true
}

/// Eight bits from both ends of a name and its length. A sender can make all of them equal, which
/// costs [`SOME`] squared comparisons an object and no more.
fn fingerprint(name: &[u8]) -> u8 {
    let ends = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
        }
        _ => name.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
    };
    let mixed = (ends ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_be_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(names: &[String]) -> Option<Object<'static>> {
        Object::new(names.iter().map(|name| (Cow::Owned(name.clone()), Value::Null)).collect())
    }

    #[test]
    fn a_name_that_comes_twice_is_found_at_every_size_and_place() {
        for size in [2, 3, FEW, FEW + 1, SOME, SOME + 1, 1000] {
            let names: Vec<String> = (0..size).map(|n| format!("name_{n}")).collect();
            assert!(object(&names).is_some(), "{size} different names");
            for place in [0, (size - 1) / 2, size - 2] {
                let mut twice = names.clone();
                twice[size - 1].clone_from(&names[place]);
                assert_eq!(object(&twice), None, "{size} names, the last equal to {place}");
            }
        }
    }

    #[test]
    fn names_with_one_fingerprint_are_still_told_apart() {
        let names: Vec<String> = (0..SOME).map(|n| format!("12345678{n:04}12345678")).collect();
        assert!(object(&names).is_some());
    }

    #[test]
    fn a_member_is_found_by_its_whole_name() {
        let names = ["a", "ab", ""].map(String::from);
        let object = object(&names).expect("different names");
        assert_eq!(object.get("ab"), Some(&Value::Null));
        assert_eq!(object.get("b"), None);
        assert_eq!(object.len(), 3);
        assert!(!object.is_empty());
    }
}
