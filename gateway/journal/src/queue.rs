//! What waits for the writer, and how a producer learns what became of it.
//!
//! The queue is bounded by a semaphore of bytes: who wants to append waits there, and only there. Everything else is a short lock.
//! A record carries no channel: the writer publishes one number, the first offset that is not settled yet, and
//! wakes each producer of the batch once. Failures are rare, so they alone are told to the producer by name.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{AppendError, CommitError};
use crate::format::Offset;

/// What a record counts against `queue_bytes_max` beyond its payload. It also bounds the number of waiting records.
pub const RECORD_OVERHEAD_BYTES: usize = 64;

/// A record on its way to the disk.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) offset: Offset,
    pub(crate) payload: Bytes,
    /// Computed by the producer, so that the one writer does not have to.
    pub(crate) payload_checksum: u32,
    /// Of its producer: one more after each failure that the producer knew of when it appended this.
    pub(crate) generation: u64,
    pub(crate) inbox: Arc<Inbox>,
}

impl Pending {
    pub(crate) fn queue_bytes(&self) -> usize {
        queue_bytes(self.payload.len())
    }

    /// Whether this can't be written: something that its producer appended before has failed, and it did not know of that when it appended
    /// this. Written, the two would be out of order as soon as the first is appended again.
    pub(crate) fn stands_behind_a_failure(&self) -> bool {
        self.generation < self.inbox.generation_min.load(Ordering::Relaxed)
    }
}

pub(crate) fn queue_bytes(payload_bytes: usize) -> usize {
    payload_bytes + RECORD_OVERHEAD_BYTES
}

/// Where the writer leaves word for one producer.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Whether `word` holds failures; spares the lock when it does not.
    failed: AtomicBool,
    /// The last batch for which this producer was woken. Only the writer uses it.
    woken_for: AtomicU64,
    /// Of what is appended now. Only the producer changes it, when it takes a failure of this generation.
    generation: AtomicU64,
    /// Records of an earlier generation are not written. Only the writer uses it.
    generation_min: AtomicU64,
    word: Mutex<Word>,
}

#[derive(Debug, Default)]
struct Word {
    waker: Option<Waker>,
    /// In order of offset, as the writer leaves them and the producer takes them.
    failures: VecDeque<Failure>,
}

#[derive(Debug)]
struct Failure {
    offset: Offset,
    generation: u64,
    error: CommitError,
}

impl Inbox {
    /// Leaves word of a failure. It must be there before the offset is settled.
    pub(crate) fn fail(&self, record: &Pending, error: CommitError) {
        let mut word = self.word.lock();
        word.failures.push_back(Failure { offset: record.offset, generation: record.generation, error });
        drop(word);
        self.generation_min.fetch_max(record.generation + 1, Ordering::Relaxed);
        self.failed.store(true, Ordering::Release);
    }

    /// Wakes the producer, once for each batch.
    pub(crate) fn wake(&self, batch: u64) {
        if self.woken_for.swap(batch, Ordering::Relaxed) != batch {
            let waker = self.word.lock().waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Whether this producer is known to go on without being told at once: its records were in batches before, but in none of the two up to
    /// `batch`. Of one that is new nothing is known. Somebody may wait for each of its records, and use it for no other.
    pub(crate) fn goes_on_untold(&self, batch: u64) -> bool {
        let woken_for = self.woken_for.load(Ordering::Relaxed);
        woken_for > 0 && woken_for + 1 < batch
    }

    /// What became of a record that is settled.
    pub(crate) fn outcome(&self, offset: Offset) -> Result<(), CommitError> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut word = self.word.lock();
        let Some(failure) = word.failures.pop_front_if(|failure| failure.offset == offset) else {
            return Ok(());
        };
        if word.failures.is_empty() {
            self.failed.store(false, Ordering::Release);
        }
        self.generation.fetch_max(failure.generation + 1, Ordering::Relaxed);
        Err(failure.error)
    }
}

/// Room for one record, given back when dropped without being used.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);

/// What the writer gets when it asks for records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Records.
    Records,
    /// None came in the time that it wanted to wait.
    Nothing,
    /// None will come any more.
    Closed,
}

/// The queue between all producers and the one writer.
#[derive(Debug)]
pub(crate) struct Queue {
    room: Arc<Semaphore>,
    room_bytes_max: usize,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Every record with a smaller offset is durable or has failed.
    settled: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    records: Vec<Pending>,
    next_offset: Offset,
    /// How many records have to wait until the writer is to be woken; `usize::MAX` while it does not sleep.
    wake_at: usize,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(room_bytes_max: usize, next_offset: Offset) -> Self {
        let waiting = Waiting { records: Vec::new(), next_offset, wake_at: usize::MAX, closed: false };
        Self {
            room: Arc::new(Semaphore::new(room_bytes_max)),
            room_bytes_max,
            waiting: Mutex::new(waiting),
            arrived: Condvar::new(),
            settled: AtomicU64::new(next_offset.0),
        }
    }

    /// Waits for room, then takes the record. Cancel safe: until it returns, the record is not in the queue.
    pub(crate) async fn push(&self, payload: Bytes, inbox: &Arc<Inbox>) -> Result<Offset, AppendError> {
        let permit = self.room.acquire_many(permits(payload.len())).await.map_err(|_| AppendError::Closed)?;
        let offset = self.enqueue(payload, inbox)?;
        permit.forget();
        Ok(offset)
    }

    /// Waits for room for a record of `payload_bytes`.
    pub(crate) async fn reserve(&self, payload_bytes: usize) -> Result<Room, AppendError> {
        let permits = permits(payload_bytes);
        Arc::clone(&self.room).acquire_many_owned(permits).await.map(Room).map_err(|_| AppendError::Closed)
    }

    /// Takes the record that `room` is for.
    pub(crate) fn push_into(
        &self,
        Room(permit): Room,
        payload: Bytes,
        inbox: &Arc<Inbox>,
    ) -> Result<Offset, AppendError> {
        debug_assert_eq!(permit.num_permits(), queue_bytes(payload.len()), "the room is for this record");
        let offset = self.enqueue(payload, inbox)?;
        permit.forget();
        Ok(offset)
    }

    /// Takes the record if there is room now.
    pub(crate) fn try_push(&self, payload: Bytes, inbox: &Arc<Inbox>) -> Result<Offset, AppendError> {
        let permit = self.room.try_acquire_many(permits(payload.len())).map_err(|error| match error {
            tokio::sync::TryAcquireError::Closed => AppendError::Closed,
            tokio::sync::TryAcquireError::NoPermits => AppendError::QueueFull,
        })?;
        let offset = self.enqueue(payload, inbox)?;
        permit.forget();
        Ok(offset)
    }

    fn enqueue(&self, payload: Bytes, inbox: &Arc<Inbox>) -> Result<Offset, AppendError> {
        let payload_checksum = crc32c::crc32c(&payload);
        let generation = inbox.generation.load(Ordering::Relaxed);
        let inbox = Arc::clone(inbox);
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(AppendError::Closed);
        }
        let offset = waiting.next_offset;
        waiting.next_offset = offset.next();
        waiting.records.push(Pending { offset, payload, payload_checksum, generation, inbox });
        let wake = waiting.records.len() >= waiting.wake_at;
        if wake {
            waiting.wake_at = usize::MAX;
        }
        drop(waiting);
        if wake {
            self.arrived.notify_one();
        }
        Ok(offset)
    }

    /// Waits for records, at most for `patience` if there is one, and takes all of them into `batch`, which must be empty.
    pub(crate) fn take(&self, batch: &mut Vec<Pending>, patience: Option<Duration>) -> Taken {
        let until = patience.map(|patience| Instant::now() + patience);
        let mut waiting = self.waiting.lock();
        while waiting.records.is_empty() {
            if waiting.closed {
                return Taken::Closed;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Taken::Nothing;
            }
            waiting.wake_at = 1;
            match until {
                Some(until) => _ = self.arrived.wait_until(&mut waiting, until),
                None => self.arrived.wait(&mut waiting),
            }
        }
        waiting.wake_at = usize::MAX;
        mem::swap(&mut waiting.records, batch);
        Taken::Records
    }

    /// Waits until `until`, or until `records` of them wait. Nobody who appends has to wake the writer meanwhile.
    pub(crate) fn gather(&self, until: Instant, records: usize) {
        let mut waiting = self.waiting.lock();
        while !waiting.closed && waiting.records.len() < records {
            waiting.wake_at = records;
            if self.arrived.wait_until(&mut waiting, until).timed_out() {
                break;
            }
        }
        waiting.wake_at = usize::MAX;
    }

    /// The offset that the next record gets.
    pub(crate) fn next_offset(&self) -> Offset {
        self.waiting.lock().next_offset
    }

    /// Says that every record before `next` is durable or has failed.
    pub(crate) fn settle(&self, next: Offset) {
        self.settled.store(next.0, Ordering::SeqCst);
    }

    /// Every record with a smaller offset is durable or has failed.
    pub(crate) fn settled(&self) -> Offset {
        Offset(self.settled.load(Ordering::SeqCst))
    }

    /// Waits until `offset` is settled.
    pub(crate) fn poll_settled(&self, offset: Offset, inbox: &Inbox, context: &Context<'_>) -> Poll<()> {
        if offset < self.settled() {
            return Poll::Ready(());
        }
        {
            let mut word = inbox.word.lock();
            match &mut word.waker {
                Some(waker) => waker.clone_from(context.waker()),
                empty => *empty = Some(context.waker().clone()),
            }
        }
        // The writer settles first and looks for the waker second; here it is the other way round, so one sees the other.
        if offset < self.settled() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Gives back the room of records that are settled.
    pub(crate) fn release(&self, bytes: usize) {
        self.room.add_permits(bytes);
    }

    /// Bytes in the queue or in the writer's hands.
    pub(crate) fn bytes(&self) -> usize {
        self.room_bytes_max.saturating_sub(self.room.available_permits())
    }

    /// Takes no more records; what is queued is still written.
    pub(crate) fn close(&self) {
        self.room.close();
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
    }
}

fn permits(payload_bytes: usize) -> u32 {
    u32::try_from(queue_bytes(payload_bytes))
        .expect("the record's size was checked against a limit below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long enough that no test waits for it.
    const LONG: Duration = Duration::from_secs(60);

    fn queue() -> Queue {
        Queue::new(1024 * 1024, Offset(0))
    }

    fn push(queue: &Queue, records: usize) {
        for _ in 0..records {
            queue.try_push(Bytes::from_static(b"record"), &Arc::default()).expect("there is room");
        }
    }

    #[test]
    fn the_writer_gathers_until_enough_records_wait() {
        let queue = queue();
        std::thread::scope(|scope| {
            let gathers = scope.spawn(|| queue.gather(Instant::now() + LONG, 3));
            push(&queue, 3);
            gathers.join().expect("the writer goes on");
        });
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch, None), Taken::Records);
        assert_eq!(batch.len(), 3);
    }

    #[test]
    fn the_writer_gathers_no_longer_than_it_may() {
        let queue = queue();
        push(&queue, 2);
        queue.gather(Instant::now() + Duration::from_millis(1), 3);
        assert_eq!(queue.waiting.lock().wake_at, usize::MAX, "nobody wakes a writer that does not sleep");
    }

    #[test]
    fn a_queue_that_closes_lets_the_writer_go_on() {
        let queue = queue();
        std::thread::scope(|scope| {
            let gathers = scope.spawn(|| queue.gather(Instant::now() + LONG, 3));
            queue.close();
            gathers.join().expect("the writer goes on");
        });
    }

    #[test]
    fn a_producer_goes_on_untold_two_batches_after_it_was_told() {
        let inbox = Inbox::default();
        assert!(!inbox.goes_on_untold(9), "nothing is known of one that is new");
        inbox.wake(4);
        assert_eq!([4, 5, 6].map(|batch| inbox.goes_on_untold(batch)), [false, false, true]);
    }
}
