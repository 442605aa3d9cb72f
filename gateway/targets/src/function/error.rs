//! What can go wrong with a function, and whose fault it is.

use std::time::Duration;

/// A function that can't be: its settings are wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// A setting is outside what it may be.
    #[error("function `{function}`: `{setting}` is wrong: {why}")]
    Setting {
        /// The function.
        function: String,
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The log file can't be written.
    #[error("function `{function}`: can't write its log at `{path}`: {why}; check `log_directory`")]
    Log {
        /// The function.
        function: String,
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
}

/// A call that was not answered. Whether to try again is up to the caller; only [`InvokeError::PayloadTooLarge`] never
/// mends by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The payload is over the limit; the function was not called.
    #[error("the payload has {bytes} bytes, the function takes {bytes_max}")]
    PayloadTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Too many calls wait for an instance.
    #[error("{waiting_max} calls wait for the function, the limit; raise its `concurrency` or call it less")]
    Throttled {
        /// The limit.
        waiting_max: usize,
    },
    /// Every instance is at work, and the caller does not wait.
    #[error(
        "all {concurrency} instances of the function are at work; raise its `concurrency` or call it less"
    )]
    Busy {
        /// How many there may be.
        concurrency: usize,
    },
    /// The program can't be started.
    #[error("{why}")]
    NotStarted {
        /// What to mend.
        why: String,
    },
    /// The program said that it can't serve (`/runtime/init/error`).
    #[error("the function could not initialise: {0}")]
    Init(HandlerError),
    /// The program did not ask for its first event in time.
    #[error(
        "the program did not ask for an event within {} ms of its start; does it run a Lambda runtime?",
        .limit.as_millis()
    )]
    InitTimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The program ended before it asked for its first event.
    #[error("the program ended before it asked for an event: {how}; its output in the log may say why")]
    EndedInInit {
        /// How it ended, for example `exit status: 1`.
        how: String,
    },
    /// The program ended during the call.
    #[error("the program ended during the call: {how}")]
    Ended {
        /// How it ended.
        how: String,
    },
    /// The call took too long; the program was killed.
    #[error("the function did not answer within {} ms and was killed", .limit.as_millis())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// Whoever called could not wait longer.
    #[error("the function did not answer within {} ms", .limit.as_millis())]
    NotInTime {
        /// The limit.
        limit: Duration,
    },
    /// The answer is over the limit.
    #[error("the function's answer is over {bytes_max} bytes, the limit")]
    ResponseTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The program asked for the next event without having answered this one.
    #[error(
        "the program asked for another event before it answered this one; it does not follow the Runtime API"
    )]
    NotAnswered,
    /// The code did what it must not, or reached one of its limits, and was stopped. What runs the code says which.
    #[error("{why}")]
    Stopped {
        /// The error as a word.
        code: &'static str,
        /// What happened, and what to do.
        why: String,
    },
    /// Instances failed one after another; the next is started later.
    #[error("the function failed {failures} times in a row and rests for {} ms: {last}", .rest.as_millis())]
    Resting {
        /// How often.
        failures: u32,
        /// How much longer.
        rest: Duration,
        /// The last failure.
        last: String,
    },
    /// The gateway is ending.
    #[error("the function is closed, as the gateway is ending")]
    Closed,
}

impl InvokeError {
    /// The error as a word for programs and counters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::PayloadTooLarge { .. } => "PAYLOAD_TOO_LARGE",
            Self::Throttled { .. } | Self::Busy { .. } => "THROTTLING",
            Self::NotStarted { .. } => "FUNCTION_NOT_STARTED",
            Self::Init(_) | Self::EndedInInit { .. } => "FUNCTION_INIT_ERROR",
            Self::InitTimedOut { .. } => "FUNCTION_INIT_TIMEOUT",
            Self::Ended { .. } => "FUNCTION_CRASHED",
            Self::TimedOut { .. } | Self::NotInTime { .. } => "TIMEOUT",
            Self::ResponseTooLarge { .. } => "RESPONSE_TOO_LARGE",
            Self::NotAnswered => "FUNCTION_NOT_ANSWERED",
            Self::Stopped { code, .. } => code,
            Self::Resting { .. } => "FUNCTION_RESTING",
            Self::Closed => "FUNCTION_CLOSED",
        }
    }
}

/// What a handler or its runtime reports as an error: Lambda's `errorType` and `errorMessage`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {message}")]
pub struct HandlerError {
    /// The class of the error, for example `ValueError`.
    pub error_type: String,
    /// What it says.
    pub message: String,
}
