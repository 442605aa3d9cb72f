//! Message move tasks: what a dead-letter queue holds goes back to where it came from, or to another queue, at a rate.
//!
//! A message is on disk where it goes before it is settled where it was, so a crash at any moment leaves it in one of
//! the two queues; in a FIFO queue it is not even twice there, since the record says from where it was moved. A task is
//! a row in table `queue_moves`, written together with what it settled, and goes on after a restart.
//!
//! | Key | Value |
//! | --- | --- |
//! | u64 id of the source queue, 16 bytes task id (UUIDv7, so in order of time) | [`MoveTask`] as JSON |

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bus::{Delivery, Position, TargetName};
use journal::Offset;
use journal::state::Table;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::contents::Departure;
use super::deliver::Queue;
use super::directory::Inner;
use super::error::{MoveFault, QueueError};
use super::memory::Row;
use super::message::{self, Move};
use super::{KIND, names};
use crate::durable::Change;

/// The table's name.
pub(super) const TABLE: &str = "queue_moves";

/// Highest rate of a task, in messages a second, as with SQS.
pub const MOVES_PER_SECOND_MAX: u32 = 500;

/// Tasks of one queue that are remembered, as many as SQS lists.
const TASKS_KEPT: usize = 10;

/// Messages moved with one write.
const MOVES_MAX: usize = 100;

/// How long after a failure the next try comes.
const RETRY: Duration = Duration::from_secs(2);

const VERSION: u32 = 1;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MoveStatus {
    /// It moves messages.
    Running,
    /// It is to end; what is on its way still moves.
    Cancelling,
    /// It was ended before it had moved everything.
    Cancelled,
    /// Everything was moved.
    Completed,
    /// It can't go on.
    Failed,
}

impl MoveStatus {
    /// As SQS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }

    fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Cancelling)
    }
}

/// One task as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MoveTask {
    version: u32,
    /// Its id.
    pub id: Uuid,
    /// The queue that messages leave.
    pub source: String,
    /// Where they go; back to where each came from when absent.
    pub destination: Option<String>,
    /// Most messages a second; as fast as it goes when absent.
    pub per_second: Option<u32>,
    /// Where it stands.
    pub status: MoveStatus,
    /// Messages moved so far.
    pub moved: u64,
    /// Messages that were there when it began.
    pub to_move: u64,
    /// When it began, milliseconds since the Unix epoch.
    pub started_at_ms: u64,
    /// Why it failed.
    pub failure: Option<String>,
    /// It moves what was there when it began: everything before this offset.
    until: u64,
}

/// The tasks of all queues.
pub(super) struct Moves {
    table: Table,
    tasks: Mutex<BTreeMap<Uuid, Kept>>,
}

struct Kept {
    queue_id: u64,
    task: MoveTask,
    cancel: CancellationToken,
}

impl Moves {
    /// Reads the tasks of earlier runs. Blocks.
    pub(super) fn open(table: Table) -> Result<Self, QueueError> {
        let mut tasks = BTreeMap::new();
        for row in table.iter() {
            let (key, value) = row?;
            let queue_id = key.first_chunk().map(|id| u64::from_be_bytes(*id));
            match (queue_id, serde_json::from_slice::<MoveTask>(&value)) {
                (Some(queue_id), Ok(task)) if task.version <= VERSION => {
                    tasks.insert(task.id, Kept { queue_id, task, cancel: CancellationToken::new() });
                }
                // Nothing is lost without it: the messages are where they are, and a task can be started anew.
                _ => tracing::error!(key = hex::encode(&key), "unreadable row about a move task, ignored"),
            }
        }
        Ok(Self { table, tasks: Mutex::new(tasks) })
    }

    /// Starts what an earlier run left unfinished.
    pub(super) fn resume(&self, inner: &Arc<Inner>) {
        let unfinished: Vec<MoveTask> = {
            let tasks = self.tasks.lock();
            tasks.values().filter(|kept| !kept.task.status.is_over()).map(|kept| kept.task.clone()).collect()
        };
        for task in unfinished {
            if task.status == MoveStatus::Cancelling {
                self.change(task.id, |task| task.status = MoveStatus::Cancelled);
            } else if let Some(queue) = inner.queue(&task.source) {
                self.spawn(inner, queue, task.id);
            }
        }
    }

    /// The tasks of a queue, newest first.
    pub(super) fn of(&self, queue_id: u64) -> Vec<MoveTask> {
        let tasks = self.tasks.lock();
        let of_queue = tasks.values().rev().filter(|kept| kept.queue_id == queue_id);
        of_queue.map(|kept| kept.task.clone()).take(TASKS_KEPT).collect()
    }

    /// Begins a task; it is on disk when this returns.
    pub(super) async fn start(
        &self,
        inner: &Arc<Inner>,
        queue: Arc<Queue>,
        destination: Option<String>,
        per_second: Option<u32>,
    ) -> Result<Uuid, QueueError> {
        check(inner, &queue, destination.as_deref(), per_second)?;
        let task = MoveTask {
            version: VERSION,
            id: Uuid::now_v7(),
            source: queue.name().to_owned(),
            destination,
            per_second,
            status: MoveStatus::Running,
            moved: 0,
            to_move: queue.held().ready as u64,
            started_at_ms: queue.ground.clock.now_ms(),
            failure: None,
            until: inner.end_of_journal().0,
        };
        let id = task.id;
        let forgotten = {
            let mut tasks = self.tasks.lock();
            let of_queue = || tasks.values().filter(|kept| kept.queue_id == queue.id);
            if of_queue().any(|kept| !kept.task.status.is_over()) {
                return Err(MoveFault::Running { queue: queue.name().to_owned() }.into());
            }
            let forgotten: Vec<Uuid> =
                of_queue().rev().skip(TASKS_KEPT - 1).map(|kept| kept.task.id).collect();
            forgotten.iter().for_each(|id| drop(tasks.remove(id)));
            tasks.insert(id, Kept { queue_id: queue.id, task, cancel: CancellationToken::new() });
            forgotten
        };
        let mut rows: Vec<Change> = forgotten.into_iter().map(|id| self.row(queue.id, id, None)).collect();
        rows.extend(self.row_of(id));
        if let Err(error) = queue.ground.writer.commit(rows).await {
            self.tasks.lock().remove(&id);
            return Err(error.into());
        }
        self.spawn(inner, queue, id);
        Ok(id)
    }

    /// Ends a task that runs, and gives how many messages it has moved.
    pub(super) fn cancel(&self, id: Uuid) -> Result<u64, QueueError> {
        let mut tasks = self.tasks.lock();
        let kept = tasks.get_mut(&id).ok_or(MoveFault::Unknown)?;
        if kept.task.status != MoveStatus::Running {
            return Err(MoveFault::NotRunning { status: kept.task.status.as_str() }.into());
        }
        kept.task.status = MoveStatus::Cancelling;
        kept.cancel.cancel();
        Ok(kept.task.moved)
    }

    /// Forgets the tasks of a queue that is deleted. Blocks.
    pub(super) fn forget(&self, queue_id: u64) -> Result<(), QueueError> {
        let mut gone = Vec::new();
        self.tasks.lock().retain(|id, kept| {
            let stays = kept.queue_id != queue_id;
            if !stays {
                kept.cancel.cancel();
                gone.push(*id);
            }
            stays
        });
        for id in gone {
            self.table.remove(key(queue_id, id))?;
        }
        Ok(())
    }

    fn spawn(&self, inner: &Arc<Inner>, queue: Arc<Queue>, id: Uuid) {
        let cancel = self.tasks.lock().get(&id).map(|kept| kept.cancel.clone()).unwrap_or_default();
        let stop = inner.stop_of_all();
        let mover = Mover { inner: Arc::downgrade(inner), queue, id, cancel };
        inner.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = mover.run() => {}
            }
        });
    }

    fn change(&self, id: Uuid, change: impl FnOnce(&mut MoveTask)) {
        if let Some(kept) = self.tasks.lock().get_mut(&id) {
            change(&mut kept.task);
        }
    }

    fn get(&self, id: Uuid) -> Option<MoveTask> {
        self.tasks.lock().get(&id).map(|kept| kept.task.clone())
    }

    fn row_of(&self, id: Uuid) -> Option<Change> {
        let tasks = self.tasks.lock();
        let kept = tasks.get(&id)?;
        Some(self.row(kept.queue_id, id, Some(&kept.task)))
    }

    fn row(&self, queue_id: u64, id: Uuid, task: Option<&MoveTask>) -> Change {
        let encode =
            |task| serde_json::to_vec(task).expect("a task has text keys only, so it is always JSON");
        Change { table: self.table.clone(), key: key(queue_id, id), value: task.map(encode) }
    }
}

fn key(queue_id: u64, id: Uuid) -> Vec<u8> {
    [&queue_id.to_be_bytes()[..], id.as_bytes()].concat()
}

fn check(
    inner: &Inner,
    queue: &Queue,
    destination: Option<&str>,
    per_second: Option<u32>,
) -> Result<(), QueueError> {
    if per_second.is_some_and(|rate| !(1..=MOVES_PER_SECOND_MAX).contains(&rate)) {
        return Err(MoveFault::Rate.into());
    }
    if inner.sources_of(queue.name()).is_empty() {
        return Err(MoveFault::NotADeadLetterQueue { queue: queue.name().to_owned() }.into());
    }
    let Some(destination) = destination else { return Ok(()) };
    if destination == queue.name() {
        return Err(MoveFault::SameQueue.into());
    }
    if names::is_fifo(destination) != queue.is_fifo() {
        return Err(MoveFault::OtherType.into());
    }
    match inner.queue(destination) {
        Some(_) => Ok(()),
        None => Err(MoveFault::NoDestination { queue: destination.to_owned() }.into()),
    }
}

/// What came of one step.
enum Step {
    Moved(usize),
    /// There is nothing left to move.
    Done,
    /// It may go better later.
    Later,
}

/// Runs one task.
struct Mover {
    inner: Weak<Inner>,
    queue: Arc<Queue>,
    id: Uuid,
    cancel: CancellationToken,
}

impl Mover {
    async fn run(&self) {
        // What is on its way leaves the window only when it has arrived; what has not is tried first.
        let mut pending = Vec::new();
        let status = loop {
            if self.cancel.is_cancelled() {
                break MoveStatus::Cancelled;
            }
            let Some((inner, task)) = self.inner.upgrade().and_then(|inner| {
                let task = inner.moves.get(self.id)?;
                Some((inner, task))
            }) else {
                return;
            };
            let pause = match self.step(&inner, &task, &mut pending).await {
                Ok(Step::Done) => break MoveStatus::Completed,
                Ok(Step::Moved(messages)) => pause_after(messages, task.per_second),
                Ok(Step::Later) => RETRY,
                Err(QueueError::Move(fault)) => {
                    inner.moves.change(self.id, |task| task.failure = Some(fault.to_string()));
                    break MoveStatus::Failed;
                }
                Err(error) => {
                    tracing::warn!(queue = self.queue.name(), %error, "messages can't be moved yet");
                    RETRY
                }
            };
            drop(inner);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.cancel.cancelled() => {}
            }
        };
        self.give_back(&pending);
        self.end(status).await;
    }

    fn give_back(&self, positions: &[Position]) {
        let mut contents = self.queue.contents.lock();
        positions.iter().for_each(|position| contents.window.abort_move(*position));
        drop(contents);
        self.queue.ring_if_ready();
    }

    async fn end(&self, status: MoveStatus) {
        let Some(inner) = self.inner.upgrade() else { return };
        inner.moves.change(self.id, |task| task.status = status);
        let row = inner.moves.row_of(self.id).into_iter().collect();
        if let Err(error) = self.queue.ground.writer.commit(row).await {
            tracing::warn!(queue = self.queue.name(), %error, "the end of a move task could not be kept");
        }
    }

    async fn step(
        &self,
        inner: &Arc<Inner>,
        task: &MoveTask,
        pending: &mut Vec<Position>,
    ) -> Result<Step, QueueError> {
        if pending.is_empty() {
            let count_max = task.per_second.map_or(MOVES_MAX, |rate| (rate as usize).min(MOVES_MAX));
            let mut contents = self.queue.contents.lock();
            *pending = contents.window.take_to_move(count_max, Offset(task.until));
            // More may wait past the window, for which the keeper makes room.
            let is_all = contents.floor().is_none_or(|floor| floor.offset >= Offset(task.until));
            drop(contents);
            if pending.is_empty() {
                return Ok(if is_all || self.is_idle(task) { Step::Done } else { Step::Later });
            }
        }
        self.queue.keeper.notify_one();
        let mut deliveries = Vec::with_capacity(pending.len());
        for (position, delivery) in pending.iter().zip(self.queue.read(pending.clone()).await?) {
            match delivery {
                Some(delivery) => deliveries.push(delivery),
                None => self.queue.give_up(*position),
            }
        }
        let moved = self.move_all(inner, task, &deliveries).await?;
        pending.retain(|position| {
            !moved.contains(position) && deliveries.iter().any(|each| each.position == *position)
        });
        Ok(if moved.is_empty() && !pending.is_empty() { Step::Later } else { Step::Moved(moved.len()) })
    }

    /// True when what is left before the end of the task is received, delayed or blocked: it stays where it is.
    fn is_idle(&self, task: &MoveTask) -> bool {
        let contents = self.queue.contents.lock();
        contents.wants_more().is_none_or(|(next, _)| next.offset >= Offset(task.until))
    }

    async fn move_all(
        &self,
        inner: &Arc<Inner>,
        task: &MoveTask,
        deliveries: &[Delivery],
    ) -> Result<Vec<Position>, QueueError> {
        let now_ms = self.queue.ground.clock.now_ms();
        let mut records = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let to = destination(inner, task, delivery)?;
            let (from, dead_letter_source) = (self.queue.id, None);
            // It begins anew where it goes, as with SQS; only its id stays.
            let leaving = Move { delivery, from, dead_letter_source, to, sent_at_ms: now_ms };
            records.push(leaving.into_record());
        }
        // On disk there before it leaves here.
        let outcomes = match self.queue.is_fifo() {
            true => self.queue.ground.intake.accept_in_order(&records, false).await,
            false => self.queue.ground.intake.accept_at_once(&records).await,
        };
        let there = deliveries.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
        let there: Vec<Position> = there.map(|(delivery, _)| delivery.position).collect();
        if there.is_empty() {
            return Ok(there);
        }
        inner.moves.change(self.id, |task| task.moved += there.len() as u64);
        let mut rows: Vec<Change> =
            there.iter().map(|position| self.queue.row(*position, Row::Settled)).collect();
        rows.extend(inner.moves.row_of(self.id));
        self.queue.ground.writer.commit(rows).await?;
        let mut contents = self.queue.contents.lock();
        there.iter().for_each(|position| contents.depart(*position, Departure::Moved));
        drop(contents);
        self.queue.keeper.notify_one();
        self.queue.ring_if_ready();
        Ok(there)
    }
}

fn destination(inner: &Inner, task: &MoveTask, delivery: &Delivery) -> Result<TargetName, QueueError> {
    let name = task.destination.clone().or_else(|| message::dead_letter_source(delivery));
    let name = name.ok_or(MoveFault::NoSource)?;
    let target = TargetName::new(KIND, &name).ok().filter(|_| inner.queue(&name).is_some());
    target.ok_or_else(|| MoveFault::NoDestination { queue: name }.into())
}

fn pause_after(messages: usize, per_second: Option<u32>) -> Duration {
    let millis = per_second.map_or(0, |rate| messages as u64 * 1000 / u64::from(rate.max(1)));
    Duration::from_millis(millis)
}
