//! What became of the rows of a rule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of one rule since the data directory was made. They only grow, and are written with the state they count:
/// `rows taken = folded + late + refused + repeated`, always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Rows that are in a window, or were.
    pub folded: u64,
    /// Rows whose windows were closed already, by reason.
    pub late: BTreeMap<String, u64>,
    /// Rows that no window could take, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Rows of publishes that were sent again and are folded already.
    pub repeated: u64,
    /// Results that closed windows made.
    pub results: u64,
}

impl Counts {
    /// Rows that are done with.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.folded + self.repeated + sum(&self.late) + sum(&self.refused)
    }
}

fn sum(by_reason: &BTreeMap<String, u64>) -> u64 {
    by_reason.values().sum()
}

/// Counts one more for `reason`; reasons are few.
pub(crate) fn count(by_reason: &mut BTreeMap<String, u64>, reason: &str) {
    match by_reason.get_mut(reason) {
        Some(count) => *count += 1,
        None => {
            by_reason.insert(reason.to_owned(), 1);
        }
    }
}
