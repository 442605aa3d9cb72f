//! Prefixes and suffixes: those of a text are found in as many steps as it has prefixes that begin some key, not as there are keys.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::NodeId;

type Keys = BTreeMap<Box<[u8]>, Vec<NodeId>>;

/// Prefixes and suffixes, each with where it leads.
#[derive(Debug, Default)]
pub(super) struct Affixes {
    prefixes: Keys,
    /// Backwards.
    suffixes: Keys,
    /// The length of the longest suffix, in bytes.
    suffix_bytes_max: usize,
}

impl Affixes {
    pub(super) fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.suffixes.is_empty()
    }

    pub(super) fn add_prefix(&mut self, prefix: &str, next: NodeId) {
        self.prefixes.entry(prefix.as_bytes().into()).or_default().push(next);
    }

    pub(super) fn add_suffix(&mut self, suffix: &str, next: NodeId) {
        self.suffixes.entry(suffix.bytes().rev().collect()).or_default().push(next);
        self.suffix_bytes_max = self.suffix_bytes_max.max(suffix.len());
    }

    pub(super) fn find(&self, text: &str, found: &mut Vec<NodeId>) {
        find(&self.prefixes, text.as_bytes(), found);
        if !self.suffixes.is_empty() {
            let backwards: Vec<u8> = text.bytes().rev().take(self.suffix_bytes_max).collect();
            find(&self.suffixes, &backwards, found);
        }
    }
}

/// Adds where the keys lead that `text` begins with.
///
/// The greatest key up to the text either is such a prefix or parts from the text somewhere; what is looked for is no longer than up to there,
/// as anything longer would be greater.
fn find(keys: &Keys, text: &[u8], found: &mut Vec<NodeId>) {
    let mut rest = Some(text);
    while let Some(bound) = rest {
        let range = (Bound::Unbounded, Bound::Included(bound));
        let Some((key, targets)) = keys.range::<[u8], _>(range).next_back() else { return };
        let common = key.iter().zip(bound).take_while(|(left, right)| left == right).count();
        if common == key.len() {
            found.extend_from_slice(targets);
            rest = common.checked_sub(1).map(|shorter| &bound[..shorter]);
        } else {
            rest = Some(&bound[..common]);
        }
    }
}
