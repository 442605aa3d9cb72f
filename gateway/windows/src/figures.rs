//! What there is to see of the windows: figures that were true when the last transaction was written.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::counts::Counts;
use crate::machine::Open;

/// The windows of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFigures {
    /// What became of its rows.
    pub counts: Counts,
    /// What is open, of the statement in force and of those before it.
    pub open: Open,
}

impl RuleFigures {
    pub(crate) fn add(&mut self, open: Open) {
        self.open.groups += open.groups;
        self.open.first_end_ms = [self.open.first_end_ms, open.first_end_ms].into_iter().flatten().min();
    }
}

/// Figures by rule.
#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<BTreeMap<String, RuleFigures>>);

impl Figures {
    pub(crate) fn set(&self, rules: BTreeMap<&str, RuleFigures>) {
        let rules = rules.into_iter().map(|(rule, figures)| (rule.to_owned(), figures)).collect();
        *self.0.lock() = rules;
    }

    pub(crate) fn all(&self) -> BTreeMap<String, RuleFigures> {
        self.0.lock().clone()
    }
}
