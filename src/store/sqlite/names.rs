//! Numbers for names of upstreams, of this process alone. Names come from configurations, so they are
//! few.

use std::collections::HashMap;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Names(HashMap<Arc<str>, i64>);

impl Names {
    pub(super) fn number(&mut self, name: &str) -> i64 {
        if let Some(number) = self.known(name) {
            return number;
        }
        let number = i64::try_from(self.0.len()).unwrap_or(i64::MAX);
        self.0.insert(name.into(), number);
        number
    }

    /// If it has one.
    pub(super) fn known(&self, name: &str) -> Option<i64> {
        self.0.get(name).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, number)| (&**name, *number))
    }
}
