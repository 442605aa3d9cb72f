//! The seam between a function and what runs its code: a call in, an answer out.
//!
//! [`Function`](super::Function) knows who calls, how many may at once, what is counted, and what an answer means to a
//! batch; that is the same whatever the code is. A [`Runtime`] knows how to run one kind of code:
//! [`Programs`](super::programs::Programs) runs processes that speak the Lambda Runtime API. Another kind implements
//! [`Runtime`] and is handed to [`Function::with_runtime`](super::Function::with_runtime).
//!
//! Must not know: any kind of code, and who calls.

use std::sync::Arc;

use async_trait::async_trait;
use bus::Health;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::Settings;
use super::error::{HandlerError, InvokeError};
use super::figures::Figures;
use super::invoke::Invocation;
use super::log::Log;

/// Runs the code of one function.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Runs the code once. Never more than [`Settings::concurrency`] at once, and no payload is over its limit.
    ///
    /// Ends within [`Settings::init_time_max`] and [`Settings::timeout`] together. Safe to cancel: what runs then ends.
    ///
    /// # Errors
    /// When there is no answer. An error that the handler reports is an answer, see [`Answered::error`].
    async fn call(&self, call: Call<'_>) -> Result<Answered, InvokeError>;

    /// Makes ready the instances that [`Settings::provisioned`] asks for, and keeps it so until the function is closed. Called once,
    /// before the first call; returns at once. A kind whose instances are there in no time need not do anything.
    fn warm_up(self: Arc<Self>) {}

    /// How it does.
    fn state(&self) -> State;

    /// Ends what waits for calls. Calls that run have been cancelled already; tasks of [`Surroundings::tasks`] are waited for by the
    /// function.
    async fn close(&self);
}

/// One call to be made.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What the log, the handler and the caller know the call by.
    pub request_id: &'a str,
    /// The event and what comes with it.
    pub invocation: &'a Invocation,
    /// The caller wants to see what the code prints: all of it is to be in the log before the answer is given.
    pub wants_log: bool,
}

/// What the code made of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The handler's result, or its error as JSON.
    pub payload: Bytes,
    /// Set when the handler failed.
    pub error: Option<HandlerError>,
}

/// How a runtime does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Instances that wait for a call.
    pub idle: usize,
    /// Whether calls are likely to be answered.
    pub health: Health,
}

/// What a function gives to its runtime.
#[derive(Clone)]
pub struct Surroundings {
    /// What the function is.
    pub settings: Arc<Settings>,
    /// Where everything goes that the code prints.
    pub log: Arc<Log>,
    /// Where cold starts are counted.
    pub figures: Arc<Figures>,
    /// Cancelled when the function is closed.
    pub closing: CancellationToken,
    /// Tasks that the function waits for when it is closed.
    pub tasks: TaskTracker,
}
