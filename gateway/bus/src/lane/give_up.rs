//! Giving events up: overflow, age, dead letters and error documents.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dispatch::READ_AGAIN_AFTER;
use super::schedule::Item;
use super::settle::Verdict;
use super::task::LaneTask;
use crate::Delivery;
use crate::admission::Load;
use crate::dead_letters::{BuryError, ExhaustedCondition, Failed, Failure, OVERFLOW_CODE};
use crate::error_action;
use crate::ledger::{DropReason, Settlement};
use crate::settings::Overflow;

/// How long to wait when dead letters can't be written.
const BURY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is given up at once before it is written down, which bounds what is in memory, one larger event aside.
const DYING_MAX: Room = Room { events: 1024, bytes: 4 << 20 };

/// How much more may be given up before it is written down.
#[derive(Clone, Copy, Debug)]
struct Room {
    events: usize,
    bytes: u64,
}

impl Room {
    fn beside(dying: &[Dying]) -> Self {
        dying.iter().fold(DYING_MAX, |mut room, dying| {
            room.take(dying.item.bytes);
            room
        })
    }

    fn is_full(self) -> bool {
        self.events == 0 || self.bytes == 0
    }

    fn take(&mut self, bytes: u64) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// An event that is to become a dead letter. It has left the schedule, but not the books.
pub(crate) struct Dying {
    pub(super) item: Item,
    delivery: Delivery,
    failure: Failure,
    has_document: bool,
}

impl LaneTask {
    /// Takes an event out of the schedule, to become a dead letter. False when it stays there since it can't be read now.
    pub(super) fn give_up(
        &mut self,
        sequence: u64,
        delivery: Option<Delivery>,
        exhausted: Option<ExhaustedCondition>,
    ) -> bool {
        let Some(item) = self.schedule.get_mut(sequence) else { return true };
        let position = item.position;
        let failure = item.failure.take();
        let delivery = match delivery.or_else(|| self.schedule.take_loaded(sequence)) {
            Some(delivery) => delivery,
            None => match self.fetch(position) {
                Ok(delivery) => delivery,
                Err(Verdict::Lost) => {
                    self.resolve(sequence, Settlement::Dropped(DropReason::Unreadable));
                    return true;
                }
                // Another turn finds it aged, exhausted or over the limit again.
                Err(_) => {
                    self.keep_failure(sequence, failure);
                    return false;
                }
            },
        };
        let mut failure = failure.map_or_else(|| self.untried(), |failure| *failure);
        failure.exhausted = exhausted;
        let Some(item) = self.schedule.remove(sequence) else { return true };
        self.acks.settle(sequence, position);
        tracing::warn!(
            target_name = %self.lane.name, rule = %item.rule, event_id = %delivery.id, offset = %position.offset,
            attempt = failure.attempts, code = failure.error_code, message = failure.error_message,
            "event given up, it becomes a dead letter"
        );
        self.dying.push(Dying { item, delivery, failure, has_document: false });
        true
    }

    /// Gives up these, which were just prefetched. What the disk does not give stays for a later turn, and is tried once only, for
    /// each try may take the disk seconds.
    fn give_up_all(&mut self, sequences: &[u64], exhausted: Option<ExhaustedCondition>) {
        let (owed, mut is_readable) = (self.schedule.len(), true);
        for sequence in sequences {
            let is_loaded = self.schedule.get(*sequence).is_some_and(|item| item.loaded.is_some());
            if is_readable || is_loaded {
                is_readable &= self.give_up(*sequence, None, exhausted);
            }
        }
        if self.schedule.len() == owed && !is_readable {
            self.give_up_not_before = Some(Instant::now() + READ_AGAIN_AFTER);
        }
    }

    fn keep_failure(&mut self, sequence: u64, failure: Option<Box<Failure>>) {
        if let Some(item) = self.schedule.get_mut(sequence) {
            item.failure = failure;
        }
    }

    /// The failure of an event that had no try of its own: it is the lane that failed.
    fn untried(&self) -> Failure {
        let now_ms = self.bus.settings.clock.now_ms();
        let (code, message) = self.last_error.clone();
        Failure {
            error_code: code,
            error_message: message,
            attempts: 0,
            exhausted: None,
            first_failed_at_ms: now_ms,
            last_failed_at_ms: now_ms,
        }
    }

    /// Gives up the oldest events while the lane is over its limits, when its policy says so.
    /// True when there is more of it, once these are buried.
    pub(super) async fn shed(&mut self) -> bool {
        let limits = self.lane.gauge.limits();
        if limits.overflow == Overflow::Block || self.discard.is_some() {
            return false;
        }
        if limits.overflow == Overflow::DeadLetter && self.give_up_not_before.is_some() {
            return false;
        }
        let waiting = self.lane.gauge.waiting();
        let dying: u64 = self.dying.iter().map(|dying| dying.item.bytes).sum();
        let mut events = waiting.events.saturating_sub(self.dying.len() as u64 + limits.waiting_events_max);
        let mut bytes = waiting.bytes.saturating_sub(dying.saturating_add(limits.waiting_bytes_max));
        let (mut shed, mut room) = (Vec::new(), Room::beside(&self.dying));
        let crowded_before = self.lane.aside.shed_before();
        for (sequence, item) in self.schedule.idle() {
            let is_crowded = crowded_before.is_some_and(|before| item.position.offset < before);
            if (events == 0 && bytes == 0 && !is_crowded) || room.is_full() {
                break;
            }
            room.take(item.bytes);
            events = events.saturating_sub(1);
            bytes = bytes.saturating_sub(item.bytes);
            shed.push(sequence);
        }
        let is_more = room.is_full();
        if limits.overflow == Overflow::DeadLetter {
            self.prefetch(&shed).await;
        }
        for &sequence in &shed {
            if limits.overflow == Overflow::DropOldest {
                self.resolve(sequence, Settlement::Dropped(DropReason::Overflow));
                self.has_dropped = true;
                continue;
            }
            let reason = match crowded_before {
                Some(_) => {
                    "as much as may be is aside for the target, see `delivery.aside_bytes_max`".to_owned()
                }
                None => format!(
                    "the lane is full, its limits are {} events and {} bytes",
                    limits.waiting_events_max, limits.waiting_bytes_max
                ),
            };
            let failure =
                Failure { error_code: OVERFLOW_CODE.to_owned(), error_message: reason, ..self.untried() };
            self.keep_failure(sequence, Some(Box::new(failure)));
        }
        if limits.overflow == Overflow::DeadLetter {
            self.give_up_all(&shed, None);
        }
        is_more
    }

    /// Gives up events that are too old. One that had no try yet gets it, unless the target is dead.
    /// True when there is more of it, once these are buried.
    pub(super) async fn expire(&mut self, now: Instant) -> bool {
        if self.give_up_not_before.is_some() {
            return false;
        }
        let (mut aged, mut room) = (Vec::new(), Room::beside(&self.dying));
        for (sequence, item) in self.schedule.idle() {
            let may_expire = item.attempts > 0 || self.is_target_dead(now);
            if !may_expire || !self.is_aged(item.since_ms) || room.is_full() {
                break;
            }
            room.take(item.bytes);
            aged.push(sequence);
        }
        let is_more = room.is_full();
        self.prefetch(&aged).await;
        self.give_up_all(&aged, Some(ExhaustedCondition::MaximumEventAgeInSeconds));
        is_more
    }

    fn is_target_dead(&self, now: Instant) -> bool {
        self.circuit.permit(now) != super::circuit::Permit::All
    }

    /// When the oldest event will be too old.
    pub(super) fn next_expiry(&self, now: Instant) -> Option<Instant> {
        let (_, item) = self.schedule.idle().next()?;
        let may_expire = item.attempts > 0 || self.is_target_dead(now);
        if !may_expire || !self.dying.is_empty() || self.give_up_not_before.is_some() {
            return None;
        }
        let left = self.settings.retry.age_max.saturating_sub(self.age(item.since_ms));
        // The clock counts whole milliseconds: one more, so that it is not looked at too early.
        Some(now + left + Duration::from_millis(1))
    }

    /// Writes dead letters in the same durable commit in which the cursor passes them. Until that works
    /// the lane stands still.
    pub(super) async fn bury(&mut self, now: Instant) {
        self.bury_not_before = self.bury_not_before.filter(|at| *at > now);
        if self.dying.is_empty() || self.bury_not_before.is_some() {
            return;
        }
        self.send_documents().await;
        match self.write_letters().await {
            Ok(()) => {}
            Err(error) => {
                tracing::error!(target_name = %self.lane.name, %error, "dead letters can't be written, the lane waits");
                self.bury_not_before = Some(Instant::now() + BURY_AGAIN_AFTER);
            }
        }
    }

    async fn write_letters(&mut self) -> Result<(), BuryError> {
        let mut row = self.row();
        for dying in &self.dying {
            row.settled.dead_letter(&dying.item.rule, dying.item.bytes);
        }
        let failed: Vec<Failed> =
            self.dying.iter().map(|dying| (dying.delivery.clone(), dying.failure.clone())).collect();
        let mut batch = self.bus.checkpoints.batch();
        self.bus.checkpoints.put_lane(&mut batch, &self.lane.name, &row)?;
        let (letters, name) = (self.bus.dead_letters.clone(), self.lane.name.clone());
        let writing = tokio::task::spawn_blocking(move || letters.bury(&name, &failed, batch));
        writing.await.map_err(|_| BuryError::Interrupted)??;
        let mut books = self.lane.books.lock();
        for dying in self.dying.drain(..) {
            books.settle(&dying.item.rule, dying.item.bytes, Settlement::DeadLettered);
            self.lane.gauge.remove(Load { events: 1, bytes: dying.item.bytes });
        }
        drop(books);
        self.note_commit(row);
        self.has_dropped = false;
        Ok(())
    }

    /// Makes durable what was dropped, when a call waits for that or a commit is due. Were it owed again after a crash, it would reach the
    /// target behind later ones of its key.
    pub(super) async fn commit_drops(&mut self, now: Instant) {
        if !self.has_dropped || !self.dying.is_empty() || self.bury_not_before.is_some_and(|at| at > now) {
            return;
        }
        // With a dead target, one fsync for each event that is dropped would take the disk from everybody else.
        if self.is_commit_due(now) || (self.allowed(now).is_some() && self.schedule.ready().0 > 0) {
            self.commit_drops_now().await;
        }
    }

    pub(super) async fn commit_drops_now(&mut self) {
        let row = self.row();
        let (bus, name, written) = (Arc::clone(&self.bus), self.lane.name.clone(), row.clone());
        let writing = tokio::task::spawn_blocking(move || {
            let mut batch = bus.checkpoints.batch();
            bus.checkpoints.put_lane(&mut batch, &name, &written)?;
            batch.commit_durable()
        });
        match writing.await {
            Ok(Ok(())) => {
                self.note_commit(row);
                self.has_dropped = false;
            }
            Ok(Err(error)) => {
                tracing::error!(target_name = %self.lane.name, %error, "what was dropped can't be noted, the lane waits");
                self.bury_not_before = Some(Instant::now() + BURY_AGAIN_AFTER);
            }
            // The runtime is being shut down, and this task with it.
            Err(_) => {}
        }
    }

    async fn send_documents(&mut self) {
        for dying in &mut self.dying {
            if !dying.has_document {
                dying.has_document = true;
                error_action::send(&self.bus, &self.lane.name, &dying.delivery, &dying.failure).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_at_once_is_bounded_in_events_and_in_bytes() {
        let taken = |bytes: u64| {
            let (mut room, mut events) = (DYING_MAX, 0);
            while !room.is_full() {
                room.take(bytes);
                events += 1;
            }
            events
        };
        let cases = [(0, 1024), (300, 1024), (128 << 10, 32), (1 << 20, 4), (3 << 20, 2), (64 << 20, 1)];
        for (bytes, expected) in cases {
            assert_eq!(taken(bytes), expected, "events of {bytes} bytes");
        }
    }
}
