//! Where events go, one folder for each kind of target.
//!
//! Queue and stream are views: they read the journal in place and keep beside it only what consumers did. What this
//! crate must not know: MQTT, rules, and the HTTP protocols in which consumers ask for messages and records.

pub mod archive;
pub mod function;
pub mod http;
pub mod queue;
pub mod stream;
pub mod wasm;

mod durable;
mod ending;
#[cfg(test)]
mod fixture;
mod intake;
mod nearest;
mod reading;

pub use durable::WriteError;
pub use intake::IntakeError;
