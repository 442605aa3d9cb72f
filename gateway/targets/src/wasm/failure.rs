//! What went wrong with a module or a call of it, in words for people.

use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};

/// Functions of the module that an error names, innermost first.
const FRAMES_MAX: usize = 4;

/// A call that has no answer. Cloned to everybody who waits for the same file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The file can't be called.
    #[error("`{path}` can't be called: {why}")]
    NotUsable {
        /// The file.
        path: String,
        /// What to mend.
        why: String,
    },
    /// It computed more than it may.
    #[error(
        "the function used up its {fuel_max} units of fuel, about as many instructions; raise `fuel_max` or let it do less{place}"
    )]
    OutOfFuel {
        /// The limit.
        fuel_max: u64,
        /// Where it was, as ` (in …)`, or empty.
        place: String,
    },
    /// It wanted more memory than it may have, and gave up.
    #[error(
        "the function wanted {wanted_mib} MiB of memory and may have {max_mib}; raise `memory_mib` or let it hold less{place}"
    )]
    OutOfMemory {
        /// What it wanted, rounded up.
        wanted_mib: u64,
        /// The limit.
        max_mib: u64,
        /// Where it was, as ` (in …)`, or empty.
        place: String,
    },
    /// It took too long and was stopped.
    #[error("the function did not answer within {} ms and was stopped{place}", .limit.as_millis())]
    TimedOut {
        /// The limit.
        limit: Duration,
        /// Where it was, as ` (in …)`, or empty.
        place: String,
    },
    /// It did what it must not, for example read outside its memory, or panicked.
    #[error("the function was stopped: {why}{place}")]
    Trapped {
        /// What it did.
        why: String,
        /// Where, as ` (in …)`, or empty.
        place: String,
    },
    /// It answered with something that can't be an answer.
    #[error("the function's answer can't be taken: {why}")]
    Answer {
        /// Why not.
        why: String,
    },
    /// The answer is over the limit.
    #[error("the function's answer is over {bytes_max} bytes, the limit")]
    AnswerTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// Nobody waits for the answer any more.
    #[error("the call was given up")]
    GivenUp,
}

impl Failure {
    /// The failure as a word for programs and counters.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotUsable { .. } => "FUNCTION_NOT_STARTED",
            Self::OutOfFuel { .. } => "FUNCTION_OUT_OF_FUEL",
            Self::OutOfMemory { .. } => "FUNCTION_OUT_OF_MEMORY",
            Self::TimedOut { .. } => "TIMEOUT",
            Self::Trapped { .. } => "FUNCTION_CRASHED",
            Self::Answer { .. } => "FUNCTION_NOT_ANSWERED",
            Self::AnswerTooLarge { .. } => "RESPONSE_TOO_LARGE",
            Self::GivenUp => "FUNCTION_CLOSED",
        }
    }
}

/// What stopped an instance, and where it was.
pub(super) struct Stopped {
    pub(super) trap: Option<Trap>,
    pub(super) why: String,
    pub(super) place: String,
}

impl From<&wasmtime::Error> for Stopped {
    fn from(error: &wasmtime::Error) -> Self {
        let trap = error.downcast_ref::<Trap>().copied();
        let place = error.downcast_ref::<WasmBacktrace>().map(place).unwrap_or_default();
        let why = match trap {
            Some(Trap::UnreachableCodeReached) => "it gave up (`unreachable`), as on a panic".to_owned(),
            Some(Trap::StackOverflow) => "its calls are nested too deeply, the stack is full".to_owned(),
            Some(Trap::MemoryOutOfBounds) => "it read or wrote outside its memory".to_owned(),
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        };
        Self { trap, why, place }
    }
}

/// The functions that were at work, innermost first.
fn place(backtrace: &WasmBacktrace) -> String {
    let frames = backtrace.frames();
    if frames.is_empty() {
        return String::new();
    }
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => format!("`{}`", name.chars().take(100).collect::<String>()),
        None => format!("function {}", frame.func_index()),
    };
    let names: Vec<String> = frames.iter().take(FRAMES_MAX).map(name).collect();
    let more = if frames.len() > FRAMES_MAX { ", …" } else { "" };
    format!(" (in {}{more})", names.join(", called by "))
}
