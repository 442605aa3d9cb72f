//! Wildcards: a text is compared only with those that need three bytes which it has.
//!
//! Every wildcard is kept under three bytes in a row that it demands, of all it demands those under which fewest others are. The beginning and
//! the end of a text count as a byte each.

use std::collections::{HashMap, HashSet};

use super::budget::Budget;
use super::{NodeId, SetError, WILDCARDS_TOGETHER_MAX};
use crate::EventError;
use crate::pattern::Wildcard;

/// Stands for the beginning and the end; no byte of UTF-8.
const EDGE: u8 = 0xff;

type Gram = [u8; 3];

#[derive(Debug, Default)]
pub(super) struct Wildcards {
    wildcards: Vec<(Wildcard, NodeId)>,
    /// Places in `wildcards`.
    by_gram: HashMap<Gram, Vec<u32>>,
    /// Those that demand no three bytes in a row.
    others: Vec<u32>,
}

impl Wildcards {
    /// Whether one more keeps matching fast.
    ///
    /// # Errors
    /// A text would be compared with too many.
    pub(super) fn check(&self, wildcard: &Wildcard) -> Result<(), SetError> {
        let together = match self.rarest(wildcard) {
            Some(gram) => self.by_gram.get(&gram).map_or(0, Vec::len),
            None => self.others.len(),
        };
        if together < WILDCARDS_TOGETHER_MAX {
            return Ok(());
        }
        let escaped = wildcard.pieces.iter().map(|piece| piece.replace('\\', "\\\\").replace('*', "\\*"));
        Err(SetError::Wildcards { wildcard: escaped.collect::<Vec<_>>().join("*") })
    }

    pub(super) fn add(&mut self, wildcard: &Wildcard, next: NodeId) {
        // As many as there are conditions at most.
        let place = self.wildcards.len() as u32;
        match self.rarest(wildcard) {
            Some(gram) => self.by_gram.entry(gram).or_default().push(place),
            None => self.others.push(place),
        }
        self.wildcards.push((wildcard.clone(), next));
    }

    pub(super) fn find(
        &self,
        text: &str,
        found: &mut Vec<NodeId>,
        budget: &mut Budget,
    ) -> Result<(), EventError> {
        let mut candidates = self.others.clone();
        if !self.by_gram.is_empty() {
            // A text may have the same three bytes as often as it has bytes.
            let mut met = HashSet::new();
            for_each_gram(text, true, true, |gram| {
                if let Some(places) = self.by_gram.get(&gram)
                    && met.insert(gram)
                {
                    candidates.extend(places);
                }
            });
        }
        budget.spend_on(candidates.len(), text.len())?;
        for candidate in candidates {
            let (wildcard, next) = &self.wildcards[candidate as usize];
            if wildcard.matches(text) {
                found.push(*next);
            }
        }
        Ok(())
    }

    fn rarest(&self, wildcard: &Wildcard) -> Option<Gram> {
        let mut rarest: Option<(usize, Gram)> = None;
        let last = wildcard.pieces.len() - 1;
        for (number, piece) in wildcard.pieces.iter().enumerate() {
            for_each_gram(piece, number == 0, number == last, |gram| {
                let others = self.by_gram.get(&gram).map_or(0, Vec::len);
                if rarest.is_none_or(|(fewest, _)| others < fewest) {
                    rarest = Some((others, gram));
                }
            });
        }
        rarest.map(|(_, gram)| gram)
    }
}

/// Visits each three bytes in a row; the edges take part where the text has them.
fn for_each_gram(text: &str, begins: bool, ends: bool, mut visit: impl FnMut(Gram)) {
    let edge = |is_there: bool| is_there.then_some(EDGE);
    let bytes = edge(begins).into_iter().chain(text.bytes()).chain(edge(ends));
    let (mut gram, mut filled) = ([0; 3], 0);
    for byte in bytes {
        gram = [gram[1], gram[2], byte];
        filled += 1;
        if filled >= 3 {
            visit(gram);
        }
    }
}
