//! Which sequence numbers of which device have been seen, as bits.

use std::collections::HashMap;

/// A set of (device, sequence number), small for numbers that are nearly dense.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    bits: HashMap<String, Vec<u64>>,
    len: u64,
}

/// Sequence numbers above this are not taken for real, so that a wrong one can't fill the memory.
const SEQUENCE_MAX: u64 = 100_000_000;

impl Sequences {
    /// Adds one; false when it was there already, or can't be real.
    pub(super) fn insert(&mut self, device: &str, sequence: u64) -> bool {
        if sequence > SEQUENCE_MAX {
            return false;
        }
        let (word, bit) = place(sequence);
        let words = match self.bits.get_mut(device) {
            Some(words) => words,
            None => self.bits.entry(device.to_string()).or_default(),
        };
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let new = words[word] & bit == 0;
        words[word] |= bit;
        self.len += u64::from(new);
        new
    }

    /// Whether it was seen.
    pub(super) fn contains(&self, device: &str, sequence: u64) -> bool {
        let (word, bit) = place(sequence);
        self.bits.get(device).and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0)
    }

    /// How many were seen.
    pub(super) fn len(&self) -> u64 {
        self.len
    }
}

fn place(sequence: u64) -> (usize, u64) {
    (usize::try_from(sequence / 64).unwrap_or(usize::MAX), 1 << (sequence % 64))
}

#[cfg(test)]
mod tests {
    use super::Sequences;

    #[test]
    fn each_is_counted_once() {
        let mut seen = Sequences::default();
        assert!(seen.insert("a", 1));
        assert!(!seen.insert("a", 1));
        assert!(seen.insert("b", 1));
        assert!(seen.insert("a", 640));
        assert!(!seen.insert("a", u64::MAX), "a number that can't be real is not kept");
        assert_eq!(seen.len(), 3);
        assert!(seen.contains("a", 640) && !seen.contains("a", 2) && !seen.contains("c", 1));
    }
}
