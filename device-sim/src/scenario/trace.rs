//! Trace files: when messages were sent once, to send them so again.

use std::sync::Arc;
use std::time::Duration;

use super::{Body, Template};

/// A trace, in the order of its offsets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    rows: Vec<TraceRow>,
}

/// One message of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRow {
    /// When, from the moment the device connects.
    pub offset: Duration,
    /// Where to, if not to the publication's topic.
    pub topic: Option<Template>,
    /// What it says, if not what the publication says.
    pub body: Option<Arc<Body>>,
}

impl Trace {
    /// Puts rows into order; rows of one offset stay as they are.
    pub fn new(mut rows: Vec<TraceRow>) -> Self {
        rows.sort_by_key(|row| row.offset);
        Self { rows }
    }

    /// The row with this number, from 0.
    pub fn row(&self, number: u32) -> Option<&TraceRow> {
        self.rows.get(usize::try_from(number).ok()?)
    }

    /// How many messages it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn of_offsets(offsets_ms: &[u64]) -> Self {
        let row = |ms: &u64| TraceRow { offset: Duration::from_millis(*ms), topic: None, body: None };
        Self::new(offsets_ms.iter().map(row).collect())
    }
}
