//! How far time has come for the windows of one statement.
//!
//! Windows see the gateway's clock, but never ahead of the rows: while rows of the rule wait, because the gateway was
//! down or the lane is behind, time comes only as far as the newest row that was folded. So a window is not closed by
//! the clock before the rows that belong to it, and it does not matter when they are folded.
//!
//! Time does not go back by itself. A clock that was set back a little stands still for as long; one that was set back
//! further begins anew.

use std::time::Duration;

use crate::store::ClockRow;

/// How far behind the clock windows are kept: rows accepted at the same time by different connections reach the journal
/// one after the other, within this time unless the disk is slow. One that takes longer counts in a later window.
const GRACE: Duration = Duration::from_millis(200);

/// How far the clock may be set back and is only waited for. Corrections of a clock that is kept in time are smaller.
const SET_BACK_MAX: Duration = Duration::from_secs(10);

/// What time does to the windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing.
    Stays,
    /// It has come so far.
    Comes(u64),
    /// The clock was set back: what is open has ended, and time goes on from here.
    SetBack(u64),
}

/// The time of one statement's windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tide {
    row: ClockRow,
}

impl Tide {
    pub(crate) fn restored(row: ClockRow) -> Self {
        Self { row }
    }

    pub(crate) fn row(&self) -> &ClockRow {
        &self.row
    }

    /// When a row arrived, as its windows are to see it: a row is never late for the gateway's own delay, and never
    /// early for a clock that was ahead when it was accepted.
    pub(crate) fn arrival(&mut self, accepted_at_ms: u64, now_ms: u64) -> u64 {
        let accepted_at_ms = accepted_at_ms.min(now_ms);
        self.row.newest_ms = self.row.newest_ms.max(accepted_at_ms);
        accepted_at_ms.max(self.row.now_ms)
    }

    /// What comes of the clock showing `now_ms`, while rows wait or none does.
    pub(crate) fn turn(&mut self, now_ms: u64, rows_wait: bool) -> Turn {
        if self.is_ahead_of(now_ms) {
            self.row = ClockRow { now_ms: now_ms.saturating_sub(millis(GRACE)), newest_ms: 0 };
            return Turn::SetBack(self.row.now_ms);
        }
        let row = &mut self.row;
        row.newest_ms = row.newest_ms.min(now_ms);
        let reached = if rows_wait { row.newest_ms } else { now_ms };
        let reached = reached.saturating_sub(millis(GRACE));
        if reached <= row.now_ms {
            return Turn::Stays;
        }
        row.now_ms = reached;
        Turn::Comes(reached)
    }

    /// Whether the clock was set back so far that nobody waits for it.
    pub(crate) fn is_ahead_of(&self, now_ms: u64) -> bool {
        now_ms.saturating_add(millis(SET_BACK_MAX)) < self.row.now_ms
    }

    /// When the clock shows what is due at `due_ms`.
    pub(crate) fn shows(due_ms: u64) -> u64 {
        due_ms.saturating_add(millis(GRACE))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line: what happens, and what comes of it.
    #[test]
    fn time_follows_the_clock_and_waits_for_rows() {
        let mut tide = Tide::default();
        assert_eq!(tide.turn(100_000, false), Turn::Comes(99_800));
        assert_eq!(tide.turn(100_000, false), Turn::Stays);
        assert_eq!(tide.arrival(99_500, 100_000), 99_800, "a row that took long is not late");
        assert_eq!(tide.arrival(170_000, 100_000), 100_000, "the clock was ahead when it was accepted");
        assert_eq!(tide.turn(160_000, true), Turn::Stays, "rows wait that were accepted since 100,000");
        assert_eq!(tide.arrival(130_000, 160_000), 130_000);
        assert_eq!(tide.turn(160_000, true), Turn::Comes(129_800));
        assert_eq!(tide.turn(160_000, false), Turn::Comes(159_800));
    }

    #[test]
    fn a_clock_that_goes_back_is_waited_for_or_begins_anew() {
        let mut tide = Tide::restored(ClockRow { now_ms: 100_000, newest_ms: 100_000 });
        assert_eq!(tide.turn(95_000, false), Turn::Stays);
        assert_eq!(tide.arrival(95_000, 95_000), 100_000, "what comes meanwhile is in the window open then");
        assert_eq!(tide.turn(100_300, false), Turn::Comes(100_100));
        assert_eq!(tide.turn(50_000, false), Turn::SetBack(49_800));
        assert_eq!(tide.arrival(50_001, 50_001), 50_001);
        assert_eq!(tide.turn(60_000, false), Turn::Comes(59_800));
    }

    #[test]
    fn a_clock_that_jumps_ahead_is_followed() {
        let mut tide = Tide::restored(ClockRow { now_ms: 100_000, newest_ms: 100_000 });
        assert_eq!(tide.turn(9_000_000, false), Turn::Comes(8_999_800));
    }
}
