//! One device as a state machine: it is told what happened and when, and says what to write and when to be woken.
//!
//! It knows neither sockets nor clocks, so that any order of events can be played to it. `publish.rs` is its way
//! out, `receive.rs` its way in; this file is about its connection.

mod answer;
mod publish;
mod receive;
mod trouble;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use answer::Thought;
use trouble::Tricks;

use super::flight::Flight;
use super::load::{Load, Message};
use super::pause::Pause;
use super::role::Role;
use crate::ranges::Ranges;
use crate::truth::Counts;
use crate::wire::{self, Accepted, Incoming};

/// For reaching the server, the handshakes of TLS and WebSocket included.
const OPEN_MICROS_MAX: u64 = 15_000_000;
/// For the CONNACK.
const GREETING_MICROS_MAX: u64 = 20_000_000;
/// For the PINGRESP, if the keep-alive time is not shorter.
const PING_MICROS_MAX: u64 = 10_000_000;

/// What a device may use while it is told something.
pub(crate) struct Turn<'a> {
    /// Microseconds since the start of the run.
    pub(crate) now: u64,
    /// Takes what is to be written to the connection.
    pub(crate) out: &'a mut Vec<u8>,
    /// Where things are counted.
    pub(crate) tally: &'a mut Counts,
    /// Buffers of messages that landed, for the next ones.
    pub(crate) spare: &'a mut Vec<Vec<u8>>,
}

/// What a device wants of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A new one.
    Open,
    /// Its end, after everything is written.
    Close,
    /// Its end, at once.
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Without a connection until then.
    Resting { until: u64 },
    /// A connection was asked for then.
    Opening { since: u64 },
    /// CONNECT is written; the connection was asked for then.
    Greeting { since: u64 },
    /// CONNACK was good.
    Online,
    /// It is over.
    Gone,
}

/// A simulated device.
pub(crate) struct Device {
    role: Arc<Role>,
    /// In its fleet, from 0.
    place: u32,
    /// Its client id.
    name: Arc<str>,
    phase: Phase,
    wish: Option<Wish>,
    pause: Pause,
    /// The connection takes nothing more for now.
    blocked: bool,
    load: Load,
    flight: Flight<Message>,
    /// How many messages may fly: ours or the server's limit.
    flying_max: usize,
    /// The server's session has its subscriptions.
    subscribed: bool,
    /// Packet ids of QoS 2 messages to this device that are not released yet.
    unreleased: Vec<u16>,
    keep_alive_micros: u64,
    written_at: u64,
    pinged_at: Option<u64>,
    /// It may still have something to send, or to hear about what it sent.
    sending: bool,
    /// Nothing more is to become due.
    ended: bool,
    /// Once nothing more becomes due: when to stop waiting for acknowledgements.
    deadline: Option<u64>,
    /// Answers to come, in the order of their time.
    thoughts: VecDeque<Thought>,
    /// What faults make it do.
    tricks: Option<Box<Tricks>>,
    /// It neither reads nor writes.
    silent: bool,
    /// How far its clock is ahead, in milliseconds.
    clock_ahead_ms: i64,
    /// A fault breaks its connection, which is then nobody's fault.
    breaks: bool,
    acknowledged: Ranges,
    /// Written, and given up before an acknowledgement.
    given_up: u64,
}

/// What a device leaves behind.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Counted through all fleets, from 0.
    pub(crate) index: u32,
    pub(crate) name: Arc<str>,
    pub(crate) last_sequence: u64,
    pub(crate) acknowledged: Ranges,
    /// Written, but never acknowledged.
    pub(crate) unacknowledged: u64,
}

impl Device {
    /// The device at a place of a fleet.
    pub(crate) fn new(role: Arc<Role>, place: u32, name: Arc<str>) -> Self {
        let index = role.index(place);
        let load = Load::new(&role, place, &name);
        Self {
            place,
            phase: Phase::Resting { until: role.connects_at(place) },
            wish: None,
            pause: Pause::new(role.run.seed, index),
            blocked: false,
            sending: !load.is_over(),
            ended: false,
            load,
            flight: Flight::default(),
            flying_max: usize::from(role.fleet.inflight_max),
            subscribed: false,
            unreleased: Vec::new(),
            keep_alive_micros: 0,
            written_at: 0,
            pinged_at: None,
            deadline: None,
            thoughts: VecDeque::new(),
            tricks: None,
            silent: false,
            clock_ahead_ms: 0,
            breaks: false,
            acknowledged: Ranges::default(),
            given_up: 0,
            role,
            name,
        }
    }

    pub(crate) fn role(&self) -> &Arc<Role> {
        &self.role
    }

    /// Its client id.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its number when all fleets are counted through, from 0.
    pub(crate) fn index(&self) -> u32 {
        self.role.index(self.place)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Whether it may still have something to send, or to hear about what it sent.
    pub(crate) fn is_sender(&self) -> bool {
        self.sending
    }

    /// What it wants of its connection; told once.
    pub(crate) fn take_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }

    /// Whether it has more to write than one turn may, and should get another one soon.
    pub(crate) fn wants_turn(&self) -> bool {
        let ready = self.phase == Phase::Online && !self.blocked && !self.silent;
        ready && self.may_send() && !self.is_waiting_for_successor()
    }

    /// The next moment at which time alone makes a difference to it.
    pub(crate) fn wakes_at(&self) -> Option<u64> {
        let phase = match self.phase {
            Phase::Resting { until } => Some(until),
            Phase::Opening { since } => Some(since + OPEN_MICROS_MAX),
            Phase::Greeting { since } => Some(since + GREETING_MICROS_MAX),
            Phase::Online => self.next_ping(),
            Phase::Gone => return None,
        };
        // What waits for room is written when something is acknowledged, not when time passes.
        let online = self.phase == Phase::Online && !self.blocked && !self.silent;
        let online = online && self.flight.len() < self.flying_max;
        let answer = self.thoughts.front().filter(|_| online).map(|thought| thought.due);
        [phase, self.load.next_due(), self.deadline, answer].into_iter().flatten().min()
    }

    /// Time has passed.
    pub(crate) fn wake(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Resting { until } if turn.now >= until && self.deadline.is_none_or(|at| turn.now < at) => {
                self.phase = Phase::Opening { since: turn.now };
                self.wish = Some(Wish::Open);
            }
            Phase::Opening { since } if turn.now >= since + OPEN_MICROS_MAX => {
                self.broken("timed out while connecting", turn);
            }
            Phase::Greeting { since } if turn.now >= since + GREETING_MICROS_MAX => {
                self.broken("no CONNACK in time", turn);
            }
            Phase::Online => self.keep_alive(turn),
            _ => {}
        }
        self.tend(turn);
    }

    /// The connection is there.
    pub(crate) fn opened(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Opening { since } = self.phase {
            self.role.greet(self.place, &self.name, turn.out);
            self.written_at = turn.now;
            self.phase = Phase::Greeting { since };
        }
    }

    /// The connection takes bytes again, or does not.
    pub(crate) fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    /// A packet arrived. If it makes the connection useless, it is given up.
    pub(crate) fn received(&mut self, packet: &Incoming<'_>, turn: &mut Turn<'_>) {
        let taken = match (self.phase, packet) {
            (Phase::Greeting { since }, Incoming::ConnAck(accepted)) => self.greeted(accepted, since, turn),
            (Phase::Greeting { .. }, _) => Err("a packet before the CONNACK".to_owned()),
            (Phase::Online, _) => self.take(packet, turn),
            // What was on its way when the connection was given up.
            _ => Ok(()),
        };
        if let Err(reason) = taken {
            self.broken(&reason, turn);
        }
    }

    /// Everything that had arrived was told: answers that belong together are written together.
    pub(crate) fn tend(&mut self, turn: &mut Turn<'_>) {
        if self.phase == Phase::Gone {
            return;
        }
        self.collect(turn);
        self.send(turn);
        if !self.is_through(turn.now) {
            return;
        }
        self.sending = false;
        if self.ended || !self.role.listens() {
            self.leave(turn);
        } else {
            self.deadline = None;
        }
    }

    /// The connection is gone, for a reason.
    pub(crate) fn lost(&mut self, reason: &str, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Resting { .. } | Phase::Gone => return,
            Phase::Online => {
                turn.tally.connected -= 1;
                if std::mem::take(&mut self.breaks) {
                    // The scenario wanted it.
                    self.rest(turn);
                    return;
                }
                turn.tally.disconnects.count(reason, 1);
                self.role.run.tell_once(&self.name, "lost its connection", reason);
            }
            Phase::Opening { .. } | Phase::Greeting { .. } => {
                turn.tally.connect_failures.count(reason, 1);
                self.role.run.tell_once(&self.name, "cannot connect", reason);
            }
        }
        self.rest(turn);
    }

    /// Stays away for a pause.
    fn rest(&mut self, turn: &Turn<'_>) {
        let pause = u64::try_from(self.pause.next().as_micros()).unwrap_or(u64::MAX);
        self.phase = Phase::Resting { until: turn.now + pause };
    }

    /// Nothing more is to become due.
    pub(crate) fn end(&mut self, turn: &mut Turn<'_>) {
        self.collect(turn);
        self.load.stop();
        self.ended = true;
        self.begin_draining(turn.now);
        self.tend(turn);
    }

    /// What it leaves; counts what was not sent.
    pub(crate) fn outcome(self, tally: &mut Counts) -> Outcome {
        tally.not_sent.count(super::ENDED, self.load.waiting());
        Outcome {
            index: self.role.index(self.place),
            name: self.name,
            last_sequence: self.load.last_sequence(),
            acknowledged: self.acknowledged,
            unacknowledged: self.flight.len() as u64 + self.given_up,
        }
    }

    /// The connection cannot go on.
    pub(crate) fn broken(&mut self, reason: &str, turn: &mut Turn<'_>) {
        self.lost(reason, turn);
        self.wish = Some(Wish::Drop);
    }

    fn greeted(&mut self, accepted: &Accepted<'_>, since: u64, turn: &mut Turn<'_>) -> Result<(), String> {
        let version = self.role.version;
        if wire::is_refused(version, accepted.code) {
            return Err(format!("CONNACK: {}", wire::words(version, accepted.code)));
        }
        self.phase = Phase::Online;
        self.breaks = false;
        self.pause.reset();
        turn.tally.connected += 1;
        turn.tally.connects += 1;
        turn.tally.connect.record_micros(turn.now.saturating_sub(since));
        self.flying_max = usize::from(self.role.fleet.inflight_max.min(accepted.receive_max));
        let keep_alive_secs = accepted.keep_alive_secs.unwrap_or(self.role.fleet.keep_alive_secs);
        self.keep_alive_micros = u64::from(keep_alive_secs) * 1_000_000;
        self.pinged_at = None;
        if !accepted.session_present {
            self.subscribed = false;
            self.unreleased.clear();
        }
        // A session may be that of an earlier run, which wanted to hear something else.
        if !self.subscribed {
            self.role.subscribe(self.place, &self.name, turn.out);
        }
        self.begin_again(accepted.session_present, turn);
        Ok(())
    }

    fn next_ping(&self) -> Option<u64> {
        if self.keep_alive_micros == 0 || self.silent {
            return None;
        }
        let patience = self.keep_alive_micros.min(PING_MICROS_MAX);
        Some(self.pinged_at.map_or(self.written_at + self.keep_alive_micros, |at| at + patience))
    }

    fn keep_alive(&mut self, turn: &mut Turn<'_>) {
        if self.silent || self.next_ping().is_none_or(|at| turn.now < at) {
            return;
        }
        if self.pinged_at.is_some() {
            self.broken("no answer to PINGREQ", turn);
        } else {
            wire::encode::pingreq(turn.out);
            self.written_at = turn.now;
            self.pinged_at = Some(turn.now);
        }
    }

    fn begin_draining(&mut self, now: u64) {
        let deadline = now + self.role.run.drain_micros;
        self.deadline = Some(self.deadline.map_or(deadline, |before| before.min(deadline)));
    }

    /// Whether everything was sent and acknowledged, or there is no more time to wait for that.
    fn is_through(&self, now: u64) -> bool {
        let Some(deadline) = self.deadline else { return false };
        now >= deadline || (self.load.waiting() == 0 && self.flight.is_empty())
    }

    /// Says goodbye, if there is anybody to say it to.
    fn leave(&mut self, turn: &mut Turn<'_>) {
        self.wish = Some(Wish::Drop);
        if self.phase == Phase::Online {
            turn.tally.connected -= 1;
            wire::encode::disconnect(turn.out, self.role.version, wire::CLOSED_IN_ORDER);
            self.wish = Some(Wish::Close);
        }
        self.phase = Phase::Gone;
    }
}
