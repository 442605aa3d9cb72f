//! Receiving: at once or by waiting, and the same again for who never saw the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bus::Position;
use tokio::time::Instant;

use super::attempts::Handed;
use super::contents::Contents;
use super::deliver::Queue;
use super::error::{ParameterFault, QueueError};
use super::memory::Row;
use super::message::Received;
use super::send::is_id;
use super::window::Taken;

/// What to receive.
#[derive(Debug, Clone, Default)]
pub struct Receive {
    /// Most messages, from 1 to 10.
    pub messages_max: usize,
    /// How long to hide them; the queue's own when absent.
    pub visibility_secs: Option<u32>,
    /// How long to wait when there is nothing; the queue's own when absent.
    pub wait_secs: Option<u32>,
    /// For a FIFO queue: who asks again under the same id within five minutes gets the same messages under the same
    /// handles, unless something became of one of them in between.
    pub attempt_id: Option<String>,
}

/// A message on its way to a consumer, and the handle it goes under.
#[derive(Debug)]
struct Held {
    taken: Taken,
    handle: String,
}

impl Queue {
    /// Receives messages and hides them from others. Waits when there is none; an empty answer is no error.
    ///
    /// # Errors
    /// Too many messages are in flight, too many receives wait, the attempt id is none or the queue knows none, or the
    /// journal can't be read.
    pub async fn receive(&self, request: Receive) -> Result<Vec<Received>, QueueError> {
        let attributes = self.attributes();
        self.check_attempt(request.attempt_id.as_deref(), attributes.fifo)?;
        let visibility_secs = request.visibility_secs.unwrap_or(attributes.visibility_timeout_secs);
        let wait_secs = request.wait_secs.unwrap_or(attributes.receive_wait_secs);
        let deadline = Instant::now() + Duration::from_secs(u64::from(wait_secs));
        let mut place = None;
        loop {
            // Registered before looking, so that a message that comes in between is not slept through.
            let mut arrival = std::pin::pin!(self.arrivals.notified());
            arrival.as_mut().enable();
            let held = self.take(request.messages_max, visibility_secs, request.attempt_id.as_deref())?;
            if !held.is_empty() {
                let received = self.with_bodies(held).await?;
                if !received.is_empty() {
                    return Ok(received);
                }
                continue;
            }
            if Instant::now() >= deadline || self.waits.is_cancelled() {
                return Ok(Vec::new());
            }
            if place.is_none() {
                place = Some(self.wait_in_line()?);
            }
            tokio::select! {
                () = arrival => {}
                () = tokio::time::sleep_until(deadline) => {}
                () = self.waits.cancelled() => {}
            }
        }
    }

    fn check_attempt(&self, attempt_id: Option<&str>, is_fifo: bool) -> Result<(), QueueError> {
        let name = "ReceiveRequestAttemptId";
        match attempt_id {
            Some(_) if !is_fifo => Err(ParameterFault::NotForStandard { name }.into()),
            Some(id) if !is_id(id) => Err(ParameterFault::Id { name }.into()),
            Some(_) | None => Ok(()),
        }
    }

    fn wait_in_line(&self) -> Result<WaitingPlace<'_>, QueueError> {
        let place = WaitingPlace::new(&self.waiting);
        if place.before >= self.limits.waiting_receives_max {
            return Err(QueueError::TooManyWaiting { waiting_max: self.limits.waiting_receives_max });
        }
        Ok(place)
    }

    fn take(
        &self,
        messages_max: usize,
        visibility_secs: u32,
        attempt_id: Option<&str>,
    ) -> Result<Vec<Held>, QueueError> {
        let now_ms = self.ground.clock.now_ms();
        let (policy, visibility_ms) = (self.policy(), u64::from(visibility_secs) * 1000);
        let mut contents = self.contents.lock();
        // What is due is due, also for a repeated receive.
        contents.tick(policy, now_ms);
        let mut held = match attempt_id {
            Some(id) => repeated(&mut contents, id, visibility_ms, now_ms),
            None => Vec::new(),
        };
        if held.is_empty() {
            if contents.is_over_limit() {
                return Err(QueueError::OverLimit { in_flight_max: self.limits.in_flight_messages_max });
            }
            let taken = contents.take(messages_max, visibility_ms, policy, now_ms);
            let handle = |taken: &Taken| self.handles.make(taken.position, taken.receipt.receives);
            held = taken.into_iter().map(|taken| Held { handle: handle(&taken), taken }).collect();
        }
        let keeper_is_needed =
            !held.is_empty() || !contents.to_move.is_empty() || contents.wants_more().is_some();
        let more = contents.window.has_ready();
        if !held.is_empty() {
            remember(&mut contents, attempt_id, &held, now_ms);
            let rows =
                held.iter().map(|held| self.row(held.taken.position, Row::Received(held.taken.receipt)));
            // Under the lock: whoever settles a message looks at it first, so that its row follows this one.
            self.note_receives(rows.collect());
        }
        drop(contents);
        if keeper_is_needed {
            self.keeper.notify_one();
        }
        if more && !held.is_empty() {
            self.arrivals.notify_one();
        }
        Ok(held)
    }

    async fn with_bodies(&self, held: Vec<Held>) -> Result<Vec<Received>, QueueError> {
        let attributes = self.attributes();
        let missing = held.iter().filter(|held| held.taken.body.is_none());
        let missing: Vec<Position> = missing.map(|held| held.taken.position).collect();
        let mut read = self.read(missing).await?.into_iter();
        let mut received = Vec::with_capacity(held.len());
        for Held { taken, handle } in held {
            let body = match taken.body {
                Some(body) => Some(body),
                None => read.next().flatten().map(Arc::new),
            };
            let Some(body) = body else {
                self.give_up(taken.position);
                continue;
            };
            received.push(Received::new(&body, handle, taken.sent_at_ms, taken.receipt, &attributes));
        }
        Ok(received)
    }
}

/// What was handed out under an attempt id, hidden anew; nothing unless all of it is as that receive left it.
fn repeated(contents: &mut Contents, attempt_id: &str, visibility_ms: u64, now_ms: u64) -> Vec<Held> {
    let Some(fifo) = &mut contents.fifo else { return Vec::new() };
    let Some(handed) = fifo.attempts.take(attempt_id, now_ms) else { return Vec::new() };
    let window = &mut contents.window;
    let is_untouched = |handed: &Handed| {
        window.hidden_until_ms(handed.position, handed.receives) == Some(handed.hidden_until_ms)
    };
    if !handed.iter().all(is_untouched) {
        return Vec::new();
    }
    let again = |Handed { position, handle, .. }| {
        let taken = window.hand_out_again(position, visibility_ms, now_ms)?;
        Some(Held { taken, handle })
    };
    handed.into_iter().filter_map(again).collect()
}

fn remember(contents: &mut Contents, attempt_id: Option<&str>, held: &[Held], now_ms: u64) {
    let (Some(fifo), Some(id)) = (&mut contents.fifo, attempt_id) else { return };
    let handed = held.iter().map(|Held { taken, handle }| Handed {
        position: taken.position,
        receives: taken.receipt.receives,
        hidden_until_ms: taken.receipt.hidden_until_ms,
        handle: handle.clone(),
    });
    fifo.attempts.remember(id, handed.collect(), now_ms);
}

/// Counts the receives that wait.
struct WaitingPlace<'a> {
    waiting: &'a AtomicUsize,
    before: usize,
}

impl<'a> WaitingPlace<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        Self { waiting, before: waiting.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for WaitingPlace<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
