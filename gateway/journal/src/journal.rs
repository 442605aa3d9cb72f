//! The handle: everything one can ask of a journal.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::error::{AppendDurableError, OpenError, ReadError};
use crate::format::Offset;
use crate::frontier::Frontier;
use crate::maintenance::Maintenance;
use crate::queue::Queue;
use crate::reader::{Entry, Reader};
use crate::recovery::{self, Recovered};
use crate::segment::Segments;
use crate::settings::Settings;
use crate::stats::{Counters, Health, Recovery, Stats};
use crate::storage::{Directory, Storage, StorageLock};
use crate::{Producer, maintenance, writer};

/// One durable ordered log. A handle that is cheap to clone; the journal is closed when the last handle and the last
/// [`Producer`] are dropped, which writes what is still queued.
#[derive(Debug, Clone)]
pub struct Journal {
    pub(crate) inner: Arc<Inner>,
}

/// Closes the journal when the last handle goes.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    recovery: Recovery,
    threads: Mutex<Option<Threads>>,
    _lock: Box<dyn StorageLock>,
}

#[derive(Debug)]
struct Threads {
    writer: JoinHandle<()>,
    maintenance: JoinHandle<()>,
}

/// What handles, readers and the two threads share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) identity: u64,
    pub(crate) queue: Queue,
    pub(crate) segments: Segments,
    pub(crate) maintenance: Maintenance,
    pub(crate) counters: Counters,
    pub(crate) health: Mutex<Health>,
    pub(crate) frontier: Frontier,
}

impl Journal {
    /// Opens the journal in a directory of the file system, and makes it if it is not there. Blocks: it reads the last
    /// segment, and as much of the others as `verify_at_open_bytes_max` says.
    ///
    /// A damaged segment does not keep a journal from opening; look at [`recovery`](Self::recovery) and log it.
    ///
    /// # Errors
    /// A setting makes no sense, another process has the directory, a file is of a newer format, or the disk fails.
    pub fn open(directory: impl AsRef<Path>, settings: Settings) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        let storage = Directory::open(directory).map_err(|source| OpenError::Io {
            doing: "make the directory",
            file: directory.display().to_string(),
            source,
        })?;
        Self::open_in(Arc::new(storage), settings)
    }

    /// The same in any storage.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn open_in(storage: Arc<dyn Storage>, settings: Settings) -> Result<Self, OpenError> {
        settings.check()?;
        let lock = storage
            .lock()
            .map_err(|source| OpenError::Io { doing: "lock", file: storage.describe("lock"), source })?
            .ok_or_else(|| OpenError::Locked { place: storage.describe("") })?;
        let recovered = recovery::recover(&storage, &settings)?;
        let Recovered {
            recovery,
            end,
            identity,
            segments,
            retired,
            sealed,
            spares,
            next_file_number,
            last_ms,
        } = recovered;
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue_bytes_max, recovery.next),
            segments: Segments::new(segments, next_file_number, end),
            maintenance: Maintenance::new(retired, sealed, spares),
            counters: Counters::default(),
            health: Mutex::new(Health::Working),
            frontier: Frontier::new(end, recovery.next),
            settings,
            storage,
            identity,
        });
        let threads =
            Threads { maintenance: maintenance::start(&shared)?, writer: writer::start(&shared, last_ms)? };
        Ok(Self {
            inner: Arc::new(Inner { shared, recovery, threads: Mutex::new(Some(threads)), _lock: lock }),
        })
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &Recovery {
        &self.inner.recovery
    }

    /// Waits for room for one record of `payload_bytes`, to be used with [`Producer::append_into`]. It borrows nothing, so whoever waits can
    /// go on with other things, and it keeps its place in the line.
    ///
    /// # Errors
    /// The record would be too large, or the journal is closed.
    pub fn room(
        &self,
        payload_bytes: usize,
    ) -> impl Future<Output = Result<crate::Room, crate::AppendError>> + Send + 'static {
        let inner = Arc::clone(&self.inner);
        async move {
            let bytes_max = inner.settings().record_bytes_max;
            if payload_bytes > bytes_max {
                return Err(crate::AppendError::TooLarge { bytes: payload_bytes, bytes_max });
            }
            inner.queue().reserve(payload_bytes).await
        }
    }

    /// A new way in, for one connection.
    pub fn producer(&self) -> Producer {
        Producer::new(self)
    }

    /// Appends one record and waits until it is on disk. For callers that append now and then; it shares its fsync with all others.
    ///
    /// Not cancel safe: when it is dropped while it waits, the record may or may not be written.
    ///
    /// # Errors
    /// The record was not taken, or it is not known to be durable.
    pub async fn append_durable(&self, payload: impl Into<Bytes>) -> Result<Offset, AppendDurableError> {
        let mut producer = self.producer();
        producer.append(payload).await?;
        let (offset, outcome) = producer.next_outcome().await;
        outcome?;
        Ok(offset)
    }

    /// The durable frontier: one past the last record that is on disk and readable. A reader or cursor whose next offset is not below
    /// it has seen everything. Changes once for each batch: to wait for a change is the way to wait for records.
    pub fn durable(&self) -> watch::Receiver<Offset> {
        self.inner.shared.frontier.durable()
    }

    /// The durable frontier at this moment, without subscribing. [`durable`](Self::durable) follows it at once, but may trail it
    /// by an instant.
    pub fn frontier(&self) -> Offset {
        self.inner.shared.frontier.end()
    }

    /// Every record with a smaller offset is settled, on disk or reported as failed. For whoever holds something for records on
    /// their way; not a place for a cursor. What is durable of them is below the frontier by then.
    pub fn settled(&self) -> watch::Receiver<Offset> {
        self.inner.shared.frontier.settled()
    }

    /// The offset from which reading can begin: that of the oldest record, or a smaller one with nothing between.
    pub fn oldest(&self) -> Offset {
        self.inner.shared.oldest()
    }

    /// The offset of the first record at or after a time, in milliseconds since 1970; the durable frontier if there is none. Blocks on the disk.
    ///
    /// # Errors
    /// The disk fails.
    pub fn offset_at_time(&self, at_ms: u64) -> Result<Offset, ReadError> {
        self.inner.shared.offset_at_time(at_ms)
    }

    /// Reads from an offset on. An offset below [`oldest`](Self::oldest) gives [`ReadError::Trimmed`] at the first read.
    pub fn read_from(&self, offset: Offset) -> Reader {
        Reader::new(Arc::clone(&self.inner.shared), offset)
    }

    /// Reads one record; `None` if no record has this offset (yet, or any more). Blocks on the disk; usually one read of 32 KiB or less.
    ///
    /// # Errors
    /// The offset was trimmed away, the record is damaged, or the disk fails.
    pub fn read_at(&self, offset: Offset) -> Result<Option<Entry>, ReadError> {
        self.inner.shared.read_at(offset)
    }

    /// Gives up records before an offset, in whole segments: a segment goes when all its records are before it. Does not block; the
    /// files are removed or kept for use again in the background. After a crash some may be back: trim again after open.
    ///
    /// Returns the oldest offset that is left.
    pub fn trim(&self, before: Offset) -> Offset {
        let shared = &self.inner.shared;
        let retired = shared.segments.trim(before.min(shared.frontier.end()));
        if !retired.is_empty() {
            shared.maintenance.retire(retired);
        }
        shared.oldest()
    }

    /// Bytes that the journal holds on disk, spare segments included.
    pub fn bytes_on_disk(&self) -> u64 {
        self.inner.shared.bytes_on_disk()
    }

    /// Whether there is room for little more: below an eighth of `disk_bytes_max`, or three segments, or none at all.
    pub fn is_short_of_room(&self) -> bool {
        let settings = self.inner.settings();
        let little = (settings.disk_bytes_max / 8).max(3 * settings.segment_bytes);
        settings.disk_bytes_max.saturating_sub(self.bytes_on_disk()) < little
            || matches!(self.health(), Health::Full { .. })
    }

    /// Bytes on disk of the largest segment, which no record exceeds. More than `segment_bytes` when that was lowered.
    pub fn bytes_of_largest_segment(&self) -> u64 {
        self.inner.shared.segments.bytes_of_largest()
    }

    /// Bytes on disk of the segments from the one that holds `offset` on: what somebody keeps from being trimmed who needs everything
    /// from there on.
    pub fn bytes_since(&self, offset: Offset) -> u64 {
        self.inner.shared.segments.bytes_since(offset)
    }

    /// The offset from which on the journal holds at most `bytes` on disk, in whole segments; the beginning of the last segment when that
    /// alone is larger.
    pub fn start_within(&self, bytes: u64) -> Offset {
        self.inner.shared.segments.start_within(bytes).unwrap_or_else(|| self.frontier())
    }

    /// An offset from which on there are at least `records` records, and at most one segment more; [`oldest`](Self::oldest) if
    /// there are not so many. Offsets have gaps, so this can't be reckoned from the frontier. Reads nothing.
    pub fn start_of_newest(&self, records: u64) -> Offset {
        let start = self.inner.shared.segments.start_of_newest(records);
        start.map_or_else(|| self.oldest(), |start| start.min(self.frontier()))
    }

    /// The oldest segment's last record time in milliseconds since 1970, its bytes on disk and the offset to trim at to let it go; `None`
    /// when only the segment being written is left. For retention by time and bytes.
    pub fn oldest_segment(&self) -> Option<OldestSegment> {
        self.inner.shared.segments.oldest_sealed()
    }

    /// Counters since open.
    pub fn stats(&self) -> Stats {
        let shared = &self.inner.shared;
        shared.counters.read(shared.queue.bytes() as u64)
    }

    /// Whether records are being taken.
    pub fn health(&self) -> Health {
        self.inner.shared.health.lock().clone()
    }

    /// Takes no more records, writes what is queued and ends the writer. Blocks until that is done. Readers still work.
    pub fn close(&self) {
        self.inner.close();
    }
}

/// What retention needs to know to decide about the oldest segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldestSegment {
    /// The time of its last record, milliseconds since 1970.
    pub last_at_ms: u64,
    /// What it holds on disk.
    pub bytes: u64,
    /// `trim(trim_at)` lets it go.
    pub trim_at: Offset,
}

impl Inner {
    pub(crate) fn queue(&self) -> &Queue {
        &self.shared.queue
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    fn close(&self) {
        // A thread that panicked has said so, and its records were failed: there is nothing to add.
        let Some(threads) = self.threads.lock().take() else { return };
        self.shared.queue.close();
        let _ = threads.writer.join();
        self.shared.maintenance.close();
        let _ = threads.maintenance.join();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    pub(crate) fn oldest(&self) -> Offset {
        let end = self.frontier.end();
        self.segments.oldest().map_or(end, |oldest| oldest.min(end))
    }

    pub(crate) fn bytes_on_disk(&self) -> u64 {
        self.segments.bytes() + self.maintenance.bytes(self.settings.segment_bytes)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("storage", &self.storage).finish_non_exhaustive()
    }
}
