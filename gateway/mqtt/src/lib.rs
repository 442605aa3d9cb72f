//! MQTT 3.1.1 and MQTT 5: bytes to packets and back, topic names and topic filters.
//!
//! Knows the two standards and nothing else: no sockets, no sessions, no policies. Everything that a peer can send is
//! either a [`Packet`] or a [`DecodeError`] that names the clause it broke and the reason code to answer with.

mod packet;
mod packet_id;
mod properties;
mod qos;
mod reason;
mod text;

pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, Publish, RetainHandling, SubAck, Subscribe, SubscribeFilter,
    SubscriptionOptions, UnsubAck, Unsubscribe, Version, Will,
};
pub use packet_id::PacketId;
pub use properties::{Properties, PropertiesBuilder, Property};
pub use qos::Qos;
pub use reason::ReasonCode;
pub use text::{Text, TextError};
