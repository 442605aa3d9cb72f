//! One queue: what it is made of, what the bus tells it, and what is done with a receipt handle.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use bus::{Declined, Delivery, DropReason, Position, TargetName, View, ViewHandle};
use futures::future::join_all;
use journal::Clock;
use journal::state::Table;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::attempts::Attempts;
use super::attributes::Attributes;
use super::contents::{Contents, Counts, Fifo, Limits};
use super::deduplication::Deduplication;
use super::error::QueueError;
use super::handle::Handles;
use super::memory::{self, Row};
use super::window::{ChangeRefusal, Claim, Held, Policy};
use crate::durable::{Change, Writer};
use crate::intake::Intake;
use crate::reading::{Reading, on_disk_thread};

/// What a queue needs of the gateway.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) intake: Intake,
    pub(super) reading: Reading,
    pub(super) writer: Arc<Writer>,
    pub(super) messages: Table,
    /// What FIFO queues took.
    pub(super) seen: Table,
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
    pub(super) handles: Handles,
    pub(super) limits: Limits,
    pub(super) waiting: AtomicUsize,
}

impl Queue {
    /// Reads what is remembered of an earlier run. Blocks.
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
    ) -> Result<Self, QueueError> {
        let remembered = memory::Remembered::new(ground.messages.clone(), id);
        let limits = if attributes.fifo { limits.of_fifo() } else { limits };
        let fifo = match attributes.fifo {
            true => Some(Fifo {
                deduplication: Deduplication::load(ground.seen.clone(), id, limits.deduplication_ids_max)?,
                attempts: Attempts::new(limits.attempts_max),
            }),
            false => None,
        };
        Ok(Self {
            id,
            target,
            created_at_ms,
            attributes: RwLock::new(Arc::new(attributes)),
            contents: Mutex::new(Contents::new(remembered, fifo, limits)),
            arrivals: Notify::new(),
            keeper: Notify::new(),
            lane: OnceLock::new(),
            waits,
            handles,
            limits,
            waiting: AtomicUsize::new(0),
            ground,
        })
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.target.name()
    }

    /// When it was made, milliseconds since the Unix epoch.
    pub fn created_at_ms(&self) -> u64 {
        self.created_at_ms
    }

    /// True when it keeps order and takes each message once. For good.
    pub fn is_fifo(&self) -> bool {
        super::names::is_fifo(self.name())
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

    /// Tells whoever waits that there is something, if so.
    pub(super) fn ring_if_ready(&self) {
        if self.contents.lock().window.has_ready() {
            self.arrivals.notify_one();
        }
    }

    /// Notes the rows that wait for it. False when there was no room for them, and it has to be tried again.
    pub(super) fn note_pending(&self, contents: &mut Contents) -> bool {
        if contents.to_note.is_empty() {
            return true;
        }
        let noting = self.ground.writer.note_or_give_back(std::mem::take(&mut contents.to_note));
        contents.to_note = noting.err().unwrap_or_default();
        contents.to_note.is_empty()
    }

    /// Returns when the verdicts about every message heard of by now are written, in order: a crash of the process
    /// forgets none of them.
    pub(super) async fn write_verdicts(&self) -> Result<(), QueueError> {
        loop {
            let noted = self.note_pending(&mut self.contents.lock());
            self.ground.writer.written().await?;
            if noted {
                return Ok(());
            }
        }
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

    pub(super) fn note_receives(&self, rows: Vec<Change>) {
        // A convenience: without it a crash forgets a receive and shows the message earlier.
        if !self.ground.writer.note(rows) {
            tracing::debug!(queue = self.name(), "receives are not noted, too much waits to be written");
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
        let mut declined = Declined::new();
        let mut contents = self.contents.lock();
        for (index, delivery) in deliveries.iter().enumerate() {
            if !contents.observe(delivery, &attributes, now_ms) {
                declined.push((index, DropReason::Deduplicated));
            }
        }
        // Under the lock, so that rows are written in the order of the journal.
        let noted = self.note_pending(&mut contents);
        let ready = contents.window.has_ready();
        // The keeper sleeps until something is due, so it has to hear of deadlines that are new.
        let due = contents.window.held().delayed > 0 || contents.wants_more().is_some() || !noted;
        let waiting = contents.counts.waiting();
        drop(contents);
        self.report_waiting(waiting);
        if ready {
            self.arrivals.notify_one();
        }
        if due {
            self.keeper.notify_one();
        }
        declined
    }

    fn make_room(&self) {
        self.keeper.notify_one();
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
            // Its message group may go on.
            self.queue.ring_if_ready();
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
