//! What faults do to a device, and make it do.

use super::{Device, Phase, Turn, Wish};
use crate::random::Random;
use crate::wire::garbage;

/// Tells the random numbers of tricks from all others of a device.
const STREAM: u64 = 1 << 62;

/// Publishes that are not written as they should be.
#[derive(Debug)]
pub(crate) struct Tricks {
    /// Share of publishes that are written twice.
    pub(crate) duplicate: f64,
    /// Share of publishes that are written after their successor.
    pub(crate) reorder: f64,
    /// Acknowledgements that are still to come for what was written twice.
    pub(super) answers: u32,
    random: Random,
    /// The latest message of which it was decided whether it is held back.
    decided: u64,
    /// The message that waits for its successor.
    held: Option<u64>,
}

impl Device {
    /// Its tricks, to change them.
    pub(crate) fn tricks(&mut self) -> &mut Tricks {
        let (seed, stream) = (self.role.run.seed, STREAM | u64::from(self.index()));
        self.tricks.get_or_insert_with(|| {
            let random = Random::new(seed, stream);
            Box::new(Tricks { duplicate: 0.0, reorder: 0.0, answers: 0, random, decided: 0, held: None })
        })
    }

    /// From now on it neither reads nor writes, until its connection is cut; false if it has no connection of which it
    /// could leave the other half open.
    pub(crate) fn fall_silent(&mut self) -> bool {
        self.silent = self.phase == Phase::Online;
        self.silent
    }

    /// Whether it neither reads nor writes.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// How far its clock is ahead, in milliseconds.
    pub(crate) fn set_clock_ahead_ms(&mut self, milliseconds: i64) {
        self.clock_ahead_ms = milliseconds;
    }

    /// The connection breaks, and the device stays away until then; unless it pauses, it is back in that instant.
    pub(crate) fn cut(&mut self, until: u64, pauses: bool, turn: &mut Turn<'_>) {
        let first = match self.phase {
            Phase::Gone => return,
            Phase::Online => {
                turn.tally.connected -= 1;
                0
            }
            Phase::Resting { until } => until,
            Phase::Opening { .. } | Phase::Greeting { .. } => 0,
        };
        self.silent = false;
        let pause = if pauses { u64::try_from(self.pause.next().as_micros()).unwrap_or(u64::MAX) } else { 0 };
        self.pause.reset();
        // Who has never connected keeps its place in the queue.
        self.phase = Phase::Resting { until: first.max(until.max(turn.now) + pause) };
        self.wish = Some(Wish::Drop);
    }

    /// Says something that is no MQTT; the server must close the connection.
    pub(crate) fn say_garbage(&mut self, seed: u64, occurrence: u64, turn: &mut Turn<'_>) {
        if self.phase == Phase::Online {
            let number = occurrence + u64::from(self.index());
            garbage::write(turn.out, self.role.version, seed, number);
            self.breaks = true;
        }
    }

    /// Whether the next message waits for its successor, to be written after it.
    pub(super) fn holds_back(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(sequence) = self.load.next_sequence() else { return false };
        let draining = self.deadline.is_some();
        let Some(tricks) = &mut self.tricks else { return false };
        if sequence > tricks.decided {
            tricks.decided = sequence;
            tricks.held = (tricks.random.fraction() < tricks.reorder).then_some(sequence);
        }
        if tricks.held != Some(sequence) {
            return false;
        }
        // A saturating source gives the next one only when it is asked.
        turn.tally.due += self.load.refill(turn.now, 2);
        if self.load.swap() {
            tricks.held = None;
            tricks.decided = self.load.next_sequence().unwrap_or(sequence).max(sequence);
            return false;
        }
        // Nothing comes after the last one.
        !draining
    }

    /// Whether all that waits is a message that waits for its successor.
    pub(super) fn is_waiting_for_successor(&self) -> bool {
        let held = self.tricks.as_ref().and_then(|tricks| tricks.held);
        held.is_some()
            && self.load.waiting() == 1
            && self.load.next_sequence() == held
            && self.deadline.is_none()
    }

    /// Whether a publish is written twice.
    pub(super) fn doubles(&mut self) -> bool {
        self.tricks.as_mut().is_some_and(|tricks| tricks.random.fraction() < tricks.duplicate)
    }

    /// Whether an acknowledgement that belongs to nothing can be that of the second of two.
    pub(super) fn is_answer_to_double(&mut self) -> bool {
        let Some(tricks) = self.tricks.as_mut().filter(|tricks| tricks.answers > 0) else { return false };
        tricks.answers -= 1;
        true
    }
}
