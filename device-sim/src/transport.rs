//! One connection to a server as a [`Link`] that never blocks.
//!
//! Made for many links in one thread: whoever drives them polls their sockets and shares one set of [`Buffers`] among
//! them, so that a link with nothing to say holds no buffer.
//!
//! It must not know: MQTT, time, why a connection is made.

mod buffers;
mod endpoint;
mod failure;
mod link;
mod socket;

#[cfg(test)]
mod tests;

pub use buffers::Buffers;
pub use endpoint::Endpoint;
pub use failure::Failure;
pub use link::{Link, Progress, Readiness};
