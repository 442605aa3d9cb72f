//! Reading what is owed into the schedule.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::schedule::Item;
use super::source::Bounds;
use super::task::LaneTask;
use crate::ledger::{DropReason, Settlement};
use crate::{Delivery, Position};

/// Most records read in one turn, so that a long backlog of other lanes' records does not keep this one
/// from its target.
const RECORDS_PER_TURN_MAX: usize = 512;

/// Most bytes of data read in one turn; one larger record is read whole.
const BYTES_PER_TURN_MAX: usize = 4 << 20;

/// Offsets behind which what is read is no longer sure to be in memory.
const RECENT_RECORDS_MAX: u64 = 64;

/// How long to leave a disk alone that fails to read.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl LaneTask {
    /// True when there is room for more events.
    pub(super) fn reads_on(&self) -> bool {
        let is_room = self.schedule.len() + self.dying.len() < self.settings.window_events_max.max(1);
        is_room && self.ending.is_none() && self.read_not_before.is_none()
    }

    /// Reads records up to what was observed, as far as there is room. What has just come is read at once, it is in memory; a backlog is
    /// read on a thread that may wait for the disk.
    pub(super) async fn fill(&mut self, now: Instant) {
        self.read_not_before = self.read_not_before.filter(|at| *at > now);
        let frontier = *self.frontier.borrow();
        if !self.reads_on() || self.read_to >= frontier {
            return;
        }
        if self.lane.owes_nothing_from(self.read_to) && self.source.lock().skip_to(frontier) {
            self.dirty = true;
            self.read_to = frontier;
            return;
        }
        let held = self.schedule.len() + self.dying.len();
        let mut bounds = Bounds {
            records_max: RECORDS_PER_TURN_MAX,
            events_max: self.settings.window_events_max.max(1).saturating_sub(held),
            bytes_max: BYTES_PER_TURN_MAX,
        };
        let is_recent = frontier.0 - self.read_to.0 <= RECENT_RECORDS_MAX;
        let batch = if is_recent {
            bounds.records_max = RECENT_RECORDS_MAX as usize;
            self.source.lock().read(bounds)
        } else {
            let source = Arc::clone(&self.source);
            let reading = tokio::task::spawn_blocking(move || source.lock().read(bounds));
            // Cancelled only with the runtime, and then this task is, too.
            let Ok(batch) = reading.await else { return };
            batch
        };
        self.dirty |= batch.position != self.read_to;
        self.read_to = batch.position;
        for found in batch.found {
            let at_ms = found.at_ms;
            found.deliveries.into_iter().for_each(|delivery| self.take_in(delivery, at_ms, now));
        }
        if let Some(error) = batch.error {
            tracing::error!(target_name = %self.lane.name, %error, "what the target is owed can't be read, trying again");
            self.read_not_before = Some(now + READ_AGAIN_AFTER);
        }
    }

    fn take_in(&mut self, mut delivery: Delivery, since_ms: u64, now: Instant) {
        let position = delivery.position;
        if position < self.resume_floor {
            return;
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        if self.was_settled(position) {
            self.acks.settle(sequence, position);
            return;
        }
        let has_memory = self.schedule.loaded_bytes() < self.settings.window_bytes_max as u64;
        if has_memory {
            delivery.unshare();
        }
        let rule = self.rule(&delivery.rule);
        self.schedule.push(sequence, Item::new(delivery, rule, since_ms, has_memory), now);
    }

    /// Whether the event was settled before the lane was opened.
    fn was_settled(&mut self, position: Position) -> bool {
        while self.resume.front().is_some_and(|(_, last)| *last < position) {
            self.resume.pop_front();
        }
        self.resume.front().is_some_and(|(first, _)| *first <= position)
    }

    /// One copy of each rule's name for all its events.
    fn rule(&mut self, rule: &str) -> Arc<str> {
        if let Some(known) = self.rules.get(rule) {
            return Arc::clone(known);
        }
        // Rules come and go with definitions; those of events in memory are kept alive by the events.
        if self.rules.len() >= RULES_KNOWN_MAX {
            self.rules.clear();
        }
        let known: Arc<str> = rule.into();
        self.rules.insert(rule.to_owned(), Arc::clone(&known));
        known
    }

    /// A lane that has read everything and holds nothing owes nothing. What the books say is waiting
    /// beyond that was lost on the disk.
    pub(super) fn find_lost(&mut self) {
        let is_empty = self.schedule.is_empty() && self.dying.is_empty() && self.in_flight.is_empty();
        if !is_empty {
            return;
        }
        let mut books = self.lane.books.lock();
        if books.waiting() == 0 || books.observed() > self.read_to {
            return;
        }
        let events = books.settle_all(Settlement::Dropped(DropReason::Unreadable));
        drop(books);
        self.lane.level_gauge();
        self.dirty = true;
        tracing::error!(target_name = %self.lane.name, events, "events that were accepted are not in the journal any more");
    }
}

/// Most names of rules kept apart from the events that bear them.
const RULES_KNOWN_MAX: usize = 1024;
