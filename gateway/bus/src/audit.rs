//! Counting what waits from the journal, to hold it against the books.

use std::collections::BTreeMap;

use journal::{Journal, ReadError};

use crate::ledger::Books;
use crate::record::Head;
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

/// Counts the events for `target` from `floor` to `until` that are in none of the `acked` ranges.
/// Blocks; a disk that fails ends the count, and the audit disagrees.
pub(crate) fn count_waiting(
    journal: &Journal,
    target: &TargetName,
    floor: Position,
    acked: &[(Position, Position)],
    until: Offset,
) -> BTreeMap<String, u64> {
    let mut waiting = BTreeMap::new();
    let mut reader = journal.read_from(floor.offset);
    loop {
        let entry = match reader.next() {
            Ok(Some(entry)) if entry.offset < until => entry,
            Err(ReadError::Trimmed { oldest, .. }) => {
                reader.seek(oldest);
                continue;
            }
            Ok(_) => return waiting,
            Err(error) => {
                tracing::error!(target_name = %target, %error, "the audit could not read the journal");
                return waiting;
            }
        };
        let Ok(head) = Head::decode(&entry.payload) else { continue };
        for (ordinal, route) in
            (0..=u16::MAX).zip(head.routes().filter(|route| route.target == target.as_str()))
        {
            let position = Position { offset: entry.offset, ordinal };
            let is_acked = acked.iter().any(|(first, last)| (first..=last).contains(&&position));
            if position >= floor && !is_acked {
                *waiting.entry(route.rule.to_owned()).or_default() += 1;
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
