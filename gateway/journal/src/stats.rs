//! Counters and the state of health, for metrics and for people.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Offset;

/// What a journal has done since it was opened, and what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records made durable.
    pub records: u64,
    /// Payload bytes made durable.
    pub payload_bytes: u64,
    /// Bytes written to segments, headers and padding included.
    pub written_bytes: u64,
    /// Batches made durable: each is one write and one fsync.
    pub batches: u64,
    /// Every fsync made by the writer, those of new segments and directories included.
    pub fsyncs: u64,
    /// Records reported as failed.
    pub failed_records: u64,
    /// Segments begun.
    pub segments_begun: u64,
    /// Segments begun without a spare at hand, so that their first writes were slower.
    pub segments_begun_unprepared: u64,
    /// Bytes in the queue or in the writer's hands now, as counted against `queue_bytes_max`.
    pub queue_bytes: u64,
    /// Damaged places met by readers since open. The same place counts each time it is met.
    pub damaged_places: u64,
    /// Bytes of those places.
    pub damaged_bytes: u64,
}

/// Whether the journal takes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The last batch was made durable, or there was none yet.
    Working,
    /// The last batch found no room. The next append tries again, and so does the journal by itself every half a second.
    Full {
        /// What the disk or the limit said.
        reason: Arc<str>,
    },
    /// The last batch failed. The next append, and the journal by itself every half a second, tries again, in a new segment.
    Failing {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The journal is closed.
    Closed,
}

/// What opening a journal found and did. Its `Display` is one line for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments kept.
    pub segments: u64,
    /// Records in the segments that were read whole.
    pub records_verified: u64,
    /// Bytes of segments that were read whole.
    pub bytes_verified: u64,
    /// Bytes of a torn tail that were cut: a batch that was being written and was never acknowledged.
    pub torn_bytes: u64,
    /// Places in durable data that do not hold what was written. Their records are lost, those around them are kept.
    pub damaged: Vec<Damage>,
    /// How many damaged places there were, also those beyond what `damaged` lists.
    pub damaged_places: u64,
    /// Files in the directory that were set aside because nothing in them could be read.
    pub set_aside: Vec<String>,
    /// Where a segment is missing between two others: the offsets from the first to just before the second.
    pub missing: Vec<(Offset, Offset)>,
    /// The oldest record's offset, or the next one if there is none.
    pub oldest: Offset,
    /// The offset the next record gets.
    pub next: Offset,
}

/// Most places that [`Recovery::damaged`] lists.
pub(crate) const DAMAGED_PLACES_LISTED_MAX: usize = 64;

/// A damaged place in a segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file, with its directory.
    pub file: String,
    /// Where it begins.
    pub position: u64,
    /// How many bytes cannot be read.
    pub bytes: u64,
    /// The last good record before it, if one is known.
    pub after: Option<Offset>,
}

impl Recovery {
    /// Whether nothing acknowledged is missing.
    pub fn is_whole(&self) -> bool {
        self.damaged_places == 0 && self.set_aside.is_empty() && self.missing.is_empty()
    }

    pub(crate) fn damage(&mut self, damage: Damage) {
        self.damaged_places += 1;
        if self.damaged.len() < DAMAGED_PLACES_LISTED_MAX {
            self.damaged.push(damage);
        }
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} segments, offsets {} to {}, {} records verified",
            self.segments, self.oldest, self.next, self.records_verified
        )?;
        if self.torn_bytes > 0 {
            write!(formatter, ", torn tail of {} bytes cut", self.torn_bytes)?;
        }
        for damage in &self.damaged {
            write!(
                formatter,
                ", {} bytes damaged in `{}` at byte {}",
                damage.bytes, damage.file, damage.position
            )?;
        }
        for file in &self.set_aside {
            write!(formatter, ", unreadable file set aside as `{file}`")?;
        }
        for (from, to) in &self.missing {
            write!(formatter, ", segment with offsets {from} to {to} is missing")?;
        }
        if !self.is_whole() {
            formatter.write_str(
                "; the rest is served, restore the named files from a copy to get the records back",
            )?;
        }
        Ok(())
    }
}

/// The counters as the threads keep them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records: AtomicU64,
    pub(crate) payload_bytes: AtomicU64,
    pub(crate) written_bytes: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) fsyncs: AtomicU64,
    pub(crate) failed_records: AtomicU64,
    pub(crate) segments_begun: AtomicU64,
    pub(crate) segments_begun_unprepared: AtomicU64,
    pub(crate) damaged_places: AtomicU64,
    pub(crate) damaged_bytes: AtomicU64,
}

/// Adds to a counter. Counters order nothing, so relaxed is enough.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn read(&self, queue_bytes: u64) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            records: get(&self.records),
            payload_bytes: get(&self.payload_bytes),
            written_bytes: get(&self.written_bytes),
            batches: get(&self.batches),
            fsyncs: get(&self.fsyncs),
            failed_records: get(&self.failed_records),
            segments_begun: get(&self.segments_begun),
            segments_begun_unprepared: get(&self.segments_begun_unprepared),
            queue_bytes,
            damaged_places: get(&self.damaged_places),
            damaged_bytes: get(&self.damaged_bytes),
        }
    }
}
