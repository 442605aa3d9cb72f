//! What a packet from the client does to its session.

use super::inbound::Stage as InboundStage;
use super::slot::{Slot, State};
use super::window::Stage;
use super::{Session, breach};
use crate::broker::Inner;
use crate::change::{Change, Flight, FlightStage};
use crate::{AckToken, Attachment, DropReason, Incoming, Parting, Received, Violation};
use mqtt::{Ack, Auth, Disconnect, Packet, PacketId, Properties, Publish, Qos, ReasonCode, Version};
use std::sync::atomic::Ordering::Relaxed;

impl<A: Attachment> Session<A> {
    /// Takes a packet the client sent. Never blocks on anything but the session's lock.
    pub fn receive(&self, packet: Packet) -> Received {
        if let Err(error) = mqtt::check_from_client(&packet, self.version) {
            let fault = error.fault();
            let clause = fault.clause(self.version);
            return Received::Violation(breach(fault.reason_code(), fault.sentence(), clause));
        }
        let mut state = self.slot.state.lock();
        if !state.is_current(self.generation) {
            return Received::Superseded;
        }
        let before = state.gauge(&self.slot);
        let received = self.dispatch(&mut state, packet);
        self.broker.counters.apply(before, state.gauge(&self.slot));
        received.unwrap_or_else(Received::Violation)
    }

    fn dispatch(&self, state: &mut State<A>, packet: Packet) -> Result<Received, Violation> {
        match packet {
            Packet::Publish(publish) => self.publish(state, publish),
            Packet::PubAck(ack) => state.puback(&self.broker, &self.slot, &ack),
            Packet::PubRec(ack) => state.pubrec(&self.broker, &self.slot, &ack),
            Packet::PubRel(ack) => Ok(state.pubrel(&self.broker, &self.slot, ack.packet_id)?),
            Packet::PubComp(ack) => state.pubcomp(&self.broker, &self.slot, ack.packet_id),
            Packet::Subscribe(request) => Ok(Received::Subscribe(request)),
            Packet::Unsubscribe(request) => Ok(Received::Unsubscribe(request)),
            Packet::PingReq => Ok(Received::Reply(Packet::PingResp)),
            Packet::Disconnect(disconnect) => self.disconnect(state, &disconnect),
            Packet::Auth(auth) => authenticate(state, auth),
            Packet::Connect(_) => {
                Err(breach(ReasonCode::ProtocolError, "second CONNECT on one connection", "MQTT-3.1.0-2"))
            }
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                Err(breach(ReasonCode::ProtocolError, "packet that only a server sends", "MQTT-4.13.1-1"))
            }
        }
    }

    fn publish(&self, state: &mut State<A>, mut publish: Publish) -> Result<Received, Violation> {
        let limits = &self.broker.limits;
        if publish.qos > limits.qos_max {
            return Err(breach(
                ReasonCode::QosNotSupported,
                "publish above the maximum QoS",
                "MQTT-3.2.2-11",
            ));
        }
        if publish.retain && !limits.retain_available {
            return Err(breach(ReasonCode::RetainNotSupported, "retained publish", "MQTT-3.2.2-14"));
        }
        let connection = state.connection.as_mut().expect("a current connection is there");
        match publish.properties.topic_alias() {
            Some(alias) => {
                let aliases = &mut connection.inbound_aliases;
                publish.topic = aliases.resolve(alias, &publish.topic, limits.inbound_topic_aliases_max)?;
            }
            None if publish.topic.is_empty() => {
                return Err(breach(
                    ReasonCode::ProtocolError,
                    "publish without topic and without topic alias",
                    "3.3.2.1",
                ));
            }
            None => {}
        }
        let Some(packet_id) = publish.packet_id else {
            self.broker.counters.received.fetch_add(1, Relaxed);
            return Ok(Received::Publish(Incoming { publish, token: None }));
        };
        if publish.qos == Qos::ExactlyOnce
            && let Some(repeat) = state.repeated(packet_id)
        {
            return Ok(repeat);
        }
        state.take_quota(limits.inbound_window_messages_max)?;
        if publish.qos == Qos::ExactlyOnce {
            let stage = InboundStage::Committing { generation: self.generation, repeats: 0 };
            state.inbound.set(packet_id, stage);
        }
        self.broker.counters.received.fetch_add(1, Relaxed);
        let durable = (self.broker.recording && self.slot.is_durable()).then_some(self.slot.key);
        let token =
            AckToken { packet_id, qos: publish.qos, generation: self.generation, durable, offset: None };
        Ok(Received::Publish(Incoming { publish, token: Some(token) }))
    }

    fn disconnect(&self, state: &mut State<A>, disconnect: &Disconnect) -> Result<Received, Violation> {
        if let Some(secs) = disconnect.properties.session_expiry_secs() {
            let asked = state.connection.as_ref().map_or(0, |connection| connection.asked_expiry_secs);
            if asked == 0 && secs > 0 {
                return Err(breach(
                    ReasonCode::ProtocolError,
                    "DISCONNECT gives a session expiry to a session that had none",
                    "3.14.2.2.2",
                ));
            }
            state.expiry_secs = secs.min(self.broker.limits.session_expiry_secs_max);
            // With 0 the session ends with its connection, not before: until then its copies may still go to others.
            let header = state.header(&self.slot);
            state.record(&self.broker, &self.slot, || Change::Header(Box::new(header)));
        }
        if disconnect.reason != ReasonCode::Success {
            return Ok(Received::Disconnect(Parting::WithWill));
        }
        // Now, not when the socket is closed: the client may be back sooner than that [MQTT-3.14.4-3].
        state.forget_will(&self.broker);
        Ok(Received::Disconnect(Parting::Clean))
    }
}

impl<A: Attachment> State<A> {
    /// Answers a QoS 2 PUBLISH whose identifier is already in use: its message is not taken a second time `[MQTT-4.3.3-10]`.
    fn repeated(&mut self, packet_id: PacketId) -> Option<Received> {
        Some(match self.inbound.stage_mut(packet_id)? {
            InboundStage::Taken { .. } => {
                Received::Reply(Packet::PubRec(ack(packet_id, ReasonCode::Success)))
            }
            // The PUBREC may not go out before the commit it promises; it follows when that is done.
            InboundStage::Committing { repeats, .. } => {
                *repeats = repeats.saturating_add(1);
                Received::Nothing
            }
        })
    }

    /// Counts a publish that has to be acknowledged. MQTT 3.1.1 has no Receive Maximum: there the caller bounds what it commits at once.
    fn take_quota(&mut self, window_max: u16) -> Result<(), Violation> {
        let version = self.version;
        let connection = self.connection.as_mut().expect("a current connection is there");
        if version == Version::V5 && connection.unacknowledged >= window_max {
            return Err(breach(
                ReasonCode::ReceiveMaximumExceeded,
                "more unacknowledged publishes than the receive maximum",
                "MQTT-3.3.4-7",
            ));
        }
        connection.unacknowledged = connection.unacknowledged.saturating_add(1);
        Ok(())
    }

    /// An inbound exchange is over.
    pub(crate) fn return_quota(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.unacknowledged = connection.unacknowledged.saturating_sub(1);
        }
    }

    /// The second half of an inbound QoS 2 exchange. An identifier that is not known gets its PUBCOMP all the same: the client may be
    /// repeating a PUBREL whose PUBCOMP was lost `[MQTT-4.3.3-11]`.
    fn pubrel(
        &mut self,
        broker: &Inner<A>,
        slot: &Slot<A>,
        packet_id: PacketId,
    ) -> Result<Received, Violation> {
        if let Some(InboundStage::Committing { .. }) = self.inbound.stage_mut(packet_id) {
            return Err(breach(ReasonCode::ProtocolError, "PUBREL before its PUBREC", "4.3.3"));
        }
        let reason = match self.inbound.remove(packet_id) {
            Some(stage) => {
                self.return_quota();
                let offset = stage.offset();
                self.record(broker, slot, || Change::InboundReleased { key: slot.key, packet_id, offset });
                ReasonCode::Success
            }
            None => ReasonCode::PacketIdentifierNotFound,
        };
        Ok(Received::Reply(Packet::PubComp(ack(packet_id, reason))))
    }

    fn puback(&mut self, broker: &Inner<A>, slot: &Slot<A>, ack: &Ack) -> Result<Received, Violation> {
        let Some(at) = self.window.find(ack.packet_id) else { return Ok(Received::Nothing) };
        match &self.window.get_mut(at).stage {
            Stage::Published(copy) if copy.qos == Qos::AtLeastOnce => {
                self.land(broker, slot, at, ack.reason);
                Ok(Received::Nothing)
            }
            _ => Err(breach(ReasonCode::ProtocolError, "PUBACK for a QoS 2 publish", "4.3.3")),
        }
    }

    fn pubrec(&mut self, broker: &Inner<A>, slot: &Slot<A>, rec: &Ack) -> Result<Received, Violation> {
        let Some(at) = self.window.find(rec.packet_id) else {
            // A PUBREC that refuses ends the exchange by itself [MQTT-4.3.3-4].
            if rec.reason.is_error() {
                return Ok(Received::Nothing);
            }
            let reason = ReasonCode::PacketIdentifierNotFound;
            return Ok(Received::Reply(Packet::PubRel(ack(rec.packet_id, reason))));
        };
        match &self.window.get_mut(at).stage {
            Stage::Published(copy) if copy.qos != Qos::ExactlyOnce => {
                return Err(breach(ReasonCode::ProtocolError, "PUBREC for a QoS 1 publish", "4.3.2"));
            }
            Stage::Published(_) if rec.reason.is_error() => {
                self.land(broker, slot, at, rec.reason);
                return Ok(Received::Nothing);
            }
            Stage::Published(_) => self.release(broker, slot, at),
            Stage::Released => {}
        }
        Ok(Received::Reply(Packet::PubRel(ack(rec.packet_id, ReasonCode::Success))))
    }

    /// The client owns the message now: from here only the PUBREL is repeated `[MQTT-4.3.3-6]`.
    fn release(&mut self, broker: &Inner<A>, slot: &Slot<A>, at: usize) {
        let flying = self.window.get_mut(at);
        let packet_id = flying.packet_id();
        let mut shared = None;
        if let Stage::Published(copy) = std::mem::replace(&mut flying.stage, Stage::Released) {
            slot.count_out(copy.message.bytes());
            shared = copy.shared;
        }
        let offset = flying.offset.take();
        let flight = Flight { packet_id, stage: FlightStage::Released, offset: None, shared: None };
        self.record(broker, slot, || Change::Flying(slot.key, flight));
        self.settle(broker, slot, offset, shared.as_ref());
    }

    fn pubcomp(&mut self, broker: &Inner<A>, slot: &Slot<A>, id: PacketId) -> Result<Received, Violation> {
        let Some(at) = self.window.find(id) else { return Ok(Received::Nothing) };
        if let Stage::Published(_) = self.window.get_mut(at).stage {
            return Err(breach(ReasonCode::ProtocolError, "PUBCOMP before its PUBREL", "4.3.3"));
        }
        self.land(broker, slot, at, ReasonCode::Success);
        Ok(Received::Nothing)
    }

    /// An outbound exchange is over.
    fn land(&mut self, broker: &Inner<A>, slot: &Slot<A>, at: usize, reason: ReasonCode) {
        let Some(flying) = self.window.remove(at) else { return };
        let packet_id = flying.packet_id();
        if flying.counted
            && let Some(connection) = &mut self.connection
        {
            connection.quota += 1;
        }
        let mut shared = None;
        if let Stage::Published(copy) = flying.stage {
            slot.count_out(copy.message.bytes());
            shared = copy.shared;
        }
        if reason.is_error() {
            broker.counters.drop_copies(DropReason::ClientRefused, 1);
        }
        self.record(broker, slot, || Change::Landed(slot.key, packet_id));
        self.settle(broker, slot, flying.offset, shared.as_ref());
    }

    /// A copy is owed no more.
    pub(crate) fn settle(
        &mut self,
        broker: &Inner<A>,
        slot: &Slot<A>,
        offset: Option<u64>,
        shared: Option<&std::sync::Arc<str>>,
    ) {
        if let Some(offset) = offset {
            self.record(broker, slot, || Change::Settled(slot.key, offset, shared.cloned()));
        }
    }
}

/// An AUTH after the CONNACK: of a client that may send it, with the method it began with.
fn authenticate<A>(state: &State<A>, auth: Auth) -> Result<Received, Violation> {
    let refuse = |sentence, clause| Err(breach(ReasonCode::ProtocolError, sentence, clause));
    let agreed = state.connection.as_ref().and_then(|connection| connection.authentication_method.as_deref());
    let Some(agreed) = agreed else {
        return refuse("AUTH without an authentication method in CONNECT", "MQTT-4.12.0-7");
    };
    if auth.properties.authentication_method().is_none_or(|method| method.as_str() != agreed) {
        return refuse("AUTH with another authentication method than CONNECT", "MQTT-4.12.1-1");
    }
    Ok(Received::Authenticate(auth))
}

/// An acknowledgement without properties.
pub(super) fn ack(packet_id: PacketId, reason: ReasonCode) -> Ack {
    Ack { packet_id, reason, properties: Properties::default() }
}
