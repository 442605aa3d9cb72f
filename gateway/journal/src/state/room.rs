//! The room that a store leaves on the disk, and whether it still writes.
//!
//! The store on disk takes no more changes after one write that failed, until it is opened again, and what it was writing may be torn.
//! So it is kept from ever meeting a full disk: a change is refused while less than a reserve is free. What it does by itself
//! in the background finds its room in the reserve.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::storage::free_bytes;

/// How long to wait between two looks at a disk that is full.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What a store and its tables share.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) free_bytes_min: u64,
    has_failed: AtomicBool,
    waits_no_more: AtomicBool,
}

impl Room {
    pub(super) fn new(free_bytes_min: u64) -> Self {
        Self { free_bytes_min, ..Self::default() }
    }

    /// Whether the reserve is free. A disk that does not tell is taken to have it.
    pub(super) fn is_free(&self, path: &Path) -> bool {
        self.free_bytes_min == 0 || free_bytes(path).is_none_or(|free| free >= self.free_bytes_min)
    }

    pub(super) fn note_failure(&self) {
        self.has_failed.store(true, Ordering::Release);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    pub(super) fn end_waits(&self) {
        self.waits_no_more.store(true, Ordering::Release);
    }

    /// Blocks until the reserve is free, or waits are over.
    pub(super) fn wait(&self, path: &Path) {
        while !self.is_free(path) && !self.waits_no_more.load(Ordering::Acquire) {
            std::thread::park_timeout(LOOK_INTERVAL);
        }
    }
}
