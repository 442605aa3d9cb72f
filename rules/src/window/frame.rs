//! The windows of a statement as arithmetic: which ones an event belongs to.
//!
//! Knows milliseconds; must not know groups, rows or clocks.

/// The most windows one event may belong to.
pub(crate) const WINDOWS_OF_EVENT_MAX: i64 = 100;

/// The longest window, timeout or maximum, in milliseconds: 366 days.
pub(crate) const LENGTH_MS_MAX: i64 = 366 * 86_400_000;

/// The latest time of an event: the last millisecond of the year 9999.
pub(crate) const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// The windows of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Windows of one size that start every `hop`; tumbling when both are the same. A window holds the events after its
    /// start up to and including its end.
    Hopping { size_ms: i64, hop_ms: i64, offset_ms: i64 },
    /// Windows that last while events of the group are no more than the timeout apart, never across a whole multiple of
    /// the maximum.
    Session { timeout_ms: i64, max_ms: Option<i64> },
}

/// The smallest multiple of `step`, shifted by `offset`, that is not before `time`.
fn next_multiple(time: i64, step: i64, offset: i64) -> i64 {
    let above = (time - offset).rem_euclid(step);
    if above == 0 { time } else { time - above + step }
}

impl Frame {
    /// Start and end of the fixed windows an event belongs to, the earliest first; none for sessions.
    pub(crate) fn windows(self, time: i64) -> impl Iterator<Item = (i64, i64)> {
        let (size, hop, offset) = match self {
            Self::Hopping { size_ms, hop_ms, offset_ms } => (size_ms, hop_ms, offset_ms),
            Self::Session { .. } => (0, 1, 0),
        };
        let first = next_multiple(time, hop, offset);
        (0..)
            .map(move |number| first + number * hop)
            .map(move |end| (end - size, end))
            .take_while(move |(start, _)| *start < time)
    }
}

/// A session's bounds as they follow from its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    timeout_ms: i64,
    max_ms: Option<i64>,
}

impl Reach {
    pub(super) fn of(frame: Frame) -> Option<Self> {
        match frame {
            Frame::Session { timeout_ms, max_ms } => Some(Self { timeout_ms, max_ms }),
            Frame::Hopping { .. } => None,
        }
    }

    /// When a session ends whose last event was at `last`.
    pub(super) fn end(self, last: i64) -> i64 {
        let timeout = last + self.timeout_ms;
        self.max_ms.map_or(timeout, |max| timeout.min(next_multiple(last, max, 0)))
    }

    /// Whether an event joins another that came no later, with none between them.
    pub(super) fn joins(self, earlier: i64, later: i64) -> bool {
        let is_near = later - earlier <= self.timeout_ms;
        is_near
            && self.max_ms.is_none_or(|max| next_multiple(earlier, max, 0) == next_multiple(later, max, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(frame: Frame, time: i64) -> Vec<(i64, i64)> {
        frame.windows(time).collect()
    }

    #[test]
    fn a_window_holds_its_end_and_not_its_start() {
        let ten = Frame::Hopping { size_ms: 10, hop_ms: 10, offset_ms: 0 };
        assert_eq!(windows(ten, 1), [(0, 10)]);
        assert_eq!(windows(ten, 10), [(0, 10)]);
        assert_eq!(windows(ten, 11), [(10, 20)]);
        assert_eq!(windows(ten, 0), [(-10, 0)]);
    }

    #[test]
    fn an_offset_moves_every_window() {
        let shifted = Frame::Hopping { size_ms: 10, hop_ms: 10, offset_ms: -1 };
        assert_eq!(windows(shifted, 9), [(-1, 9)]);
        assert_eq!(windows(shifted, 10), [(9, 19)]);
        let far = Frame::Hopping { size_ms: 10, hop_ms: 10, offset_ms: 13 };
        assert_eq!(windows(far, 3), [(-7, 3)]);
    }

    #[test]
    fn hopping_windows_overlap() {
        let frame = Frame::Hopping { size_ms: 10, hop_ms: 4, offset_ms: 0 };
        assert_eq!(windows(frame, 9), [(2, 12), (6, 16)]);
        assert_eq!(windows(frame, 12), [(2, 12), (6, 16), (10, 20)]);
    }

    #[test]
    fn sessions_end_at_the_timeout_or_a_multiple_of_the_maximum() {
        let reach = Reach { timeout_ms: 5, max_ms: Some(20) };
        assert_eq!(reach.end(3), 8);
        assert_eq!(reach.end(18), 20);
        assert_eq!(reach.end(20), 20);
        assert_eq!(reach.end(21), 26);
        assert!(reach.joins(3, 8) && !reach.joins(3, 9));
        assert!(reach.joins(18, 20) && !reach.joins(20, 21));
        assert_eq!(Reach { timeout_ms: 5, max_ms: None }.end(18), 23);
    }
}
