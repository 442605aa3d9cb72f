//! Where some side records are, by their offset in the journal, so that one that is wanted is found by reading few.
//!
//! Pure, and bounded: the more is aside, the further apart the places are.

use std::collections::BTreeMap;

use crate::Offset;

/// One side record in so many is remembered, as long as there is room.
const EVERY_FIRST: u64 = 64;

/// Most places remembered; some ten MiB.
const PLACES_MAX: usize = 1 << 18;

/// See the module.
#[derive(Debug)]
pub(crate) struct Places {
    /// Side records, by their offset in the journal.
    known: BTreeMap<Offset, Offset>,
    every: u64,
    places_max: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self { known: BTreeMap::new(), every: EVERY_FIRST, places_max: PLACES_MAX }
    }
}

impl Places {
    /// Remembers where a side record is, if it is its turn.
    pub(crate) fn note(&mut self, main: Offset, side: Offset) {
        if side.0.is_multiple_of(self.every) {
            self.insert(main, side);
        }
    }

    /// Remembers where a run of side records begins.
    pub(crate) fn insert(&mut self, main: Offset, side: Offset) {
        self.known.insert(main, side);
        while self.known.len() > self.places_max {
            self.every = self.every.saturating_mul(2);
            let every = self.every;
            self.known.retain(|_, side| side.0.is_multiple_of(every));
        }
    }

    /// The last one known at or before `main`.
    pub(crate) fn before(&self, main: Offset) -> Option<Offset> {
        self.known.range(..=main).next_back().map(|(_, side)| *side)
    }

    /// Forgets those before `first`; all when there is none.
    pub(crate) fn forget_before(&mut self, first: Option<Offset>) {
        match first {
            Some(first) => self.known.retain(|_, side| *side >= first),
            None => *self = Self { places_max: self.places_max, ..Self::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(places_max: usize, records: u64) -> Places {
        let mut places = Places { places_max, ..Places::default() };
        for side in 0..records {
            // In the journal there are twice as many, half of them of other lanes.
            places.note(Offset(2 * side), Offset(side));
        }
        places
    }

    #[test]
    fn however_much_is_aside_the_places_are_bounded_and_lie_close_enough() {
        for records in [1_u64, 64, 6_400, 100_000, 1_000_000] {
            let places = filled(100, records);
            assert!(places.known.len() <= 100, "{records}: {}", places.known.len());
            let furthest = places.every.max(EVERY_FIRST);
            assert!(furthest <= EVERY_FIRST.max(2 * records / 50), "{records}: one in {furthest}");
            for main in (0..2 * records).step_by(997) {
                let (side, place) = (main / 2, places.before(Offset(main)).unwrap().0);
                assert!(place <= side && side - place < furthest, "{records}: {place} for {side}");
            }
        }
    }

    #[test]
    fn what_is_settled_is_forgotten_and_after_all_of_it_places_are_close_again() {
        let mut places = filled(100, 100_000);
        places.forget_before(Some(Offset(50_000)));
        assert_eq!(places.before(Offset(90_000)), None);
        assert!(places.before(Offset(150_000)).is_some());
        places.forget_before(None);
        assert_eq!((places.known.len(), places.every), (0, EVERY_FIRST));
    }
}
