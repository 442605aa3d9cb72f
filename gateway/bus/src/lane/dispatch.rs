//! Handing events to the target, and taking back what came of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::circuit::Permit;
use super::schedule::BatchBounds;
use super::settle::{CallResult, Verdict};
use super::task::LaneTask;
use crate::reader::FetchError;
use crate::{Delivery, Outcome, Target};

/// How long to wait after the journal could not be read for a delivery.
pub(super) const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A call that is back.
pub(crate) struct Returned {
    deliveries: Vec<Delivery>,
    outcomes: Vec<Outcome>,
}

impl LaneTask {
    /// Makes calls as long as there are events ready and calls allowed.
    pub(super) async fn dispatch(&mut self, now: Instant) {
        self.rate_not_before = None;
        while self.dying.is_empty() && !self.has_dropped {
            let Some(events_max) = self.allowed(now) else { return };
            let (ready, since) = self.schedule.ready();
            let lingers = since.is_some_and(|since| since + self.settings.batch_linger > now);
            if ready == 0 || (lingers && ready < self.settings.batch_events_max) {
                return;
            }
            let events_max = match self.rate.permit(events_max.min(ready), now) {
                Ok(events_max) => events_max,
                Err(at) => {
                    self.rate_not_before = Some(at);
                    return;
                }
            };
            let sequences = self.schedule.take(BatchBounds {
                events_max,
                bytes_max: self.settings.batch_bytes_max as u64,
                same_key: self.settings.batch_same_key,
            });
            if sequences.is_empty() {
                return;
            }
            self.rate.take(sequences.len());
            self.prefetch(&sequences).await;
            if let Some(deliveries) = self.load(&sequences, now) {
                self.call(sequences, deliveries);
            }
        }
    }

    /// How many events the next call may hold; none when no call is allowed.
    pub(super) fn allowed(&self, now: Instant) -> Option<usize> {
        match self.circuit.permit(now) {
            Permit::All if self.in_flight.len() < self.settings.concurrency_max.max(1) => {
                Some(self.settings.batch_events_max)
            }
            Permit::Probe if self.in_flight.is_empty() => Some(1),
            Permit::All | Permit::Probe | Permit::NotBefore(_) => None,
        }
    }

    /// Brings the events of a call into memory. When one can't be read the others go back.
    fn load(&mut self, sequences: &[u64], now: Instant) -> Option<Vec<Delivery>> {
        let loaded: Vec<_> = sequences.iter().map(|sequence| self.load_one(*sequence)).collect();
        if loaded.iter().all(Result::is_ok) {
            return Some(loaded.into_iter().flatten().collect());
        }
        let results = sequences.iter().zip(loaded).map(|(sequence, loaded)| match loaded {
            Ok(delivery) => {
                CallResult { sequence: *sequence, delivery: Some(delivery), verdict: Verdict::PutBack(now) }
            }
            Err(verdict) => CallResult { sequence: *sequence, delivery: None, verdict },
        });
        let results = results.collect();
        self.settle(results, now);
        None
    }

    fn load_one(&mut self, sequence: u64) -> Result<Delivery, Verdict> {
        let Some(item) = self.schedule.get(sequence) else { return Err(Verdict::Lost) };
        let (position, attempt) = (item.position, item.attempts + 1);
        let mut delivery = match self.schedule.take_loaded(sequence) {
            Some(delivery) => delivery,
            None => self.fetch(position)?,
        };
        delivery.attempt = attempt;
        Ok(delivery)
    }

    /// Reads the events of these that were not kept in memory, all of them on a thread that may wait for the disk. What can't be
    /// read is tried again, and told about, by whoever needs it.
    pub(super) async fn prefetch(&mut self, sequences: &[u64]) {
        let missing = |sequence: &u64| {
            let item = self.schedule.get(*sequence)?;
            item.loaded.is_none().then_some((*sequence, item.position))
        };
        let missing: Vec<_> = sequences.iter().filter_map(missing).collect();
        if missing.is_empty() {
            return;
        }
        let (lane, bus) = (Arc::clone(&self.lane), Arc::clone(&self.bus));
        let reading = tokio::task::spawn_blocking(move || {
            let read = |(sequence, position)| {
                let mut delivery = lane.delivery_at(&bus.journal, position).ok()??;
                delivery.unshare();
                Some((sequence, delivery))
            };
            missing.into_iter().filter_map(read).collect::<Vec<_>>()
        });
        // An error means that the runtime is being shut down.
        for (sequence, delivery) in reading.await.unwrap_or_default() {
            self.schedule.keep_loaded(sequence, delivery);
        }
    }

    /// Reads an event again that was not kept in memory.
    pub(super) fn fetch(&self, position: crate::Position) -> Result<Delivery, Verdict> {
        match self.lane.delivery_at(&self.bus.journal, position) {
            Ok(Some(mut delivery)) => {
                delivery.unshare();
                Ok(delivery)
            }
            Err(FetchError::Journal(error @ journal::ReadError::Io { .. })) => {
                tracing::error!(target_name = %self.lane.name, %error, "the journal can't be read, trying again");
                Err(Verdict::PutBack(Instant::now() + READ_AGAIN_AFTER))
            }
            lost => {
                let error = lost.err().map(|error| error.to_string());
                tracing::error!(target_name = %self.lane.name, offset = %position.offset, error, "an event is lost");
                Err(Verdict::Lost)
            }
        }
    }

    fn call(&mut self, sequences: Vec<u64>, deliveries: Vec<Delivery>) {
        let span = tracing::debug_span!(
            "deliver",
            target_name = %self.lane.name,
            events = deliveries.len(),
            rule = deliveries[0].rule,
            event_id = %deliveries[0].id,
            offset = %deliveries[0].position.offset,
            attempt = deliveries[0].attempt,
        );
        let target = Arc::clone(&self.target);
        let calling = call(target, deliveries, self.settings.delivery_time_max).instrument(span);
        let handle = self.in_flight.spawn(calling);
        self.calls.insert(handle.id(), sequences);
    }

    /// Takes back a call; one that panicked counts as failed whole.
    pub(super) fn take_back(&mut self, returned: Option<Result<(Id, Returned), JoinError>>) {
        let (id, deliveries, mut outcomes) = match returned {
            None => return,
            Some(Ok((id, returned))) => {
                (id, returned.deliveries.into_iter().map(Some).collect::<Vec<_>>(), returned.outcomes)
            }
            Some(Err(error)) => {
                tracing::error!(target_name = %self.lane.name, %error, "the target panicked");
                (error.id(), Vec::new(), Vec::new())
            }
        };
        let Some(sequences) = self.calls.remove(&id) else { return };
        let missing = if deliveries.is_empty() {
            Outcome::retry("PANIC", "the target ended unexpectedly")
        } else {
            Outcome::retry("NO_OUTCOME", "the target did not say what came of it")
        };
        outcomes.resize(sequences.len(), missing);
        let deliveries = deliveries.into_iter().chain(std::iter::repeat(None));
        let results =
            sequences.into_iter().zip(deliveries).zip(outcomes).map(|((sequence, delivery), outcome)| {
                CallResult { sequence, delivery, verdict: Verdict::Outcome(outcome) }
            });
        let (results, now) = (results.collect::<Vec<_>>(), Instant::now());
        self.heed(&results, now);
        self.settle(results, now);
    }

    /// Tells the circuit breaker how the call went.
    fn heed(&mut self, results: &[CallResult], now: Instant) {
        let failed =
            results.iter().all(|result| matches!(result.verdict, Verdict::Outcome(Outcome::Retry { .. })));
        if !failed {
            return self.circuit.succeeded();
        }
        if self.circuit.failed(now, &self.settings.retry, rand::random()) {
            tracing::warn!(target_name = %self.lane.name, "the target fails, it is only probed until it works again");
        }
        if let Some(after) = results.iter().filter_map(asked_after).max() {
            self.circuit.asked_to_wait(now + after.min(self.settings.retry.age_max));
        }
    }
}

/// How long the target asked to be left alone.
fn asked_after(result: &CallResult) -> Option<Duration> {
    match &result.verdict {
        Verdict::Outcome(Outcome::Retry { after, .. }) => *after,
        _ => None,
    }
}

async fn call(target: Arc<dyn Target>, deliveries: Vec<Delivery>, time_max: Duration) -> Returned {
    let outcomes = match tokio::time::timeout(time_max, target.deliver(&deliveries)).await {
        Ok(outcomes) => outcomes,
        Err(_) => {
            let reason = format!("no answer within {} ms", time_max.as_millis());
            vec![Outcome::retry("TIMEOUT", reason); deliveries.len()]
        }
    };
    Returned { deliveries, outcomes }
}
