//! Limits and policies of the bus, each with its default and its reason.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use journal::Clock;

use crate::{AsideSettings, TargetName};

/// Settings of the bus as a whole.
#[derive(Clone, Debug)]
pub struct BusSettings {
    /// Where the time comes from, for the age of events.
    pub clock: Clock,
    /// How long an append waits for room in a lane before it is refused. Default 10 s, which is below
    /// the shortest keep-alive in common use, so a device sees slowness before it sees a refusal.
    pub admission_wait_max: Duration,
    /// How often cursors and counts are committed. A crash repeats at most this much. Default 200 ms.
    pub commit_interval: Duration,
    /// How often the journal is trimmed. Default 2 s.
    pub trim_interval: Duration,
    /// Bounds on the dead letters of each target.
    pub dead_letters: DeadLetterLimits,
    /// The bounds of targets that have their own.
    pub dead_letters_of: BTreeMap<TargetName, DeadLetterLimits>,
    /// Where and when what a lane that lags owes is moved aside. Default never: then such a lane keeps the journal from being trimmed.
    pub aside: Option<AsideSettings>,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            admission_wait_max: Duration::from_secs(10),
            commit_interval: Duration::from_millis(200),
            trim_interval: Duration::from_secs(2),
            dead_letters: DeadLetterLimits::default(),
            dead_letters_of: BTreeMap::new(),
            aside: None,
        }
    }
}

/// How one push target is served.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// Most events in one call. Default 1.
    pub batch_events_max: usize,
    /// Most bytes of data in one call; a single larger event goes alone. Default 1 MiB.
    pub batch_bytes_max: usize,
    /// How long a batch that is not full waits for more. Default zero.
    pub batch_linger: Duration,
    /// Most calls at once. Default 8.
    pub concurrency_max: usize,
    /// Whether one call may hold several events of the same key. Default true; false for a target that
    /// can't keep the order inside a call.
    pub batch_same_key: bool,
    /// How long one call may take. Default 30 s.
    pub delivery_time_max: Duration,
    /// When to try again and when to give up.
    pub retry: RetryPolicy,
    /// How many calls in a row must fail whole before the lane stops but for one probe at a time.
    /// Default 5.
    pub circuit_failures_max: u32,
    /// Most events handed over each second, tries that failed included. Default none.
    pub rate_per_second_max: Option<NonZeroU32>,
    /// Whether what another lane's delivery made ([`Record::republished`](crate::Record) above 0) is accepted beyond the limits. For lanes that feed
    /// each other, or themselves: they would wait for each other's room for ever. How often a message is handed on is bounded by
    /// whoever does it. Default false.
    pub takes_handed_on: bool,
    /// How much may wait, and what happens when more comes.
    pub limits: LaneLimits,
    /// Most events a lane holds in memory, by position. Behind a blocked key the lane reads on only so
    /// far. Default 100,000.
    pub window_events_max: usize,
    /// Most bytes of data a lane holds in memory; beyond it data are read again from the journal.
    /// Default 16 MiB.
    pub window_bytes_max: usize,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            batch_events_max: 1,
            batch_bytes_max: 1 << 20,
            batch_linger: Duration::ZERO,
            concurrency_max: 8,
            batch_same_key: true,
            delivery_time_max: Duration::from_secs(30),
            retry: RetryPolicy::default(),
            circuit_failures_max: 5,
            rate_per_second_max: None,
            takes_handed_on: false,
            limits: LaneLimits::default(),
            window_events_max: 100_000,
            window_bytes_max: 16 << 20,
        }
    }
}

/// When a failed delivery is tried again, and when it is given up. The defaults for attempts and age
/// are EventBridge's.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Most tries after the first one (`MaximumRetryAttempts`). Default 185.
    pub attempts_max: u32,
    /// Oldest an event may grow, counted from acceptance (`MaximumEventAgeInSeconds`). Default 24 h.
    pub age_max: Duration,
    /// Upper bound of the first wait. Default 200 ms.
    pub backoff_first: Duration,
    /// Upper bound of any wait that the target itself did not ask for. Default 5 min.
    pub backoff_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 185,
            age_max: Duration::from_secs(24 * 60 * 60),
            backoff_first: Duration::from_millis(200),
            backoff_max: Duration::from_secs(5 * 60),
        }
    }
}

/// How much may wait for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Most events accepted but not yet settled. Default 1,000,000.
    pub waiting_events_max: u64,
    /// Most bytes of data in them. Default 1 GiB.
    pub waiting_bytes_max: u64,
    /// What happens beyond that.
    pub overflow: Overflow,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self { waiting_events_max: 1_000_000, waiting_bytes_max: 1 << 30, overflow: Overflow::Block }
    }
}

impl LaneLimits {
    /// No limit at all, for a view that bounds itself by retention.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { waiting_events_max: u64::MAX, waiting_bytes_max: u64::MAX, overflow: Overflow::Block }
    }
}

/// What happens to a lane that is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// New messages wait, which slows their PUBACKs, and are refused after
    /// [`BusSettings::admission_wait_max`].
    #[default]
    Block,
    /// The oldest events are dropped and counted.
    DropOldest,
    /// The oldest events become dead letters.
    DeadLetter,
}

/// Bounds on the dead letters kept for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetterLimits {
    /// Most dead letters. Default 100,000.
    pub letters_max: u64,
    /// Most bytes of data in them. Default 256 MiB.
    pub bytes_max: u64,
    /// What happens beyond that.
    pub overflow: DeadLetterOverflow,
}

impl Default for DeadLetterLimits {
    fn default() -> Self {
        Self { letters_max: 100_000, bytes_max: 256 << 20, overflow: DeadLetterOverflow::EvictOldest }
    }
}

/// What happens when the dead letters of a target are full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadLetterOverflow {
    /// The oldest is deleted; it is counted as evicted and logged.
    #[default]
    EvictOldest,
    /// The lane stops until somebody redrives or purges; its limits then slow the publishers.
    Block,
}
