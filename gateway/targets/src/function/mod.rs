//! The function: a program that the gateway starts, hands events to and watches.
//!
//! The program talks the AWS Lambda Runtime API, so that an ordinary Lambda handler runs unmodified, be it Python with
//! `awslambdaric` or Rust with `lambda_runtime`. Each running program is an *instance* with a Runtime API endpoint of
//! its own on the loopback interface; it handles one event at a time. Instances are started when they are needed, kept
//! while they are used, and ended when they have been idle for long.
//!
//! An instance is not a sandbox: the program runs as the gateway's user and sees its files, and other local users can
//! reach the endpoint. What it does not get is the gateway's environment.
//!
//! | Read | for |
//! | --- | --- |
//! | [`deliver`] | events in, outcomes out |
//! | [`invoke`] | one call of the function, whoever asks for it |
//! | [`runtime`] | the seam between the function and what runs its code |
//! | [`programs`] | the kind of code that is a program |
//! | [`exchange`] | the Runtime API of one instance as a state machine, without sockets |
//! | [`runtime_api`] | the same over HTTP |
//! | [`pool`] | which instances there are, and when the next may start |
//! | [`queued`] | invocations that are accepted now and called later |
//! | [`process`] | starting a program, watching it and ending it with its children |
//!
//! Must not know: the bus's retries and dead letters, and who configured the function.

mod config;
mod deliver;
mod directory;
mod environment;
mod error;
mod exchange;
mod figures;
mod instance;
mod invoke;
mod lambda_error;
mod log;
mod log_file;
mod log_reader;
mod output;
mod payload;
mod pool;
mod process;
mod programs;
pub mod queued;
mod runtime;
mod runtime_api;

#[cfg(test)]
mod tests;

pub use config::Settings;
pub use directory::{Declared, Functions};
pub use error::{FunctionError, HandlerError, InvokeError};
pub use figures::{Figures, Histogram};
pub use invoke::{Asked, Function, Invocation, Invoked, Response, traceparent};
pub use log::Log;
pub use log_reader::LogReader;
pub use payload::ascii;
pub use queued::{Queued, QueuedSettings};
pub use runtime::{Answered, Call, Runtime, State, Surroundings};

/// The kind of target, as in `function/notify`.
pub const KIND: &str = "function";
