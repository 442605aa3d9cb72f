//! Everything a queue knows of its messages: the window one by one, what waits beyond it by count.
//!
//! A million messages that wait cost no memory: past the window's limits only where the backlog begins and how long it
//! is are kept, and the journal is read on as the window drains. Takes the time as an argument; reads at most a page of
//! the state store, and only while messages of an earlier run come by.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{Delivery, Position};
use journal::Offset;
use journal::state::StateError;

use super::attempts::Attempts;
use super::attributes::Attributes;
use super::deduplication::{Deduplication, Seen, WINDOW_MS};
use super::memory::{Remembered, Row};
use super::message;
use super::window::{Arrival, Held, Policy, Taken, Window, kept_bytes};
use crate::durable::Change;
use crate::reading::unshared;

/// Bounds on what one queue holds in memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most messages held ready. Default 10,000.
    pub ready_messages_max: usize,
    /// The same for a FIFO queue, which looks no further for groups that are not blocked. Default 120,000, as SQS has
    /// it.
    pub fifo_ready_messages_max: usize,
    /// Most messages held delayed. Default 120,000.
    pub delayed_messages_max: usize,
    /// Most messages in flight, as SQS has it. Default 120,000.
    pub in_flight_messages_max: usize,
    /// The same for a FIFO queue. Default 20,000.
    pub fifo_in_flight_messages_max: usize,
    /// Most deduplication ids that a FIFO queue remembers; beyond it the oldest are forgotten before their time. Default
    /// 500,000, about 60 MB.
    pub deduplication_ids_max: usize,
    /// Most receives of a FIFO queue that can be repeated under their attempt id. Default 10,000.
    pub attempts_max: usize,
    /// Most bytes of bodies kept in memory; the others are read from the journal when received. Default 8 MiB.
    pub body_bytes_max: usize,
    /// Most receives that wait for a message at once. Default 1,000.
    pub waiting_receives_max: usize,
    /// Most messages in the queue, on disk and in memory; beyond it senders wait and then are refused. Default
    /// 10,000,000.
    pub messages_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ready_messages_max: 10_000,
            fifo_ready_messages_max: 120_000,
            delayed_messages_max: 120_000,
            in_flight_messages_max: 120_000,
            fifo_in_flight_messages_max: 20_000,
            deduplication_ids_max: 500_000,
            attempts_max: 10_000,
            body_bytes_max: 8 << 20,
            waiting_receives_max: 1_000,
            messages_max: 10_000_000,
        }
    }
}

impl Limits {
    /// Those that hold for a FIFO queue.
    pub(super) fn of_fifo(self) -> Self {
        Self {
            ready_messages_max: self.fifo_ready_messages_max,
            in_flight_messages_max: self.fifo_in_flight_messages_max,
            ..self
        }
    }
}

/// What a queue counted since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that came in, those found again at a restart included.
    pub arrived: u64,
    /// Messages that were settled already when they came into the window, mostly by an earlier run.
    pub settled_before: u64,
    /// Messages handed to consumers, every receive counted.
    pub received: u64,
    /// Messages deleted by consumers.
    pub deleted: u64,
    /// Messages that grew older than the retention.
    pub expired: u64,
    /// Messages moved to the dead-letter queue.
    pub moved: u64,
    /// Messages purged.
    pub purged: u64,
    /// Messages whose record could not be read any more.
    pub lost: u64,
    /// Duplicates that a FIFO queue did not take; they are not among those that came in.
    pub deduplicated: u64,
}

impl Counts {
    /// Messages that came in and are neither deleted, expired, moved, purged nor lost.
    pub fn waiting(&self) -> u64 {
        let settled =
            self.settled_before + self.deleted + self.expired + self.moved + self.purged + self.lost;
        self.arrived.saturating_sub(settled)
    }
}

/// The messages past the window.
#[derive(Debug, Clone, Copy)]
struct Backlog {
    next: Position,
    messages: u64,
}

/// How a message left the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    Deleted,
    Moved,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) window: Window,
    pub(super) counts: Counts,
    /// Messages that have to move to the dead-letter queue.
    pub(super) to_move: Vec<Position>,
    /// Messages that expired or were lost and are not yet noted as settled.
    pub(super) to_settle: Vec<Position>,
    /// What makes it a FIFO queue.
    pub(super) fifo: Option<Fifo>,
    /// Rows to be noted, in order. Grows only while the writer has no room: then the disk is slow, and with it the
    /// journal from which messages come.
    pub(super) to_note: Vec<Change>,
    limits: Limits,
    remembered: Remembered,
    /// How many deletes of a message are being written, in the window or past it. As many as callers wait.
    deleting: BTreeMap<Position, usize>,
    backlog: Option<Backlog>,
    /// The last message heard of.
    observed_to: Option<Position>,
    /// Messages before this were purged, even those not heard of yet.
    purged_before: Offset,
}

/// What a FIFO queue knows beside its messages.
#[derive(Debug)]
pub(super) struct Fifo {
    pub(super) deduplication: Deduplication,
    pub(super) attempts: Attempts,
}

impl Contents {
    pub(super) fn new(remembered: Remembered, fifo: Option<Fifo>, limits: Limits) -> Self {
        Self {
            window: if fifo.is_some() { Window::fifo() } else { Window::default() },
            fifo,
            to_note: Vec::new(),
            counts: Counts::default(),
            to_move: Vec::new(),
            to_settle: Vec::new(),
            limits,
            remembered,
            deleting: BTreeMap::new(),
            backlog: None,
            observed_to: None,
            purged_before: Offset(0),
        }
    }

    /// Takes note of the next message of the journal. False when it is a duplicate, which the queue does not take.
    #[must_use = "what is not taken is booked"]
    pub(super) fn observe(&mut self, delivery: &Delivery, attributes: &Attributes, now_ms: u64) -> bool {
        let position = delivery.position;
        if self.observed_to.is_some_and(|observed_to| position <= observed_to) {
            return true;
        }
        self.observed_to = Some(position);
        let is_needed = self.fifo.is_some() || (self.backlog.is_none() && self.has_room());
        let row = if is_needed { self.remembered.look_up(position) } else { Ok(None) };
        if self.repeats(delivery, row.as_ref().ok().copied().flatten(), attributes, now_ms) {
            self.counts.deduplicated += 1;
            return false;
        }
        self.counts.arrived += 1;
        if position.offset < self.purged_before {
            self.counts.purged += 1;
            return true;
        }
        if let Some(backlog) = &mut self.backlog {
            backlog.messages += 1;
            return true;
        }
        match row {
            Ok(row) if self.has_room() => self.admit(delivery, row, attributes, now_ms),
            _ => self.backlog = Some(Backlog { next: position, messages: 1 }),
        }
        true
    }

    /// Whether a FIFO queue had the message before. Remembers it if not.
    fn repeats(
        &mut self,
        delivery: &Delivery,
        row: Option<Row>,
        attributes: &Attributes,
        now_ms: u64,
    ) -> bool {
        let Some(Fifo { deduplication, .. }) = &mut self.fifo else { return false };
        if row == Some(Row::Duplicate) {
            return true;
        }
        let position = delivery.position;
        let key = message::deduplication_key(delivery, attributes);
        // A moved message may be old; its place there is taken from now on.
        let at_ms = if message::is_moved(delivery) { now_ms } else { delivery.arrived_at_ms() };
        // What was received or settled was judged before.
        if row.is_none() && deduplication.is_duplicate(key, position, at_ms) {
            self.to_note.push(self.remembered.row(position, Row::Duplicate));
            return true;
        }
        let message_id = message::message_id(delivery.id.as_str(), &delivery.rule);
        let seen = Seen { position, until_ms: at_ms.saturating_add(WINDOW_MS), message_id };
        self.to_note.extend(deduplication.remember(key, seen));
        false
    }

    /// Where to read on, when there are messages past the window and room for them in it.
    pub(super) fn wants_more(&self) -> Option<(Position, Offset)> {
        let half_empty = self.window.held().ready <= self.limits.ready_messages_max / 2;
        let observed_to = self.observed_to?;
        self.backlog
            .filter(|_| half_empty && self.has_room())
            .map(|backlog| (backlog.next, observed_to.offset.next()))
    }

    /// How many messages can be taken from the backlog at once.
    pub(super) fn room(&self) -> usize {
        self.limits.ready_messages_max.saturating_sub(self.window.held().ready)
    }

    /// Takes in what was read from the backlog, which now begins at `next`.
    pub(super) fn refill(
        &mut self,
        from: Position,
        deliveries: &[Delivery],
        next: Position,
        attributes: &Attributes,
        now_ms: u64,
    ) -> Result<(), StateError> {
        // A purge may have come in between.
        let Some(backlog) = self.backlog.filter(|backlog| backlog.next == from) else { return Ok(()) };
        let observed_to = self.observed_to.unwrap_or(from);
        // Read anew each time: messages past the window may have been deleted since, with handles of an earlier run.
        let mut remembered = self.remembered.anew();
        let mut left = backlog;
        for delivery in deliveries.iter().filter(|delivery| delivery.position <= observed_to) {
            left.next = delivery.position;
            self.backlog = Some(left);
            if !self.has_room() {
                return Ok(());
            }
            let row = remembered.look_up(delivery.position)?;
            if row == Some(Row::Duplicate) {
                // It was never counted among those that wait.
                continue;
            }
            self.admit(delivery, row, attributes, now_ms);
            left.messages = left.messages.saturating_sub(1);
        }
        left.next = next;
        self.backlog = Some(left);
        if left.next > observed_to {
            // Whatever is still counted was not there to be read.
            self.counts.lost += left.messages;
            self.backlog = None;
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        let held = self.window.held();
        held.ready < self.limits.ready_messages_max && held.delayed < self.limits.delayed_messages_max
    }

    fn admit(&mut self, delivery: &Delivery, row: Option<Row>, attributes: &Attributes, now_ms: u64) {
        let receipt = match row {
            Some(Row::Settled | Row::Duplicate) => {
                self.counts.settled_before += 1;
                return;
            }
            Some(Row::Received(receipt)) => receipt,
            None => super::window::Receipt::default(),
        };
        let own_delay = message::delay_secs(delivery).filter(|_| self.fifo.is_none());
        let delay_secs = match message::is_moved(delivery) {
            // It has waited where it was.
            true => 0,
            false => own_delay.unwrap_or(attributes.delay_secs),
        };
        let delay_ms = u64::from(delay_secs) * 1000;
        let keep = self.window.body_bytes() + kept_bytes(delivery) <= self.limits.body_bytes_max;
        let arrival = Arrival {
            position: delivery.position,
            sent_at_ms: delivery.arrived_at_ms(),
            // A clock that was set back must not make the delay longer.
            visible_at_ms: delivery.arrived_at_ms().min(now_ms).saturating_add(delay_ms),
            body: keep.then(|| Arc::new(unshared(delivery.clone()))),
            receipt,
            group: self.fifo.is_some().then(|| message::group(delivery)),
        };
        self.window.insert(arrival, now_ms);
        if self.deleting.contains_key(&delivery.position) {
            self.window.begin_delete(delivery.position);
        }
    }

    /// Forgets deduplication ids that no message can repeat any more.
    pub(super) fn forget_ids_before(&mut self, now_ms: u64) {
        if let Some(fifo) = &mut self.fifo {
            self.to_note.extend(fifo.deduplication.forget_before(now_ms));
        }
    }

    /// Lets time pass. Returns how many messages became ready.
    pub(super) fn tick(&mut self, policy: Policy, now_ms: u64) -> usize {
        let tick = self.window.tick(policy, now_ms);
        self.counts.expired += tick.expired.len() as u64;
        self.to_settle.extend(tick.expired);
        self.to_move.extend(tick.exhausted);
        tick.visible
    }

    /// Hands out up to `count_max` messages.
    pub(super) fn take(
        &mut self,
        count_max: usize,
        visibility_ms: u64,
        policy: Policy,
        now_ms: u64,
    ) -> Vec<Taken> {
        self.tick(policy, now_ms);
        let take = self.window.take(count_max, visibility_ms, policy, now_ms);
        self.counts.received += take.taken.len() as u64;
        self.to_move.extend(take.exhausted);
        take.taken
    }

    /// True when no more messages may be in flight.
    pub(super) fn is_over_limit(&self) -> bool {
        self.window.held().in_flight >= self.limits.in_flight_messages_max
    }

    /// Keeps a message from being received while its delete is written, wherever it is; until
    /// [`end_delete`](Self::end_delete).
    pub(super) fn begin_delete(&mut self, position: Position) {
        *self.deleting.entry(position).or_default() += 1;
        self.window.begin_delete(position);
    }

    /// Ends what [`begin_delete`](Self::begin_delete) began. A message that is not `deleted` comes back, unless
    /// somebody else is still deleting it.
    pub(super) fn end_delete(&mut self, position: Position, deleted: bool) {
        let others = self.deleting.remove(&position).unwrap_or_default().saturating_sub(1);
        if others > 0 {
            self.deleting.insert(position, others);
        }
        if deleted {
            self.depart(position, Departure::Deleted);
        } else if others == 0 {
            self.window.abort_delete(position);
        }
    }

    /// Forgets a message whose departure is on disk.
    pub(super) fn depart(&mut self, position: Position, departure: Departure) {
        if !self.window.remove(position) {
            return;
        }
        match departure {
            Departure::Deleted => self.counts.deleted += 1,
            Departure::Moved => self.counts.moved += 1,
        }
    }

    /// Forgets a message that can't be read any more.
    pub(super) fn lose(&mut self, position: Position) {
        if self.window.remove(position) {
            self.counts.lost += 1;
            self.to_settle.push(position);
        }
    }

    /// Drops every message before `before`, which is the end of the journal, so even those not heard of yet.
    pub(super) fn purge(&mut self, before: Offset) {
        self.purged_before = before;
        let mut purged = 0;
        while let Some(position) = self.window.first() {
            self.window.remove(position);
            purged += 1;
        }
        purged += self.backlog.take().map_or(0, |backlog| backlog.messages);
        self.counts.purged += purged;
    }

    /// The oldest message not settled; `None` when there is none among those heard of.
    pub(super) fn floor(&self) -> Option<Position> {
        let backlog = self.backlog.map(|backlog| backlog.next);
        [self.window.first(), backlog].into_iter().flatten().min()
    }

    /// How many messages are where; those past the window count as ready.
    pub(super) fn held(&self) -> Held {
        let mut held = self.window.held();
        held.ready +=
            usize::try_from(self.backlog.map_or(0, |backlog| backlog.messages)).unwrap_or(usize::MAX);
        held
    }
}
