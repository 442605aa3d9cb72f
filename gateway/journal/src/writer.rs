//! The one thread that writes: group commit and its failures.
//!
//! It takes everything that waits, writes it with one write, makes it durable with one fsync, and only then settles the
//! records and wakes their producers. While one fsync runs, the next batch gathers. A lone record is written at once; where many
//! producers come one after the other, the writer lets their records gather for a moment between two fsyncs, see [`GATHER_TIME`].
//!
//! After a write that failed the same place is written again with other offsets. After an fsync that failed nothing is known about
//! the pages of the file, and a second fsync would lie: the segment ends where it was durable before, and the
//! next batch begins a new one, whose header states that end.

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::{CommitError, OpenError};
use crate::format::{
    FRAME_HEADER_BYTES, FrameHeader, Offset, PreviousSegment, SEGMENT_HEADER_BYTES, Seed, SegmentHeader,
    padded_frame_bytes,
};
use crate::journal::Shared;
use crate::maintenance::{Spare, ignore_missing};
use crate::queue::{Pending, Taken};
use crate::segment::{SEGMENT_SUFFIX, SPARE_SUFFIX, Segment, file_name};
use crate::stats::{Health, add};
use crate::storage::{StorageFile, write_all_at};

const THREAD_NAME: &str = "journal-writer";

/// Buffers that a burst made larger than this are given back when it is over.
const BUFFER_BYTES_KEPT_MAX: usize = 1024 * 1024;
const RECORDS_KEPT_MAX: usize = 16 * 1024;

/// The least time from one fsync to the next while many producers have little to say each. An fsync with what is around it costs as much
/// processor time as several messages, whatever it carries; so few of them leave the processor to messages, and waiting this long
/// costs a message half of it in the mean. A disk whose fsync takes longer is never waited for.
const GATHER_TIME: Duration = Duration::from_millis(1);
/// As many records make an fsync worth its while: no need to wait for more.
const GATHERED_RECORDS_ENOUGH: usize = 64;

/// A disk with so much more free than has to stay free is not asked again for [`LOOK_AT_DISK_INTERVAL`]: nobody fills it in that time.
const PLENTY_BYTES: u64 = 1024 * 1024 * 1024;
const LOOK_AT_DISK_INTERVAL: Duration = Duration::from_millis(100);

/// How often a disk that refused records is tried while no record comes. Whoever asks first whether the journal takes records would
/// otherwise never be told that it does again.
const TRY_INTERVAL: Duration = Duration::from_millis(500);

/// Starts the thread.
pub(crate) fn start(shared: &Arc<Shared>, last_ms: u64) -> Result<JoinHandle<()>, OpenError> {
    let previous = shared.segments.last().map(|segment| segment.as_previous());
    let mut writer = Writer {
        shared: Arc::clone(shared),
        active: None,
        previous,
        buffer: Vec::new(),
        batch_bytes: 0,
        placed: Vec::new(),
        last_ms,
        batch: 0,
        refused_bytes: None,
        last_failure: None,
        had_plenty_at: None,
    };
    thread::Builder::new()
        .name(THREAD_NAME.to_owned())
        .spawn(move || {
            let guard = Guard(Arc::clone(&writer.shared));
            writer.run();
            drop(guard);
        })
        .map_err(|source| OpenError::Thread { name: THREAD_NAME, source })
}

/// Fails what is queued when the writer ends, however it ends, so that no producer waits for ever.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        let shared = &self.0;
        shared.queue.close();
        let mut left = Vec::new();
        while shared.queue.take(&mut left, None) == Taken::Records {
            for record in left.drain(..) {
                record.inbox.fail(&record, CommitError::Closed);
                shared.queue.settle(record.offset.next());
                record.inbox.wake(u64::MAX);
            }
        }
        shared.frontier.settle(shared.queue.settled());
        *shared.health.lock() = Health::Closed;
    }
}

struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    /// The last segment, as the header of the next one states it.
    previous: Option<PreviousSegment>,
    /// The batch being written, and the zeros after it.
    buffer: Vec<u8>,
    /// How much of the buffer is frames.
    batch_bytes: usize,
    /// Where each record of the batch stands.
    placed: Vec<u32>,
    last_ms: u64,
    /// Counts batches, to wake each producer once for each.
    batch: u64,
    /// How long the frame of the record was that was refused last, until one is taken again.
    refused_bytes: Option<u64>,
    /// Why a batch failed last, for what stands behind it.
    last_failure: Option<CommitError>,
    /// When the disk was last seen with far more free than has to stay free.
    had_plenty_at: Option<Instant>,
}

/// The segment being written.
struct Active {
    segment: Arc<Segment>,
    file: Arc<dyn StorageFile>,
    /// Where the next frame goes; everything before it is durable.
    position: u32,
}

/// What a failure leaves of the segment.
enum Broken {
    /// Nothing is known to be wrong with it: write there again.
    Write(io::Error),
    /// What it holds beyond the durable end is unknown.
    Sync(io::Error),
}

impl Writer {
    fn run(&mut self) {
        let mut records = Vec::new();
        loop {
            match self.shared.queue.take(&mut records, self.refused_bytes.map(|_| TRY_INTERVAL)) {
                Taken::Records => {}
                Taken::Nothing => {
                    self.try_again();
                    continue;
                }
                Taken::Closed => break,
            }
            let gather = pays_to_gather(&records, self.batch).then(|| Instant::now() + GATHER_TIME);
            let committed = panic::catch_unwind(AssertUnwindSafe(|| self.commit(&records)));
            if committed.is_err() {
                // The panic itself was printed; a producer must neither wait for ever nor be told that all is well.
                let settled = self.shared.queue.settled();
                let unsettled = records.partition_point(|record| record.offset < settled);
                self.fail(&records[unsettled..], CommitError::Closed);
                return;
            }
            records.clear();
            if records.capacity() > RECORDS_KEPT_MAX {
                records = Vec::new();
            }
            if self.buffer.capacity() > BUFFER_BYTES_KEPT_MAX {
                self.buffer = Vec::new();
            }
            if let Some(until) = gather {
                self.shared.queue.gather(until, GATHERED_RECORDS_ENOUGH);
            }
        }
        if let Some(active) = self.active.take() {
            self.shared.maintenance.seal(active.segment);
        }
    }

    /// Writes all records, in as many batches as it takes.
    fn commit(&mut self, mut records: &[Pending]) {
        while let Some(first) = records.first() {
            if first.stands_behind_a_failure() {
                self.refuse(first);
                records = &records[1..];
                continue;
            }
            let room =
                self.keep_reserve().and_then(|()| self.make_room_for(frame_bytes(first), first.offset));
            if let Err(error) = room {
                self.fail(records, error);
                return;
            }
            let (batch, rest) = records.split_at(self.encode(records));
            match self.write() {
                Ok(()) => self.succeed(batch),
                Err(Broken::Write(error)) => {
                    self.withdraw();
                    self.fail(batch, commit_error("write", &error));
                }
                Err(Broken::Sync(error)) => {
                    self.abandon();
                    self.fail(batch, commit_error("fsync", &error));
                }
            }
            records = rest;
        }
    }

    /// Encodes as many records as fit in one batch and in the segment, and says how many.
    fn encode(&mut self, records: &[Pending]) -> usize {
        let settings = &self.shared.settings;
        let active = self.active.as_ref().expect("a segment with room for the first record was made");
        let room = settings.segment_bytes as usize - active.position as usize;
        let bytes_max = settings.batch_bytes_max;
        self.last_ms = self.last_ms.max(settings.clock.now_ms());
        self.buffer.clear();
        self.placed.clear();
        for record in records {
            let frame_bytes = padded_frame_bytes(record.payload.len());
            let end = self.buffer.len() + frame_bytes;
            let is_full = end > room || (end > bytes_max && !self.buffer.is_empty());
            if is_full || record.stands_behind_a_failure() {
                break;
            }
            let position = active.position + self.buffer.len() as u32;
            let header = FrameHeader {
                payload_bytes: record.payload.len() as u32,
                offset: record.offset,
                at_ms: self.last_ms,
                payload_checksum: record.payload_checksum,
                durable_to: active.position,
            };
            self.buffer.extend_from_slice(&header.encode(active.segment.seed, position));
            self.buffer.extend_from_slice(&record.payload);
            self.buffer.resize(end, 0);
            self.placed.push(position);
        }
        self.batch_bytes = self.buffer.len();
        self.buffer.resize(room.min(self.batch_bytes + FRAME_HEADER_BYTES), 0);
        self.placed.len()
    }

    fn write(&mut self) -> Result<(), Broken> {
        let active = self.active.as_ref().expect("the batch was encoded for a segment");
        write_all_at(active.file.as_ref(), &self.buffer, u64::from(active.position))
            .map_err(Broken::Write)?;
        add(&self.shared.counters.fsyncs, 1);
        active.file.sync_data().map_err(Broken::Sync)
    }

    /// The batch is durable: says so to everybody.
    fn succeed(&mut self, records: &[Pending]) {
        let active = self.active.as_mut().expect("the batch was written to it");
        active.position += self.batch_bytes as u32;
        {
            let mut index = active.segment.index.write();
            for (record, position) in records.iter().zip(&self.placed) {
                index.push(record.offset, *position, self.last_ms);
            }
        }
        active.segment.set_end(active.position);
        self.previous = Some(active.segment.as_previous());
        let counters = &self.shared.counters;
        add(&counters.records, records.len() as u64);
        add(&counters.payload_bytes, records.iter().map(|record| record.payload.len() as u64).sum());
        add(&counters.written_bytes, self.buffer.len() as u64);
        add(&counters.batches, 1);
        self.refused_bytes = None;
        self.set_health(Health::Working);
        if let Some(last) = records.last() {
            self.shared.frontier.extend(last.offset.next());
        }
        self.settle(records);
    }

    fn fail(&mut self, records: &[Pending], error: CommitError) {
        add(&self.shared.counters.failed_records, records.len() as u64);
        self.refused_bytes = records.first().map(frame_bytes);
        self.last_failure = Some(error.clone());
        for record in records {
            record.inbox.fail(record, error.clone());
        }
        self.set_health(match error {
            CommitError::Full { reason } => Health::Full { reason },
            CommitError::Failed { reason } => Health::Failing { reason },
            CommitError::Closed => Health::Closed,
        });
        self.settle(records);
    }

    /// Fails a record that was not tried, because one before it has failed.
    fn refuse(&mut self, record: &Pending) {
        add(&self.shared.counters.failed_records, 1);
        let error = self.last_failure.clone().unwrap_or(CommitError::Closed);
        record.inbox.fail(record, error);
        self.settle(std::slice::from_ref(record));
    }

    /// Makes room for what was refused last and writes zeros there, where the next batch goes. When that works, so does the next append.
    fn try_again(&mut self) {
        let Some(bytes) = self.refused_bytes else { return };
        let next = self.shared.queue.next_offset();
        if self.keep_reserve().and_then(|()| self.make_room_for(bytes, next)).is_err() {
            return;
        }
        self.buffer.clear();
        self.buffer.resize(bytes as usize, 0);
        match self.write() {
            Ok(()) => {
                self.refused_bytes = None;
                self.set_health(Health::Working);
            }
            Err(Broken::Write(_)) => {}
            Err(Broken::Sync(_)) => self.abandon(),
        }
    }

    /// Gives back the room of a batch and wakes its producers, each once.
    fn settle(&mut self, records: &[Pending]) {
        let Some(last) = records.last() else { return };
        self.batch += 1;
        let queue = &self.shared.queue;
        queue.settle(last.offset.next());
        self.shared.frontier.settle(last.offset.next());
        queue.release(records.iter().map(Pending::queue_bytes).sum());
        for record in records {
            record.inbox.wake(self.batch);
        }
    }

    /// Logs a change for the worse or the better once, not for each batch.
    fn set_health(&self, health: Health) {
        let mut current = self.shared.health.lock();
        if mem::discriminant(&*current) != mem::discriminant(&health) {
            let place = self.shared.storage.describe("");
            match &health {
                Health::Full { reason } | Health::Failing { reason } => {
                    tracing::error!(place, %reason, "journal refuses records until the disk takes them");
                }
                Health::Working => tracing::info!(place, "journal takes records again"),
                Health::Closed => tracing::error!(place, "journal is closed"),
            }
        }
        if *current != health {
            *current = health;
        }
    }

    /// A write that failed may have left whole frames. They have offsets that are not given again; wiping the first header keeps
    /// them from being read after a restart, if the disk takes as much as that.
    fn withdraw(&mut self) {
        if let Some(active) = &self.active {
            let wiped =
                write_all_at(active.file.as_ref(), &[0; FRAME_HEADER_BYTES], u64::from(active.position));
            if let Err(error) = wiped {
                tracing::debug!(file = active.segment.path(), %error, "cannot wipe a batch that failed");
            }
        }
    }

    /// Ends the segment where it was last known to be durable.
    fn abandon(&mut self) {
        if let Some(active) = self.active.take() {
            active.segment.spend();
            self.close_segment(active.segment);
        }
    }

    fn close_segment(&mut self, segment: Arc<Segment>) {
        if let Some(empty) = self.shared.segments.take_empty_last() {
            empty.spend();
            self.previous = self.shared.segments.last().map(|last| last.as_previous());
            self.shared.maintenance.retire(vec![empty]);
            return;
        }
        self.previous = Some(segment.as_previous());
        self.shared.maintenance.seal(segment);
    }

    /// Refuses what would go to the last bytes of the disk, which are for others.
    fn keep_reserve(&mut self) -> Result<(), CommitError> {
        let least = self.shared.settings.disk_free_bytes_min;
        if least == 0 || self.had_plenty_at.is_some_and(|at| at.elapsed() < LOOK_AT_DISK_INTERVAL) {
            return Ok(());
        }
        let free = self.shared.storage.free_bytes();
        let plenty = least.saturating_add(PLENTY_BYTES);
        self.had_plenty_at = free.filter(|free| *free >= plenty).map(|_| Instant::now());
        match free.filter(|free| *free < least) {
            Some(free) => {
                let reason =
                    format!("the disk is full but for {free} bytes, and `disk_free_bytes_min` is {least}");
                Err(CommitError::Full { reason: reason.into() })
            }
            None => Ok(()),
        }
    }

    /// Begins a new segment, with `offset`, if `needed` bytes do not fit in this one.
    fn make_room_for(&mut self, needed: u64, offset: Offset) -> Result<(), CommitError> {
        if let Some(active) = &self.active
            && u64::from(active.position) + needed <= self.shared.settings.segment_bytes
        {
            return Ok(());
        }
        let (number, spare) = self.take_file()?;
        let begun = self.begin(number, &spare, offset).map_err(|error| {
            let left = ignore_missing(self.shared.storage.remove(&spare.name))
                .and_then(|()| ignore_missing(self.shared.storage.remove(&file_name(number, SEGMENT_SUFFIX))));
            if let Err(error) = left {
                tracing::debug!(name = spare.name, %error, "cannot remove a journal segment that was not begun");
            }
            commit_error("begin a segment in", &error)
        });
        if let Ok(active) = &begun {
            self.shared.segments.push(Arc::clone(&active.segment));
        }
        self.shared.maintenance.unreserve();
        let active = begun?;
        if let Some(full) = self.active.take() {
            self.shared.maintenance.seal(full.segment);
        }
        self.previous = Some(active.segment.as_previous());
        self.active = Some(active);
        add(&self.shared.counters.segments_begun, 1);
        Ok(())
    }

    /// A spare if there is one, else an empty file, if the limit on disk space allows. Its room is reserved.
    fn take_file(&self) -> Result<(u64, Spare), CommitError> {
        let shared = &self.shared;
        let number = shared.segments.next_file_number();
        if let Some(spare) = shared.maintenance.take_spare() {
            return Ok((number, spare));
        }
        if !shared.reserve() {
            let reason = format!("`disk_bytes_max` of {} bytes is reached", shared.settings.disk_bytes_max);
            return Err(CommitError::Full { reason: reason.into() });
        }
        let name = file_name(number, SPARE_SUFFIX);
        let file = shared.storage.create(&name).map_err(|error| {
            shared.maintenance.unreserve();
            commit_error("create a segment in", &error)
        })?;
        add(&shared.counters.segments_begun_unprepared, 1);
        Ok((number, Spare { name, file }))
    }

    /// Makes a file a segment: its header is durable before it has a segment's name, and the name before it has records.
    fn begin(&self, number: u64, spare: &Spare, first_offset: Offset) -> io::Result<Active> {
        let shared = &self.shared;
        let header = SegmentHeader {
            number,
            identity: shared.identity,
            first_offset,
            created_at_ms: shared.settings.clock.now_ms(),
            previous: self.previous,
        };
        write_all_at(spare.file.as_ref(), &header.encode_block(), 0)?;
        add(&shared.counters.fsyncs, 2);
        spare.file.sync_data()?;
        shared.storage.rename(&spare.name, &file_name(number, SEGMENT_SUFFIX))?;
        shared.storage.sync_directory()?;
        let seed = Seed::new(shared.identity, number);
        let segment = Segment::new(&shared.storage, number, first_offset, seed, spare.file.bytes()?);
        segment.share(&spare.file);
        let file = Arc::clone(&spare.file);
        Ok(Active { segment: Arc::new(segment), file, position: SEGMENT_HEADER_BYTES as u32 })
    }
}

/// Whether the batch after these records, which are taken when so many batches are settled, is better for waiting a moment: when they are of
/// several producers, and most of them of such as go on without being told. Those who wait go on only once they are told, so there is
/// nothing to gather while they do; and one that is alone has nobody to wait for.
fn pays_to_gather(records: &[Pending], batches: u64) -> bool {
    let Some(first) = records.first().filter(|_| records.len() < GATHERED_RECORDS_ENOUGH) else {
        return false;
    };
    let is_crowd = records.iter().any(|record| !Arc::ptr_eq(&record.inbox, &first.inbox));
    is_crowd
        && records.iter().filter(|record| record.inbox.goes_on_untold(batches)).count() * 2 > records.len()
}

fn frame_bytes(record: &Pending) -> u64 {
    padded_frame_bytes(record.payload.len()) as u64
}

fn commit_error(doing: &str, error: &io::Error) -> CommitError {
    let reason = format!("cannot {doing} the journal: {error}").into();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            CommitError::Full { reason }
        }
        _ => CommitError::Failed { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Inbox, Queue};

    /// The producers of a batch, each by the batch for which it was woken last, and whether to gather for the next when ten are settled.
    #[test]
    fn only_a_crowd_that_goes_on_untold_is_gathered() {
        // A number twice is a producer with two records; each 0 is a producer that is new.
        let cases: [(&str, &[u64], bool); 8] = [
            ("a lone record", &[3], false),
            ("two devices now and then", &[3, 4], true),
            ("several records of one that is alone", &[3, 3, 3], false),
            ("callers that each wait for their one record", &[0, 0], false),
            ("clients that wait for each record", &[9, 10, 8], false),
            ("half of them wait", &[9, 3, 10, 4], false),
            ("most do not", &[9, 3, 4], true),
            ("most do not, though one is new", &[0, 3, 4], true),
        ];
        for (what, woken_for, gathers) in cases {
            assert_eq!(pays_to_gather(&batch(woken_for), 10), gathers, "{what}");
        }
        let many: Vec<u64> = (1..=GATHERED_RECORDS_ENOUGH as u64).map(|number| number % 8 + 1).collect();
        assert!(pays_to_gather(&batch(&many[1..]), 10));
        assert!(!pays_to_gather(&batch(&many), 10), "these are enough for an fsync");
    }

    fn batch(woken_for: &[u64]) -> Vec<Pending> {
        let queue = Queue::new(1024 * 1024, Offset(0));
        let producers: Vec<Arc<Inbox>> = (0..=10).map(|_| Arc::default()).collect();
        for (number, inbox) in producers.iter().enumerate().skip(1) {
            inbox.wake(number as u64);
        }
        for number in woken_for {
            let inbox = if *number == 0 { Arc::default() } else { Arc::clone(&producers[*number as usize]) };
            queue.try_push(bytes::Bytes::from_static(b"record"), &inbox).expect("there is room");
        }
        let mut batch = Vec::new();
        queue.take(&mut batch, None);
        batch
    }
}
