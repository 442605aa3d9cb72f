//! The client's side of MQTT 3.1.1 and 5: packets to bytes, and bytes to packets.
//!
//! Its own, so that a mistake in the gateway's codec cannot hide itself, and made for many devices in one process: a
//! packet is written into a buffer that the caller shares, what arrives is borrowed from where it was read, and an idle
//! [`Decoder`] holds nothing on the heap.
//!
//! It must not know: sockets, time, sessions, what a payload means.

mod code;
mod decode;
mod decoder;
pub mod encode;
mod malformed;
mod number;
mod packet;
mod properties;

#[cfg(test)]
mod tests;

pub use code::{CLOSED_IN_ORDER, SUCCESS, is_refused, words};
pub use decoder::Decoder;
pub use malformed::Malformed;
pub use packet::{Accepted, Connect, Incoming, Publish, Subscription, Will};

/// A packet is never longer than this, by the form of its length [MQTT-2.2.3].
pub const PACKET_BYTES_MAX: u32 = number::MAX + 5;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    #[default]
    V3,
    /// MQTT 5.0.
    V5,
}

/// How surely a message is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// Sent once, not acknowledged.
    #[default]
    AtMostOnce,
    /// Sent until it is acknowledged.
    AtLeastOnce,
    /// Acknowledged in two steps, so that it counts once.
    ExactlyOnce,
}

impl Qos {
    /// Every one, by its number.
    pub const ALL: [Self; 3] = [Self::AtMostOnce, Self::AtLeastOnce, Self::ExactlyOnce];

    /// The quality of service with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its number in a packet.
    pub fn number(self) -> u8 {
        self as u8
    }
}
