//! What a rule's windows wait for and how much they may hold: the table `[window]` of a definition.

/// What to do with an event whose windows have all closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LateEvents {
    /// It is counted as late and left out of every window.
    #[default]
    LeaveOut,
    /// It gets the time of the watermark, and so counts in the earliest window that is open.
    Adjust,
}

impl LateEvents {
    /// Every choice with its name in definitions.
    pub const ALL: [(&'static str, Self); 2] = [("leave_out", Self::LeaveOut), ("adjust", Self::Adjust)];
}

/// How long windows wait, and how much they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How far behind the newest event others may come and still find their windows open, in milliseconds.
    pub lateness_ms: u64,
    /// How far after its arrival the time of an event may lie, in milliseconds; events beyond are refused.
    pub future_ms_max: u64,
    /// After how many milliseconds without an event the watermark goes on by the wall clock.
    pub idle_ms: u64,
    /// The most groups over all open windows.
    pub groups_max: usize,
    /// The most bytes of memory that open windows may take, roughly.
    pub state_bytes_max: usize,
    /// What to do with an event whose windows have all closed.
    pub late_events: LateEvents,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lateness_ms: 5_000,
            future_ms_max: 60_000,
            idle_ms: 5_000,
            groups_max: 100_000,
            state_bytes_max: 64 * 1024 * 1024,
            late_events: LateEvents::default(),
        }
    }
}
