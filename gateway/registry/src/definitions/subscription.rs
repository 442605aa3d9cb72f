//! Subscriptions: targets that choose events by a pattern, so that no rule need name them.

mod document;
mod pattern;
mod read;
mod set;
mod target;
#[cfg(test)]
mod tests;

pub(super) use read::{Known, read};
pub use set::{Judged, Subscriptions};

use patterns::{Pattern, Transformer};
use rules::definition::{Format, TargetKind};

/// The most targets of one subscription.
const TARGETS_MAX: usize = 10;

/// The most rules that one subscription names.
const RULES_MAX: usize = 100;

/// A checked subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The name of its folder or file: letters, digits, `_` and `-`.
    pub name: String,
    /// What it is for, in the author's words; may be empty.
    pub description: String,
    /// What events must be like; `None` takes every event of its rules.
    pub pattern: Option<Pattern>,
    /// The rules whose events it sees; empty means all.
    pub rules: Vec<String>,
    /// Where events go that match.
    pub targets: Vec<SubscriptionTarget>,
    /// Whether it is at work.
    pub enabled: bool,
    /// The whole definition as its author wrote it.
    pub text: Box<str>,
}

/// One place where events of a subscription go.
#[derive(Clone, Debug)]
pub struct SubscriptionTarget {
    /// The kind of the target.
    pub kind: TargetKind,
    /// The name of the target in the settings; the topic for `republish`.
    pub name: String,
    /// How the event is wrapped.
    pub format: Format,
    /// Finds the value that keeps events in order.
    pub partition_key: Option<Transformer>,
    /// Shapes the event; `None` hands it on as the rule made it.
    pub transformer: Option<Transformer>,
    /// The line of the definition it stands on, from 1.
    pub line: usize,
}
