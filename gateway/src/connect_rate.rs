//! How often one client identifier may connect.
//!
//! A fixed table, so that a flood of identifiers can't fill the memory: two that fall on one place forget each other, and none is ever refused
//! for another's sake. It must not know clocks.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Identifiers remembered at once, about half a mebibyte of them; a few seconds' worth of a storm.
const PLACES: usize = 1 << 16;
/// Bits of a place that hold the time in milliseconds since the table was made: 34 years. The others hold a part of the identifier's hash.
const TIME_BITS: u32 = 40;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// The limit, if there is one.
#[derive(Debug)]
pub(crate) struct ConnectRate(Option<Table>);

#[derive(Debug)]
struct Table {
    /// Milliseconds from one CONNECT to the next.
    interval_ms: u64,
    since_ms: u64,
    hasher: RandomState,
    /// Until when what an identifier has used is paid for.
    places: Box<[AtomicU64]>,
}

impl ConnectRate {
    /// So many CONNECTs a second, and as many at once; 0 is no limit.
    pub(crate) fn new(per_sec_max: u32, now_ms: u64) -> Self {
        let table = |per_sec_max: u32| Table {
            interval_ms: (1_000 / u64::from(per_sec_max)).max(1),
            since_ms: now_ms,
            hasher: RandomState::new(),
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        };
        Self((per_sec_max > 0).then(|| table(per_sec_max)))
    }

    /// Whether `client_id` may connect now; one that may not does not wait the longer for having tried.
    pub(crate) fn admit(&self, client_id: &str, now_ms: u64) -> bool {
        let Some(table) = &self.0 else { return true };
        let hash = table.hasher.hash_one(client_id);
        let place = &table.places[(hash as usize) % PLACES];
        let tag = hash & !TIME_MASK;
        // Times begin with 1, so that an empty place is nobody's.
        let now = now_ms.saturating_sub(table.since_ms) + 1;
        let admitted = place.fetch_update(Relaxed, Relaxed, |held| {
            let paid_at = if held & !TIME_MASK == tag { held & TIME_MASK } else { 0 };
            let next = paid_at.max(now) + table.interval_ms;
            // Less than a second ahead, the last one included.
            (next <= now + 1_000).then_some(tag | (next & TIME_MASK))
        });
        admitted.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second() {
        let rate = ConnectRate::new(1, 5_000);
        let admitted: Vec<bool> =
            [5_000, 5_001, 5_900, 6_001, 6_002, 7_002].map(|now_ms| rate.admit("a", now_ms)).to_vec();
        assert_eq!(admitted, [true, false, false, true, false, true]);
        assert!(rate.admit("b", 5_001), "another identifier is not concerned");
    }

    #[test]
    fn as_many_at_once_as_in_a_second() {
        let rate = ConnectRate::new(10, 0);
        assert_eq!((0..100).filter(|_| rate.admit("a", 0)).count(), 10);
        // Ten a second from then on.
        let admitted = (1..=5_000).filter(|now_ms| rate.admit("a", *now_ms)).count();
        assert!((49..=51).contains(&admitted), "{admitted}");
    }

    #[test]
    fn a_flood_of_identifiers_refuses_nobody() {
        let rate = ConnectRate::new(1, 0);
        let refused = (0..PLACES * 3).filter(|number| !rate.admit(&number.to_string(), 0)).count();
        assert_eq!(refused, 0);
        assert!(ConnectRate::new(0, 0).0.is_none(), "without a limit nothing is kept");
    }
}
