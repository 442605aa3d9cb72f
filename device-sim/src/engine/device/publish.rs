//! A device's way out: what is due, written as far as the connection, the session and the server allow.

use super::super::TOO_MANY_WAITING;
use super::super::load::Message;
use super::{Device, Phase, Turn};
use crate::wire::encode;
use crate::wire::{Qos, SUCCESS};

/// What one turn may write. A device with more gets another turn after the others had theirs.
const OUT_BYTES_MAX: usize = 64 * 1024;
/// Buffers kept for the next messages.
const SPARE_MAX: usize = 4096;
/// A larger buffer is not kept.
const SPARE_BYTES_MAX: usize = 16 * 1024;

impl Device {
    /// Moves what became due to what is waiting.
    pub(super) fn collect(&mut self, turn: &mut Turn<'_>) {
        let collected = self.load.collect(turn.now, self.role.run.ends_micros);
        turn.tally.due += collected.due;
        turn.tally.not_sent.count(TOO_MANY_WAITING, collected.too_many);
        if self.sending && self.deadline.is_none() && self.load.is_over() {
            self.begin_draining(turn.now);
        }
    }

    /// Whether there is something to send now, and it may be.
    pub(super) fn may_send(&self) -> bool {
        match self.load.next_qos() {
            None => self.load.is_saturated() && self.flight.len() < self.flying_max,
            Some(Qos::AtMostOnce) => true,
            Some(_) => self.flight.len() < self.flying_max,
        }
    }

    /// Writes what is waiting, as far as it may be.
    pub(super) fn send(&mut self, turn: &mut Turn<'_>) {
        while self.phase == Phase::Online && !self.blocked && !self.silent && turn.out.len() < OUT_BYTES_MAX {
            if self.may_answer(turn.now) {
                let Some(message) = self.answer(turn) else { return };
                self.first_time(message, turn);
                continue;
            }
            turn.tally.due += self.load.refill(turn.now, 1);
            if self.load.next_qos().is_none() || !self.may_send() {
                return;
            }
            if self.holds_back(turn) {
                return;
            }
            let mut payload = turn.spare.pop().unwrap_or_default();
            payload.clear();
            let Some(message) =
                self.load.take(&self.role, self.place, &self.name, self.clock_ahead_ms, payload)
            else {
                return;
            };
            turn.tally.sent += 1;
            self.first_time(message, turn);
        }
    }

    /// Writes a message that was never written.
    fn first_time(&mut self, message: Message, turn: &mut Turn<'_>) {
        self.written_at = turn.now;
        if message.qos == Qos::AtMostOnce {
            self.write(&message, 0, false, turn);
            if self.doubles() {
                self.write(&message, 0, false, turn);
            }
            keep(turn.spare, message.payload);
        } else {
            self.take_off(message, turn);
        }
    }

    /// The server has the session: the same packets again, in order [MQTT-4.4.0-1].
    pub(super) fn send_again(&mut self, turn: &mut Turn<'_>) {
        for flying in self.flight.iter() {
            turn.tally.resent += 1;
            if flying.released {
                encode::pubrel(turn.out, self.role.version, flying.packet_id(), SUCCESS);
            } else {
                self.write(&flying.message, flying.packet_id(), true, turn);
            }
        }
        self.written_at = turn.now;
    }

    /// The server has no session, so an old packet id means nothing to it: what was not acknowledged is published in
    /// new packets, in order, before what was never written.
    pub(super) fn publish_again(&mut self, turn: &mut Turn<'_>) {
        for flying in self.flight.session_lost() {
            if flying.released {
                // The message is in the server's hands, but nobody will say so.
                self.given_up += 1;
                keep(turn.spare, flying.message.payload);
            } else {
                turn.tally.republished += 1;
                self.take_off(flying.message, turn);
            }
        }
        self.written_at = turn.now;
    }

    /// The last acknowledgement that a message gets.
    pub(super) fn landed(&mut self, packet_id: u16, refused: bool, turn: &mut Turn<'_>) {
        let Some(message) = self.flight.land(packet_id) else { return };
        if refused {
            self.given_up += 1;
        } else if !message.is_answer() {
            self.acknowledged.insert(message.sequence);
            turn.tally.acknowledged += 1;
            turn.tally.puback.record_micros(turn.now.saturating_sub(message.due));
        }
        keep(turn.spare, message.payload);
    }

    fn take_off(&mut self, message: Message, turn: &mut Turn<'_>) {
        let packet_id = self.flight.take_off(message).packet_id();
        let flying = self.flight.iter().next_back().expect("the message was just added");
        self.write(&flying.message, packet_id, false, turn);
        if self.doubles() {
            let flying = self.flight.iter().next_back().expect("the message was just added");
            self.write(&flying.message, packet_id, true, turn);
            self.tricks().answers += 1;
        }
    }

    fn write(&self, message: &Message, packet_id: u16, dup: bool, turn: &mut Turn<'_>) {
        let publish = self.load.publish(message, packet_id, dup);
        encode::publish(turn.out, self.role.version, &publish).expect(
            "a scenario's topics and payloads were checked, and the packet id suits the quality of service",
        );
    }
}

/// Keeps a buffer for the next message.
fn keep(spare: &mut Vec<Vec<u8>>, payload: Vec<u8>) {
    if spare.len() < SPARE_MAX && payload.capacity() <= SPARE_BYTES_MAX {
        spare.push(payload);
    }
}
