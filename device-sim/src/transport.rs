//! One connection to a server as a [`Link`] that never blocks: TCP, in it TLS, in that WebSocket, as the [`Endpoint`]
//! says.
//!
//! Made for many links in one thread: whoever drives them polls their sockets and shares one set of [`Buffers`] among
//! them, so that a link with nothing to say holds no buffer.
//!
//! ```text
//! socket ─ bytes ─→ Tls ─ bytes ─→ WebSocket ─→ received
//!        ←─ unsent ─    ←─────────           ←─ send
//! ```
//!
//! It must not know: MQTT, time, why a connection is made.

mod buffers;
mod endpoint;
mod failure;
mod link;
mod socket;
mod tls;
mod websocket;

#[cfg(test)]
mod tests;

pub use buffers::Buffers;
pub use endpoint::{Endpoint, Transport};
pub use failure::Failure;
pub use link::{Link, Progress, Readiness};
pub use tls::Handshake;
