//! How many connections each client address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::owner;

/// Bounded by the connections that are open at all.
#[derive(Debug, Default)]
pub(in crate::server) struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// One connection of an address, until dropped.
#[derive(Debug)]
pub(in crate::server) struct Place {
    addresses: Arc<Addresses>,
    owner: IpAddr,
}

impl Addresses {
    /// A place for one more connection; `None`: the address has `max` already.
    pub(in crate::server) fn take(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<Place> {
        let owner = owner(address);
        let mut counts = self.counts();
        let count = counts.entry(owner).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { addresses: Arc::clone(self), owner })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // A panic while it was held can only have lost a count.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.addresses.counts();
        if let Some(count) = counts.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_places_as_it_may_and_gets_them_back() {
        let addresses = Arc::<Addresses>::default();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let first = addresses.take(one, 2).unwrap();
        let _second = addresses.take(one, 2).unwrap();
        assert!(addresses.take(one, 2).is_none());
        assert!(addresses.take(other, 2).is_some(), "another one has its own");
        drop(first);
        assert!(addresses.take(one, 2).is_some());
        assert_eq!(addresses.counts().len(), 1, "who has none is forgotten");
    }
}
