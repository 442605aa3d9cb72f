//! How queued invocations of a function are treated.

use serde::Deserialize;

/// `[function.event_invoke]`: invocations of type `Event`, which are accepted at once and called later.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EventInvoke {
    /// Tries after the first that failed; 0 to 2 in Lambda, any number here.
    pub(crate) retries_max: u32,
    /// How long after the first failure.
    pub(crate) retry_first_secs: u64,
    /// How long after each further failure.
    pub(crate) retry_next_secs: u64,
    /// An invocation older than this is not tried again.
    pub(crate) age_secs_max: u64,
    /// Where a document about each success goes: `queue/NAME`, `stream/NAME` or `function/NAME`.
    pub(crate) on_success: Option<String>,
    /// Where a document about each invocation goes that was given up; without it, that is a dead letter.
    pub(crate) on_failure: Option<String>,
}

impl Default for EventInvoke {
    fn default() -> Self {
        Self {
            retries_max: 2,
            retry_first_secs: 60,
            retry_next_secs: 120,
            age_secs_max: 21_600,
            on_success: None,
            on_failure: None,
        }
    }
}
