//! The power of a simulated machine: one switch for all its disks, so that they stop at the same moment.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

/// The switch. Clones are handles of the same one. On at first; once it is off, every change to a disk fails for good: what the
/// machine finds when the power comes back is asked of the disks (`power_loss`), and is plugged into a fresh one.
#[derive(Debug, Clone, Default)]
pub struct Power {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    changes: u64,
    cut_at: Option<u64>,
}

impl Power {
    /// Power that is on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the power fail after so many more changes (writes, syncs, names, commits): the last one happens by half, and
    /// everything from then on fails.
    pub fn cut_after(&self, changes: u64) {
        let mut state = self.state.lock();
        state.cut_at = Some(state.changes + changes);
    }

    /// Lets the power fail now.
    pub fn cut(&self) {
        let mut state = self.state.lock();
        state.cut_at = Some(state.cut_at.map_or(state.changes, |at| at.min(state.changes)));
    }

    /// Whether changes still happen.
    pub fn is_on(&self) -> bool {
        let state = self.state.lock();
        state.cut_at.is_none_or(|at| state.changes < at)
    }

    /// How many changes were made or tried.
    pub fn changes(&self) -> u64 {
        self.state.lock().changes
    }

    /// Counts a change. `Ok(true)` if it happens by half because the machine stops in it.
    pub(crate) fn change(&self) -> io::Result<bool> {
        let mut state = self.state.lock();
        state.changes += 1;
        match state.cut_at {
            Some(at) if state.changes > at => Err(stopped()),
            Some(at) => Ok(state.changes == at),
            None => Ok(false),
        }
    }
}

/// What a change says that the power has cut off.
pub(crate) fn stopped() -> io::Error {
    io::Error::other("the machine has stopped")
}
