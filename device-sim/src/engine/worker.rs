//! A thread that plays some of the devices: it waits for their sockets and alarms, and does what they wish.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mio::event::Event;
use mio::{Events, Interest, Registry, Token};
use rustls::ClientConfig;

use super::clock::{Clock, begin_of, tick_at, tick_of};
use super::device::{Device, Outcome, Turn, Wish};
use super::faults::Calendar;
use super::reach::Reach;
use super::role::decoder;
use super::sleeper::{Sleeper, TIME};
use super::wheel::Wheel;
use crate::credentials::Standing;
use crate::transport::{Buffers, Handshake, Link, Readiness};
use crate::truth::{Counts, Tally};
use crate::wire::Decoder;

/// Events taken from one poll.
const EVENTS_MAX: usize = 1024;

/// For a goodbye that the server does not read.
const GOODBYE_MICROS_MAX: u64 = 1_000_000;

/// What the threads of a run share.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) tally: Arc<Tally>,
    pub(super) reach: Reach,
    /// Nothing more is to become due.
    pub(super) stop: AtomicBool,
    /// Devices that may still have something to send.
    pub(super) senders: AtomicUsize,
}

/// A device with its connection.
pub(super) struct Slot {
    pub(super) device: Device,
    pub(super) link: Option<Link>,
    decoder: Decoder,
    /// Made when it connects for the first time.
    settings: Option<Arc<ClientConfig>>,
    /// What kind of certificate it shows.
    pub(super) standing: Standing,
    /// How many bytes a second it reads, if that is limited.
    pub(super) reads: Option<u32>,
    /// The tick of its earliest alarm; other ones ring for nothing.
    alarm: Option<u64>,
    /// It waits for another turn.
    queued: bool,
    /// It counts as a sender.
    sender: bool,
    /// Nothing happens to it any more, but for its goodbye.
    gone: bool,
    released: bool,
}

/// A thread's part of the fleet.
pub(super) struct Worker {
    pub(super) slots: Vec<Slot>,
    sleeper: Sleeper,
    calendar: Calendar,
    /// Devices that read slowly.
    pub(super) slow: Vec<usize>,
    /// When they may read again.
    pub(super) slow_at: u64,
    pub(super) bench: Bench,
}

/// What a worker's devices use in turn.
pub(super) struct Bench {
    shared: Arc<Shared>,
    /// The worker's number: the shard that it counts in.
    number: usize,
    registry: Registry,
    wheel: Wheel,
    /// Those that get another turn at once.
    queue: VecDeque<usize>,
    buffers: Buffers,
    received: Vec<u8>,
    out: Vec<u8>,
    spare: Vec<Vec<u8>>,
    /// Devices that are not gone.
    left: usize,
}

impl Worker {
    /// A worker for these devices, which begin when it runs.
    pub(super) fn new(
        shared: Arc<Shared>,
        number: usize,
        devices: Vec<Device>,
        calendar: Calendar,
    ) -> io::Result<Self> {
        let sleeper = Sleeper::new()?;
        let mut bench = Bench {
            shared,
            number,
            registry: sleeper.poll().registry().try_clone()?,
            wheel: Wheel::default(),
            queue: VecDeque::new(),
            buffers: Buffers::new(),
            received: Vec::new(),
            out: Vec::new(),
            spare: Vec::new(),
            left: devices.len(),
        };
        let slot = |device: Device| Slot {
            decoder: decoder(device.role().version),
            sender: device.is_sender(),
            device,
            link: None,
            settings: None,
            standing: Standing::Valid,
            reads: None,
            alarm: None,
            queued: false,
            gone: false,
            released: false,
        };
        let mut slots: Vec<Slot> = devices.into_iter().map(slot).collect();
        slots.iter_mut().enumerate().for_each(|(index, slot)| bench.set_alarm(slot, index));
        Ok(Self { slots, sleeper, calendar, slow: Vec::new(), slow_at: 0, bench })
    }

    /// Plays until all its devices are gone.
    pub(super) fn run(mut self) -> io::Result<Vec<Outcome>> {
        let shared = Arc::clone(&self.bench.shared);
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut rung = Vec::new();
        let mut stopped = false;
        while self.bench.left > 0 {
            self.sleeper.wait(&mut events, self.pause())?;
            // Held for a batch, which is milliseconds at most; whoever samples once a second can wait for it.
            let mut counts = shared.tally.shard(self.bench.number).open();
            events
                .iter()
                .filter(|event| event.token() != TIME)
                .for_each(|event| self.event(event, &mut counts));
            self.bench.wheel.ring(tick_at(shared.clock.now()), &mut rung);
            for (tick, key) in rung.drain(..) {
                self.ring(tick, key as usize, &mut counts);
            }
            self.another_turn(&mut counts);
            while let Some(turning) = self.calendar.due(shared.clock.now()) {
                self.strike(&turning, &mut counts);
            }
            self.read_slowly(&mut counts);
            if !stopped && shared.stop.load(Ordering::Relaxed) {
                stopped = true;
                for (index, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| !slot.gone) {
                    self.bench.turn(slot, index, &mut counts, |device, turn| device.end(turn));
                }
            }
        }
        let mut counts = shared.tally.shard(self.bench.number).open();
        Ok(self.slots.into_iter().map(|slot| slot.device.outcome(&mut counts)).collect())
    }

    /// How long nothing needs to be done, in microseconds.
    fn pause(&self) -> u64 {
        let slow = (!self.slow.is_empty()).then_some(self.slow_at);
        let at = [self.calendar.next_at(), slow].into_iter().flatten().min();
        let until = at.map_or(u64::MAX, |at| at.saturating_sub(self.bench.shared.clock.now()));
        self.bench.pause().min(until)
    }

    fn event(&mut self, event: &Event, counts: &mut Counts) {
        let index = event.token().0;
        self.bench.ready(&mut self.slots[index], index, Readiness::from(event), counts);
    }

    fn ring(&mut self, tick: u64, index: usize, counts: &mut Counts) {
        let slot = &mut self.slots[index];
        if slot.alarm == Some(tick) {
            slot.alarm = None;
            if slot.gone {
                self.bench.release(slot);
                return;
            }
            self.bench.turn(slot, index, counts, |device, turn| device.wake(turn));
        }
    }

    /// For those that were not done the last time.
    fn another_turn(&mut self, counts: &mut Counts) {
        for _ in 0..self.bench.queue.len() {
            let Some(index) = self.bench.queue.pop_front() else { return };
            let slot = &mut self.slots[index];
            slot.queued = false;
            self.bench.ready(slot, index, Readiness { readable: true, ..Readiness::default() }, counts);
        }
    }
}

impl Bench {
    /// How long nothing needs to be done, in microseconds.
    fn pause(&self) -> u64 {
        if !self.queue.is_empty() {
            return 0;
        }
        let next = self.wheel.next_tick().map_or(u64::MAX, begin_of);
        next.saturating_sub(self.shared.clock.now())
    }

    /// Microseconds since the start.
    pub(super) fn now(&self) -> u64 {
        self.shared.clock.now()
    }

    /// Tells a device something, and does what it wants.
    pub(super) fn turn(
        &mut self,
        slot: &mut Slot,
        index: usize,
        counts: &mut Counts,
        tell: impl FnOnce(&mut Device, &mut Turn<'_>),
    ) {
        self.out.clear();
        let now = self.shared.clock.now();
        let mut turn = Turn { now, out: &mut self.out, tally: counts, spare: &mut self.spare };
        tell(&mut slot.device, &mut turn);
        if let Some(link) = slot.link.as_mut().filter(|link| link.is_open() && !turn.out.is_empty()) {
            match link.send(turn.out, &mut self.buffers) {
                Ok(()) => slot.device.set_blocked(link.unsent_bytes() > 0),
                Err(failure) => {
                    slot.device.lost(&failure.to_string(), &mut turn);
                    slot.link = None;
                }
            }
        }
        self.grant(slot, index, counts);
    }

    /// A socket is ready, or was not done with.
    pub(super) fn ready(&mut self, slot: &mut Slot, index: usize, ready: Readiness, counts: &mut Counts) {
        let Some(link) = &mut slot.link else { return };
        let mut received = std::mem::take(&mut self.received);
        received.clear();
        let advanced = link.advance(ready, &mut self.buffers, &mut received);
        let blocked = link.unsent_bytes() > 0;
        let handshake = link.handshake();
        let (opened, again) = advanced.as_ref().map_or((false, false), |it| (it.opened, it.again));
        let mut failure = advanced.err().map(|failure| failure.to_string());
        // The device is told of everything in one turn, so that what it answers is one write.
        let mut decoder = std::mem::replace(&mut slot.decoder, decoder(slot.device.role().version));
        self.turn(slot, index, counts, |device, turn| {
            device.set_blocked(blocked);
            if opened {
                count_handshake(handshake, turn.tally);
                device.opened(turn);
            }
            let malformed = tell_packets(device, &mut decoder, &received, turn);
            if let Some(reason) = failure.take().or(malformed) {
                device.broken(&reason, turn);
            }
            device.tend(turn);
        });
        slot.decoder = decoder;
        self.received = received;
        if slot.gone && slot.link.as_ref().is_some_and(|link| link.unsent_bytes() == 0) {
            self.release(slot);
        }
        if again && slot.link.is_some() {
            self.enqueue(slot, index);
        }
    }

    /// Does what a device wishes, and sees to its next turn.
    fn grant(&mut self, slot: &mut Slot, index: usize, counts: &mut Counts) {
        match slot.device.take_wish() {
            Some(Wish::Open) => self.open(slot, index, counts),
            Some(Wish::Close) => self.close(slot, index),
            Some(Wish::Drop) => slot.link = None,
            None => {}
        }
        if slot.sender && !slot.device.is_sender() {
            slot.sender = false;
            self.shared.senders.fetch_sub(1, Ordering::Relaxed);
        }
        if slot.device.is_gone() {
            slot.gone = true;
            if slot.link.is_none() {
                self.release(slot);
            }
            return;
        }
        self.set_alarm(slot, index);
        if slot.device.wants_turn() {
            self.enqueue(slot, index);
        }
    }

    fn open(&mut self, slot: &mut Slot, index: usize, counts: &mut Counts) {
        slot.decoder = decoder(slot.device.role().version);
        slot.device.set_blocked(false);
        let opened = self.shared.reach.open(&slot.device, slot.standing, &mut slot.settings);
        let registered = opened.and_then(|mut link| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registered = self.registry.register(link.socket(), Token(index), interest);
            registered.map(|()| link).map_err(|error| error.to_string())
        });
        match registered {
            Ok(link) => slot.link = Some(link),
            Err(reason) => {
                let now = self.shared.clock.now();
                let mut turn = Turn { now, out: &mut self.out, tally: counts, spare: &mut self.spare };
                slot.device.lost(&reason, &mut turn);
            }
        }
    }

    /// Says goodbye; the link goes when that is written, or nobody takes it.
    fn close(&mut self, slot: &mut Slot, index: usize) {
        let Some(link) = &mut slot.link else { return };
        link.close(&mut self.buffers);
        if link.unsent_bytes() == 0 {
            slot.link = None;
            return;
        }
        let at = self.shared.clock.now() + GOODBYE_MICROS_MAX;
        slot.alarm = Some(self.wheel.set(tick_of(at), key(index)));
    }

    /// A device is through with everything.
    fn release(&mut self, slot: &mut Slot) {
        slot.link = None;
        slot.alarm = None;
        // What it holds for TLS is of no use any more, and much of what it holds at all.
        slot.settings = None;
        self.left -= usize::from(!std::mem::replace(&mut slot.released, true));
    }

    fn set_alarm(&mut self, slot: &mut Slot, index: usize) {
        let Some(tick) = slot.device.wakes_at().map(tick_of) else { return };
        if slot.alarm.is_none_or(|alarm| tick < alarm) {
            slot.alarm = Some(self.wheel.set(tick, key(index)));
        }
    }

    fn enqueue(&mut self, slot: &mut Slot, index: usize) {
        if !std::mem::replace(&mut slot.queued, true) {
            self.queue.push_back(index);
        }
    }
}

fn key(index: usize) -> u32 {
    u32::try_from(index).expect("the number of devices is a `u32`")
}

fn count_handshake(handshake: Option<Handshake>, counts: &mut Counts) {
    match handshake {
        Some(Handshake::Full) => counts.full_handshakes += 1,
        Some(Handshake::Resumed) => counts.resumed_handshakes += 1,
        None => {}
    }
}

/// Tells a device of every packet that arrived; the result is what is wrong with the bytes.
fn tell_packets(
    device: &mut Device,
    decoder: &mut Decoder,
    mut received: &[u8],
    turn: &mut Turn<'_>,
) -> Option<String> {
    loop {
        match decoder.next(&mut received) {
            Ok(Some(packet)) => device.received(&packet, turn),
            Ok(None) => return None,
            Err(malformed) => return Some(malformed.to_string()),
        }
    }
}
