//! A log line for each refusal, but not for each of a flood.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Reason, Refused};

/// Lines per reason and second; a flood of one kind hides no other kind.
const LINES_PER_WINDOW_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct RefusalLog {
    listener: String,
    windows: Mutex<[Window; Reason::ALL.len()]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Window {
    /// Whether a line may be written, and then how many were left out since the last.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.duration_since(began) >= WINDOW) {
            self.began = Some(now);
            self.lines = 0;
        }
        if self.lines >= LINES_PER_WINDOW_MAX {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl RefusalLog {
    pub(crate) fn new(listener: String) -> Self {
        Self { listener, windows: Mutex::default() }
    }

    /// Writes the line, unless too many of its kind were written just now; says whether it did.
    pub(crate) fn write(&self, peer: SocketAddr, refused: &Refused) -> bool {
        let position = refused.reason.position();
        let admitted = {
            // Each window is whole after every statement, so a panic elsewhere can't have left one half changed.
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            windows[position].admit(Instant::now())
        };
        let Some(left_out) = admitted else { return false };
        let presented = refused.presented.as_ref();
        let subject = presented.map(|presented| presented.subject.as_str());
        let fingerprint = presented.map(|presented| presented.fingerprint.as_str());
        let not_after = presented.and_then(|presented| presented.not_after.as_deref());
        let (reason, why) = (refused.reason.name(), refused.explanation.as_str());
        let listener = self.listener.as_str();
        if refused.reason == Reason::Closed {
            // Port scans and load balancers that look whether the port is open do this all day.
            tracing::debug!(listener, %peer, reason, why, subject, fingerprint, left_out, "connection refused");
        } else {
            tracing::warn!(listener, %peer, reason, why, subject, fingerprint, not_after, left_out, "connection refused");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_instead_of_written() {
        let mut window = Window::default();
        let begin = Instant::now();
        let written = (0..1000).filter(|_| window.admit(begin).is_some()).count();
        assert_eq!(written, LINES_PER_WINDOW_MAX as usize);
        assert_eq!(window.admit(begin + WINDOW), Some(990));
        assert_eq!(window.admit(begin + WINDOW), Some(0));
    }
}
