//! MQTT 3.1.1 and MQTT 5: bytes to packets and back, topic names and topic filters.
//!
//! Knows the two standards and nothing else: no sockets, no sessions, no policies. Everything that a peer can send is
//! either a [`Packet`] or a [`DecodeError`] that names the clause it broke and the reason code to answer with.

mod decode;
mod direction;
mod encode;
mod error;
mod fault;
mod packet;
mod packet_id;
mod packet_type;
mod properties;
mod qos;
mod reason;
mod scan;
mod text;
pub mod topic;

pub use decode::{bytes_missing, decode};
pub use direction::{check_from_client, fault_seen_by_server};
pub use encode::{OutboundAlias, PublishCopy, encode, encode_publish, encode_publish_head, encoded_bytes};
pub use error::{DecodeError, EncodeError};
pub use fault::Fault;
pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, Publish, RetainHandling, SubAck, Subscribe,
    SubscribeFilter, SubscriptionOptions, UnsubAck, Unsubscribe, Version, Will,
};
pub use packet_id::PacketId;
pub use packet_type::PacketType;
pub use properties::{Properties, PropertiesBuilder, Property};
pub use qos::Qos;
pub use reason::ReasonCode;
pub use text::{Text, TextError};
