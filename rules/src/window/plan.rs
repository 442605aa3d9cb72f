//! The compiled form of a statement over windows.
//!
//! It is evaluated twice: for every message, which gives a row, and when a window closes, over what its group has kept.
//! The plans of the second time look names up in one object, whose members are called as [`key_name`] and its siblings
//! say; the check makes sure that nothing else is reached for.

use crate::plan::{Plan, Projection, Variables};

use super::aggregate::{Aggregate, Need};
use super::frame::Frame;

#[derive(Debug)]
pub(crate) struct WindowPlan {
    pub(crate) frame: Frame,
    /// TIMESTAMP BY; without it events have the time at which they arrived.
    pub(crate) time: Option<Plan>,
    /// GROUP BY without the window.
    pub(crate) keys: Vec<Plan>,
    /// The arguments of aggregates, each once.
    pub(crate) inputs: Vec<InputPlan>,
    pub(crate) aggregates: Vec<AggregatePlan>,
    /// The variables of SET as they are when a window closes; Undefined those that need a message.
    pub(crate) variables: Variables,
    pub(crate) having: Option<Plan>,
    pub(crate) projection: Projection,
    /// Tells the rows and states of this statement from those of others.
    pub(crate) fingerprint: [u8; 8],
}

#[cfg(test)]
impl WindowPlan {
    /// The plan as text, without the fingerprint, which statements that mean the same don't share.
    pub(crate) fn text(&self) -> String {
        let Self { frame, time, keys, inputs, aggregates, variables, having, projection, .. } = self;
        format!(
            "{frame:?} {time:?} {keys:?} {inputs:?} {aggregates:?} {variables:?} {having:?} {projection:?}"
        )
    }
}

#[derive(Debug)]
pub(crate) struct InputPlan {
    pub(crate) plan: Plan,
    /// The most that any aggregate over it needs.
    pub(crate) need: Need,
    /// The least that an aggregate is content with, leaving out those that only count.
    pub(crate) strictest: Need,
}

#[derive(Debug)]
pub(crate) struct AggregatePlan {
    pub(crate) aggregate: Aggregate,
    /// Which of the inputs; `None` for `count(*)`.
    pub(crate) input: Option<usize>,
}

/// What the key with this number is called when a window closes.
pub(crate) fn key_name(number: usize) -> Box<str> {
    format!("key {number}").into()
}

/// What the aggregate with this number is called when a window closes.
pub(crate) fn aggregate_name(number: usize) -> Box<str> {
    format!("aggregate {number}").into()
}

/// What `window_start()` is called when a window closes.
pub(crate) const START_NAME: &str = "start";

/// What `window_end()` is called when a window closes.
pub(crate) const END_NAME: &str = "end";
