//! What is outside the machine, and remembers: the systems behind the targets.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use journal::storage::faulty::power::Power;
use parking_lot::Mutex;

use super::schedule::{Mood, TARGETS};
use crate::view::Declined;
use crate::{Delivery, EventId, Outcome, Position, Target, View};

/// Everything that targets have taken, over all restarts.
#[derive(Default)]
pub(super) struct External {
    pub(super) moods: Mutex<[Option<Mood>; TARGETS.len()]>,
    pub(super) taken: Mutex<[Vec<Taken>; TARGETS.len()]>,
    /// Everything that they have refused.
    pub(super) refused: Mutex<[HashSet<EventId>; TARGETS.len()]>,
    /// Counts calls, so that mixed answers differ from call to call.
    calls: AtomicU64,
}

/// One event as it was taken.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) id: EventId,
    pub(super) key: String,
    pub(super) data: String,
    pub(super) position: Position,
    pub(super) redriven: bool,
}

impl Taken {
    fn of(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.clone(),
            key: delivery.partition_key.clone(),
            data: String::from_utf8_lossy(&delivery.data).into_owned(),
            position: delivery.position,
            redriven: delivery.redriven,
        }
    }
}

impl External {
    pub(super) fn mood(&self, target: usize) -> Mood {
        self.moods.lock()[target].unwrap_or(match TARGETS[target] {
            "http/bad" => Mood::Retries,
            "http/slow" => Mood::Slow,
            "http/poison" => Mood::Poisoned,
            _ => Mood::Takes,
        })
    }

    pub(super) fn all_take(&self) {
        *self.moods.lock() = [Some(Mood::Takes); TARGETS.len()];
    }

    pub(super) fn taken_count(&self) -> usize {
        self.taken.lock().iter().map(Vec::len).sum()
    }
}

/// A target of the machine that has this power: what it takes once the power is off, nobody has sent.
pub(super) struct Behind {
    pub(super) external: Arc<External>,
    pub(super) target: usize,
    pub(super) power: Power,
}

#[async_trait]
impl Target for Behind {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let mood = self.external.mood(self.target);
        match mood {
            Mood::Slow => tokio::time::sleep(Duration::from_millis(1)).await,
            Mood::Hangs => std::future::pending().await,
            _ => {}
        }
        let mut held_back: HashSet<&str> = HashSet::new();
        let mut outcomes = Vec::new();
        for delivery in batch {
            let outcome = if held_back.contains(delivery.partition_key.as_str()) {
                Outcome::retry("BEHIND", "an earlier one of this key failed")
            } else {
                self.answer(mood, delivery)
            };
            match outcome {
                Outcome::Delivered => self.external.taken.lock()[self.target].push(Taken::of(delivery)),
                Outcome::Retry { .. } | Outcome::RetryAlone { .. } => {
                    held_back.insert(&delivery.partition_key);
                }
                Outcome::Reject { .. } => {
                    self.external.refused.lock()[self.target].insert(delivery.id.clone());
                }
            }
            outcomes.push(outcome);
        }
        outcomes
    }
}

impl Behind {
    fn answer(&self, mood: Mood, delivery: &Delivery) -> Outcome {
        if !self.power.is_on() {
            return Outcome::retry("POWER", "the machine has stopped");
        }
        let number = delivery.position.offset.0;
        let call = self.external.calls.fetch_add(1, Ordering::Relaxed);
        match mood {
            Mood::Takes | Mood::Slow => Outcome::Delivered,
            Mood::Poisoned if number.is_multiple_of(5) && !delivery.redriven => {
                Outcome::reject("POISON", "never")
            }
            Mood::Poisoned => Outcome::Delivered,
            Mood::Mixed => match (number.wrapping_mul(31) + call) % 4 {
                0 => Outcome::retry("BUSY", "later"),
                1 if number.is_multiple_of(3) => Outcome::reject("BAD", "never"),
                _ => Outcome::Delivered,
            },
            Mood::Retries | Mood::Hangs => Outcome::retry("BUSY", "later"),
            Mood::Refuses => Outcome::reject("BAD", "never"),
        }
    }
}

/// A view of the machine that has this power.
pub(super) struct Reading {
    pub(super) external: Arc<External>,
    pub(super) target: usize,
    pub(super) power: Power,
    /// Where the view stands since it was declared.
    pub(super) last: Mutex<Option<Position>>,
}

impl View for Reading {
    fn observe(&self, deliveries: &[Delivery]) -> Declined {
        if !self.power.is_on() {
            return Declined::new();
        }
        let mut last = self.last.lock();
        for delivery in deliveries {
            let position = delivery.position;
            assert!(
                last.is_none_or(|last| last < position),
                "the view was told of {position:?} after {last:?}"
            );
            *last = Some(position);
            self.external.taken.lock()[self.target].push(Taken::of(delivery));
        }
        Declined::new()
    }
}
