//! Reading the journal into the schedule.

use std::sync::Arc;
use std::time::Duration;

use journal::ReadError;
use tokio::time::Instant;

use super::schedule::Item;
use super::task::LaneTask;
use crate::ledger::{DropReason, Settlement};
use crate::reader::deliveries;
use crate::{Delivery, Position};

/// Most records read in one turn, so that a long backlog of other lanes' records does not keep this one
/// from its target.
const RECORDS_PER_TURN_MAX: usize = 512;

/// How long to leave a disk alone that fails to read.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl LaneTask {
    /// True when there is room for more events.
    pub(super) fn reads_on(&self) -> bool {
        let is_room = self.schedule.len() + self.dying.len() < self.settings.window_events_max.max(1);
        is_room && self.ending.is_none() && self.read_not_before.is_none()
    }

    /// Reads records up to what was observed, as far as there is room.
    pub(super) fn fill(&mut self, now: Instant) {
        self.read_not_before = self.read_not_before.filter(|at| *at > now);
        for _ in 0..RECORDS_PER_TURN_MAX {
            if !self.reads_on() {
                return;
            }
            match self.reader.next_entry() {
                Ok(None) => return,
                Ok(Some(entry)) => {
                    self.dirty = true;
                    let found = deliveries(&entry.payload, &self.lane.name, entry.offset);
                    found.into_iter().for_each(|delivery| self.take_in(delivery, entry.at_ms, now));
                }
                Err(ReadError::Trimmed { wanted, oldest }) => {
                    tracing::error!(target_name = %self.lane.name, %wanted, %oldest, "the journal was trimmed past this lane");
                    self.reader.seek(oldest);
                }
                Err(error) => {
                    tracing::error!(target_name = %self.lane.name, %error, "the journal can't be read, trying again");
                    self.read_not_before = Some(now + READ_AGAIN_AFTER);
                }
            }
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
        if books.waiting() == 0 || books.observed() > self.reader.position() {
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
