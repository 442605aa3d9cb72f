//! Places for connections: so many in all, so many per address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Limits, Reason};

/// Counts the connections that are open.
#[derive(Debug)]
pub(crate) struct Slots {
    connections_max: usize,
    per_address_max: Option<usize>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Has at most as many entries as there are connections. Stays empty without a limit per address.
    by_network: HashMap<IpAddr, usize>,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    network: IpAddr,
}

impl Slots {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            taken: Mutex::default(),
        })
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.taken().all
    }

    /// Takes a place, or says which limit is reached.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Reason> {
        let network = network_of(address);
        let mut taken = self.taken();
        if taken.all >= self.connections_max {
            return Err(Reason::TooManyConnections);
        }
        if let Some(max) = self.per_address_max {
            let of_network = taken.by_network.get(&network).copied().unwrap_or(0);
            if of_network >= max {
                return Err(Reason::TooManyFromAddress);
            }
            taken.by_network.insert(network, of_network + 1);
        }
        taken.all += 1;
        Ok(Slot { slots: Arc::clone(self), network })
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        // The counts are whole after every statement, so a panic elsewhere can't have left them half changed.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.all -= 1;
        if let Some(count) = taken.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

/// One host has a whole IPv6 /64 to itself, so that is what counts as one address.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(connections_max: usize, connections_per_address_max: Option<usize>) -> Arc<Slots> {
        Slots::new(&Limits { connections_max, connections_per_address_max, ..Limits::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let slots = slots(1, None);
        let first = slots.take(address("10.0.0.1")).unwrap();
        assert_eq!(slots.take(address("10.0.0.2")).unwrap_err(), Reason::TooManyConnections);
        drop(first);
        assert_eq!(slots.open(), 0);
        slots.take(address("10.0.0.2")).unwrap();
    }

    #[test]
    fn one_address_cannot_take_the_places_of_others() {
        let slots = slots(10, Some(1));
        let _first = slots.take(address("10.0.0.1")).unwrap();
        assert_eq!(slots.take(address("10.0.0.1")).unwrap_err(), Reason::TooManyFromAddress);
        assert_eq!(slots.take(address("::ffff:10.0.0.1")).unwrap_err(), Reason::TooManyFromAddress);
        let second = slots.take(address("2001:db8::1")).unwrap();
        assert_eq!(slots.take(address("2001:db8::2")).unwrap_err(), Reason::TooManyFromAddress);
        let _third = slots.take(address("2001:db8:0:1::1")).unwrap();
        drop(second);
        assert_eq!(slots.taken().by_network.len(), 2);
    }
}
