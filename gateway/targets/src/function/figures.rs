//! What is counted of a function.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The counts of one function since the gateway started.
#[derive(Debug, Default)]
pub struct Figures {
    cold_starts: AtomicU64,
    init_micros: AtomicU64,
}

impl Figures {
    /// An instance was made for want of an idle one, or ahead of calls, and was ready after `init`.
    pub fn started(&self, init: Duration) {
        self.cold_starts.fetch_add(1, Relaxed);
        self.init_micros.fetch_add(init.as_micros() as u64, Relaxed);
    }

    /// Instances made.
    #[must_use]
    pub fn cold_starts(&self) -> u64 {
        self.cold_starts.load(Relaxed)
    }

    /// How long they took together until they were ready.
    #[must_use]
    pub fn init_time(&self) -> Duration {
        Duration::from_micros(self.init_micros.load(Relaxed))
    }
}
