//! Which events of a lane are settled: a contiguous floor and what is settled above it.
//!
//! In memory an event has a *sequence*, its count in this lane since the lane was opened; sequences have
//! no gaps, so neighbours are known to be neighbours. What is persisted are positions, which stay true
//! when a restart counts differently (a damaged record stepped over). A stuck event costs one range.

use std::collections::BTreeMap;

use crate::Position;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    end: u64,
    first: Position,
    last: Position,
}

/// The settled events of a lane.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// Every sequence below is settled.
    floor: u64,
    /// Settled ranges above the floor by their first sequence; no two touch.
    above: BTreeMap<u64, Range>,
}

impl Acks {
    /// Notes that the event `sequence` at `position` is settled. Once for each event.
    pub(crate) fn settle(&mut self, sequence: u64, position: Position) {
        if sequence < self.floor {
            return;
        }
        let mut start = sequence;
        let mut range = Range { end: sequence, first: position, last: position };
        if let Some((&before_start, before)) = self.above.range(..sequence).next_back()
            && before.end + 1 == sequence
        {
            start = before_start;
            range.first = before.first;
        }
        if let Some(after) = self.above.remove(&(sequence + 1)) {
            range.end = after.end;
            range.last = after.last;
        }
        if start == self.floor {
            self.above.remove(&start);
            self.floor = range.end + 1;
        } else {
            self.above.insert(start, range);
        }
    }

    /// The first sequence that is not settled.
    #[cfg(test)]
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// The settled ranges above the floor, first and last position included.
    pub(crate) fn above(&self) -> impl Iterator<Item = (Position, Position)> {
        self.above.values().map(|range| (range.first, range.last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::Offset;

    /// Two events per record, so that positions are no copy of the sequence.
    fn position(sequence: u64) -> Position {
        Position { offset: Offset(10 + sequence / 2 * 3), ordinal: (sequence % 2) as u16 }
    }

    #[test]
    fn one_stuck_event_is_one_range() {
        let mut acks = Acks::default();
        (1..1000).rev().for_each(|sequence| acks.settle(sequence, position(sequence)));
        assert_eq!(acks.above().collect::<Vec<_>>(), [(position(1), position(999))]);
        acks.settle(0, position(0));
        assert_eq!((acks.floor(), acks.above().count()), (1000, 0));
    }

    proptest! {
        #[test]
        fn floor_and_ranges_say_what_a_set_says(order in Just((0..60u64).collect::<Vec<_>>()).prop_shuffle(), count in 0..60usize) {
            let mut acks = Acks::default();
            let mut model = BTreeSet::new();
            for sequence in &order[..count] {
                acks.settle(*sequence, position(*sequence));
                model.insert(*sequence);
                let floor = (0..).find(|sequence| !model.contains(sequence)).unwrap();
                prop_assert_eq!(acks.floor(), floor);
                let told: BTreeSet<u64> = (0..60)
                    .filter(|s| *s < floor || acks.above().any(|(first, last)| (first..=last).contains(&position(*s))))
                    .collect();
                prop_assert_eq!(&told, &model);
                let gaps = (floor..60).filter(|s| model.contains(s) && !model.contains(&(s - 1))).count();
                prop_assert_eq!(acks.above().count(), gaps, "ranges that touch are one");
            }
        }
    }
}
