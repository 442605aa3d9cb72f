//! What time brings to a queue: messages become visible, expire, move to the dead-letter queue, are read on from the
//! backlog; and the floor rises, before which nothing is needed any more.
//!
//! One task for each queue. It sleeps until something is due or it is rung for.

use std::sync::Arc;
use std::time::Duration;

use bus::{Position, TargetName};
use journal::Offset;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::KIND;
use super::contents::Departure;
use super::deliver::Queue;
use super::error::QueueError;
use super::memory::{self, Row};
use super::message::Move;
use crate::reading::{ScanLimits, first_of, on_disk_thread};

/// How long after a failed move, or a failed read, the next try comes.
const RETRY: Duration = Duration::from_secs(2);

/// How often the floor is written at most.
const FLOOR_INTERVAL: Duration = Duration::from_secs(1);

/// How often an idle queue lets go of what passed it by.
const IDLE_INTERVAL: Duration = Duration::from_secs(10);

/// Messages moved with one write.
const MOVES_MAX: usize = 100;

/// How much of the backlog is read at once.
const BACKLOG_SCAN: ScanLimits =
    ScanLimits { looked_at_max: 20_000, deliveries_max: 5_000, data_bytes_max: 4 << 20 };

/// Tells whether a queue of a name is there, and where its floor stands on disk.
pub(super) trait Neighbours: Send + Sync + 'static {
    /// True when the queue can take messages.
    fn has_queue(&self, name: &str) -> bool;
    /// Writes that everything of the queue before `floor` is settled. Blocks on the disk.
    fn write_floor(&self, queue: &Queue, floor: Offset) -> Result<(), QueueError>;
}

/// Runs until `stop`.
pub(super) async fn run(queue: Arc<Queue>, neighbours: Arc<dyn Neighbours>, stop: CancellationToken) {
    let mut keeper = Keeper { queue, neighbours, floor: Offset(0), floor_at: Instant::now() };
    loop {
        let wake_at = keeper.step().await;
        tokio::select! {
            () = stop.cancelled() => break,
            () = keeper.queue.keeper.notified() => {}
            () = sleep_until(wake_at) => {}
        }
    }
    if let Err(error) = keeper.queue.write_verdicts().await {
        tracing::warn!(queue = keeper.queue.name(), %error, "what was taken is judged again at the next start");
    }
    // Nobody tries again after this, so it waits for its turn at the writer, which then has room.
    while !note_settled(&keeper.queue) {
        if keeper.queue.ground.writer.commit(Vec::new()).await.is_err() {
            break;
        }
    }
    keeper.raise_floor().await;
}

/// Notes what left the queue by itself, expired or lost. False when there was no room for it, and it has to be tried
/// again: not noted, it would be there again after a restart if the retention has become longer by then.
pub(super) fn note_settled(queue: &Queue) -> bool {
    let positions = std::mem::take(&mut queue.contents.lock().to_settle);
    if positions.is_empty() {
        return true;
    }
    let rows = positions.iter().map(|position| queue.row(*position, Row::Settled)).collect();
    let noted = queue.ground.writer.note(rows);
    if noted {
        tracing::debug!(queue = queue.name(), messages = positions.len(), "messages expired or lost");
    } else {
        queue.contents.lock().to_settle.extend(positions);
    }
    noted
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

struct Keeper {
    queue: Arc<Queue>,
    neighbours: Arc<dyn Neighbours>,
    /// The floor that is on disk.
    floor: Offset,
    floor_at: Instant,
}

impl Keeper {
    /// Does what is due and says when to come back without being rung for.
    async fn step(&mut self) -> Option<Instant> {
        let mut wake_at = None;
        self.let_time_pass();
        let noted = note_settled(&self.queue) && self.queue.note_pending(&mut self.queue.contents.lock());
        if !self.move_exhausted().await || !self.refill().await || !noted {
            wake_at = Some(Instant::now() + RETRY);
        }
        let mut floor_at = Instant::now() + IDLE_INTERVAL;
        if self.wanted_floor() > self.floor {
            if self.floor_at.elapsed() >= FLOOR_INTERVAL {
                self.raise_floor().await;
            } else {
                floor_at = self.floor_at + FLOOR_INTERVAL;
            }
        }
        wake_at = earlier(wake_at, Some(floor_at));
        earlier(wake_at, self.next_due())
    }

    fn let_time_pass(&self) {
        let now_ms = self.queue.ground.clock.now_ms();
        let (visible, waiting) = {
            let mut contents = self.queue.contents.lock();
            contents.forget_ids_before(now_ms);
            (contents.tick(self.queue.policy(), now_ms), contents.counts.waiting())
        };
        self.queue.report_waiting(waiting);
        // Also when nothing became visible: a message that expired or was lost may have blocked its group.
        if visible > 0 || self.queue.is_fifo() {
            self.queue.ring_if_ready();
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let policy = self.queue.policy();
        let contents = self.queue.contents.lock();
        if !contents.to_move.is_empty() {
            return Some(Instant::now());
        }
        let due_ms = contents.window.next_due_ms(policy)?;
        let in_ms = due_ms.saturating_sub(self.queue.ground.clock.now_ms());
        // A clock that jumps moves deadlines, so the sleep is cut into pieces.
        Some(Instant::now() + Duration::from_millis(in_ms.min(60_000)))
    }

    /// Moves what was received too often. False when it has to be tried again.
    async fn move_exhausted(&self) -> bool {
        let positions: Vec<Position> = {
            let mut contents = self.queue.contents.lock();
            let count = contents.to_move.len().min(MOVES_MAX);
            contents.to_move.drain(..count).collect()
        };
        if positions.is_empty() {
            return true;
        }
        let outcome = self.move_all(&positions).await;
        if let Err(error) = &outcome {
            tracing::warn!(queue = self.queue.name(), %error, "messages can't move to the dead-letter queue yet");
        }
        // Whatever has not left the window by now is tried again.
        let again_at_ms =
            self.queue.ground.clock.now_ms() + u64::try_from(RETRY.as_millis()).unwrap_or_default();
        let mut contents = self.queue.contents.lock();
        for position in positions {
            contents.window.retry_move(position, again_at_ms);
        }
        outcome.is_ok()
    }

    async fn move_all(&self, positions: &[Position]) -> Result<(), QueueError> {
        let Some(redrive) = self.queue.attributes().redrive.clone() else {
            // The policy was taken away in between: the messages may be received again.
            let mut contents = self.queue.contents.lock();
            positions.iter().for_each(|position| contents.window.abort_move(*position));
            drop(contents);
            self.queue.arrivals.notify_one();
            return Ok(());
        };
        let name = &redrive.dead_letter_queue;
        let target = TargetName::new(KIND, name).ok().filter(|_| self.neighbours.has_queue(name));
        let Some(target) = target else {
            return Err(QueueError::Unknown { name: name.clone(), nearest: None });
        };
        let mut moving = Vec::with_capacity(positions.len());
        let mut records = Vec::with_capacity(positions.len());
        for (position, delivery) in positions.iter().zip(self.queue.read(positions.to_vec()).await?) {
            match delivery {
                Some(delivery) => {
                    let leaving = Move {
                        delivery: &delivery,
                        from: self.queue.id,
                        dead_letter_source: Some(self.queue.name()),
                        to: target.clone(),
                        sent_at_ms: delivery.arrived_at_ms(),
                    };
                    records.push(leaving.into_record());
                    moving.push(*position);
                }
                None => self.queue.give_up(*position),
            }
        }
        // On disk there before it leaves here: a crash in between shows the message twice, with one id.
        // Without waiting for room: it is tried again anyway, and the queue has other work.
        let outcomes = match self.queue.is_fifo() {
            true => self.queue.ground.intake.accept_in_order(&records, false).await,
            false => self.queue.ground.intake.accept_at_once(&records).await,
        };
        let mut failure = None;
        let mut there = Vec::with_capacity(moving.len());
        for (position, outcome) in moving.into_iter().zip(outcomes) {
            match outcome {
                Ok(_) => there.push(position),
                Err(error) => failure = Some(error),
            }
        }
        if !there.is_empty() {
            let rows = there.iter().map(|position| self.queue.row(*position, Row::Settled)).collect();
            self.queue.ground.writer.commit(rows).await?;
        }
        let mut contents = self.queue.contents.lock();
        there.iter().for_each(|position| contents.depart(*position, Departure::Moved));
        drop(contents);
        self.queue.ring_if_ready();
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Reads on in the backlog while there is room. False when the disk failed.
    async fn refill(&self) -> bool {
        loop {
            let (wanted, room) = {
                let contents = self.queue.contents.lock();
                (contents.wants_more(), contents.room())
            };
            let Some((from, end)) = wanted else { return true };
            if self.queue.is_fifo()
                && let Err(error) = self.queue.write_verdicts().await
            {
                tracing::error!(queue = self.queue.name(), %error, "duplicates can't be noted, trying again");
                return false;
            }
            let reading = self.queue.ground.reading.clone();
            let limits = ScanLimits { deliveries_max: BACKLOG_SCAN.deliveries_max.min(room), ..BACKLOG_SCAN };
            let scan = on_disk_thread(move || reading.scan(from, end, limits, |_| true)).await;
            let scan = match scan {
                Ok(scan) => scan,
                Err(error) => {
                    tracing::error!(queue = self.queue.name(), %error, "the journal can't be read, trying again");
                    return false;
                }
            };
            let now_ms = self.queue.ground.clock.now_ms();
            let attributes = self.queue.attributes();
            let mut contents = self.queue.contents.lock();
            let refilled = contents.refill(from, &scan.deliveries, scan.next, &attributes, now_ms);
            drop(contents);
            self.queue.arrivals.notify_one();
            if let Err(error) = refilled {
                tracing::error!(queue = self.queue.name(), %error, "the state of messages can't be read, trying again");
                return false;
            }
        }
    }

    /// Before this offset everything is settled.
    fn wanted_floor(&self) -> Offset {
        // Read first: what is shown after it is in the contents already, or past this.
        let shown = self.queue.ground.intake.shown();
        let contents = self.queue.contents.lock();
        contents.floor().map_or(shown, |floor| floor.offset.min(shown))
    }

    /// Writes the floor and drops the rows below it.
    async fn raise_floor(&mut self) {
        let floor = self.wanted_floor();
        self.floor_at = Instant::now();
        if floor <= self.floor {
            return;
        }
        // What is before the floor is not judged again after a crash.
        if self.queue.is_fifo()
            && let Err(error) = self.queue.write_verdicts().await
        {
            tracing::error!(queue = self.queue.name(), %error, "what was taken can't be noted, trying again");
            return;
        }
        let (queue, neighbours) = (Arc::clone(&self.queue), Arc::clone(&self.neighbours));
        let before = self.floor;
        let raised = on_disk_thread(move || {
            neighbours.write_floor(&queue, floor)?;
            sweep(&queue, before, floor)
        })
        .await;
        match raised {
            Ok(()) => self.floor = floor,
            Err(error) => {
                tracing::error!(queue = self.queue.name(), %error, "the queue's floor could not be written");
            }
        }
    }
}

/// Removes the rows of messages between two floors.
fn sweep(queue: &Queue, from: Offset, to: Offset) -> Result<(), QueueError> {
    let first = memory::key(queue.id, first_of(from));
    let end = memory::key(queue.id, first_of(to));
    let table = &queue.ground.messages;
    for row in table.range(first..end) {
        table.remove(row?.0)?;
    }
    Ok(())
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
