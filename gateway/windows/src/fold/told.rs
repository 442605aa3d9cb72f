//! What the log is told of rows that no window counted: one line now and then, with how many there were since.

/// Shortest time between two lines about one rule.
const LINES_APART_MS: u64 = 10_000;

#[derive(Debug, Default)]
pub(super) struct Told {
    at_ms: Option<u64>,
    since: u64,
}

impl Told {
    pub(super) fn left_out(&mut self, rule: &str, what: &'static str, reason: &'static str, now_ms: u64) {
        self.since += 1;
        let is_soon = self.at_ms.is_some_and(|at| now_ms.saturating_sub(at) < LINES_APART_MS && at <= now_ms);
        if is_soon {
            return;
        }
        tracing::warn!(rule, what, reason, rows = self.since, "rows are in no window");
        *self = Self { at_ms: Some(now_ms), since: 0 };
    }
}
