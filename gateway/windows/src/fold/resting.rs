//! Statements with windows whose definition can't be read now: a descriptor file that it names is missing. They keep what
//! they have, on disk, and their rows wait; as soon as the definition can be read they go on.
//!
//! Nothing is given up on the way: what was counted belongs to messages that were acknowledged.

use std::sync::Arc;

use rules::definition::Definition;

use super::Fold;
use crate::machine::Open;
use crate::outlet::Outlet;
use crate::statement::StatementId;
use crate::store::{FoundStatement, RestoreError, StatementRow};

/// One statement that rests. Its results leave as ever.
pub(super) struct Resting {
    pub(super) row: StatementRow,
    pub(super) open: Open,
    outlet: Arc<Outlet>,
    next_result: u64,
}

impl Fold {
    /// Leaves on disk what is there of a statement.
    pub(super) fn let_rest(&mut self, number: u64, found: FoundStatement, outlet: Arc<Outlet>, reason: &str) {
        let FoundStatement { row, groups, results, .. } = found;
        // How far time has come is kept among the groups.
        let groups = groups.len().saturating_sub(1) as u64;
        tracing::error!(
            rule = row.rule,
            reason,
            groups,
            "the windows of a rule rest and its rows wait, because it can't be read; put back what it names, \
             and remove the rule first"
        );
        self.outlets.insert(Arc::clone(&outlet));
        self.numbers.insert(StatementId(row.statement), number);
        let open = Open { groups, first_end_ms: None };
        self.resting.insert(number, Resting { row, open, outlet, next_result: results.last + 1 });
    }

    /// Goes on with those that can be read again: as they were kept, or as one of these definitions says it.
    pub(super) fn wake(&mut self, definitions: &[Arc<Definition>]) {
        for (number, resting) in std::mem::take(&mut self.resting) {
            if let Err((resting, reason)) = self.wake_one(number, resting, definitions) {
                tracing::warn!(rule = resting.row.rule, reason, "the windows of a rule rest still");
                self.resting.insert(number, *resting);
            }
        }
    }

    fn wake_one(
        &mut self,
        number: u64,
        resting: Resting,
        definitions: &[Arc<Definition>],
    ) -> Result<(), (Box<Resting>, String)> {
        let row = &resting.row;
        let in_force =
            definitions.iter().find(|definition| StatementId::of(definition).0 == row.statement).cloned();
        let definition = match in_force {
            Some(definition) => Ok(definition),
            None => self.surroundings.rules.parse(&row.rule, &row.definition).map(Arc::new),
        };
        let resumed = definition.and_then(|definition| {
            let found = self.store.read_statement(number, row.clone());
            let outlet = Arc::clone(&resting.outlet);
            found
                .and_then(|found| self.resume(number, found, definition, outlet, resting.next_result))
                .map_err(|error: RestoreError| error.to_string())
        });
        match resumed {
            Ok(()) => {
                tracing::info!(rule = row.rule, "the windows of a rule that rested go on");
                Ok(())
            }
            Err(reason) => Err((Box::new(resting), reason)),
        }
    }
}
