//! Plays a scenario: a few threads, each with one poll, one timer wheel and its share of the devices.
//!
//! ```text
//! play ─ worker ─┬ sleeper, wheel, clock      (when)
//!    │           ├ device ─ load, flight      (what; state machines without input and output)
//!    │           └ reach → transport          (where to)
//!    └ hooks
//! ```
//!
//! A device has neither a task nor a thread: its state is some hundred bytes, and it costs nothing while nothing
//! happens to it.

mod clock;
mod device;
mod faults;
mod flight;
mod hooks;
mod load;
mod pause;
mod play;
mod reach;
mod role;
mod sleeper;
mod strike;
mod wheel;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use device::Outcome;
pub(crate) use play::{Ending, Played, play, workers};

/// Counted under this reason when a device has more waiting than it may keep.
pub(crate) const TOO_MANY_WAITING: &str = "too many messages waiting for the connection";
/// Counted under this reason when the run ends first.
pub(crate) const ENDED: &str = "the run ended before the device could send";
