//! Time as a run counts it: microseconds since its start, and ticks of a millisecond for its alarms.

use std::time::Instant;

/// Alarms ring on whole ticks.
const TICK_MICROS: u64 = 1000;

/// The clock of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Microseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The first tick that is not before a moment: an alarm must not ring early.
pub(crate) fn tick_of(micros: u64) -> u64 {
    micros.div_ceil(TICK_MICROS)
}

/// The last tick that is over or just begins.
pub(crate) fn tick_at(micros: u64) -> u64 {
    micros / TICK_MICROS
}

/// When a tick begins.
pub(crate) fn begin_of(tick: u64) -> u64 {
    tick.saturating_mul(TICK_MICROS)
}
