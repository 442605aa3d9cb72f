//! A device's way out: what is due, written as far as the connection, the session and the server allow.

use super::super::TOO_MANY_WAITING;
use super::super::load::{Load, Message};
use super::{Device, Phase, Turn};
use crate::wire::encode;
use crate::wire::{Qos, SUCCESS, Version};

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
        if self.flight.is_behind() {
            return self.flight.may_write_again(self.flying_max);
        }
        match self.load.next_qos() {
            None => self.load.is_saturated() && self.flight.len() < self.flying_max,
            Some(Qos::AtMostOnce) => true,
            Some(_) => self.flight.len() < self.flying_max,
        }
    }

    /// Writes what is waiting, as far as it may be.
    pub(super) fn send(&mut self, turn: &mut Turn<'_>) {
        while self.phase == Phase::Online && !self.blocked && !self.silent && turn.out.len() < OUT_BYTES_MAX {
            if self.flight.is_behind() {
                if !self.write_again(turn) {
                    return;
                }
                continue;
            }
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
            write(&self.load, self.role.version, &message, 0, false, turn);
            if self.doubles() {
                write(&self.load, self.role.version, &message, 0, false, turn);
            }
            keep(turn.spare, message.payload);
        } else {
            self.take_off(message, turn);
        }
    }

    /// Begins to write again what is on its way. If the server has the session it is the same packets [MQTT-4.4.0-1],
    /// otherwise their packet ids mean nothing to it, and it is new ones; in order, and before what was never written.
    pub(super) fn begin_again(&mut self, session_present: bool, turn: &mut Turn<'_>) {
        if session_present {
            self.flight.reconnected();
            return;
        }
        for message in self.flight.session_lost() {
            // It is in the server's hands, but nobody will say so.
            self.given_up += 1;
            keep(turn.spare, message.payload);
        }
    }

    /// Writes the next message that was written on an earlier connection, if there is one and it may be.
    fn write_again(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some((before, flying)) = self.flight.write_again(self.flying_max) else { return false };
        let (version, packet_id) = (self.role.version, flying.packet_id());
        self.written_at = turn.now;
        if before {
            turn.tally.resent += 1;
        } else {
            turn.tally.republished += 1;
        }
        if flying.released {
            encode::pubrel(turn.out, version, packet_id, SUCCESS);
        } else {
            write(&self.load, version, &flying.message, packet_id, before, turn);
        }
        true
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
        let doubles = self.doubles();
        let version = self.role.version;
        let flying = self.flight.take_off(message);
        write(&self.load, version, &flying.message, flying.packet_id(), false, turn);
        if doubles {
            write(&self.load, version, &flying.message, flying.packet_id(), true, turn);
            self.tricks().answers += 1;
        }
    }
}

fn write(load: &Load, version: Version, message: &Message, packet_id: u16, dup: bool, turn: &mut Turn<'_>) {
    let publish = load.publish(message, packet_id, dup);
    encode::publish(turn.out, version, &publish).expect(
        "a scenario's topics and payloads were checked, and the packet id suits the quality of service",
    );
}

/// Keeps a buffer for the next message.
fn keep(spare: &mut Vec<Vec<u8>>, payload: Vec<u8>) {
    if spare.len() < SPARE_MAX && payload.capacity() <= SPARE_BYTES_MAX {
        spare.push(payload);
    }
}
