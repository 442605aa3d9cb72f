//! What is shown of a run while it goes on.

use super::output;
use rules::cases::Failure;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often progress is told.
const INTERVAL: Duration = Duration::from_secs(1);

/// A failure under the place where it is, as editors and terminals recognise it.
pub(super) fn failure(file: &Path, failure: &Failure) -> String {
    let place = match failure.line {
        0 => file.display().to_string(),
        line => format!("{}:{line}", file.display()),
    };
    let details = Failure { line: 0, id: String::new(), ..failure.clone() };
    let separator = if failure.id.is_empty() { "" } else { ": " };
    format!("{place}{separator}{}\n{details}", failure.id)
}

/// Tells on a terminal how far a long file has got.
pub(super) struct Progress {
    bytes: u64,
    told: Instant,
    wanted: bool,
}

impl Progress {
    /// For a file of this many bytes, 0 if nobody knows.
    pub(super) fn new(bytes: u64) -> Self {
        Self { bytes, told: Instant::now(), wanted: std::io::stderr().is_terminal() }
    }

    /// Says so, if the last time is long enough ago.
    pub(super) fn reached(&mut self, bytes: u64, passed: usize, failed: usize) {
        if !self.wanted || self.told.elapsed() < INTERVAL {
            return;
        }
        self.told = Instant::now();
        let share =
            (bytes * 100).checked_div(self.bytes).map_or(String::new(), |percent| format!("{percent} %, "));
        output::remark(format!("… {share}{passed} passed, {failed} failed so far"));
    }
}
