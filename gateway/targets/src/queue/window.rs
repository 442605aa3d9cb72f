//! The messages of one queue that are known one by one: ready, delayed, in flight, being deleted, being moved.
//!
//! A state machine: every call takes the time, in milliseconds since the Unix epoch, and returns what has to be done.
//! It must not know the journal, the state store or any protocol. What waits beyond it is known by count only
//! (see [`super::contents`]). Whose turn it is in a FIFO queue, [`super::groups`] says.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use bus::{Delivery, Position};
use journal::Offset;

use super::groups::{Groups, Standing};

/// Longest time for which one receive may hide a message, all extensions included: 12 hours.
pub const VISIBILITY_MS_MAX: u64 = 12 * 60 * 60 * 1000;

/// How many who have left may stand in line before the lines are tidied, beside as many as are ready.
const LEFT_IN_LINE_MAX: usize = 64;

/// One message as it enters the window.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) position: Position,
    /// When the message was accepted; its age counts from here.
    pub(super) sent_at_ms: u64,
    /// When it may first be received.
    pub(super) visible_at_ms: u64,
    /// Kept so that a message received soon need not be read again.
    pub(super) body: Option<Arc<Delivery>>,
    /// What is remembered of receives before a restart.
    pub(super) receipt: Receipt,
    /// Its message group; in a FIFO queue every message has one.
    pub(super) group: Option<String>,
}

/// What is remembered of the receives of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Receipt {
    /// How often it was received.
    pub(super) receives: u32,
    /// When it was received first.
    pub(super) first_at_ms: u64,
    /// When it was received last.
    pub(super) last_at_ms: u64,
    /// Until when the last receive hides it.
    pub(super) hidden_until_ms: u64,
}

/// One message handed to a consumer.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) position: Position,
    pub(super) sent_at_ms: u64,
    pub(super) receipt: Receipt,
    pub(super) body: Option<Arc<Delivery>>,
}

/// What a receive gives.
#[derive(Debug, Default)]
pub(super) struct Take {
    pub(super) taken: Vec<Taken>,
    /// Messages that were received often enough and have to move to the dead-letter queue instead.
    pub(super) exhausted: Vec<Position>,
}

/// What the passing of time brings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tick {
    /// How many messages became ready.
    pub(super) visible: usize,
    /// Messages that grew too old; they have left the window.
    pub(super) expired: Vec<Position>,
    /// Messages that have to move to the dead-letter queue.
    pub(super) exhausted: Vec<Position>,
}

/// What a handle can still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is the newest handle of a message that is here.
    Held,
    /// The message was received again since, or is on its way to the dead-letter queue.
    Stale,
    /// The message is not in the window: deleted, moved or expired.
    Gone,
}

/// Why the visibility of a message can't be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeRefusal {
    /// The handle's receive no longer hides the message.
    NotInFlight,
    /// The receive would hide it for longer than [`VISIBILITY_MS_MAX`] in all.
    TooLong,
}

/// The limits that a queue's attributes set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// How old a message may grow.
    pub(super) retention_ms: u64,
    /// How often a message may be received before it moves, when there is a dead-letter queue.
    pub(super) receives_max: Option<u32>,
}

/// How many messages are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// May be received now.
    pub ready: usize,
    /// Wait for their delay to pass.
    pub delayed: usize,
    /// Were received and are hidden.
    pub in_flight: usize,
    /// Are being deleted or moved.
    pub leaving: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready,
    Delayed {
        until_ms: u64,
    },
    InFlight,
    Deleting,
    /// On its way to the dead-letter queue; `Some` is when to try again.
    Moving {
        again_at_ms: Option<u64>,
    },
}

#[derive(Debug)]
struct Entry {
    sent_at_ms: u64,
    receipt: Receipt,
    place: Place,
    body: Option<Arc<Delivery>>,
    group: Option<Arc<str>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Window {
    entries: BTreeMap<Position, Entry>,
    /// The message groups of a FIFO queue, which take the place of the two lines below.
    groups: Option<Groups>,
    /// Never received, in order of acceptance. Holds some that have left, not many more than are ready; they are skipped.
    fresh: VecDeque<Position>,
    /// Received before and visible again, in the order in which they became so.
    returned: VecDeque<Position>,
    /// Whose turn it is: taking from both in turn, neither a message that fails for ever nor a long backlog can
    /// hold up the other.
    returned_next: bool,
    /// When delays, visibility and waits end.
    due: BTreeSet<(u64, Position)>,
    /// Messages that can expire, oldest first.
    ages: BTreeSet<(u64, Position)>,
    held: Held,
    body_bytes: usize,
}

impl Window {
    /// The window of a FIFO queue.
    pub(super) fn fifo() -> Self {
        Self { groups: Some(Groups::default()), ..Self::default() }
    }

    /// Takes in a message.
    pub(super) fn insert(&mut self, arrival: Arrival, now_ms: u64) {
        let Arrival { position, sent_at_ms, visible_at_ms, body, receipt, group } = arrival;
        // A clock that was set back must not hide a message for longer than one receive can.
        let hidden_until_ms = receipt.hidden_until_ms.min(now_ms.saturating_add(VISIBILITY_MS_MAX));
        let receipt = Receipt { hidden_until_ms, ..receipt };
        let place = if receipt.receives > 0 && hidden_until_ms > now_ms {
            Place::InFlight
        } else if receipt.receives == 0 && visible_at_ms > now_ms {
            Place::Delayed { until_ms: visible_at_ms }
        } else {
            Place::Ready
        };
        self.body_bytes += body.as_deref().map_or(0, kept_bytes);
        let group = self.groups.as_ref().map(|groups| groups.name(group.as_deref().unwrap_or_default()));
        let entry = Entry { sent_at_ms, receipt, place, body, group };
        let replaced = self.entries.insert(position, entry);
        debug_assert!(replaced.is_none(), "a position enters the window once");
        self.file(position);
        if place == Place::Ready {
            self.line_up(position);
        }
    }

    /// Hides up to `count_max` ready messages for `visibility_ms` and hands them out.
    pub(super) fn take(&mut self, count_max: usize, visibility_ms: u64, policy: Policy, now_ms: u64) -> Take {
        let mut take = Take::default();
        while take.taken.len() < count_max {
            let run = self.next_run(count_max - take.taken.len());
            if run.is_empty() {
                break;
            }
            for position in run {
                let receives = self.entries.get(&position).map_or(0, |entry| entry.receipt.receives);
                if policy.receives_max.is_some_and(|receives_max| receives >= receives_max) {
                    self.put(position, Place::Moving { again_at_ms: None });
                    take.exhausted.push(position);
                    // What stands behind it in its group waits until it has moved.
                    break;
                }
                take.taken.push(self.hand_out(position, visibility_ms, now_ms));
            }
        }
        take
    }

    fn hand_out(&mut self, position: Position, visibility_ms: u64, now_ms: u64) -> Taken {
        let entry = self.entries.get_mut(&position).expect("a ready message is in the window");
        let receipt = &mut entry.receipt;
        receipt.receives = receipt.receives.saturating_add(1);
        if receipt.first_at_ms == 0 {
            receipt.first_at_ms = now_ms;
        }
        receipt.last_at_ms = now_ms;
        receipt.hidden_until_ms = now_ms.saturating_add(visibility_ms);
        let (sent_at_ms, receipt, body) = (entry.sent_at_ms, entry.receipt, entry.body.take());
        self.body_bytes -= body.as_deref().map_or(0, kept_bytes);
        self.put(position, Place::InFlight);
        Taken { position, sent_at_ms, receipt, body }
    }

    /// Sets up to `count_max` ready messages from before `before` on their way to another queue, in the order in which
    /// they would be received.
    pub(super) fn take_to_move(&mut self, count_max: usize, before: Offset) -> Vec<Position> {
        let Some(groups) = &self.groups else {
            let first = Position { offset: before, ordinal: 0 };
            let ready = self.entries.range(..first).filter(|(_, entry)| entry.place == Place::Ready);
            let ready: Vec<Position> = ready.take(count_max).map(|(position, _)| *position).collect();
            ready.iter().for_each(|position| self.put(*position, Place::Moving { again_at_ms: None }));
            return ready;
        };
        let moving = groups.open_before(before, count_max);
        moving.iter().for_each(|position| self.put(*position, Place::Moving { again_at_ms: None }));
        moving
    }

    /// Messages that may be received now, in order, at most `count_max`; in a FIFO queue all of one group.
    fn next_run(&mut self, count_max: usize) -> Vec<Position> {
        match &self.groups {
            Some(groups) => groups.next(count_max),
            None => self.next_ready().into_iter().collect(),
        }
    }

    /// True when a message may be received now.
    pub(super) fn has_ready(&self) -> bool {
        self.groups.as_ref().map_or(self.held.ready > 0, Groups::has_open)
    }

    fn next_ready(&mut self) -> Option<Position> {
        self.returned_next = !self.returned_next;
        let (first, second) = match self.returned_next {
            true => (&mut self.returned, &mut self.fresh),
            false => (&mut self.fresh, &mut self.returned),
        };
        let entries = &self.entries;
        let is_ready =
            |position: &Position| entries.get(position).is_some_and(|entry| entry.place == Place::Ready);
        for line in [first, second] {
            while let Some(position) = line.pop_front() {
                if is_ready(&position) {
                    return Some(position);
                }
            }
        }
        None
    }

    /// What the handle of the `receives`-th receive of a message can still do.
    pub(super) fn claim(&self, position: Position, receives: u32) -> Claim {
        match self.entries.get(&position) {
            None => Claim::Gone,
            // A handle may be newer than what a crash left of our memory, never older.
            Some(entry) if receives < entry.receipt.receives => Claim::Stale,
            Some(entry) if matches!(entry.place, Place::Moving { .. }) => Claim::Stale,
            Some(_) => Claim::Held,
        }
    }

    /// Keeps a message from being received or expiring while its deletion is written.
    pub(super) fn begin_delete(&mut self, position: Position) {
        if self.entries.contains_key(&position) {
            self.put(position, Place::Deleting);
        }
    }

    /// Brings a message back whose deletion could not be written.
    pub(super) fn abort_delete(&mut self, position: Position) {
        if self.entries.get(&position).is_some_and(|entry| entry.place == Place::Deleting) {
            self.make_ready(position);
        }
    }

    /// Forgets a message that was deleted or moved.
    pub(super) fn remove(&mut self, position: Position) -> bool {
        if !self.entries.contains_key(&position) {
            return false;
        }
        self.put(position, Place::Deleting);
        self.held.leaving -= 1;
        if let Some(entry) = self.entries.remove(&position) {
            self.body_bytes -= entry.body.as_deref().map_or(0, kept_bytes);
            if let (Some(groups), Some(group)) = (&mut self.groups, &entry.group) {
                groups.leave(group, position);
            }
        }
        true
    }

    /// Tries a move again at `again_at_ms`.
    pub(super) fn retry_move(&mut self, position: Position, again_at_ms: u64) {
        if self.entries.get(&position).is_some_and(|entry| matches!(entry.place, Place::Moving { .. })) {
            self.put(position, Place::Moving { again_at_ms: Some(again_at_ms) });
        }
    }

    /// Shows a message again that has nowhere to move to any more.
    pub(super) fn abort_move(&mut self, position: Position) {
        if self.entries.get(&position).is_some_and(|entry| matches!(entry.place, Place::Moving { .. })) {
            self.make_ready(position);
        }
    }

    /// Hides a message for `visibility_ms` from now, for the holder of its newest handle. Zero shows it at once.
    /// Returns what has to be remembered.
    pub(super) fn change_visibility(
        &mut self,
        position: Position,
        receives: u32,
        visibility_ms: u64,
        now_ms: u64,
    ) -> Result<Receipt, ChangeRefusal> {
        let entry = self.entries.get(&position).ok_or(ChangeRefusal::NotInFlight)?;
        if entry.place != Place::InFlight || receives < entry.receipt.receives {
            return Err(ChangeRefusal::NotInFlight);
        }
        let until_ms = now_ms.saturating_add(visibility_ms);
        if until_ms > entry.receipt.last_at_ms.saturating_add(VISIBILITY_MS_MAX) {
            return Err(ChangeRefusal::TooLong);
        }
        // Out and in again, since the deadline is part of the key it is filed under.
        self.unfile(position);
        let entry = self.entries.get_mut(&position).expect("it was found above");
        entry.receipt.hidden_until_ms = until_ms;
        let receipt = entry.receipt;
        self.file(position);
        Ok(receipt)
    }

    /// Until when the `receives`-th receive of a message hides it, while it does.
    pub(super) fn hidden_until_ms(&self, position: Position, receives: u32) -> Option<u64> {
        let entry = self.entries.get(&position)?;
        let is_held = entry.place == Place::InFlight && entry.receipt.receives == receives;
        is_held.then_some(entry.receipt.hidden_until_ms)
    }

    /// Hides a message anew for the same receive, and hands it out again.
    pub(super) fn hand_out_again(
        &mut self,
        position: Position,
        visibility_ms: u64,
        now_ms: u64,
    ) -> Option<Taken> {
        let receives = self.entries.get(&position)?.receipt.receives;
        let receipt = self.change_visibility(position, receives, visibility_ms, now_ms).ok()?;
        let entry = self.entries.get(&position)?;
        Some(Taken { position, sent_at_ms: entry.sent_at_ms, receipt, body: None })
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, policy: Policy, now_ms: u64) -> Tick {
        let mut tick = Tick::default();
        while let Some(&(sent_at_ms, position)) = self.ages.first()
            && sent_at_ms.saturating_add(policy.retention_ms) <= now_ms
        {
            self.remove(position);
            tick.expired.push(position);
        }
        while let Some(&(at_ms, position)) = self.due.first()
            && at_ms <= now_ms
        {
            let entry = self.entries.get(&position).expect("what is due is in the window");
            let exhausted = match entry.place {
                Place::Moving { .. } => true,
                Place::InFlight => policy.receives_max.is_some_and(|max| entry.receipt.receives >= max),
                _ => false,
            };
            if exhausted {
                self.put(position, Place::Moving { again_at_ms: None });
                tick.exhausted.push(position);
            } else {
                self.make_ready(position);
                tick.visible += 1;
            }
        }
        tick
    }

    /// When [`tick`](Self::tick) has something to do next.
    pub(super) fn next_due_ms(&self, policy: Policy) -> Option<u64> {
        let due = self.due.first().map(|(at_ms, _)| *at_ms);
        let expiry = self.ages.first().map(|(sent_at_ms, _)| sent_at_ms.saturating_add(policy.retention_ms));
        [due, expiry].into_iter().flatten().min()
    }

    /// The oldest message that is here; everything before it is settled.
    pub(super) fn first(&self) -> Option<Position> {
        self.entries.first_key_value().map(|(position, _)| *position)
    }

    pub(super) fn held(&self) -> Held {
        self.held
    }

    /// Bytes of memory that kept bodies take, about.
    pub(super) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// When the oldest message was sent.
    pub(super) fn oldest_sent_at_ms(&self) -> Option<u64> {
        self.ages.first().map(|(sent_at_ms, _)| *sent_at_ms)
    }

    fn make_ready(&mut self, position: Position) {
        self.put(position, Place::Ready);
        self.line_up(position);
    }

    /// Puts a ready message at the end of its line; groups have their own.
    fn line_up(&mut self, position: Position) {
        if self.groups.is_some() {
            return;
        }
        let receives = self.entries.get(&position).map_or(0, |entry| entry.receipt.receives);
        let line = if receives > 0 { &mut self.returned } else { &mut self.fresh };
        line.push_back(position);
        if self.fresh.len() + self.returned.len() > 2 * self.held.ready + LEFT_IN_LINE_MAX {
            self.tidy_lines();
        }
    }

    /// Takes out of the lines who has left other than by being received: expired, purged, deleted or moved. In a queue
    /// from which nobody receives nothing else would.
    fn tidy_lines(&mut self) {
        let entries = &self.entries;
        let is_ready =
            |position: &Position| entries.get(position).is_some_and(|entry| entry.place == Place::Ready);
        // Who left and came back stands in line more than once.
        let mut seen = HashSet::with_capacity(self.held.ready);
        for line in [&mut self.fresh, &mut self.returned] {
            line.retain(|position| is_ready(position) && seen.insert(*position));
        }
    }

    /// Moves a message to another place and keeps the books in step.
    fn put(&mut self, position: Position, place: Place) {
        self.unfile(position);
        self.entries.get_mut(&position).expect("only a message that is here can be put elsewhere").place =
            place;
        self.file(position);
    }

    fn unfile(&mut self, position: Position) {
        let Some(entry) = self.entries.get(&position) else { return };
        *count_of(&mut self.held, entry.place) -= 1;
        if let Some(at_ms) = due_at_ms(entry) {
            self.due.remove(&(at_ms, position));
        }
        self.ages.remove(&(entry.sent_at_ms, position));
    }

    fn file(&mut self, position: Position) {
        let Some(entry) = self.entries.get(&position) else { return };
        *count_of(&mut self.held, entry.place) += 1;
        if let Some(at_ms) = due_at_ms(entry) {
            self.due.insert((at_ms, position));
        }
        if !matches!(entry.place, Place::Deleting | Place::Moving { .. }) {
            self.ages.insert((entry.sent_at_ms, position));
        }
        if let (Some(groups), Some(group)) = (&mut self.groups, &entry.group) {
            groups.set(group, position, standing(entry.place));
        }
    }
}

fn standing(place: Place) -> Standing {
    match place {
        Place::Ready => Standing::Ready,
        Place::Delayed { .. } => Standing::Delayed,
        Place::InFlight | Place::Deleting | Place::Moving { .. } => Standing::Out,
    }
}

fn due_at_ms(entry: &Entry) -> Option<u64> {
    match entry.place {
        Place::Ready | Place::Deleting => None,
        Place::Delayed { until_ms } => Some(until_ms),
        Place::InFlight => Some(entry.receipt.hidden_until_ms),
        Place::Moving { again_at_ms } => again_at_ms,
    }
}

fn count_of(held: &mut Held, place: Place) -> &mut usize {
    match place {
        Place::Ready => &mut held.ready,
        Place::Delayed { .. } => &mut held.delayed,
        Place::InFlight => &mut held.in_flight,
        Place::Deleting | Place::Moving { .. } => &mut held.leaving,
    }
}

/// Memory that keeping a body takes: the data, and about this much for the names around it.
pub(super) fn kept_bytes(delivery: &Delivery) -> usize {
    const AROUND_BYTES: usize = 512;
    AROUND_BYTES
        + delivery.data.len()
        + delivery.attributes.iter().map(|attribute| attribute.value.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(number: u64) -> Arrival {
        Arrival {
            position: Position { offset: Offset(number), ordinal: 0 },
            sent_at_ms: number,
            visible_at_ms: 0,
            body: None,
            receipt: Receipt::default(),
            group: None,
        }
    }

    #[test]
    fn a_queue_that_nobody_receives_from_keeps_nothing_of_what_expired_or_moved() {
        let policy = Policy { retention_ms: 10, receives_max: None };
        let mut window = Window::default();
        for number in 0..10_000 {
            window.insert(arrival(number), number);
            window.tick(policy, number);
            // Sent on its way, and back since there was no room.
            for position in window.take_to_move(1, Offset(u64::MAX)) {
                window.abort_move(position);
            }
        }
        assert_eq!(window.held().ready, 10);
        let in_line = window.fresh.len() + window.returned.len();
        assert!(in_line <= 2 * 10 + LEFT_IN_LINE_MAX, "{in_line} in line");
        let taken = window.take(20, 1_000, policy, 10_000).taken;
        let offsets: Vec<u64> = taken.iter().map(|taken| taken.position.offset.0).collect();
        assert_eq!(offsets, (9_990..10_000).collect::<Vec<_>>(), "each once, in order");
    }
}
