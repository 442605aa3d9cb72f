//! A set of sequence numbers that costs little when they are nearly contiguous.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeSeq, Serializer};

/// Numbers, held as closed ranges that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// First number → last number.
    ranges: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds a number. False if it was there.
    pub fn insert(&mut self, number: u64) -> bool {
        let before = self.ranges.range(..=number).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| number <= last) {
            return false;
        }
        let mut first = number;
        if let Some((start, last)) = before
            && last + 1 == number
        {
            first = start;
        }
        let joined = number.checked_add(1).and_then(|next| self.ranges.remove(&next));
        self.ranges.insert(first, joined.unwrap_or(number));
        true
    }

    /// Whether a number is there.
    pub fn contains(&self, number: u64) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, &last)| number <= last)
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// What is here and not in the other.
    pub fn without(&self, other: &Self) -> Self {
        let mut ranges = BTreeMap::new();
        let mut others = other.iter().peekable();
        for (first, last) in self.iter() {
            let mut from = first;
            while others.next_if(|(_, other_last)| *other_last < from).is_some() {}
            while let Some((other_first, other_last)) =
                others.peek().copied().filter(|(begin, _)| *begin <= last)
            {
                if from < other_first {
                    ranges.insert(from, other_first - 1);
                }
                from = other_last.saturating_add(1);
                if other_last >= last {
                    break;
                }
                others.next();
            }
            if from <= last {
                ranges.insert(from, last);
            }
        }
        Self { ranges }
    }

    /// Removes the numbers above this one, and says how many they were.
    pub fn remove_above(&mut self, last: u64) -> u64 {
        let Some(next) = last.checked_add(1) else { return 0 };
        let above = self.ranges.split_off(&next);
        let mut removed = above.iter().map(|(first, last)| last - first + 1).sum();
        if let Some((_, end)) = self.ranges.iter_mut().next_back()
            && *end > last
        {
            removed += *end - last;
            *end = last;
        }
        removed
    }

    /// The first of the ranges.
    pub fn first(&self, ranges: usize) -> Self {
        Self { ranges: self.iter().take(ranges).collect() }
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().map(|(&first, &last)| (first, last))
    }
}

/// As `[[first, last], …]`.
impl Serialize for Ranges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.ranges.len()))?;
        for range in self.iter() {
            sequence.serialize_element(&[range.0, range.1])?;
        }
        sequence.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_read_as_pairs() {
        let mut ranges = Ranges::default();
        for number in (1..=40).filter(|number| *number != 18) {
            assert!(ranges.insert(number));
        }
        assert_eq!(serde_json::to_string(&ranges).unwrap(), "[[1,17],[19,40]]");
    }

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(0..60_u64, 0..100)) {
            let mut ranges = Ranges::default();
            let mut model = BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), model.insert(number));
            }
            prop_assert_eq!(ranges.count(), model.len() as u64);
            for number in 0..62 {
                prop_assert_eq!(ranges.contains(number), model.contains(&number));
            }
            let all: Vec<_> = ranges.iter().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }

        #[test]
        fn sets_are_subtracted_and_cut(
            left in prop::collection::btree_set(0..60_u64, 0..40),
            right in prop::collection::btree_set(0..60_u64, 0..40),
            last in 0..62_u64,
        ) {
            let ranges = |numbers: &BTreeSet<u64>| {
                let mut ranges = Ranges::default();
                numbers.iter().for_each(|number| assert!(ranges.insert(*number)));
                ranges
            };
            let mut difference = ranges(&left).without(&ranges(&right));
            prop_assert_eq!(&difference, &ranges(&left.difference(&right).copied().collect()));
            let all = difference.count();
            let removed = difference.remove_above(last);
            let kept = left.difference(&right).copied().filter(|number| *number <= last).collect();
            prop_assert_eq!(&difference, &ranges(&kept));
            prop_assert_eq!(difference.count() + removed, all);
            prop_assert_eq!(difference.first(1).iter().count(), usize::from(!kept.is_empty()));
        }
    }
}
