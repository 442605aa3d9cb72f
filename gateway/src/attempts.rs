//! Failed attempts to authenticate as a user: who guesses too often is refused for a while, before a processor is spent on the guess.
//!
//! Counted by address and name together, so that one device with a wrong password does not lock out its neighbours behind the same
//! address; and by address alone, more generously, so that nobody tries many names. An IPv6 address counts by its /64 network.
//!
//! A guess is charged before it is judged and given back when it was right, so that as many at once as anybody likes are no more guesses
//! than one after the other. What is refused is not charged: all is forgiven within the same time, however many tried.
//!
//! The table is fixed, so that a flood of names and addresses can't fill the memory. It knows no clock of its own.

use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures in a row of one name from one address.
const NAME_FAILURES_MAX: u32 = 10;
/// Failures in a row from one address.
const ADDRESS_FAILURES_MAX: u32 = 200;
/// The time in which all of them are forgiven, evenly.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Sets of the table; 1.5 MiB of them, from the first guess on.
const SETS: usize = 1 << 14;
/// Keys that a set remembers. One more takes the place of the one that has failed least, so who guesses most stays counted.
const WAYS: usize = 4;

/// The failures that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    hasher: RandomState,
    /// Empty until the first guess.
    sets: Mutex<Vec<[Bucket; WAYS]>>,
}

/// The failures of one key.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Hash of the key.
    key: u64,
    /// How full it is, as the moment at which it will be empty.
    forgiven_at: Option<Instant>,
}

impl Attempts {
    /// Whether somebody at this address could try to be `name` now; charges nothing.
    pub(crate) fn may_try(&self, address: IpAddr, name: &str, now: Instant) -> bool {
        let sets = self.sets.lock();
        self.keys(address, name).into_iter().all(|(key, share)| has_room(&sets, key, share, now))
    }

    /// Charges a guess that is about to be judged, if there is room for one.
    pub(crate) fn charge(&self, address: IpAddr, name: &str, now: Instant) -> bool {
        let mut sets = self.sets.lock();
        let keys = self.keys(address, name);
        let may_try = keys.into_iter().all(|(key, share)| has_room(&sets, key, share, now));
        if may_try {
            if sets.is_empty() {
                sets.resize(SETS, Default::default());
            }
            for (key, share) in keys {
                add(&mut sets, key, share, now);
            }
        }
        may_try
    }

    /// Gives back what the guess was charged: it was right.
    pub(crate) fn give_back(&self, address: IpAddr, name: &str) {
        let mut sets = self.sets.lock();
        for (key, share) in self.keys(address, name) {
            let set = sets.get_mut(set_of(key)).into_iter().flatten();
            for bucket in set.filter(|bucket| bucket.key == key) {
                bucket.forgiven_at = bucket.forgiven_at.and_then(|at| at.checked_sub(share));
            }
        }
    }

    /// The hashes of what is counted, each with the time that one failure takes to be forgiven.
    fn keys(&self, address: IpAddr, name: &str) -> [(u64, Duration); 2] {
        let network = network(address);
        let hash = |name: Option<&str>| self.hasher.hash_one((network, name));
        [(hash(Some(name)), share(NAME_FAILURES_MAX)), (hash(None), share(ADDRESS_FAILURES_MAX))]
    }
}

fn set_of(key: u64) -> usize {
    (key as usize) % SETS
}

fn has_room(sets: &[[Bucket; WAYS]], key: u64, share: Duration, now: Instant) -> bool {
    let bucket = sets.get(set_of(key)).into_iter().flatten().find(|bucket| bucket.key == key);
    let forgiven_at = bucket.and_then(|bucket| bucket.forgiven_at);
    forgiven_at.is_none_or(|at| at.saturating_duration_since(now) + share <= FORGIVEN_AFTER)
}

fn add(sets: &mut [[Bucket; WAYS]], key: u64, share: Duration, now: Instant) {
    let set = &mut sets[set_of(key)];
    let at = set.iter().position(|bucket| bucket.key == key);
    let at = at.or_else(|| (0..WAYS).min_by_key(|at| set[*at].forgiven_at));
    let bucket = &mut set[at.expect("a set has places")];
    let held = bucket.forgiven_at.filter(|_| bucket.key == key);
    *bucket = Bucket { key, forgiven_at: Some(held.map_or(now, |at| at.max(now)) + share) };
}

/// The time that one failure takes to be forgiven.
fn share(failures_max: u32) -> Duration {
    FORGIVEN_AFTER / failures_max
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_name_is_refused_after_ten_failures_and_forgiven_with_time() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..NAME_FAILURES_MAX {
            assert!(attempts.may_try(address(1), "ada", now));
            assert!(attempts.charge(address(1), "ada", now));
        }
        assert!(!attempts.may_try(address(1), "ada", now));
        assert!(attempts.may_try(address(1), "bob", now), "a neighbour with another name");
        assert!(attempts.may_try(address(2), "ada", now), "the name from elsewhere");
        assert!(attempts.may_try(address(1), "ada", now + share(NAME_FAILURES_MAX)));
        assert!(attempts.may_try(address(1), "ada", now + FORGIVEN_AFTER));
    }

    /// All of them looked before the first was judged.
    #[test]
    fn many_at_once_are_ten_guesses_and_forgiven_as_soon() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        assert!((0..1_000).all(|_| attempts.may_try(address(1), "ada", now)));
        let judged = (0..1_000).filter(|_| attempts.charge(address(1), "ada", now)).count();
        assert_eq!(judged, NAME_FAILURES_MAX as usize);
        assert!(attempts.charge(address(1), "bob", now), "the address is charged for ten");
        assert!(attempts.charge(address(1), "ada", now + share(NAME_FAILURES_MAX)));
        let later = now + share(NAME_FAILURES_MAX) + FORGIVEN_AFTER;
        let judged = (0..1_000).filter(|_| attempts.charge(address(1), "ada", later)).count();
        assert_eq!(judged, NAME_FAILURES_MAX as usize, "all are forgiven within a minute");
    }

    #[test]
    fn who_is_right_is_not_charged() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..ADDRESS_FAILURES_MAX * 2 {
            assert!(attempts.charge(address(1), "ada", now));
            attempts.give_back(address(1), "ada");
        }
    }

    #[test]
    fn an_address_that_tries_many_names_is_refused() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..ADDRESS_FAILURES_MAX {
            assert!(attempts.charge("2001:db8::1".parse().unwrap(), &number.to_string(), now));
        }
        assert!(!attempts.may_try("2001:db8::2".parse().unwrap(), "another", now), "the same network");
        assert!(attempts.may_try("2001:db8:0:1::1".parse().unwrap(), "another", now));
    }

    #[test]
    fn a_flood_of_addresses_neither_grows_the_table_nor_hides_who_guesses() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let flood = |range: std::ops::Range<u32>| {
            for number in range {
                attempts.charge(IpAddr::from(number.to_be_bytes()), "x", now);
            }
        };
        flood(0..100_000);
        let guesses = (0..1_000).filter(|_| attempts.charge(address(1), "ada", now)).count();
        flood(100_000..200_000);
        assert_eq!(guesses, NAME_FAILURES_MAX as usize);
        assert!(!attempts.may_try(address(1), "ada", now));
        assert_eq!(attempts.sets.lock().len(), SETS);
    }
}
