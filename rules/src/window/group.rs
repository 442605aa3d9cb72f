//! One group in one window: what is kept of its messages.

use std::sync::Arc;

use super::accumulate::Accumulator;
use super::bytes::{Reader, push_signed, push_unsigned};
use super::clock::bounded;
use super::plan::WindowPlan;
use super::row::Row;

/// The number of the format of states.
pub(super) const FORMAT: u8 = 1;

/// Which group of which window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The values of GROUP BY as rows have them.
    pub(super) group: Arc<[u8]>,
    /// When the window starts.
    pub(super) start_ms: i64,
}

/// What is kept of a group's messages in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// When the window ends, as far as is known.
    pub(super) end_ms: i64,
    /// The time of the latest event.
    pub(super) last_ms: i64,
    /// How many messages.
    pub(super) rows: u64,
    pub(super) accumulators: Vec<Accumulator>,
}

impl Group {
    pub(super) fn start(plan: &WindowPlan, end_ms: i64, time_ms: i64) -> Self {
        let accumulators = plan.aggregates.iter().map(|aggregate| aggregate.aggregate.start()).collect();
        Self { end_ms, last_ms: time_ms, rows: 0, accumulators }
    }

    pub(super) fn add(&mut self, plan: &WindowPlan, row: &Row, time_ms: i64, place: u64) {
        self.rows = self.rows.saturating_add(1);
        self.last_ms = self.last_ms.max(time_ms);
        for (planned, accumulator) in plan.aggregates.iter().zip(&mut self.accumulators) {
            // `count(*)` is the number of rows.
            let value = planned.input.and_then(|input| row.inputs.get(input));
            if let Some(value) = value.filter(|value| value.is_present()) {
                planned.aggregate.add(accumulator, value, (time_ms, place));
            }
        }
    }

    /// Adds everything another part of the same session has.
    pub(super) fn merge(&mut self, plan: &WindowPlan, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.last_ms = self.last_ms.max(other.last_ms);
        self.end_ms = self.end_ms.max(other.end_ms);
        let mine = self.accumulators.iter_mut();
        for ((planned, accumulator), other) in plan.aggregates.iter().zip(mine).zip(other.accumulators) {
            planned.aggregate.merge(accumulator, other);
        }
    }

    /// How many bytes it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.accumulators.iter().map(Accumulator::weight).sum::<usize>()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        push_signed(&mut out, self.end_ms);
        push_signed(&mut out, self.last_ms);
        push_unsigned(&mut out, self.rows);
        self.accumulators.iter().for_each(|accumulator| accumulator.write(&mut out));
        out
    }

    /// Reads what follows the number of the format.
    pub(super) fn read(plan: &WindowPlan, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (end_ms, last_ms) = (bounded(reader.signed()?)?, bounded(reader.signed()?)?);
        let rows = reader.unsigned()?;
        let accumulators = plan.aggregates.iter().map(|planned| planned.aggregate.read(&mut reader));
        let accumulators = accumulators.collect::<Option<_>>()?;
        reader.is_at_end().then_some(Self { end_ms, last_ms, rows, accumulators })
    }
}
