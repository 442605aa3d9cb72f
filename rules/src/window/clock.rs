//! How far time has come for the windows of a statement.
//!
//! Knows no clock of its own: arrival times and the time of day are arguments.

use super::bytes::{Reader, push_signed, push_unsigned};
use super::limits::Limits;

/// The clock of a statement's windows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Clock {
    /// Windows that end before are closed; none before the first event.
    pub(super) watermark_ms: Option<i64>,
    /// The latest time of any event, none later than it arrived.
    newest_ms: i64,
    /// When the latest event arrived.
    arrived_ms: i64,
    /// How many events came, by which those of one time are ordered.
    pub(super) events: u64,
}

fn signed(milliseconds: u64) -> i64 {
    // Beyond the year 9999 it makes no difference how far.
    i64::try_from(milliseconds).unwrap_or(i64::MAX).min(super::frame::TIME_MS_MAX)
}

impl Clock {
    /// Whether a window that ends then is closed.
    pub(super) fn has_passed(&self, end_ms: i64) -> bool {
        self.watermark_ms.is_some_and(|watermark| end_ms < watermark)
    }

    /// Notes an event.
    pub(super) fn event(&mut self, time_ms: i64, arrived_ms: u64, lateness_ms: u64) {
        self.newest_ms = if self.events == 0 { time_ms } else { self.newest_ms.max(time_ms) };
        self.arrived_ms = self.arrived_ms.max(signed(arrived_ms));
        self.events = self.events.saturating_add(1);
        self.pass(self.newest_ms - signed(lateness_ms));
    }

    /// Moves the watermark on to a time; it never goes back.
    pub(super) fn pass(&mut self, time_ms: i64) {
        self.watermark_ms = Some(self.watermark_ms.map_or(time_ms, |watermark| watermark.max(time_ms)));
    }

    /// Moves the watermark on by the time of day, when no event has come for long enough: the clock of whoever sends them
    /// is taken to have gone on.
    pub(super) fn idle(&mut self, now_ms: u64, limits: &Limits) {
        let silence = signed(now_ms) - self.arrived_ms;
        if self.events > 0 && silence >= signed(limits.idle_ms) {
            self.pass(self.newest_ms + silence - signed(limits.lateness_ms));
        }
    }

    /// When [`Clock::idle`] will have closed a window that ends then.
    pub(super) fn idle_due_ms(&self, end_ms: i64, limits: &Limits) -> u64 {
        let behind = end_ms + 1 + signed(limits.lateness_ms) - self.newest_ms;
        u64::try_from(self.arrived_ms + behind.max(signed(limits.idle_ms))).unwrap_or(0)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.watermark_ms.is_some()));
        push_signed(out, self.watermark_ms.unwrap_or(0));
        push_signed(out, self.newest_ms);
        push_signed(out, self.arrived_ms);
        push_unsigned(out, self.events);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let has_watermark = match reader.byte()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let watermark = bounded(reader.signed()?)?;
        Some(Self {
            watermark_ms: has_watermark.then_some(watermark),
            newest_ms: bounded(reader.signed()?)?,
            arrived_ms: bounded(reader.signed()?)?,
            events: reader.unsigned()?,
        })
    }
}

/// Times far outside of what is accepted would overflow sums, and nobody has written them.
pub(super) fn bounded(time_ms: i64) -> Option<i64> {
    (time_ms.unsigned_abs() <= 4 * super::frame::TIME_MS_MAX.unsigned_abs()).then_some(time_ms)
}
