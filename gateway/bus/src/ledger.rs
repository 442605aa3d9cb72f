//! The books: for every rule and target, what came in and what became of it.
//!
//! `accepted = delivered + dead_lettered + waiting + dropped`, always. The four are counted apart, never
//! one from the others, so the equation can fail and is worth checking. What is accepted is counted by
//! the observer as records become durable; what is settled, by the lane. A lane reads only what the
//! observer has counted, so nothing is settled before it was accepted.

//!
//! A count changes for a [`Reason`] and by [`Counts::post`], in no other way; `LEDGER.md` explains each reason.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Offset, TargetName};

#[cfg(test)]
mod tests;

/// The books of one rule and target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerRow {
    /// The rule, or [`DIRECT_RULE`](crate::record::DIRECT_RULE).
    pub rule: String,
    /// The target, as `kind/name`.
    pub target: String,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
}

impl LedgerRow {
    pub(crate) fn new(target: &TargetName, rule: &str, counts: &Counts) -> Self {
        Self { rule: rule.to_owned(), target: target.to_string(), counts: counts.clone() }
    }
}

/// Counts of events since the data directory was made. All but `waiting` only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events made durable for this target, redriven and replayed ones included.
    pub accepted: u64,
    /// How many of `accepted` were dead letters sent again.
    pub redriven: u64,
    /// How many of `accepted` came from an archive.
    pub replayed: u64,
    /// Events the target has taken; for a view, those that are readable.
    pub delivered: u64,
    /// Events that became dead letters, whatever became of the letter since.
    pub dead_lettered: u64,
    /// Events that are still owed.
    pub waiting: u64,
    /// Events given up by a policy, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
}

impl Counts {
    /// True when every accepted event is accounted for.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.accepted == self.settled() + self.waiting
    }

    /// Events that are no longer owed.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.delivered + self.dead_lettered + self.dropped.values().sum::<u64>()
    }

    /// Counts that something became of so many events.
    fn post(&mut self, reason: Reason, events: u64) {
        if events == 0 {
            return;
        }
        match reason {
            Reason::Accepted(again) => {
                self.accepted += events;
                self.redriven += if again.redriven { events } else { 0 };
                self.replayed += if again.replayed { events } else { 0 };
                self.waiting += events;
                return;
            }
            Reason::Settled(Settlement::Delivered) => self.delivered += events,
            Reason::Settled(Settlement::DeadLettered) => self.dead_lettered += events,
            Reason::Settled(Settlement::Dropped(reason)) => {
                *self.dropped.entry(reason).or_default() += events;
            }
        }
        self.waiting = self.waiting.saturating_sub(events);
    }
}

/// Why a count changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// An event became durable.
    Accepted(Again),
    /// It is not owed any more.
    Settled(Settlement),
}

impl Reason {
    /// Every reason there is.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let accepted = [(false, false), (true, false), (false, true)];
        let accepted = accepted.map(|(redriven, replayed)| Self::Accepted(Again { redriven, replayed }));
        let settled = [Settlement::Delivered, Settlement::DeadLettered].into_iter();
        let settled = settled.chain(DropReason::ALL.map(Settlement::Dropped)).map(Self::Settled);
        accepted.into_iter().chain(settled)
    }

    /// The reason in one word, as `LEDGER.md` has it.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Accepted(Again { redriven: true, .. }) => "redriven",
            Self::Accepted(Again { replayed: true, .. }) => "replayed",
            Self::Accepted(Again { redriven: false, replayed: false }) => "accepted",
            Self::Settled(Settlement::Delivered) => "delivered",
            Self::Settled(Settlement::DeadLettered) => "dead_lettered",
            Self::Settled(Settlement::Dropped(reason)) => reason.as_str(),
        }
    }

    #[cfg(test)]
    fn settles(self) -> bool {
        matches!(self, Self::Settled(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// Why an event was given up without being delivered or kept as a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The lane was full and its policy is [`Overflow::DropOldest`](crate::Overflow::DropOldest).
    Overflow,
    /// The target was removed and its events were not to be kept.
    TargetRemoved,
    /// The disk lost it: the record is damaged, or was trimmed by hand.
    Unreadable,
    /// A FIFO queue had the same message within its deduplication window.
    Deduplicated,
}

impl DropReason {
    /// Every reason, for metrics.
    pub const ALL: [Self; 4] = [Self::Overflow, Self::TargetRemoved, Self::Unreadable, Self::Deduplicated];

    /// The reason as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::TargetRemoved => "target_removed",
            Self::Unreadable => "unreadable",
            Self::Deduplicated => "deduplicated",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whether an event is sent once more, and by what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Again {
    /// It was a dead letter.
    pub(crate) redriven: bool,
    /// It was in an archive.
    pub(crate) replayed: bool,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    Delivered,
    DeadLettered,
    Dropped(DropReason),
}

/// The books of one target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    rules: BTreeMap<String, Counts>,
    accepted_bytes: u64,
    settled_bytes: u64,
    observed: Offset,
}

/// What the observer has counted for one target, as it is persisted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AcceptedHalf {
    pub(crate) bytes: u64,
    pub(crate) rules: BTreeMap<String, Accepted>,
}

/// What a lane has settled, as it is persisted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SettledHalf {
    pub(crate) bytes: u64,
    pub(crate) rules: BTreeMap<String, Settled>,
}

impl SettledHalf {
    /// Counts events that are dead letters once this half is committed with them, before the books say so.
    pub(crate) fn dead_letter(&mut self, rule: &str, bytes: u64) {
        self.rules.entry(rule.to_owned()).or_default().dead_lettered += 1;
        self.bytes += bytes;
    }
}

/// What the observer has counted for one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) accepted: u64,
    pub(crate) redriven: u64,
    /// Rows of before have none.
    #[serde(default)]
    pub(crate) replayed: u64,
}

/// What a lane has settled for one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settled {
    pub(crate) delivered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) dropped: BTreeMap<DropReason, u64>,
}

impl Books {
    /// The books as they were persisted, in two halves that may be of different moments.
    ///
    /// Call [`derive_waiting`](Self::derive_waiting) once both are of the same moment.
    pub(crate) fn restored(accepted: &AcceptedHalf, settled: SettledHalf) -> Self {
        let mut rules: BTreeMap<String, Counts> = BTreeMap::new();
        for (rule, settled) in settled.rules {
            let counts = rules.entry(rule).or_default();
            counts.delivered = settled.delivered;
            counts.dead_lettered = settled.dead_lettered;
            counts.dropped = settled.dropped;
        }
        for (rule, accepted) in &accepted.rules {
            let counts = rules.entry(rule.clone()).or_default();
            counts.accepted = accepted.accepted;
            counts.redriven = accepted.redriven;
            counts.replayed = accepted.replayed;
        }
        Self { rules, accepted_bytes: accepted.bytes, settled_bytes: settled.bytes, observed: Offset(0) }
    }

    /// Takes what was accepted before `observed` and not settled to be waiting. Only for opening: from then
    /// on it is counted.
    pub(crate) fn derive_waiting(&mut self, observed: Offset) {
        self.observed = observed;
        for counts in self.rules.values_mut() {
            counts.waiting = counts.accepted.saturating_sub(counts.settled());
        }
    }

    /// Counts one event that became durable at `offset`.
    pub(crate) fn accept(&mut self, rule: &str, bytes: u64, again: Again, offset: Offset) {
        // `entry` would need an owned key each time; rules are few and nearly always there.
        if !self.rules.contains_key(rule) {
            self.rules.insert(rule.to_owned(), Counts::default());
        }
        let Some(counts) = self.rules.get_mut(rule) else { return };
        counts.post(Reason::Accepted(again), 1);
        self.accepted_bytes += bytes;
        self.observed = offset.next();
    }

    /// Counts what became of one waiting event.
    pub(crate) fn settle(&mut self, rule: &str, bytes: u64, settlement: Settlement) {
        let reason = Reason::Settled(settlement);
        let Some(counts) = self.rules.get_mut(rule) else {
            tracing::error!(rule, %reason, "an event was settled that was never counted as accepted");
            return;
        };
        counts.post(reason, 1);
        self.settled_bytes += bytes;
    }

    /// Settles whatever waits, and says how much that was.
    pub(crate) fn settle_all(&mut self, settlement: Settlement) -> u64 {
        let mut settled = 0;
        for counts in self.rules.values_mut() {
            let waiting = counts.waiting;
            counts.post(Reason::Settled(settlement), waiting);
            settled += waiting;
        }
        self.settled_bytes = self.accepted_bytes;
        settled
    }

    pub(crate) fn rules(&self) -> &BTreeMap<String, Counts> {
        &self.rules
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.rules.values().map(|counts| counts.waiting).sum()
    }

    pub(crate) fn waiting_of(&self, rule: &str) -> u64 {
        self.rules.get(rule).map_or(0, |counts| counts.waiting)
    }

    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.accepted_bytes.saturating_sub(self.settled_bytes)
    }

    /// Everything before this offset was counted, as far as it concerns this target.
    pub(crate) fn observed(&self) -> Offset {
        self.observed
    }

    pub(crate) fn accepted_half(&self) -> AcceptedHalf {
        let half = |counts: &Counts| Accepted {
            accepted: counts.accepted,
            redriven: counts.redriven,
            replayed: counts.replayed,
        };
        let rules = self.rules.iter().map(|(rule, counts)| (rule.clone(), half(counts))).collect();
        AcceptedHalf { bytes: self.accepted_bytes, rules }
    }

    pub(crate) fn settled_half(&self) -> SettledHalf {
        let half = |counts: &Counts| Settled {
            delivered: counts.delivered,
            dead_lettered: counts.dead_lettered,
            dropped: counts.dropped.clone(),
        };
        let rules = self.rules.iter().map(|(rule, counts)| (rule.clone(), half(counts))).collect();
        SettledHalf { bytes: self.settled_bytes, rules }
    }
}
