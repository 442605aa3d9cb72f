//! One function: the program its file holds at the moment, and calls of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use wasmtime::Engine;

use super::call::{self, Answer, Call, Signal};
use super::engine;
use super::failure::Failure;
use super::host::Lines;
use super::program::Program;
use super::reload;
use super::threads::Threads;

/// How long a call waits for a file that is being compiled.
const COMPILE_WAIT_MAX: Duration = Duration::from_secs(30);

/// A file, and what a call of it may take.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The file: binary or text, a plain module or a component.
    pub(crate) file: PathBuf,
    /// Instructions of one call, about.
    pub(crate) fuel_max: u64,
    /// Time of one call.
    pub(crate) timeout: Duration,
    /// Memory of one call.
    pub(crate) memory_bytes_max: usize,
    /// Bytes of an answer.
    pub(crate) answer_bytes_max: usize,
    /// Bytes that one call may log.
    pub(crate) log_bytes_max: usize,
    /// Calls at once.
    pub(crate) concurrency: usize,
    /// How often the file is looked at.
    pub(crate) look_every: Duration,
}

/// What the file holds.
#[derive(Clone)]
pub(super) enum State {
    Loading,
    Ready(Arc<Program>),
    Unusable(Failure),
}

/// See the module.
pub(crate) struct WebAssembly {
    pub(super) limits: Limits,
    pub(super) engine: Engine,
    pub(super) state: watch::Sender<State>,
    lines: Arc<dyn Lines>,
    /// One permit for each call that runs; its thread holds it to the end, even if nobody waits any more.
    calls: Arc<Semaphore>,
    threads: Threads,
}

impl WebAssembly {
    /// Begins to load the file and to follow it. A file that can't be called is no error here: it may be mended, and
    /// each call says what is wrong.
    ///
    /// To be called within a Tokio runtime.
    ///
    /// # Errors
    /// When this machine can't run WebAssembly at all, and why.
    pub(crate) fn open(limits: Limits, lines: Arc<dyn Lines>) -> Result<Arc<Self>, String> {
        let engine = engine::new(&limits).map_err(|error| format!("{error:#}"))?;
        let calls = Arc::new(Semaphore::new(limits.concurrency));
        let (state, _) = watch::channel(State::Loading);
        let threads = Threads::new(limits.concurrency);
        let function = Arc::new(Self { limits, engine, state, lines, calls, threads });
        tokio::spawn(reload::follow(Arc::downgrade(&function), function.limits.look_every));
        Ok(function)
    }

    /// What is wrong with the file, unless it can be called or is still being loaded.
    pub(crate) fn unusable(&self) -> Option<Failure> {
        match &*self.state.borrow() {
            State::Unusable(failure) => Some(failure.clone()),
            State::Loading | State::Ready(_) => None,
        }
    }

    /// True once there is a program to call.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(&*self.state.borrow(), State::Ready(_))
    }

    /// Calls the function and waits for its answer. Safe to cancel: the call is then stopped.
    ///
    /// # Errors
    /// When there is no answer, and why. That the function itself failed is an answer.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let program = self.program().await?;
        let permit = Arc::clone(&self.calls).acquire_owned().await.map_err(|_| Failure::GivenUp)?;
        let signal = Arc::new(Signal::default());
        let mut give_up = GiveUp { signal: &signal, engine: &self.engine, is_over: false };
        let mut called = {
            let (engine, limits) = (self.engine.clone(), self.limits.clone());
            let (lines, signal) = (Arc::clone(&self.lines), Arc::clone(&signal));
            let started = self.threads.run(move || {
                let answer = call::run(&engine, &program, call, &limits, lines, &signal);
                drop(permit);
                answer
            });
            started.map_err(|error| trapped(format!("no thread could be started for it: {error}")))?
        };
        let in_time = tokio::time::timeout(self.limits.timeout, &mut called).await;
        let called = match in_time {
            Ok(called) => called,
            Err(_) => {
                signal.time_out(&self.engine);
                called.await
            }
        };
        give_up.is_over = true;
        // A defect of the gateway; the event is tried again.
        called.unwrap_or_else(|_| Err(trapped("the call panicked".to_owned())))
    }

    #[cfg(test)]
    pub(super) fn free_calls(&self) -> usize {
        self.calls.available_permits()
    }

    async fn program(&self) -> Result<Arc<Program>, Failure> {
        let mut state = self.state.subscribe();
        let loaded = state.wait_for(|state| !matches!(state, State::Loading));
        let found = tokio::time::timeout(COMPILE_WAIT_MAX, loaded).await.ok().and_then(Result::ok);
        match found.as_deref() {
            Some(State::Ready(program)) => Ok(Arc::clone(program)),
            Some(State::Unusable(failure)) => Err(failure.clone()),
            Some(State::Loading) | None => Err(self.not_usable("it is still being compiled")),
        }
    }

    pub(super) fn not_usable(&self, why: impl Into<String>) -> Failure {
        Failure::NotUsable { path: self.limits.file.display().to_string(), why: why.into() }
    }
}

fn trapped(why: String) -> Failure {
    Failure::Trapped { why, place: String::new() }
}

/// Stops a call when whoever waits for it is dropped.
struct GiveUp<'a> {
    signal: &'a Signal,
    engine: &'a Engine,
    is_over: bool,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.signal.give_up(self.engine);
        }
    }
}
