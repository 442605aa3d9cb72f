//! Counters, to be shown as metrics by whoever owns the listener.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::Reason;

/// What happened so far. Counters begin at zero with the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Connections open now, those in their handshake included.
    pub connections_open: usize,
    /// Handshakes under way now, and finished ones for which there is no room in the channel.
    pub handshakes_open: usize,
    /// Connections handed over, plain ones included.
    pub accepted: u64,
    /// Of these, sessions resumed.
    pub resumed: u64,
    /// Refusals, in the order of `Reason::ALL`.
    pub refused: [u64; Reason::ALL.len()],
    /// Refusals that were counted but not logged because there were too many.
    pub refusals_not_logged: u64,
    /// Times the TLS files were loaded anew and something had changed.
    pub reloads: u64,
    /// Times they could not be loaded.
    pub reloads_failed: u64,
}

impl Stats {
    /// Refusals for one reason.
    pub fn refused_for(&self, reason: Reason) -> u64 {
        self.refused[reason.position()]
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) resumed: AtomicU64,
    handshakes_open: AtomicUsize,
    pub(crate) refusals_not_logged: AtomicU64,
    pub(crate) reloads: AtomicU64,
    pub(crate) reloads_failed: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
}

impl Counters {
    pub(crate) fn refuse(&self, reason: Reason) {
        add_one(&self.refused[reason.position()]);
    }

    /// Counts one handshake as under way until the value is dropped.
    pub(crate) fn handshake(&self) -> Underway<'_> {
        self.handshakes_open.fetch_add(1, Ordering::Relaxed);
        Underway(self)
    }

    pub(crate) fn read(&self, connections_open: usize) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            connections_open,
            handshakes_open: self.handshakes_open.load(Ordering::Relaxed),
            accepted: read(&self.accepted),
            resumed: read(&self.resumed),
            refused: std::array::from_fn(|position| read(&self.refused[position])),
            refusals_not_logged: read(&self.refusals_not_logged),
            reloads: read(&self.reloads),
            reloads_failed: read(&self.reloads_failed),
        }
    }
}

/// One handshake under way.
pub(crate) struct Underway<'a>(&'a Counters);

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.0.handshakes_open.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
