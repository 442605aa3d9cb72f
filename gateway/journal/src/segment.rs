//! The segments of a journal, as readers and the writer see them.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use crate::format::{Offset, PreviousSegment, SEGMENT_HEADER_BYTES, Seed};
use crate::index::SparseIndex;
use crate::journal::OldestSegment;
use crate::storage::{Storage, StorageFile};

/// How many files are kept open for reads by offset.
const RECENT_FILES_MAX: usize = 8;

/// What the name of a segment file ends with.
pub(crate) const SEGMENT_SUFFIX: &str = ".segment";
/// What the name of an index file ends with.
pub(crate) const INDEX_SUFFIX: &str = ".index";
/// What the name of a spare segment ends with.
pub(crate) const SPARE_SUFFIX: &str = ".spare";
/// What the name of a segment ends with that was set aside.
pub(crate) const DAMAGED_SUFFIX: &str = ".damaged";

/// The name of a file of segment `number`.
pub(crate) fn file_name(number: u64, suffix: &str) -> String {
    format!("{number:020}{suffix}")
}

/// The number in a file's name, if it is a name that [`file_name`] makes.
pub(crate) fn file_number(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// One segment: its file and what is known of it.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) first_offset: Offset,
    pub(crate) seed: Seed,
    storage: Arc<dyn Storage>,
    file: Mutex<Option<Weak<dyn StorageFile>>>,
    /// Where the durable frames end.
    end: AtomicU32,
    file_bytes: AtomicU64,
    trimmed: AtomicBool,
    /// Not to be used again: it was cut, or its disk failed.
    spent: AtomicBool,
    pub(crate) index: RwLock<SparseIndex>,
}

impl Segment {
    pub(crate) fn new(
        storage: &Arc<dyn Storage>,
        number: u64,
        first_offset: Offset,
        seed: Seed,
        file_bytes: u64,
    ) -> Self {
        Self {
            number,
            first_offset,
            seed,
            storage: Arc::clone(storage),
            file: Mutex::new(None),
            end: AtomicU32::new(SEGMENT_HEADER_BYTES as u32),
            file_bytes: AtomicU64::new(file_bytes),
            trimmed: AtomicBool::new(false),
            spent: AtomicBool::new(false),
            index: RwLock::default(),
        }
    }

    pub(crate) fn name(&self) -> String {
        file_name(self.number, SEGMENT_SUFFIX)
    }

    /// The file's path, for people.
    pub(crate) fn path(&self) -> String {
        self.storage.describe(&self.name())
    }

    /// Opens the file, or shares the handle somebody has.
    pub(crate) fn open(&self) -> io::Result<Arc<dyn StorageFile>> {
        let mut file = self.file.lock();
        if let Some(open) = file.as_ref().and_then(Weak::upgrade) {
            return Ok(open);
        }
        let opened = self.storage.open(&self.name())?;
        *file = Some(Arc::downgrade(&opened));
        Ok(opened)
    }

    /// Lets others share a handle.
    pub(crate) fn share(&self, file: &Arc<dyn StorageFile>) {
        *self.file.lock() = Some(Arc::downgrade(file));
    }

    /// Whether somebody has the file open.
    pub(crate) fn is_open(&self) -> bool {
        self.file.lock().as_ref().is_some_and(|file| file.strong_count() > 0)
    }

    /// Where the durable frames end.
    pub(crate) fn end(&self) -> u32 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn set_end(&self, end: u32) {
        self.end.store(end, Ordering::Release);
        self.file_bytes.fetch_max(u64::from(end), Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.file_bytes.load(Ordering::Relaxed)
    }

    /// Says how long the file is after it was cut.
    pub(crate) fn set_bytes(&self, bytes: u64) {
        self.file_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn as_previous(&self) -> PreviousSegment {
        PreviousSegment { number: self.number, end: self.end() }
    }

    pub(crate) fn is_trimmed(&self) -> bool {
        self.trimmed.load(Ordering::Acquire)
    }

    /// Keeps the file from being used for a new segment.
    pub(crate) fn spend(&self) {
        self.spent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    /// Where to begin to look for a record.
    pub(crate) fn position_before(&self, offset: Offset) -> u32 {
        self.index.read().position_before(offset).unwrap_or(SEGMENT_HEADER_BYTES as u32)
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Segment").field("number", &self.number).finish_non_exhaustive()
    }
}

/// All segments, oldest first. The last may be the one being written.
#[derive(Debug)]
pub(crate) struct Segments {
    list: RwLock<VecDeque<Arc<Segment>>>,
    recent_files: Mutex<VecDeque<(u64, Arc<dyn StorageFile>)>>,
    next_file_number: AtomicU64,
    /// Records before this are gone; from here to the first segment there never was one.
    given_up_to: AtomicU64,
}

impl Segments {
    /// `end` is where records would begin if there is no segment.
    pub(crate) fn new(list: VecDeque<Arc<Segment>>, next_file_number: u64, end: Offset) -> Self {
        let oldest = list.front().map_or(end, |segment| segment.first_offset);
        Self {
            given_up_to: AtomicU64::new(oldest.0),
            list: RwLock::new(list),
            recent_files: Mutex::default(),
            next_file_number: AtomicU64::new(next_file_number),
        }
    }

    /// A number that no file has had, higher than all before.
    pub(crate) fn next_file_number(&self) -> u64 {
        self.next_file_number.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.list.write().push_back(segment);
    }

    /// Takes the last segment out if it holds no record and is not the only one, which says where offsets go on.
    pub(crate) fn take_empty_last(&self) -> Option<Arc<Segment>> {
        let mut list = self.list.write();
        if list.len() > 1 && list.back().is_some_and(|last| last.index.read().records == 0) {
            return list.pop_back();
        }
        None
    }

    /// The last segment.
    pub(crate) fn last(&self) -> Option<Arc<Segment>> {
        self.list.read().back().cloned()
    }

    /// Where reading can begin.
    pub(crate) fn oldest(&self) -> Option<Offset> {
        self.list.read().front().map(|segment| segment.first_offset)
    }

    /// Whether a record at this offset may have been there and be gone.
    pub(crate) fn may_be_gone(&self, offset: Offset) -> bool {
        offset.0 < self.given_up_to.load(Ordering::Acquire)
    }

    /// The segment that would hold an offset; the first one if the offset is older.
    pub(crate) fn holding(&self, offset: Offset) -> Option<Arc<Segment>> {
        let list = self.list.read();
        let after = list.partition_point(|segment| segment.first_offset <= offset);
        list.get(after.saturating_sub(1)).cloned()
    }

    /// The segment after segment `number`.
    pub(crate) fn after(&self, number: u64) -> Option<Arc<Segment>> {
        let list = self.list.read();
        let after = list.partition_point(|segment| segment.number <= number);
        list.get(after).cloned()
    }

    /// The first segment with a record at or after a time.
    pub(crate) fn at_time(&self, at_ms: u64) -> Option<Arc<Segment>> {
        let list = self.list.read();
        let reaches = |segment: &&Arc<Segment>| {
            let index = segment.index.read();
            index.records > 0 && index.last_ms >= at_ms
        };
        list.iter().find(reaches).cloned()
    }

    pub(crate) fn oldest_sealed(&self) -> Option<OldestSegment> {
        let list = self.list.read();
        let trim_at = list.get(1)?.first_offset;
        let oldest = list.front()?;
        let last_at_ms = oldest.index.read().last_ms;
        Some(OldestSegment { last_at_ms, bytes: oldest.bytes(), trim_at })
    }

    /// Takes out the segments whose records are all before an offset, oldest first.
    pub(crate) fn trim(&self, before: Offset) -> Vec<Arc<Segment>> {
        let mut list = self.list.write();
        let mut trimmed = Vec::new();
        while list.get(1).is_some_and(|second| second.first_offset <= before) {
            let Some(segment) = list.pop_front() else { break };
            segment.trimmed.store(true, Ordering::Release);
            trimmed.push(segment);
        }
        if let Some(oldest) = list.front().filter(|_| !trimmed.is_empty()) {
            self.given_up_to.fetch_max(oldest.first_offset.0, Ordering::AcqRel);
        }
        drop(list);
        let gone = |number: u64| trimmed.iter().any(|segment| segment.number == number);
        self.recent_files.lock().retain(|(number, _)| !gone(*number));
        trimmed
    }

    /// Bytes of all segments on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.list.read().iter().map(|segment| segment.bytes()).sum()
    }

    /// Bytes of the largest segment on disk.
    pub(crate) fn bytes_of_largest(&self) -> u64 {
        self.list.read().iter().map(|segment| segment.bytes()).max().unwrap_or(0)
    }

    /// Where the newest segments begin that hold so many records together; the oldest segment if all of them hold fewer.
    pub(crate) fn start_of_newest(&self, records: u64) -> Option<Offset> {
        let list = self.list.read();
        let mut sum = 0_u64;
        let is_enough = |segment: &&Arc<Segment>| {
            sum += segment.index.read().records;
            sum >= records
        };
        let first = list.iter().rev().find(is_enough).or(list.front());
        first.map(|segment| segment.first_offset)
    }

    /// Bytes of the segments that hold an offset and all after it.
    pub(crate) fn bytes_since(&self, offset: Offset) -> u64 {
        let list = self.list.read();
        let holding = list.partition_point(|segment| segment.first_offset <= offset).saturating_sub(1);
        list.iter().skip(holding).map(|segment| segment.bytes()).sum()
    }

    /// Where the newest segments begin that are together of so many bytes at most; the last segment if it alone is larger.
    pub(crate) fn start_within(&self, bytes: u64) -> Option<Offset> {
        let list = self.list.read();
        let mut sum = 0_u64;
        let fits = |segment: &&Arc<Segment>| {
            sum = sum.saturating_add(segment.bytes());
            sum <= bytes
        };
        let first = list.iter().rev().take_while(fits).last().or(list.back());
        first.map(|segment| segment.first_offset)
    }

    /// Bytes of all segments on disk, with the last one, which may still be growing, counted as full.
    pub(crate) fn bytes_when_full(&self, segment_bytes: u64) -> u64 {
        let list = self.list.read();
        let growth = list.back().map_or(0, |last| segment_bytes.saturating_sub(last.bytes()));
        list.iter().map(|segment| segment.bytes()).sum::<u64>() + growth
    }

    /// Opens a segment's file for a read by offset and keeps it open for the next ones.
    pub(crate) fn open_recent(&self, segment: &Segment) -> io::Result<Arc<dyn StorageFile>> {
        let file = segment.open()?;
        let mut recent = self.recent_files.lock();
        if !segment.is_trimmed() && recent.iter().all(|(number, _)| *number != segment.number) {
            if recent.len() == RECENT_FILES_MAX {
                recent.pop_front();
            }
            recent.push_back((segment.number, Arc::clone(&file)));
        }
        Ok(file)
    }
}
