//! What becomes of events once a call is back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::retry::backoff;
use super::task::LaneTask;
use crate::admission::Load;
use crate::dead_letters::{ExhaustedCondition, Failure};
use crate::ledger::{DropReason, Settlement};
use crate::{Delivery, Outcome};

/// Longest error message kept, in bytes. Targets hand on what they are answered.
const MESSAGE_BYTES_MAX: usize = 1024;

/// What came of one event of a call.
pub(crate) struct CallResult {
    pub(super) sequence: u64,
    pub(super) delivery: Option<Delivery>,
    pub(super) verdict: Verdict,
}

/// What is to become of an event.
pub(crate) enum Verdict {
    /// The target was called and said so.
    Outcome(Outcome),
    /// The target was not called; to go again at this time.
    PutBack(Instant),
    /// The event can't be read any more.
    Lost,
}

/// The events of one key that go again.
struct Again {
    key: Arc<str>,
    sequences: Vec<u64>,
    at: Option<Instant>,
}

impl LaneTask {
    /// Settles the events of one call, in order. Of each key, the first event that is to be tried again
    /// holds back those behind it, and only it is charged with the try: the others had no fair one.
    pub(super) fn settle(&mut self, results: Vec<CallResult>, now: Instant) {
        let mut keys: Vec<Again> = Vec::new();
        for result in results {
            let Some(item) = self.schedule.get(result.sequence) else { continue };
            let at = keys.iter().position(|again| again.key == item.key).unwrap_or_else(|| {
                keys.push(Again { key: Arc::clone(&item.key), sequences: Vec::new(), at: None });
                keys.len() - 1
            });
            self.settle_one(result, &mut keys[at], now);
        }
        for again in keys {
            match again.at {
                Some(at) => self.schedule.put_back(&again.key, &again.sequences, at),
                None => self.schedule.land(&again.key, now),
            }
        }
    }

    fn settle_one(&mut self, result: CallResult, again: &mut Again, now: Instant) {
        let CallResult { sequence, delivery, verdict } = result;
        match verdict {
            Verdict::Lost => self.resolve(sequence, Settlement::Dropped(DropReason::Unreadable)),
            Verdict::Outcome(Outcome::Delivered) => {
                self.lane.vitals.lock().delivered += 1;
                self.resolve(sequence, Settlement::Delivered);
            }
            Verdict::Outcome(Outcome::Reject { reason, code }) => {
                self.charge(sequence, &code, &reason);
                match self.discard {
                    Some(reason) => self.resolve(sequence, Settlement::Dropped(reason)),
                    None => {
                        self.give_up(sequence, delivery, None);
                    }
                }
            }
            Verdict::Outcome(Outcome::Retry { reason, code, after }) => {
                self.retry((sequence, delivery), (&code, &reason, after), again, now);
            }
            Verdict::Outcome(Outcome::RetryAlone { reason, code, after }) => {
                self.retry((sequence, delivery), (&code, &reason, Some(after)), again, now);
            }
            Verdict::PutBack(at) => {
                again.at = Some(again.at.map_or(at, |known| known.max(at)));
                self.keep(sequence, delivery, again);
            }
        }
    }

    fn retry(
        &mut self,
        (sequence, delivery): (u64, Option<Delivery>),
        (code, reason, after): (&str, &str, Option<Duration>),
        again: &mut Again,
        now: Instant,
    ) {
        if again.at.is_none() {
            self.charge(sequence, code, reason);
            if let Some(condition) = self.exhausted(sequence) {
                self.give_up(sequence, delivery, Some(condition));
                return;
            }
            again.at = Some(now + self.wait_for(sequence, after));
            self.lane.vitals.lock().retried += 1;
        }
        self.keep(sequence, delivery, again);
    }

    fn keep(&mut self, sequence: u64, delivery: Option<Delivery>, again: &mut Again) {
        again.sequences.push(sequence);
        let has_memory = self.schedule.loaded_bytes() < self.settings.window_bytes_max as u64;
        if let Some(delivery) = delivery.filter(|_| has_memory) {
            self.schedule.keep_loaded(sequence, delivery);
        }
    }

    /// Notes a failed try.
    fn charge(&mut self, sequence: u64, code: &str, reason: &str) {
        let message = shortened(reason);
        let now_ms = self.bus.settings.clock.now_ms();
        self.lane.vitals.lock().failed(code);
        if let Some(item) = self.schedule.get_mut(sequence) {
            item.attempts += 1;
            let first_failed_at_ms =
                item.failure.as_ref().map_or(now_ms, |failure| failure.first_failed_at_ms);
            item.failure = Some(Box::new(Failure {
                error_code: code.to_owned(),
                error_message: message.clone(),
                attempts: item.attempts,
                exhausted: None,
                first_failed_at_ms,
                last_failed_at_ms: now_ms,
            }));
            tracing::debug!(
                target_name = %self.lane.name, rule = %item.rule, offset = %item.position.offset,
                attempt = item.attempts, code, message, "delivery failed"
            );
        }
        self.last_error = (code.to_owned(), message);
    }

    fn exhausted(&self, sequence: u64) -> Option<ExhaustedCondition> {
        let item = self.schedule.get(sequence)?;
        if item.attempts > self.settings.retry.attempts_max {
            return Some(ExhaustedCondition::MaximumRetryAttempts);
        }
        self.is_aged(item.since_ms).then_some(ExhaustedCondition::MaximumEventAgeInSeconds)
    }

    pub(super) fn is_aged(&self, since_ms: u64) -> bool {
        self.age(since_ms) >= self.settings.retry.age_max
    }

    /// How old an event is; zero when the clock was set back.
    pub(super) fn age(&self, since_ms: u64) -> Duration {
        Duration::from_millis(self.bus.settings.clock.now_ms().saturating_sub(since_ms))
    }

    fn wait_for(&self, sequence: u64, after: Option<Duration>) -> Duration {
        let attempts = self.schedule.get(sequence).map_or(1, |item| item.attempts);
        backoff(&self.settings.retry, attempts, rand::random(), after)
    }

    /// Settles one event in cursor, books and gauge alike.
    pub(super) fn resolve(&mut self, sequence: u64, settlement: Settlement) {
        let Some(item) = self.schedule.remove(sequence) else { return };
        self.acks.settle(sequence, item.position);
        self.lane.books.lock().settle(&item.rule, item.bytes, settlement);
        self.lane.gauge.remove(Load { events: 1, bytes: item.bytes });
        self.dirty = true;
    }
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
