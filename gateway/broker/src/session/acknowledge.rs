//! Acknowledging what the client published, when the caller has made it durable or refused it.

use super::inbound::Stage;
use super::receive::ack;
use super::slot::State;
use super::{Session, breach};
use crate::change::Change;
use crate::{AckToken, Answer, Attachment, Violation};
use mqtt::{
    Ack, Packet, PacketId, PacketType, Properties, PropertiesBuilder, Property, Qos, ReasonCode, Text,
    Version, encoded_bytes,
};

impl<A: Attachment> Session<A> {
    /// Turns a token into the packet to send: call it in the order the publishes came in `[MQTT-4.6.0-2]`, when their commit is done.
    ///
    /// `reason` is a success ([`ReasonCode::Success`], [`ReasonCode::NoMatchingSubscribers`]) or why the message was not taken;
    /// `sentence` goes along as reason string where the client allows it, empty for none. Through a stale handle nothing is sent, but
    /// the session still learns that a QoS 2 message was taken, so its repeat on the new connection is not a second message.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a token is used up, so that a publish is acknowledged once"
    )]
    pub fn acknowledge(&self, token: AckToken, reason: ReasonCode, sentence: &str) -> Answer {
        let AckToken { packet_id, qos, generation, .. } = token;
        let reason = in_an_acknowledgement(reason);
        let mut state = self.slot.state.lock();
        let is_current = state.is_current(generation);
        let mut repeats = 0;
        if qos == Qos::ExactlyOnce && !state.ended {
            repeats = self.conclude(&mut state, &token, reason);
        }
        if is_current && (qos == Qos::AtLeastOnce || reason.is_error()) {
            state.return_quota();
        }
        let wake = state.answer_repeats(packet_id, reason, repeats);
        let answer =
            if is_current { state.answer(packet_id, qos, reason, sentence) } else { Answer::Nothing };
        drop(state);
        if let Some(wake) = wake {
            wake.wake();
        }
        answer
    }

    /// Moves a QoS 2 identifier on; how many PUBRECs its repeats want.
    fn conclude(&self, state: &mut State<A>, token: &AckToken, reason: ReasonCode) -> u8 {
        let AckToken { packet_id, generation, offset, .. } = *token;
        let Some(Stage::Committing { generation: begun, repeats }) =
            state.inbound.stage_mut(packet_id).copied()
        else {
            return 0;
        };
        if begun != generation {
            return 0;
        }
        if reason.is_error() {
            state.inbound.remove(packet_id);
        } else {
            state.inbound.set(packet_id, Stage::Taken { offset });
            let key = self.slot.key;
            if offset.is_none() {
                state.record(&self.broker, &self.slot, || Change::InboundTaken(key, packet_id));
            }
        }
        repeats
    }
}

impl<A: Attachment> State<A> {
    /// Queues the PUBRECs of PUBLISHes that were repeated while the first was being committed. An MQTT 3.1.1 PUBREC is always a yes, so
    /// there a refusal closes the connection: the client has to keep the message `[MQTT-3.3.5-2]`.
    fn answer_repeats(
        &mut self,
        packet_id: PacketId,
        reason: ReasonCode,
        repeats: u8,
    ) -> Option<std::sync::Arc<dyn crate::Wake>> {
        if repeats == 0 {
            return None;
        }
        if reason.is_error() && self.version == Version::V3_1_1 {
            return self.close(reason);
        }
        if let Some(connection) = &mut self.connection {
            let packet = Packet::PubRec(ack(packet_id, reason));
            connection.control.extend(std::iter::repeat_n(packet, usize::from(repeats)));
        }
        self.rouse()
    }

    fn answer(&self, packet_id: PacketId, qos: Qos, reason: ReasonCode, sentence: &str) -> Answer {
        if reason.is_error() && self.version == Version::V3_1_1 {
            return Answer::Close(refused(reason));
        }
        let bare = |properties| {
            let ack = Ack { packet_id, reason, properties };
            if qos == Qos::ExactlyOnce { Packet::PubRec(ack) } else { Packet::PubAck(ack) }
        };
        let properties = self.reason_string(sentence, bare);
        Answer::Send(bare(properties))
    }

    /// The reason string, if the client wants it and the packet stays within the client's maximum size `[MQTT-3.4.2-2]`.
    pub(crate) fn reason_string(
        &self,
        sentence: &str,
        packet: impl FnOnce(Properties) -> Packet,
    ) -> Properties {
        let none = Properties::default();
        let Some(connection) = self.connection.as_ref().filter(|connection| connection.problem_information)
        else {
            return none;
        };
        let Ok(text) = Text::try_from(sentence) else { return none };
        if text.is_empty() || self.version == Version::V3_1_1 {
            return none;
        }
        let properties = PropertiesBuilder::new().with(Property::ReasonString(text)).build();
        let fits =
            encoded_bytes(&packet(properties.clone()), self.version) <= connection.packet_bytes_max as usize;
        if fits { properties } else { none }
    }
}

/// The reason as PUBACK and PUBREC can say it: some of those that close a connection are none of theirs `[MQTT-3.4.2-1]` `[MQTT-3.5.2-1]`.
fn in_an_acknowledgement(reason: ReasonCode) -> ReasonCode {
    match reason {
        reason if reason.allowed_in(PacketType::PubAck) => reason,
        ReasonCode::PacketTooLarge | ReasonCode::MessageRateTooHigh => ReasonCode::QuotaExceeded,
        _ => ReasonCode::ImplementationSpecificError,
    }
}

fn refused(reason: ReasonCode) -> Violation {
    breach(reason, "publish refused, which MQTT 3.1.1 can only say by closing", "MQTT-3.3.5-2")
}
