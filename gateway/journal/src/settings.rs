//! What a journal may be told, with a default for everything.
//!
//! Every limit has its unit in its name. [`Settings::check`] is called by open; a value that makes no sense is
//! refused with the name of the setting, what it is and what it may be.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::OpenError;
use crate::format::{FRAME_HEADER_BYTES, Offset, SEGMENT_HEADER_BYTES};

const MIB: u64 = 1024 * 1024;

/// How a journal behaves. `Settings::default()` suits a gateway on one machine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Size of one segment file. Space is freed in steps of this size. From 64 KiB to 1 GiB.
    pub segment_bytes: u64,
    /// Largest payload of one record. It must fit in a segment and in the queue.
    pub record_bytes_max: usize,
    /// How many bytes may wait for the writer or be in its hands: payloads, plus
    /// [`RECORD_OVERHEAD_BYTES`](crate::RECORD_OVERHEAD_BYTES) for each record, which bounds their number too.
    pub queue_bytes_max: usize,
    /// Most bytes that one write and its fsync carry.
    pub batch_bytes_max: usize,
    /// Most records of one producer whose outcome it has not taken yet.
    pub unclaimed_records_max: usize,
    /// Most bytes the journal may hold on disk, spare segments included. When it is reached, appends fail with
    /// [`CommitError::Full`](crate::CommitError::Full) until [`trim`](crate::Journal::trim) frees segments.
    pub disk_bytes_max: u64,
    /// Bytes that have to stay free on the disk: while there are fewer, appends fail with [`CommitError::Full`](crate::CommitError::Full).
    /// What stands beside the journal then still finds room. 0, the default, leaves nothing.
    pub disk_free_bytes_min: u64,
    /// How many segments are made and zeroed ahead, so that no append waits for a new file. 0 switches it off,
    /// which suits tests: a journal that is opened and closed at once then writes nothing.
    pub spare_segments: usize,
    /// At open, the newest sealed segments up to this many bytes are read whole and their checksums verified;
    /// damage in older ones is found (and counted) when it is read. The last segment is always verified.
    pub verify_at_open_bytes_max: u64,
    /// The next record's offset is at least this. Give it the highest cursor kept elsewhere plus one, so that a journal
    /// that lost its files never gives an offset again that a cursor has already passed.
    pub next_offset_min: Offset,
    /// Offsets passed over at each opening of a journal that holds records. Records that failed (a full disk, a failed fsync) leave
    /// nothing behind, but their offsets were handed out, readers went past them, and whoever keeps a cursor may have kept one beyond
    /// them: new records must not be given those offsets. Default 0, for those who keep no cursors.
    pub offsets_passed_over_at_open: u64,
    /// Where the time of records comes from.
    pub clock: Clock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * MIB,
            record_bytes_max: 4 * MIB as usize,
            queue_bytes_max: 64 * MIB as usize,
            batch_bytes_max: 4 * MIB as usize,
            unclaimed_records_max: 65_536,
            disk_bytes_max: 1 << 50,
            disk_free_bytes_min: 0,
            spare_segments: 1,
            verify_at_open_bytes_max: 1024 * MIB,
            next_offset_min: Offset(0),
            offsets_passed_over_at_open: 0,
            clock: Clock::system(),
        }
    }
}

impl Settings {
    /// Checks that the limits agree with each other.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let range = |name: &'static str, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(OpenError::Setting { name, value, min, max })
            }
        };
        range("segment_bytes", self.segment_bytes, 64 * 1024, 1024 * MIB)?;
        let room_in_segment = self.segment_bytes - SEGMENT_HEADER_BYTES - 2 * FRAME_HEADER_BYTES as u64;
        let room_in_queue = self.queue_bytes_max as u64 / 2;
        range("record_bytes_max", self.record_bytes_max as u64, 1, room_in_segment)?;
        range("queue_bytes_max", self.queue_bytes_max as u64, 64 * 1024, u64::from(u32::MAX))?;
        range("record_bytes_max", self.record_bytes_max as u64, 1, room_in_queue)?;
        range("batch_bytes_max", self.batch_bytes_max as u64, 4096, 1024 * MIB)?;
        range("unclaimed_records_max", self.unclaimed_records_max as u64, 1, u64::from(u32::MAX))?;
        range("disk_bytes_max", self.disk_bytes_max, 2 * self.segment_bytes, u64::MAX)?;
        range("spare_segments", self.spare_segments as u64, 0, 16)
    }
}

/// A source of the time in milliseconds since the Unix epoch.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::new(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// A clock that answers with what `now_ms` returns, for tests.
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}
