//! What the windows need of the rest of the gateway, said as traits, so that they know nothing of it.

use std::sync::Arc;

use bus::{Bus, FetchError, Record};
use rules::definition::Definition;
use rules::{Fault, Output};

use crate::row::{First, goes_to};
use crate::{LANE, lane_name};

/// What rules are made of, and what becomes of what they make.
pub trait Rules: Send + Sync + 'static {
    /// Reads a definition that was kept, as it is read when it comes in force.
    ///
    /// # Errors
    /// Why it can't be any more, for people.
    fn parse(&self, rule: &str, text: &str) -> Result<Definition, String>;

    /// The record that a result becomes, with its routes; empty when the rule sends it nowhere.
    fn record(&self, definition: &Definition, result: &WindowResult<'_>, now_ms: u64) -> Record;
}

/// What one group of one closed window made.
#[derive(Clone, Debug)]
pub struct WindowResult<'c> {
    /// Tells the group from others of its rule, as text: what orders the results of one group.
    pub group: String,
    /// What the statement selects, or why that could not be computed.
    pub output: Result<&'c Output, &'c Fault>,
}

/// What is asked of the bus while rows are folded. Blocks, rarely.
pub(crate) trait Backlog: Send {
    /// Whether rows of a rule wait for the windows.
    fn rows_wait(&self, rule: &str) -> bool;

    /// Whether the row that came first is in the journal, and so was folded or will be before this one.
    fn came_before(&self, rule: &str, first: &First) -> Result<bool, FetchError>;
}

impl Backlog for Bus {
    fn rows_wait(&self, rule: &str) -> bool {
        self.waiting(LANE, rule) > 0
    }

    fn came_before(&self, rule: &str, first: &First) -> Result<bool, FetchError> {
        match self.record(first.offset) {
            Ok(Some(record)) => {
                let is_row = |event: &&bus::Event| event.rule == rule && goes_to(event, lane_name());
                let mut rows = record.events.iter().filter(is_row);
                Ok(rows.any(|event| record.event_id(event) == first.event_id))
            }
            // It could not be made durable.
            Ok(None) => Ok(false),
            // What is trimmed was settled by every lane, this one too.
            Err(FetchError::Journal(journal::ReadError::Trimmed { .. })) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// Everything around the fold.
pub(crate) struct Surroundings {
    pub(crate) rules: Arc<dyn Rules>,
    pub(crate) backlog: Box<dyn Backlog>,
}
