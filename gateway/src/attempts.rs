//! Failed attempts to authenticate as a user: who guesses too often is refused for a while, before a processor is spent on the guess.
//!
//! Counted by address and name together, so that one device with a wrong password does not lock out its neighbours behind the same
//! address; and by address alone, more generously, so that nobody tries many names. An IPv6 address counts by its /64 network.
//! It knows no clock of its own.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures in a row of one name from one address.
const NAME_FAILURES_MAX: u32 = 10;
/// Failures in a row from one address.
const ADDRESS_FAILURES_MAX: u32 = 200;
/// The time in which all of them are forgiven, evenly.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Keys remembered; beyond, new ones are not counted until old ones are forgiven. The bound on work at once holds in any case.
const KEYS_MAX: usize = 20_000;
/// A longer name is nobody's.
const NAME_BYTES_MAX: usize = 64;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    network: IpAddr,
    name: Option<Box<str>>,
}

/// How often the forgiven are looked for once there is no more room.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The failures that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// How full each bucket of failures is, as the moment at which it will be empty.
    forgiven_at: HashMap<Key, Instant>,
    swept_at: Option<Instant>,
}

impl Attempts {
    /// Whether somebody at this address may try to be `name` now.
    pub(crate) fn may_try(&self, address: IpAddr, name: &str, now: Instant) -> bool {
        let remembered = self.0.lock();
        keys(address, name).into_iter().all(|(key, failures_max)| {
            let forgiven_at = remembered.forgiven_at.get(&key);
            forgiven_at
                .is_none_or(|at| at.saturating_duration_since(now) <= FORGIVEN_AFTER - share(failures_max))
        })
    }

    /// Remembers a failure.
    pub(crate) fn failed(&self, address: IpAddr, name: &str, now: Instant) {
        let mut remembered = self.0.lock();
        for (key, failures_max) in keys(address, name) {
            remembered.add(key, share(failures_max), now);
        }
    }
}

impl Remembered {
    fn add(&mut self, key: Key, share: Duration, now: Instant) {
        if let Some(forgiven_at) = self.forgiven_at.get_mut(&key) {
            *forgiven_at = (*forgiven_at).max(now) + share;
            return;
        }
        if self.forgiven_at.len() >= KEYS_MAX {
            self.sweep(now);
        }
        if self.forgiven_at.len() < KEYS_MAX {
            self.forgiven_at.insert(key, now + share);
        }
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept_at.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP_INTERVAL) {
            self.swept_at = Some(now);
            self.forgiven_at.retain(|_, forgiven_at| *forgiven_at > now);
        }
    }
}

/// The time that one failure takes to be forgiven.
fn share(failures_max: u32) -> Duration {
    FORGIVEN_AFTER / failures_max
}

fn keys(address: IpAddr, name: &str) -> [(Key, u32); 2] {
    let network = network(address);
    let name = Some(name).filter(|name| name.len() <= NAME_BYTES_MAX).unwrap_or_default();
    [
        (Key { network, name: Some(name.into()) }, NAME_FAILURES_MAX),
        (Key { network, name: None }, ADDRESS_FAILURES_MAX),
    ]
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
            attempts.failed(address(1), "ada", now);
        }
        assert!(!attempts.may_try(address(1), "ada", now));
        assert!(attempts.may_try(address(1), "bob", now), "a neighbour with another name");
        assert!(attempts.may_try(address(2), "ada", now), "the name from elsewhere");
        assert!(attempts.may_try(address(1), "ada", now + share(NAME_FAILURES_MAX)));
        assert!(attempts.may_try(address(1), "ada", now + FORGIVEN_AFTER));
    }

    #[test]
    fn an_address_that_tries_many_names_is_refused() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..ADDRESS_FAILURES_MAX {
            attempts.failed("2001:db8::1".parse().unwrap(), &number.to_string(), now);
        }
        assert!(!attempts.may_try("2001:db8::2".parse().unwrap(), "another", now), "the same network");
        assert!(attempts.may_try("2001:db8:0:1::1".parse().unwrap(), "another", now));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..KEYS_MAX as u32 {
            attempts.failed(IpAddr::from(number.to_be_bytes()), "x", now);
        }
        let count = || attempts.0.lock().forgiven_at.len();
        assert_eq!(count(), KEYS_MAX);
        attempts.failed(address(1), &"x".repeat(70_000), now + FORGIVEN_AFTER);
        assert_eq!(count(), 2, "an address, and a name that is too long to be kept");
    }
}
