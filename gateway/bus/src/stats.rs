//! What lanes do now, for metrics and for people.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::lane::circuit::CircuitState;

/// Distinct failure codes counted per lane; more are counted as [`OTHER_CODES`]. Targets choose codes
/// from what they are answered, so their number is not ours to trust.
const FAILURE_CODES_MAX: usize = 64;

/// Stands for the codes beyond what is counted apart.
pub const OTHER_CODES: &str = "OTHER";

/// What one lane does now. Counters begin at the opening of the bus; the ledger has those that last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LaneStats {
    /// The target, as `kind/name`.
    pub target: String,
    /// How the lane is served.
    pub serving: ServingState,
    /// Events taken by the target.
    pub delivered: u64,
    /// Tries that are to be made again.
    pub retried: u64,
    /// Failed tries, by code.
    pub failures: BTreeMap<String, u64>,
    /// Events waiting.
    pub waiting_events: u64,
    /// Bytes of data in them.
    pub waiting_bytes: u64,
    /// Bytes on disk of what was moved aside for it, because it kept too much of the journal from being trimmed.
    pub aside_bytes: u64,
    /// Events moved aside.
    pub moved_aside_events: u64,
    /// How long ago the oldest event that waits was accepted; 0 when none does.
    pub lag_ms: u64,
    /// Calls in flight.
    pub in_flight: usize,
    /// Whether the target is being called.
    pub circuit: &'static str,
}

/// How a lane is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServingState {
    /// A target is being called.
    Push,
    /// A view reads it in place.
    View,
    /// Nobody: its target is not declared. What waits is kept.
    Nobody,
    /// Its target was removed for good.
    Removed,
}

/// What a lane's task tells of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vitals {
    pub(crate) delivered: u64,
    pub(crate) retried: u64,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) oldest_since_ms: Option<u64>,
    pub(crate) in_flight: usize,
    pub(crate) circuit: CircuitState,
}

impl Vitals {
    pub(crate) fn failed(&mut self, code: &str) {
        let is_room = self.failures.len() < FAILURE_CODES_MAX || self.failures.contains_key(code);
        let code = if is_room { code } else { OTHER_CODES };
        *self.failures.entry(code.to_owned()).or_default() += 1;
    }
}

/// What the bus as a whole does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BusStats {
    /// The lanes, by target.
    pub lanes: Vec<LaneStats>,
    /// Records that could not be understood; their events are not in the books.
    pub unreadable_records: u64,
    /// Error documents that were not sent because the error target was full, unknown or the journal
    /// refused; the dead letter has it all.
    pub error_documents_skipped: u64,
    /// Appends refused because a lane was full.
    pub refused_appends: u64,
}
