//! One queue as its consumers and producers call it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bus::{Declined, Delivery, Position, TargetName, View, ViewHandle};
use futures::future::join_all;
use journal::Clock;
use journal::state::Table;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attributes::Attributes;
use super::contents::{Contents, Counts, Limits};
use super::error::QueueError;
use super::handle::Handles;
use super::memory::{self, Row};
use super::message::{self, Outgoing, Received, Sent};
use super::window::{ChangeRefusal, Claim, Held, Policy, Taken};
use crate::durable::{Change, Writer};
use crate::intake::Intake;
use crate::reading::{Reading, on_disk_thread};

/// What to receive.
#[derive(Debug, Clone, Copy)]
pub struct Receive {
    /// Most messages, from 1 to 10.
    pub messages_max: usize,
    /// How long to hide them; the queue's own when absent.
    pub visibility_secs: Option<u32>,
    /// How long to wait when there is nothing; the queue's own when absent.
    pub wait_secs: Option<u32>,
}

/// What a queue needs of the gateway.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) intake: Intake,
    pub(super) reading: Reading,
    pub(super) writer: Arc<Writer>,
    pub(super) messages: Table,
    pub(super) clock: Clock,
}

/// One queue. All calls may come at once.
pub struct Queue {
    pub(super) id: u64,
    pub(super) target: TargetName,
    pub(super) created_at_ms: u64,
    pub(super) ground: Ground,
    pub(super) attributes: RwLock<Arc<Attributes>>,
    pub(super) contents: Mutex<Contents>,
    /// Rung once for a message that became ready; whoever takes some while more are there rings it again.
    pub(super) arrivals: Notify,
    /// Rung when the keeper has something to do before the time it sleeps until.
    pub(super) keeper: Notify,
    /// There once the bus shows messages.
    pub(super) lane: OnceLock<ViewHandle>,
    /// Ends receives that wait.
    pub(super) waits: CancellationToken,
    handles: Handles,
    limits: Limits,
    waiting: AtomicUsize,
}

impl Queue {
    #[expect(clippy::too_many_arguments, reason = "called in one place, by the directory")]
    pub(super) fn new(
        id: u64,
        target: TargetName,
        created_at_ms: u64,
        attributes: Attributes,
        ground: Ground,
        handles: Handles,
        limits: Limits,
        waits: CancellationToken,
    ) -> Self {
        let remembered = memory::Remembered::new(ground.messages.clone(), id);
        Self {
            id,
            target,
            created_at_ms,
            attributes: RwLock::new(Arc::new(attributes)),
            contents: Mutex::new(Contents::new(remembered, limits)),
            arrivals: Notify::new(),
            keeper: Notify::new(),
            lane: OnceLock::new(),
            waits,
            handles,
            limits,
            waiting: AtomicUsize::new(0),
            ground,
        }
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.target.name()
    }

    /// When it was made, milliseconds since the Unix epoch.
    pub fn created_at_ms(&self) -> u64 {
        self.created_at_ms
    }

    /// Its attributes as they are now.
    pub fn attributes(&self) -> Arc<Attributes> {
        Arc::clone(&self.attributes.read())
    }

    /// How many messages are where, those past the window as ready.
    pub fn held(&self) -> Held {
        self.contents.lock().held()
    }

    /// What was counted since the queue was opened.
    pub fn counts(&self) -> Counts {
        self.contents.lock().counts
    }

    /// When the oldest message of the window was sent, milliseconds since the Unix epoch.
    pub fn oldest_sent_at_ms(&self) -> Option<u64> {
        self.contents.lock().window.oldest_sent_at_ms()
    }

    /// Tells the bus how much waits here, so that it can hold back senders.
    pub(super) fn report_waiting(&self, messages: u64) {
        if let Some(lane) = self.lane.get() {
            lane.set_waiting(messages, 0);
        }
    }

    pub(super) fn policy(&self) -> Policy {
        let attributes = self.attributes.read();
        Policy {
            retention_ms: u64::from(attributes.retention_secs) * 1000,
            receives_max: attributes.redrive.as_ref().map(|redrive| redrive.receives_max),
        }
    }

    /// Sends messages. Those that succeed are on disk when this returns; the outcomes stand in order.
    pub async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<Sent, QueueError>> {
        let bytes_max = self.attributes().message_bytes_max;
        let now_ms = self.ground.clock.now_ms();
        let mut outcomes = Vec::with_capacity(messages.len());
        let mut records = Vec::with_capacity(messages.len());
        for message in messages {
            let bytes = size(&message);
            if bytes > bytes_max as usize {
                outcomes.push(Err(QueueError::TooLarge { bytes, bytes_max }));
                continue;
            }
            let record = message.into_record(self.target.clone(), now_ms);
            outcomes.push(Ok(Sent { id: message::sent_id(&record) }));
            records.push(record);
        }
        let accepted = self.ground.intake.accept(&records).await;
        let taken = outcomes.iter_mut().filter(|outcome| outcome.is_ok());
        for (outcome, accepted) in taken.zip(accepted) {
            if let Err(error) = accepted {
                *outcome = Err(error.into());
            }
        }
        outcomes
    }

    /// Receives messages and hides them from others. Waits when there is none; an empty answer is no error.
    ///
    /// # Errors
    /// Too many messages are in flight, too many receives wait, or the journal can't be read.
    pub async fn receive(&self, request: Receive) -> Result<Vec<Received>, QueueError> {
        let attributes = self.attributes();
        let visibility_secs = request.visibility_secs.unwrap_or(attributes.visibility_timeout_secs);
        let wait_secs = request.wait_secs.unwrap_or(attributes.receive_wait_secs);
        let deadline = Instant::now() + Duration::from_secs(u64::from(wait_secs));
        let mut place = None;
        loop {
            // Registered before looking, so that a message that comes in between is not slept through.
            let mut arrival = std::pin::pin!(self.arrivals.notified());
            arrival.as_mut().enable();
            let taken = self.take(request.messages_max, visibility_secs)?;
            if !taken.is_empty() {
                let received = self.with_bodies(taken).await?;
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

    fn wait_in_line(&self) -> Result<WaitingPlace<'_>, QueueError> {
        let place = WaitingPlace::new(&self.waiting);
        if place.before >= self.limits.waiting_receives_max {
            return Err(QueueError::TooManyWaiting { waiting_max: self.limits.waiting_receives_max });
        }
        Ok(place)
    }

    fn take(&self, messages_max: usize, visibility_secs: u32) -> Result<Vec<Taken>, QueueError> {
        let now_ms = self.ground.clock.now_ms();
        let (policy, visibility_ms) = (self.policy(), u64::from(visibility_secs) * 1000);
        let mut contents = self.contents.lock();
        if contents.is_over_limit() {
            return Err(QueueError::OverLimit { in_flight_max: self.limits.in_flight_messages_max });
        }
        let taken = contents.take(messages_max, visibility_ms, policy, now_ms);
        let keeper_is_needed =
            !taken.is_empty() || !contents.to_move.is_empty() || contents.wants_more().is_some();
        let more = contents.window.held().ready > 0;
        let rows = taken.iter().map(|taken| self.row(taken.position, Row::Received(taken.receipt)));
        if !taken.is_empty() {
            // Under the lock: whoever settles a message looks at it first, so that its row follows this one.
            self.note_receives(rows.collect());
        }
        drop(contents);
        if keeper_is_needed {
            self.keeper.notify_one();
        }
        if more && !taken.is_empty() {
            self.arrivals.notify_one();
        }
        Ok(taken)
    }

    fn note_receives(&self, rows: Vec<Change>) {
        // A convenience: without it a crash forgets a receive and shows the message earlier.
        if !self.ground.writer.note(rows) {
            tracing::debug!(queue = self.name(), "receives are not noted, too much waits to be written");
        }
    }

    async fn with_bodies(&self, taken: Vec<Taken>) -> Result<Vec<Received>, QueueError> {
        let missing: Vec<Position> =
            taken.iter().filter(|taken| taken.body.is_none()).map(|taken| taken.position).collect();
        let mut read = self.read(missing).await?.into_iter();
        let mut received = Vec::with_capacity(taken.len());
        for taken in taken {
            let body = match taken.body {
                Some(body) => Some(body),
                None => read.next().flatten().map(Arc::new),
            };
            let Some(body) = body else {
                self.give_up(taken.position);
                continue;
            };
            let handle = self.handles.make(taken.position, taken.receipt.receives);
            received.push(Received::new(&body, handle, taken.sent_at_ms, taken.receipt));
        }
        Ok(received)
    }

    /// Reads events from the journal, off the async threads.
    pub(super) async fn read(&self, positions: Vec<Position>) -> Result<Vec<Option<Delivery>>, QueueError> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let reading = self.ground.reading.clone();
        let read = move || positions.into_iter().map(|position| reading.read(position)).collect();
        let read: Result<_, _> = on_disk_thread(read).await;
        Ok(read?)
    }

    /// A message whose record can't be read any more will never be readable.
    pub(super) fn give_up(&self, position: Position) {
        tracing::error!(queue = self.name(), offset = %position.offset, "message is damaged in the journal and lost");
        self.contents.lock().lose(position);
        // It notes that the message is settled, again if need be.
        self.keeper.notify_one();
    }

    /// Deletes a message for good. An old handle deletes nothing and is no error, and neither is a second delete, as
    /// with SQS.
    ///
    /// # Errors
    /// The handle was not made by this queue, or the delete could not be written and the message may come again.
    pub async fn delete(&self, handle: &str) -> Result<(), QueueError> {
        let (position, receives) = self.open(handle)?;
        {
            let mut contents = self.contents.lock();
            match contents.window.claim(position, receives) {
                Claim::Held => {}
                Claim::Stale => return Ok(()),
                // Perhaps it waits past the window since a restart, or its first delete could not be written.
                Claim::Gone if contents.floor().is_some_and(|floor| floor <= position) => {}
                Claim::Gone => return Ok(()),
            }
            contents.begin_delete(position);
        }
        let undo = UndoDelete { queue: self, position: Some(position) };
        self.ground.writer.commit(vec![self.row(position, Row::Settled)]).await?;
        undo.confirm();
        Ok(())
    }

    /// Deletes several messages; they share an fsync. The outcomes stand in order.
    pub async fn delete_batch(&self, handles: &[String]) -> Vec<Result<(), QueueError>> {
        join_all(handles.iter().map(|handle| self.delete(handle))).await
    }

    /// Hides a received message for `visibility_secs` from now; zero shows it at once.
    ///
    /// # Errors
    /// The handle was not made by this queue or is not the newest, the message is no longer hidden, or it would be
    /// hidden for more than twelve hours in all.
    pub fn change_visibility(&self, handle: &str, visibility_secs: u32) -> Result<(), QueueError> {
        let (position, receives) = self.open(handle)?;
        let now_ms = self.ground.clock.now_ms();
        let policy = self.policy();
        let mut contents = self.contents.lock();
        // A deadline that has passed has passed, even when the keeper was not there yet.
        let mut visible = contents.tick(policy, now_ms);
        let visibility_ms = u64::from(visibility_secs) * 1000;
        let changed = contents.window.change_visibility(position, receives, visibility_ms, now_ms);
        if let Ok(receipt) = changed {
            // Under the lock, and before time passes, for the same reason as in `take`.
            self.note_receives(vec![self.row(position, Row::Received(receipt))]);
        }
        visible += contents.tick(policy, now_ms);
        drop(contents);
        if visible > 0 {
            self.arrivals.notify_one();
        }
        self.keeper.notify_one();
        match changed {
            Ok(_) => Ok(()),
            Err(ChangeRefusal::NotInFlight) => Err(QueueError::NotInFlight),
            Err(ChangeRefusal::TooLong) => Err(QueueError::VisibilityTooLong),
        }
    }

    fn open(&self, handle: &str) -> Result<(Position, u32), QueueError> {
        self.handles.read(handle).ok_or_else(|| QueueError::Handle { queue: self.name().to_owned() })
    }

    pub(super) fn row(&self, position: Position, row: Row) -> Change {
        Change {
            table: self.ground.messages.clone(),
            key: memory::key(self.id, position),
            value: Some(row.encode()),
        }
    }
}

impl View for Queue {
    fn observe(&self, deliveries: &[Delivery]) -> Declined {
        let attributes = self.attributes();
        let now_ms = self.ground.clock.now_ms();
        let mut contents = self.contents.lock();
        for delivery in deliveries {
            contents.observe(delivery, &attributes, now_ms);
        }
        let ready = contents.window.held().ready > 0;
        // The keeper sleeps until something is due, so it has to hear of deadlines that are new.
        let due = contents.window.held().delayed > 0 || contents.wants_more().is_some();
        let waiting = contents.counts.waiting();
        drop(contents);
        self.report_waiting(waiting);
        if ready {
            self.arrivals.notify_one();
        }
        if due {
            self.keeper.notify_one();
        }
        Declined::new()
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queue").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Brings a message back unless its delete was confirmed: also when the caller went away in between, for then nobody
/// knows whether it was written.
struct UndoDelete<'a> {
    queue: &'a Queue,
    position: Option<Position>,
}

impl UndoDelete<'_> {
    fn confirm(mut self) {
        if let Some(position) = self.position.take() {
            self.queue.contents.lock().end_delete(position, true);
            self.queue.keeper.notify_one();
        }
    }
}

impl Drop for UndoDelete<'_> {
    fn drop(&mut self) {
        if let Some(position) = self.position {
            self.queue.contents.lock().end_delete(position, false);
            self.queue.arrivals.notify_one();
        }
    }
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

/// The size of a message as SQS counts it: body, and names, types and values of the attributes.
fn size(message: &Outgoing) -> usize {
    let attributes = message.attributes.iter();
    message.body.len()
        + attributes.map(|each| each.name.len() + each.data_type.len() + each.value.len()).sum::<usize>()
}
