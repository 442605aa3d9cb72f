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
    }
}
