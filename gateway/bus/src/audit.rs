//! Counting what waits from the journal, to hold it against the books.

use std::collections::BTreeMap;

use crate::lane::source::LaneSource;
use crate::ledger::Books;
use crate::{Offset, Position, TargetName};

/// A rule and target whose books do not agree with the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The rule.
    pub rule: String,
    /// The target.
    pub target: TargetName,
    /// Events that wait by the books.
    pub booked: u64,
    /// Events that wait by the journal.
    pub found: u64,
}

/// What waits by the books.
pub(crate) fn booked(books: &Books) -> BTreeMap<String, u64> {
    let waiting = books.rules().iter().map(|(rule, counts)| (rule.clone(), counts.waiting));
    waiting.filter(|(_, waiting)| *waiting > 0).collect()
}

/// Counts the events that `source` reads from `floor` to `until` that are in none of the `acked` ranges.
/// Blocks; a disk that fails ends the count, and the audit disagrees.
pub(crate) fn count_waiting(
    mut source: LaneSource,
    floor: Position,
    acked: &[(Position, Position)],
    until: Offset,
) -> BTreeMap<String, u64> {
    let mut waiting = BTreeMap::new();
    loop {
        let found = match source.next() {
            Ok(Some(found)) if found.offset < until => found,
            Ok(_) => return waiting,
            Err(error) => {
                tracing::error!(%error, "the audit could not read what a target is owed");
                return waiting;
            }
        };
        for delivery in found.deliveries {
            let position = delivery.position;
            let is_acked = acked.iter().any(|(first, last)| (first..=last).contains(&&position));
            if position >= floor && !is_acked {
                *waiting.entry(delivery.rule).or_default() += 1;
            }
        }
    }
}

/// The rules on which the two counts differ.
pub(crate) fn compare(
    target: &TargetName,
    booked: &BTreeMap<String, u64>,
    found: &BTreeMap<String, u64>,
) -> Vec<Disagreement> {
    let count = |counts: &BTreeMap<String, u64>, rule: &String| counts.get(rule).copied().unwrap_or(0);
    let mut rules: Vec<&String> = booked.keys().chain(found.keys()).collect();
    rules.sort_unstable();
    rules.dedup();
    let rows = rules.into_iter().map(|rule| Disagreement {
        rule: rule.clone(),
        target: target.clone(),
        booked: count(booked, rule),
        found: count(found, rule),
    });
    rows.filter(|row| row.booked != row.found).collect()
}
