//! The server's side of WebSocket (RFC 6455): the handshake, and binary frames as a stream of bytes.
//!
//! A protocol that is a stream of bytes of its own, such as MQTT, does not care where frames begin `[MQTT-6.0.0-2]`. So no frame is ever
//! collected: payload is unmasked where it was read and handed on as it comes, and what is written becomes frames whose payload is not
//! copied. A frame may be as long as its header can say, for its length costs nothing; the protocol inside has limits of its own. Only
//! control frames are kept, at most 125 bytes and only until they are whole. An idle [`Stream`] holds nothing on the heap.
//!
//! Text frames are refused, for what is carried is bytes `[MQTT-6.0.0-1]`. No extension is ever agreed to, compression included: it would cost
//! a window for each connection.
//!
//! It must not know: sockets, TLS, what the bytes mean.

mod close;
mod frame;
mod handshake;
mod input;
mod stream;

pub use frame::Violation;
pub use handshake::{Refused, accept, is_asked_for};
pub use stream::Stream;

#[cfg(test)]
mod tests;
