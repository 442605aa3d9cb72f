//! What [`crate::Session::receive`] makes of a packet, and what an acknowledgement becomes.

use crate::{SessionKey, Violation};
use mqtt::{Auth, Packet, PacketId, Publish, Qos, Subscribe, Unsubscribe};

/// What a received packet asks of the caller.
#[derive(Debug)]
pub enum Received {
    /// A message to authorise, route, commit and then acknowledge.
    Publish(Incoming),
    /// A SUBSCRIBE: authorise its filters, then [`crate::Broker::subscribe`].
    Subscribe(Subscribe),
    /// An UNSUBSCRIBE, for [`crate::Broker::unsubscribe`].
    Unsubscribe(Unsubscribe),
    /// An AUTH with the method of the CONNECT: a step of authentication anew.
    Authenticate(Auth),
    /// Send this packet.
    Reply(Packet),
    /// Nothing to send now; [`crate::Session::poll_outgoing`] may have more room.
    Nothing,
    /// The client said goodbye: close the socket, then [`crate::Broker::disconnected`] with this.
    Disconnect(Parting),
    /// The client broke the protocol: send the DISCONNECT ([`Violation::disconnect`]) if the version has one, close, then
    /// [`crate::Broker::disconnected`] with [`Parting::Lost`].
    Violation(Violation),
    /// The connection is no longer the session's; close it. [`crate::Session::poll_outgoing`] tells the reason.
    Superseded,
}

/// A PUBLISH with its topic resolved.
#[derive(Debug)]
pub struct Incoming {
    /// As received, but with the topic an alias stands for filled in.
    pub publish: Publish,
    /// What to hand to [`crate::Session::acknowledge`] when the message is committed; `None` for QoS 0.
    pub token: Option<AckToken>,
}

/// The duty to acknowledge one QoS 1 or 2 PUBLISH. It can't be copied, and must reach [`crate::Session::acknowledge`] even when the
/// connection has gone meanwhile: an id of QoS 2 is remembered there.
#[must_use = "a publish that is never acknowledged keeps its place in the client's window"]
#[derive(Debug)]
pub struct AckToken {
    pub(crate) packet_id: PacketId,
    pub(crate) qos: Qos,
    pub(crate) generation: u32,
    /// The session, if it outlives its connection.
    pub(crate) durable: Option<SessionKey>,
    /// The journal record that says the message was taken.
    pub(crate) offset: Option<u64>,
}

impl AckToken {
    /// The QoS 2 exchange that has to be known to be taken exactly if the message is durable: write it to the message's record, and say
    /// so with [`AckToken::recorded`]. `None` when nothing has to outlive the process.
    pub fn exchange(&self) -> Option<(SessionKey, PacketId)> {
        self.durable.filter(|_| self.qos == Qos::ExactlyOnce).map(|key| (key, self.packet_id))
    }

    /// The journal record of `offset` holds what [`AckToken::exchange`] gave, so no change has to say it again.
    pub fn recorded(&mut self, offset: u64) {
        self.offset = self.exchange().map(|_| offset);
    }

    /// The packet identifier, for logs and resend detection.
    pub fn packet_id(&self) -> PacketId {
        self.packet_id
    }
}

/// What an acknowledgement became.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send this PUBACK or PUBREC.
    Send(Packet),
    /// MQTT 3.1.1 can't say no: close the connection `[MQTT-3.3.5-2]`. To be silent instead, acknowledge with success.
    Close(Violation),
    /// The connection has gone; nothing to send.
    Nothing,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// DISCONNECT with reason 0x00: the will is deleted `[MQTT-3.14.4-3]`.
    Clean,
    /// DISCONNECT with any other reason: the will is published.
    WithWill,
    /// The network failed, keep alive ran out, or the server closed the connection for a reason of its own.
    Lost,
    /// Another connection took the session; [`crate::Connected`] of that one already dealt with the will.
    TakenOver,
    /// The caller refused the client after [`crate::Broker::connect`], before it sent the CONNACK: no will.
    Refused,
}
