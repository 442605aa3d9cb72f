//! Windows over time: what `GROUP BY …, TUMBLINGWINDOW(…)` adds to the SQL.
//!
//! ```text
//! message ─ Statement::evaluate ─► Row ─ Windows::add ─► open windows ─ Windows::advance ─► Closed
//! ```
//!
//! A [`Row`] is what a message adds; it is bytes where it has to travel. [`Windows`] are the open windows of one
//! statement: pure, without a clock, and restored from what [`Windows::changes`] said. What all of it means to users is
//! in `WINDOWS.md`.

mod accumulate;
mod aggregate;
mod bytes;
mod changes;
mod clock;
mod close;
mod datum;
mod frame;
mod group;
mod histogram;
mod limits;
mod plan;
mod row;
#[cfg(test)]
mod tests;
mod time;
mod windows;

pub use aggregate::{AGGREGATES, AggregateFunction};
pub use changes::{Change, RestoreError};
pub use close::Closed;
pub use histogram::{EXACT_VALUES_MAX, ROUNDED_VALUES_MAX};
pub use limits::{LateEvents, Limits};
pub use row::{GROUP_KEY_BYTES_MAX, Row, RowError, VALUE_BYTES_MAX};
pub use windows::{Added, Refusal, Windows};

pub(crate) use aggregate::{Aggregate, Make, find as find_aggregate};
pub(crate) use frame::{Frame, LENGTH_MS_MAX, WINDOWS_OF_EVENT_MAX};
pub(crate) use plan::{AggregatePlan, END_NAME, InputPlan, START_NAME, WindowPlan, aggregate_name, key_name};
pub(crate) use row::is_aggregated;
