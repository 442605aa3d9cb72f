//! `[delivery]`, and `delivery` of one target: how events are handed over, tried again and given up.

use serde::Deserialize;
use std::num::NonZeroU32;

/// `[delivery]`: how functions, HTTP targets and what is published again are treated. What a target says itself under `delivery` wins.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Delivery {
    /// Attempts after the first before an event is given up and becomes a dead letter.
    pub(crate) attempts_max: u32,
    /// Age, since it was accepted, at which an event that failed, or whose target is out of order, is given up.
    pub(crate) age_secs_max: u64,
    /// Longest wait before the second attempt; it doubles with each that fails, and what is waited is a random part of it.
    pub(crate) backoff_first_ms: u64,
    /// Most that it grows to, unless the target itself asks for more.
    pub(crate) backoff_max_ms: u64,
    /// Events of one target accepted, and neither delivered nor given up.
    pub(crate) waiting_events_max: u64,
    /// Bytes of data in them.
    pub(crate) waiting_bytes_max: u64,
    /// `block`, `drop_oldest` or `dead_letter`: what happens beyond either.
    pub(crate) overflow: Overflow,
    /// Bytes of the journal that one function, HTTP target or the like may keep from being trimmed because it lags. What it owes beyond that
    /// is moved to files of its own in `aside/` of the data directory, at no loss. A quarter of `journal.disk_bytes_max` unless given.
    pub(crate) pinned_bytes_max: Option<u64>,
    /// Bytes that may be in `aside/` for one target; what happens beyond is its `overflow`. Half of `journal.disk_bytes_max` unless given.
    pub(crate) aside_bytes_max: Option<u64>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            attempts_max: 185,
            age_secs_max: 86_400,
            backoff_first_ms: 200,
            backoff_max_ms: 60_000,
            waiting_events_max: 10_000_000,
            waiting_bytes_max: 8 << 30,
            overflow: Overflow::Block,
            pinned_bytes_max: None,
            aside_bytes_max: None,
        }
    }
}

/// `delivery` of one function or HTTP target, as in `delivery = { attempts_max = 5, rate_per_second_max = 100 }`. What is not given is as
/// in `[delivery]`, or as the target itself needs it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TargetDelivery {
    /// As in `[delivery]`.
    pub(crate) attempts_max: Option<u32>,
    /// As in `[delivery]`.
    pub(crate) age_secs_max: Option<u64>,
    /// As in `[delivery]`.
    pub(crate) backoff_first_ms: Option<u64>,
    /// As in `[delivery]`.
    pub(crate) backoff_max_ms: Option<u64>,
    /// As in `[delivery]`.
    pub(crate) waiting_events_max: Option<u64>,
    /// As in `[delivery]`.
    pub(crate) waiting_bytes_max: Option<u64>,
    /// As in `[delivery]`.
    pub(crate) overflow: Option<Overflow>,
    /// Most events in one call; for a function it stands for `batch_size`. An HTTP target takes one event with each request.
    pub(crate) batch_events_max: Option<usize>,
    /// Most bytes of data in one call, as far as the target takes as many; a larger event goes alone.
    pub(crate) batch_bytes_max: Option<usize>,
    /// How long a batch that is not full waits for more events; 0 to 300000. 0 unless given.
    pub(crate) batch_wait_ms: Option<u64>,
    /// Most calls at once; it stands for the target's `concurrency`. Events of one key never go at once.
    pub(crate) concurrency: Option<usize>,
    /// Most events handed over each second, attempts that failed included. As many as can be unless given.
    pub(crate) rate_per_second_max: Option<NonZeroU32>,
}

/// What happens to new events of a target that is too far behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overflow {
    /// Publishers wait, then are refused with a reason.
    Block,
    /// The oldest waiting event is dropped, and counted.
    DropOldest,
    /// The oldest waiting event becomes a dead letter.
    DeadLetter,
}
