//! One batch of rows.

use std::collections::BTreeSet;

use bus::Outcome;

use super::{Fold, NotWritten};
use crate::counts::count;
use crate::machine::Taken;
use crate::row::{Row, RowError};

/// The code of rows that have to wait.
const BEHIND: &str = "RESULTS_WAITING";

/// The code of rows whose statement rests.
const UNREADABLE: &str = "UNREADABLE_RULE";

/// What is known of a row before it is folded.
enum Next {
    /// It is folded by the statement of this number.
    Fold(u64),
    Answer(Outcome),
}

impl Fold {
    /// Folds rows in order, writes what that changes, and says what came of each.
    pub(crate) fn fold(&mut self, rows: &[Result<Row, RowError>], now_ms: u64) -> Vec<Outcome> {
        if self.write().is_err() {
            return vec![not_written(); rows.len()];
        }
        let mut touched = BTreeSet::new();
        let mut behind = BTreeSet::new();
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            let outcome = match row {
                Err(error) => Outcome::reject("FOREIGN_ROW", error.to_string()),
                Ok(row) => match self.next(row, &mut behind) {
                    Next::Answer(outcome) => outcome,
                    Next::Fold(number) => {
                        touched.insert(number);
                        self.fold_one(number, row, now_ms)
                    }
                },
            };
            outcomes.push(outcome);
        }
        for number in touched {
            self.pass_time(number, now_ms);
        }
        self.gather();
        match self.write() {
            Ok(()) => outcomes,
            Err(NotWritten) => outcomes.into_iter().map(|_| not_written()).collect(),
        }
    }

    fn next<'r>(&mut self, row: &'r Row, behind: &mut BTreeSet<&'r str>) -> Next {
        let number = self.numbers.get(&row.statement).copied();
        let is_folded = self.rules.get(&row.rule).is_some_and(|rule| rule.is_folded(row.position));
        if is_folded && number.is_some() {
            return Next::Answer(Outcome::Delivered);
        }
        if behind.contains(row.rule.as_str()) {
            return Next::Answer(wait("an earlier row of the rule has to wait"));
        }
        let Some(number) = number else { return Next::Answer(unknown(row)) };
        if self.resting.contains_key(&number) {
            behind.insert(&row.rule);
            let reason = format!("rule `{}` can't be read as it was when it made this row", row.rule);
            return Next::Answer(Outcome::retry(UNREADABLE, reason));
        }
        if self.statements.get(&number).is_some_and(|running| running.outlet.is_full()) {
            behind.insert(&row.rule);
            return Next::Answer(wait("as many results of the rule wait for their targets as may"));
        }
        match self.is_repeat(row) {
            Ok(false) => Next::Fold(number),
            Ok(true) => {
                self.note(row, |rule| rule.row.counts.repeated += 1);
                Next::Answer(Outcome::Delivered)
            }
            Err(reason) => {
                behind.insert(&row.rule);
                Next::Answer(Outcome::retry("JOURNAL", reason))
            }
        }
    }

    /// Whether the row is of a publish that was sent again and is counted already.
    fn is_repeat(&self, row: &Row) -> Result<bool, String> {
        let Some(first) = row.repeats.as_ref().filter(|first| first.offset < row.position.offset) else {
            return Ok(false);
        };
        self.surroundings.backlog.came_before(&row.rule, first).map_err(|error| error.to_string())
    }

    fn fold_one(&mut self, number: u64, row: &Row, now_ms: u64) -> Outcome {
        let Some(running) = self.statements.get_mut(&number) else { return unknown(row) };
        let arrived_ms = running.tide.arrival(row.accepted_at_ms, now_ms);
        let taken = match running.machine.add(&row.bytes, arrived_ms) {
            Ok(taken) => taken,
            Err(reason) => return Outcome::reject("FOREIGN_ROW", reason),
        };
        running.changed = true;
        self.note(row, |rule| {
            let counts = &mut rule.row.counts;
            match taken {
                Taken::Counted => counts.folded += 1,
                Taken::Late(reason) => {
                    count(&mut counts.late, reason);
                    rule.told.left_out(&row.rule, "late", reason, now_ms);
                }
                Taken::Refused(reason) => {
                    count(&mut counts.refused, reason);
                    rule.told.left_out(&row.rule, "refused", reason, now_ms);
                }
            }
        });
        Outcome::Delivered
    }

    /// Notes that everything of the rule up to this row is done with.
    fn note(&mut self, row: &Row, change: impl FnOnce(&mut super::Rule)) {
        if !self.rules.contains_key(&row.rule) {
            self.rules.insert(row.rule.clone(), super::Rule::default());
        }
        let Some(rule) = self.rules.get_mut(&row.rule) else { return };
        rule.row.position = Some((row.position.offset.0, row.position.ordinal));
        rule.changed = true;
        change(rule);
    }
}

fn wait(reason: &str) -> Outcome {
    Outcome::retry(BEHIND, reason)
}

fn not_written() -> Outcome {
    Outcome::retry("STORE", "the windows can't be written")
}

fn unknown(row: &Row) -> Outcome {
    let reason = format!(
        "rule `{}` has no statement any more that made this row; it was changed or removed long ago",
        row.rule
    );
    Outcome::reject("UNKNOWN_STATEMENT", reason)
}
