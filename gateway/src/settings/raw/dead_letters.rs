//! `[dead_letters]`: how many events are kept that a target refused for good.

use serde::Deserialize;
use std::collections::BTreeMap;

/// `[dead_letters]`: the bounds hold for each target by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeadLetters {
    /// Dead letters kept for one target.
    pub(crate) letters_max: u64,
    /// Bytes of data in them.
    pub(crate) bytes_max: u64,
    /// `evict_oldest` or `block`: what happens beyond either.
    pub(crate) overflow: DeadLetterOverflow,
    /// `[dead_letters.target."http/hook"]`: what differs for one target.
    pub(crate) target: BTreeMap<String, DeadLettersOfTarget>,
}

impl Default for DeadLetters {
    fn default() -> Self {
        Self {
            letters_max: 100_000,
            bytes_max: 256 << 20,
            overflow: DeadLetterOverflow::EvictOldest,
            target: BTreeMap::new(),
        }
    }
}

/// What differs for one target.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeadLettersOfTarget {
    pub(crate) letters_max: Option<u64>,
    pub(crate) bytes_max: Option<u64>,
    pub(crate) overflow: Option<DeadLetterOverflow>,
}

/// What happens when a target has as many dead letters as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeadLetterOverflow {
    /// The oldest is deleted, and counted (`iot_gateway_dead_letters_evicted_total`).
    EvictOldest,
    /// The target is sent nothing until some are redriven or purged; what waits for it is bounded by `delivery.waiting_events_max`.
    Block,
}
