//! A device's way in: acknowledgements of what it published, and messages for it.

use super::super::flight::Flying;
use super::super::load::Message;
use super::{Device, Turn};
use crate::wire::{self, Incoming, Publish, Qos, SUCCESS, encode};

/// Messages of QoS 2 that may be on their way to a device; more than any server sends at once.
const UNRELEASED_MAX: usize = 65_535;

const NOT_SENT: &str = "acknowledgement of a packet that was not sent";
const WRONG_KIND: &str = "acknowledgement that does not suit the quality of service";

impl Device {
    /// A packet on a connection that is up.
    ///
    /// # Errors
    /// In words that can be counted, when the connection cannot go on.
    pub(super) fn take(&mut self, packet: &Incoming<'_>, turn: &mut Turn<'_>) -> Result<(), String> {
        let version = self.role.version;
        match *packet {
            Incoming::PubAck { packet_id, code } => {
                self.acknowledged(packet_id, code, |flying| flying.message.qos == Qos::AtLeastOnce, turn)
            }
            // With PUBREC the message was in the server's hands. That it does not know the packet id any more, which
            // is what a code says here, means that it was done with before the connection broke.
            Incoming::PubComp { packet_id, .. } => {
                self.acknowledged(packet_id, SUCCESS, |flying| flying.released, turn)
            }
            Incoming::PubRec { packet_id, code } => self.received_by_server(packet_id, code, turn),
            Incoming::Publish(publish) => self.message(&publish, turn),
            Incoming::PubRel { packet_id, .. } => {
                self.unreleased.retain(|unreleased| *unreleased != packet_id);
                encode::pubcomp(turn.out, version, packet_id, SUCCESS);
                Ok(())
            }
            Incoming::SubAck { codes, .. } => {
                self.subscribed = true;
                for code in codes.iter().filter(|code| **code >= 0x80) {
                    turn.tally.refused.count(&format!("SUBACK: {}", wire::words(version, *code)), 1);
                }
                Ok(())
            }
            Incoming::UnsubAck { .. } => Ok(()),
            Incoming::PingResp => {
                self.pinged_at = None;
                Ok(())
            }
            Incoming::Disconnect { code, .. } => Err(format!("DISCONNECT: {}", wire::words(version, code))),
            Incoming::ConnAck(_) | Incoming::Auth { .. } => Err("a packet that was not asked for".to_owned()),
        }
    }

    /// The last acknowledgement of a message, if it is `due` for one of this kind.
    fn acknowledged(
        &mut self,
        packet_id: u16,
        code: u8,
        due: fn(&Flying<Message>) -> bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), String> {
        match self.flight.get_mut(packet_id).map(|flying| due(flying)) {
            Some(true) => {}
            Some(false) => return Err(WRONG_KIND.to_owned()),
            None => return self.answered_twice(),
        }
        let refused = wire::is_refused(self.role.version, code);
        if refused {
            turn.tally.refused.count(&format!("PUBACK: {}", wire::words(self.role.version, code)), 1);
        }
        self.landed(packet_id, refused, turn);
        Ok(())
    }

    /// An acknowledgement of nothing that is on its way is in order only if something was written twice.
    fn answered_twice(&mut self) -> Result<(), String> {
        if self.is_answer_to_double() { Ok(()) } else { Err(NOT_SENT.to_owned()) }
    }

    fn received_by_server(&mut self, packet_id: u16, code: u8, turn: &mut Turn<'_>) -> Result<(), String> {
        let version = self.role.version;
        let exactly_once: fn(&Flying<Message>) -> bool = |flying| flying.message.qos == Qos::ExactlyOnce;
        if wire::is_refused(version, code) {
            return self.acknowledged(packet_id, code, exactly_once, turn);
        }
        match self.flight.get_mut(packet_id).map(|flying| (exactly_once(flying), flying)) {
            Some((true, flying)) => flying.released = true,
            Some((false, _)) => return Err(WRONG_KIND.to_owned()),
            None => return self.answered_twice(),
        }
        encode::pubrel(turn.out, version, packet_id, SUCCESS);
        Ok(())
    }

    fn message(&mut self, publish: &Publish<'_>, turn: &mut Turn<'_>) -> Result<(), String> {
        let version = self.role.version;
        match publish.qos {
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce => encode::puback(turn.out, version, publish.packet_id, SUCCESS),
            Qos::ExactlyOnce => {
                encode::pubrec(turn.out, version, publish.packet_id, SUCCESS);
                if self.unreleased.contains(&publish.packet_id) {
                    return Ok(());
                }
                if self.unreleased.len() >= UNRELEASED_MAX {
                    return Err("too many messages of QoS 2 that were not released".to_owned());
                }
                self.unreleased.push(publish.packet_id);
            }
        }
        turn.tally.received += 1;
        self.think(publish, turn.now);
        if let Some(micros) = self.role.run.delivery_micros(publish.payload, turn.now) {
            turn.tally.delivery.record_micros(micros);
        }
        Ok(())
    }
}
