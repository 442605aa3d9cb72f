//! When faults begin and end. Pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::role::micros;
use crate::scenario::Fault;

/// The begins and ends of all faults of a scenario, in the order of their time.
#[derive(Debug)]
pub(super) struct Calendar {
    faults: Vec<Fault>,
    /// Moment, whether it begins, number of the fault, occurrence.
    entries: BinaryHeap<Reverse<(u64, bool, usize, u32)>>,
}

/// A fault begins or ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turning {
    pub(super) fault: Fault,
    pub(super) occurrence: u32,
    pub(super) begins: bool,
    /// When it ends, or ended, in microseconds since the start.
    pub(super) ends: u64,
}

impl Calendar {
    pub(super) fn new(faults: &[Fault]) -> Self {
        let mut calendar = Self { faults: faults.to_vec(), entries: BinaryHeap::new() };
        (0..faults.len()).for_each(|number| calendar.enter(number, 0));
        calendar
    }

    /// When something begins or ends next, in microseconds since the start.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.entries.peek().map(|Reverse((at, ..))| *at)
    }

    /// What begins or ends by now. An end comes before a begin of the same moment.
    pub(super) fn due(&mut self, now: u64) -> Option<Turning> {
        self.next_at().filter(|at| *at <= now)?;
        let Reverse((at, begins, number, occurrence)) = self.entries.pop()?;
        let fault = self.faults[number].clone();
        let lasts = micros(fault.lasts);
        let ends = if begins { at.saturating_add(lasts) } else { at };
        if begins {
            self.entries.push(Reverse((ends.max(at + 1), false, number, occurrence)));
            self.enter(number, occurrence.saturating_add(1));
        }
        Some(Turning { fault, occurrence, begins, ends })
    }

    fn enter(&mut self, number: usize, occurrence: u32) {
        if let Some(at) = self.faults[number].begins_at(occurrence) {
            self.entries.push(Reverse((micros(at), true, number, occurrence)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::FaultKind;

    #[test]
    fn faults_begin_end_and_begin_again() {
        let fault = |number, first_ms, every_ms: Option<u64>, lasts_ms| Fault {
            number,
            kind: FaultKind::Cut,
            first_at: Duration::from_millis(first_ms),
            every: every_ms.map(Duration::from_millis),
            lasts: Duration::from_millis(lasts_ms),
            share: 1.0,
            fleet: None,
        };
        let mut calendar = Calendar::new(&[fault(0, 10, Some(20), 5), fault(1, 15, None, 0)]);
        assert_eq!(calendar.next_at(), Some(10_000));
        assert_eq!(calendar.due(9_999), None);
        let turnings: Vec<_> = std::iter::from_fn(|| calendar.due(40_000))
            .map(|it| (it.fault.number, it.occurrence, it.begins, it.ends))
            .collect();
        assert_eq!(
            turnings,
            [
                (0, 0, true, 15_000),
                (0, 0, false, 15_000),
                (1, 0, true, 15_000),
                (1, 0, false, 15_001),
                (0, 1, true, 35_000),
                (0, 1, false, 35_000)
            ]
        );
        assert_eq!(calendar.next_at(), Some(50_000));
    }
}
