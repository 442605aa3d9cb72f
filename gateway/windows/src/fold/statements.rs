//! The life of a statement: it comes in force, goes out of force, finishes its windows, and is forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rules::definition::Definition;

use super::{Fold, NotWritten, Rule, Running, Unwritten};
use crate::figures::Figures;
use crate::machine::Machine;
use crate::outlet::{Outlet, Outlets};
use crate::statement::StatementId;
use crate::store::{FoundStatement, RestoreError, StatementRow, Store, Waiting};
use crate::surroundings::Surroundings;
use crate::tide::Tide;

/// How long after a statement went out of force rows of it may still come: a message may wait for room that long.
const ROWS_LAG_MAX_MS: u64 = 60_000;

/// Statements of one rule that may have windows open besides the one in force; of more, the oldest is finished at once.
const RETIRED_MAX: usize = 8;

impl Fold {
    /// Takes up what is on disk. Blocks.
    pub(crate) fn restore(
        store: Store,
        surroundings: Surroundings,
        outlets: Arc<Outlets>,
        figures: Arc<Figures>,
    ) -> Result<Self, RestoreError> {
        let found = store.read()?;
        let rules = found.rules.into_iter().map(|(name, row)| (name, Rule { row, ..Rule::default() }));
        let mut fold = Self {
            store,
            surroundings,
            rules: rules.collect(),
            statements: BTreeMap::new(),
            resting: BTreeMap::new(),
            numbers: HashMap::new(),
            outlets,
            figures,
            began_ms: None,
            next_number: found.statements.keys().next_back().map_or(0, |last| last + 1),
            unwritten: Unwritten::default(),
        };
        for (number, statement) in found.statements {
            fold.take_up(number, statement)?;
        }
        fold.tell();
        Ok(fold)
    }

    /// Takes up one statement. One that can't be read now rests.
    fn take_up(&mut self, number: u64, found: FoundStatement) -> Result<(), RestoreError> {
        let outlet = Outlet::new(number, &found.row.rule, found.results);
        let next_result = found.results.last + 1;
        match self.surroundings.rules.parse(&found.row.rule, &found.row.definition) {
            Ok(definition) => self.resume(number, found, Arc::new(definition), outlet, next_result),
            Err(reason) => {
                self.let_rest(number, found, outlet, &reason);
                Ok(())
            }
        }
    }

    /// Goes on with the windows as they were found.
    pub(super) fn resume(
        &mut self,
        number: u64,
        found: FoundStatement,
        definition: Arc<Definition>,
        outlet: Arc<Outlet>,
        next_result: u64,
    ) -> Result<(), RestoreError> {
        let FoundStatement { row, clock, groups, .. } = found;
        let was_open = !groups.is_empty();
        let machine = Machine::restore(&definition, groups);
        let machine = machine.map_err(|reason| RestoreError::Groups { rule: row.rule.clone(), reason })?;
        let running = Running {
            tide: Tide::restored(clock),
            outlet,
            next_result,
            retired_at_ms: row.retired_at_ms,
            is_noted: true,
            was_open,
            changed: false,
            rule: row.rule,
            definition,
            machine,
        };
        self.insert(number, running, StatementId(row.statement));
        Ok(())
    }

    /// These definitions are in force from now on, and no others. Written before the first row of a new one is made.
    pub(crate) fn in_force(
        &mut self,
        definitions: &[Arc<Definition>],
        now_ms: u64,
    ) -> Result<(), NotWritten> {
        self.began_ms.get_or_insert(now_ms);
        // What was not written before comes first, in order.
        let before = self.write();
        self.wake(definitions);
        let kept: BTreeSet<u64> =
            definitions.iter().filter_map(|definition| self.bring_in(definition)).collect();
        self.retire_all_but(&kept, now_ms);
        self.limit_retired(now_ms);
        self.gather();
        before?;
        self.write()?;
        self.tell();
        Ok(())
    }

    /// Brings one definition in force, and gives its number when it has windows.
    fn bring_in(&mut self, definition: &Arc<Definition>) -> Option<u64> {
        let statement = StatementId::of(definition);
        let number = match self.numbers.get(&statement) {
            Some(number) => *number,
            None => self.begin(definition, statement, Machine::new(definition)?),
        };
        let running = self.statements.get_mut(&number)?;
        let is_same =
            running.is_noted && running.retired_at_ms.is_none() && running.definition.text == definition.text;
        if !is_same {
            running.is_noted = true;
            running.retired_at_ms = None;
            running.definition = Arc::clone(definition);
            self.unwritten.transaction.put_statement(number, &running.row());
        }
        Some(number)
    }

    fn begin(&mut self, definition: &Arc<Definition>, statement: StatementId, machine: Machine) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.insert(
            number,
            Running {
                rule: definition.name.clone(),
                definition: Arc::clone(definition),
                machine,
                tide: Tide::default(),
                outlet: Outlet::new(number, &definition.name, Waiting::default()),
                next_result: 1,
                retired_at_ms: None,
                is_noted: false,
                was_open: false,
                changed: false,
            },
            statement,
        );
        number
    }

    fn insert(&mut self, number: u64, running: Running, statement: StatementId) {
        self.outlets.insert(Arc::clone(&running.outlet));
        self.numbers.insert(statement, number);
        self.statements.insert(number, running);
    }

    /// Whatever else is in force goes out of force.
    fn retire_all_but(&mut self, kept: &BTreeSet<u64>, now_ms: u64) {
        for (number, running) in &mut self.statements {
            if kept.contains(number) || running.retired_at_ms.is_some() {
                continue;
            }
            running.retired_at_ms = Some(now_ms);
            let open = running.machine.open();
            tracing::info!(
                rule = running.rule,
                groups = open.groups,
                "a rule with windows is not in force any more; what is open is finished"
            );
            self.unwritten.transaction.put_statement(*number, &running.row());
        }
    }

    /// Finishes at once what is beyond the limit.
    fn limit_retired(&mut self, now_ms: u64) {
        let mut by_rule: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
        for (number, running) in &self.statements {
            let open = running.machine.open().groups > 0;
            if let Some(at) = running.retired_at_ms.filter(|_| open) {
                by_rule.entry(&running.rule).or_default().push((at, *number));
            }
        }
        let mut surplus = Vec::new();
        for retired in by_rule.values_mut() {
            retired.sort_unstable();
            let count = retired.len().saturating_sub(RETIRED_MAX);
            surplus.extend(retired.iter().take(count).map(|(_, number)| *number));
        }
        for number in surplus {
            let rule = self.statements.get(&number).map(|running| running.rule.as_str());
            tracing::warn!(rule, limit = RETIRED_MAX, "a rule was changed so often that windows end early");
            self.begin_anew(number, now_ms);
        }
    }

    /// Forgets statements that are out of force and have nothing left.
    pub(super) fn finish_retired(&mut self, now_ms: u64) {
        let backlog = &self.surroundings.backlog;
        let is_over = |running: &Running| {
            let since = running.retired_at_ms.is_some_and(|at| now_ms >= at.saturating_add(ROWS_LAG_MAX_MS));
            since
                && running.machine.open().groups == 0
                && !running.changed
                && running.outlet.waiting() == 0
                && !backlog.rows_wait(&running.rule)
        };
        let over: Vec<u64> = self.statements.iter().filter(|(_, r)| is_over(r)).map(|(n, _)| *n).collect();
        for number in over {
            // Nothing is open, but how far time has come is kept with the groups.
            let keys = match self.store.group_keys(number) {
                Ok(keys) => keys,
                Err(error) => {
                    tracing::error!(%error, "the windows of a rule that is finished can't be cleared away yet");
                    continue;
                }
            };
            keys.iter().for_each(|key| self.unwritten.transaction.change_group(number, key, None));
            if let Some(running) = self.statements.remove(&number) {
                tracing::info!(
                    rule = running.rule,
                    "the windows of a rule that is not in force any more are finished"
                );
            }
            self.numbers.retain(|_, other| *other != number);
            self.unwritten.transaction.remove_statement(number);
            self.unwritten.gone.push(number);
        }
    }
}

impl Running {
    fn row(&self) -> StatementRow {
        StatementRow {
            rule: self.rule.clone(),
            statement: StatementId::of(&self.definition).0,
            definition: self.definition.text.to_string(),
            retired_at_ms: self.retired_at_ms,
        }
    }
}
