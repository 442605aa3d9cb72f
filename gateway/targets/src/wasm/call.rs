//! One call: an instance with its limits, from the event to the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use serde::Deserialize;
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use super::failure::{Failure, Stopped};
use super::function::Limits;
use super::host::{Host, Lines};
use super::program::Program;

/// What a function fails with that does not name its error.
const ERROR_TYPE: &str = "FunctionError";

/// One event for a function.
pub(crate) struct Call {
    /// Stands with each line that the call logs.
    pub(crate) request_id: String,
    /// The event: JSON.
    pub(crate) event: Bytes,
    /// What the function is told about the call when it asks: JSON.
    pub(crate) context: Arc<str>,
}

/// What a function made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its result.
    Done(Bytes),
    /// It says that it failed.
    Failed {
        /// The class of the error.
        error_type: String,
        /// What it says.
        message: String,
    },
}

/// Why a call ended without an answer.
pub(super) enum Stop {
    Failure(Failure),
    /// The instance was stopped, or can't begin.
    Error(wasmtime::Error),
    /// It could not get the memory it asked for.
    NoMemory,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Error(error)
    }
}

/// Tells a running call to end; it is looked at whenever the engine's epoch moves.
#[derive(Default)]
pub(super) struct Signal(AtomicU8);

const TIMED_OUT: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Signal {
    /// The time is over.
    pub(super) fn time_out(&self, engine: &Engine) {
        self.raise(TIMED_OUT, engine);
    }

    /// Nobody waits any more.
    pub(super) fn give_up(&self, engine: &Engine) {
        self.raise(GIVEN_UP, engine);
    }

    fn raise(&self, why: u8, engine: &Engine) {
        // Who was first decides.
        let _ = self.0.compare_exchange(0, why, Ordering::SeqCst, Ordering::SeqCst);
        engine.increment_epoch();
    }

    fn failure(&self, limits: &Limits, place: String) -> Option<Failure> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            TIMED_OUT => Some(Failure::TimedOut { limit: limits.timeout, place }),
            _ => Some(Failure::GivenUp),
        }
    }
}

/// Calls a function on this thread, for as long as it may take.
pub(super) fn run(
    engine: &Engine,
    program: &Program,
    call: Call,
    limits: &Limits,
    lines: Arc<dyn Lines>,
    signal: &Arc<Signal>,
) -> Result<Answer, Failure> {
    let host = Host::new(call.request_id, call.context, lines, limits);
    let mut store = Store::new(engine, host);
    store.limiter(|host| host);
    store.set_fuel(limits.fuel_max).expect("the engine counts fuel");
    store.set_epoch_deadline(1);
    let raised = Arc::clone(signal);
    store.epoch_deadline_callback(move |_| match raised.0.load(Ordering::SeqCst) {
        // Another call of the function was stopped.
        0 => Ok(UpdateDeadline::Continue(1)),
        _ => Ok(UpdateDeadline::Interrupt),
    });
    // A signal raised before the deadline was set moves the epoch no more.
    if let Some(failure) = signal.failure(limits, String::new()) {
        return Err(failure);
    }
    let ran = program.run(&mut store, &call.event, limits.answer_bytes_max);
    store.data().finish();
    match ran {
        Ok(answer) => Ok(match store.data_mut().failed.take() {
            Some(text) => failed(text),
            None => Answer::Done(Bytes::from(answer)),
        }),
        Err(stop) => Err(failure(stop, store.data(), limits, signal)),
    }
}

fn failure(stop: Stop, host: &Host, limits: &Limits, signal: &Signal) -> Failure {
    let mib = |bytes: usize| (bytes as u64).div_ceil(1 << 20);
    let no_memory = |wanted: usize, place: String| Failure::OutOfMemory {
        wanted_mib: mib(wanted),
        max_mib: mib(limits.memory_bytes_max),
        place,
    };
    let error = match stop {
        Stop::Failure(failure) => return failure,
        Stop::NoMemory => return no_memory(host.refused_bytes.unwrap_or_default(), String::new()),
        Stop::Error(error) => error,
    };
    let Stopped { trap, why, place } = Stopped::from(&error);
    match (trap, host.refused_bytes) {
        (Some(Trap::Interrupt), _) => {
            let failure = signal.failure(limits, place.clone());
            failure.unwrap_or(Failure::Trapped { why, place })
        }
        (Some(Trap::OutOfFuel), _) => Failure::OutOfFuel { fuel_max: limits.fuel_max, place },
        // Who gets no memory gives up, in whatever way its language has.
        (Some(Trap::UnreachableCodeReached) | None, Some(wanted)) => no_memory(wanted, place),
        _ => Failure::Trapped { why, place },
    }
}

/// The error that a function failed with: Lambda's JSON, or any text.
fn failed(text: String) -> Answer {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "errorType")]
        error_type: Option<String>,
        #[serde(rename = "errorMessage")]
        message: String,
    }
    match serde_json::from_str::<Named>(&text) {
        Ok(Named { error_type, message }) => {
            Answer::Failed { error_type: error_type.unwrap_or_else(|| ERROR_TYPE.to_owned()), message }
        }
        Err(_) => Answer::Failed { error_type: ERROR_TYPE.to_owned(), message: text },
    }
}
