//! Forgeries of tags, and of the boundaries between what they are made of.

use crate::engine::plan::{Order, PartKind};
use crate::rule::coverage;
use crate::rule::forgery::change::{map_form, shifts, swap_case};
use crate::rule::forgery::{Breeder, Must};
use crate::rule::request::Body;
use crate::rule::sign;

impl Breeder<'_> {
    pub(super) fn tags(&mut self) {
        for tag in self.plan.proofs.iter().flat_map(coverage::tags) {
            let place = &tag.tag.text;
            let Some(value) = sign::value_of(&self.example.request, self.plan, &tag.tag) else {
                continue;
            };
            let half = value.get(..value.len() / 2).unwrap_or_default().to_vec();
            let shorter = value.split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec());
            let swapped: Vec<u8> = value
                .iter()
                .map(|&byte| char::from(byte))
                .map(swap_case)
                .map(|c| u8::try_from(c).unwrap_or(b'?'))
                .collect();
            for (changed, what) in [
                (half, "cut in half"),
                (shorter, "one character shorter"),
                ([&value[..], b"0"].concat(), "one character longer"),
                (swapped, "in the other letter case"),
                (Vec::new(), "emptied"),
                (b"0".to_vec(), "replaced by `0`"),
                (b"true".to_vec(), "replaced by `true`"),
            ] {
                let mut request = self.example.request.clone();
                sign::put_bare(&mut request, self.plan, &tag.tag, &changed);
                self.attempt(Must::ChangeNothing, &request, || format!("`{place}` {what}"));
            }
        }
    }

    /// Moves bytes over the boundary of two parts so that the joined text stays what it was.
    pub(super) fn boundaries(&mut self) {
        for tag in self.plan.proofs.iter().flat_map(coverage::tags) {
            let must = if tag.ambiguous.is_some() { Must::KeepFacts } else { Must::BeRejected };
            let values = tag.values();
            for pair in values.windows(2) {
                let [left, right] = pair else { continue };
                let original = &self.example.request;
                let value = |place| sign::value_of(original, self.plan, place);
                let (a, b) = (value(left), value(right));
                let (Some(a), Some(b)) = (a, b) else { continue };
                let mut moved = shifts(&a, &b);
                if must == Must::BeRejected {
                    let joined = [&a[..], &b].concat();
                    moved.extend([(Vec::new(), joined.clone()), (joined, Vec::new())]);
                }
                for (a, b) in moved {
                    let mut request = original.clone();
                    sign::put_bare(&mut request, self.plan, left, &a);
                    sign::put_bare(&mut request, self.plan, right, &b);
                    self.attempt(must, &request, || {
                        let (left, right) = (&left.text, &right.text);
                        format!("the boundary between `{left}` and `{right}` moved")
                    });
                }
            }
        }
    }

    /// The same for fields that are joined in the order of their names.
    pub(super) fn set_boundaries(&mut self) {
        let parts = self.plan.proofs.iter().flat_map(coverage::tags).flat_map(|tag| &tag.over);
        for part in parts {
            let PartKind::Set(set) = &part.kind else { continue };
            let Body::Form(pairs) = &self.example.request.body else { continue };
            let mut names: Vec<Vec<u8>> = pairs.iter().map(|(name, _)| name.clone()).collect();
            names.retain(|name| !set.except.iter().any(|except| except.as_bytes() == name));
            if set.order == Order::AnyCase {
                names.sort_by_key(|name| name.to_ascii_lowercase());
            } else {
                names.sort();
            }
            for pair in names.windows(2) {
                let [left, right] = pair else { continue };
                let value = |name: &[u8]| {
                    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
                };
                let (Some(a), Some(b)) = (value(left), value(right)) else { continue };
                // Not one of them whole: where names are not signed, a gateway that may leave a
                // field out leaves it open which one it was.
                let mut moved = shifts(&a, &b);
                moved.push((b, a));
                for (a, b) in moved {
                    let request = map_form(&self.example.request, |pairs| {
                        for (name, value) in pairs.iter_mut() {
                            if name == left {
                                value.clone_from(&a);
                            } else if name == right {
                                value.clone_from(&b);
                            }
                        }
                    });
                    self.attempt(Must::KeepFacts, &request, || {
                        let (left, right) = (left.escape_ascii(), right.escape_ascii());
                        format!("the boundary between `{left}` and `{right}` moved")
                    });
                }
            }
        }
    }
}
