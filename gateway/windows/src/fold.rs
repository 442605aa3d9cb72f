//! Folding rows into windows, and letting time pass over them. Owned by one thread; everything here blocks on the disk.
//!
//! ```text
//! rows ─► which statement ─► folded before? ─► its windows ─► time ─► results
//!                                                   └──────────┬────────┘
//!                                             one transaction: groups, positions, results
//! ```
//!
//! What memory holds may be ahead of the disk by one transaction that failed: that is written before anything else is
//! folded, and no row in it is answered for before.

mod resting;
mod results;
mod rows;
mod statements;
mod told;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bus::Position;
use rules::definition::Definition;
use rules::window::Change;

use crate::figures::{Figures, RuleFigures};
use crate::machine::Machine;
use crate::outlet::{Outlet, Outlets};
use crate::statement::StatementId;
use crate::store::{RuleRow, Store, Transaction};
use crate::surroundings::Surroundings;
use crate::tide::{Tide, Turn};
use resting::Resting;
use told::Told;

/// Groups closed with one write; of more, the rest follows at once.
const CLOSED_MAX: usize = 8_192;

/// How long after the beginning the clock closes no window of events with a time of their own. Devices are back by then,
/// unless something is wrong with more than the gateway.
const RETURN_TIME_MS: u64 = 30_000;

/// See the module.
pub(crate) struct Fold {
    store: Store,
    surroundings: Surroundings,
    rules: BTreeMap<String, Rule>,
    statements: BTreeMap<u64, Running>,
    resting: BTreeMap<u64, Resting>,
    numbers: HashMap<StatementId, u64>,
    outlets: Arc<Outlets>,
    figures: Arc<Figures>,
    next_number: u64,
    /// When the first definitions came in force.
    began_ms: Option<u64>,
    /// Written before anything else.
    unwritten: Unwritten,
}

/// One rule, with whatever statements of it have windows.
#[derive(Default)]
struct Rule {
    row: RuleRow,
    told: Told,
    changed: bool,
}

/// One statement with its windows.
struct Running {
    rule: String,
    definition: Arc<Definition>,
    machine: Machine,
    tide: Tide,
    outlet: Arc<Outlet>,
    next_result: u64,
    retired_at_ms: Option<u64>,
    /// Whether its row is written, or in the transaction.
    is_noted: bool,
    /// Whether windows were open when the gateway began.
    was_open: bool,
    changed: bool,
}

/// A transaction, and what is to be told once it is on disk.
#[derive(Default)]
struct Unwritten {
    transaction: Transaction,
    made: Vec<(Arc<Outlet>, u64, u64)>,
    gone: Vec<u64>,
}

/// The disk does not take what was folded.
pub(crate) struct NotWritten;

impl Rule {
    fn is_folded(&self, position: Position) -> bool {
        self.row.position().is_some_and(|last| position <= last)
    }
}

impl Fold {
    /// Lets the clock of `now_ms` be seen by the windows that it closes.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Result<(), NotWritten> {
        self.write()?;
        let due: Vec<u64> =
            self.statements.iter().filter(|(_, running)| running.is_due(now_ms)).map(|(n, _)| *n).collect();
        for number in due {
            self.pass_time(number, now_ms);
        }
        self.finish_retired(now_ms);
        self.gather();
        self.write()
    }

    /// When windows are due at the earliest.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.statements.values().filter_map(Running::next_due_ms).min()
    }

    /// Whether there are windows at all.
    pub(crate) fn is_idle(&self) -> bool {
        self.statements.is_empty() && self.unwritten.transaction.is_empty()
    }

    /// Brings the time of a statement's windows to where clock and rows are.
    fn pass_time(&mut self, number: u64, now_ms: u64) {
        let Some(running) = self.statements.get_mut(&number) else { return };
        if running.outlet.is_full() {
            return;
        }
        let rows_wait = self.surroundings.backlog.rows_wait(&running.rule)
            || running.waits_for_devices(self.began_ms.unwrap_or(now_ms), now_ms);
        let turn = running.tide.turn(now_ms, rows_wait);
        if let Turn::SetBack(to_ms) = turn {
            tracing::warn!(rule = running.rule, to_ms, "the clock was set back, windows end and begin anew");
            return self.begin_anew(number, now_ms);
        }
        let closed = running.machine.advance(running.tide.row().now_ms, CLOSED_MAX);
        // Time that only went on is written with what changes next: nothing was closed by it yet.
        running.changed |= !closed.is_empty();
        self.keep_results(number, &closed, now_ms);
    }

    /// Ends all windows of a statement as they are.
    fn begin_anew(&mut self, number: u64, now_ms: u64) {
        let Some(running) = self.statements.get_mut(&number) else { return };
        // What changed before is undone by what comes now, key by key.
        let (closed, changes) = running.machine.begin_anew(&running.definition);
        for Change { key, value } in changes {
            self.unwritten.transaction.change_group(number, &key, value);
        }
        running.changed = true;
        self.keep_results(number, &closed, now_ms);
    }

    /// Moves what changed in memory to the transaction.
    fn gather(&mut self) {
        let transaction = &mut self.unwritten.transaction;
        for (number, running) in &mut self.statements {
            if !std::mem::take(&mut running.changed) {
                continue;
            }
            for Change { key, value } in running.machine.changes() {
                transaction.change_group(*number, &key, value);
            }
            transaction.put_clock(*number, running.tide.row());
        }
        for (name, rule) in &mut self.rules {
            if std::mem::take(&mut rule.changed) {
                transaction.put_rule(name, &rule.row);
            }
        }
    }

    /// Writes the transaction, if there is one.
    fn write(&mut self) -> Result<(), NotWritten> {
        if self.unwritten.transaction.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.store.commit(&self.unwritten.transaction) {
            tracing::error!(%error, "windows can't be written; no more rows are taken until they can");
            return Err(NotWritten);
        }
        let Unwritten { made, gone, .. } = std::mem::take(&mut self.unwritten);
        made.into_iter().for_each(|(outlet, results, bytes)| self.outlets.made(&outlet, results, bytes));
        gone.into_iter().for_each(|number| self.outlets.remove(number));
        self.tell();
        Ok(())
    }
}

impl Fold {
    /// Shows how things are, now that it is written.
    fn tell(&self) {
        let mut rules: BTreeMap<&str, RuleFigures> = BTreeMap::new();
        for (name, rule) in &self.rules {
            rules.insert(name, RuleFigures { counts: rule.row.counts.clone(), ..RuleFigures::default() });
        }
        for running in self.statements.values() {
            rules.entry(&running.rule).or_default().add(running.machine.open());
        }
        for resting in self.resting.values() {
            rules.entry(&resting.row.rule).or_default().add(resting.open);
        }
        self.figures.set(rules);
    }
}

impl Running {
    fn is_due(&self, now_ms: u64) -> bool {
        self.next_due_ms().is_some_and(|at| at <= now_ms) || self.tide.is_ahead_of(now_ms)
    }

    /// Whether devices may not be back yet that were cut off when the gateway ended. What was not acknowledged they send
    /// again, with the time that it had; the silence of the gateway is not theirs.
    fn waits_for_devices(&self, began_ms: u64, now_ms: u64) -> bool {
        let is_soon = (began_ms..began_ms.saturating_add(RETURN_TIME_MS)).contains(&now_ms);
        is_soon && self.was_open && self.definition.statement.has_event_time()
    }

    /// When its windows are due. A statement that can be forgotten is found by the way, whenever the clock is looked at.
    fn next_due_ms(&self) -> Option<u64> {
        self.machine.next_due_ms().map(Tide::shows)
    }
}
