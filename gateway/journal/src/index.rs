//! The sparse index of a segment: every 32 KiB, which record stands where and when it was written.
//!
//! In memory for every segment. When a segment is full its index is also written to a file beside it, so that opening a journal
//! does not read all of it. The file is a hint: it is not fsynced, its checksum and the segment's number and end
//! decide whether it is used, and without it the segment is read once more.
//!
//! Layout, little endian: magic `IOTGWIDX`, version (4 bytes), CRC-32C of what follows (4), identity (8), segment number (8),
//! end of the frames (4), number of entries (4), records (8), last offset (8), time of the first and of the last record (8, 8), then the entries:
//! offset (8), position (4), milliseconds after the first record's time, at most 2³²−1 (4).

use crate::format::{Offset, u32_at, u64_at};

const MAGIC: [u8; 8] = *b"IOTGWIDX";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 72;
const ENTRY_BYTES: usize = 16;

/// How far apart entries are.
const SPACING_BYTES: u32 = 32 * 1024;

/// What is known of the records of a segment without reading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SparseIndex {
    entries: Vec<IndexEntry>,
    /// How many records the segment has.
    pub(crate) records: u64,
    /// The last record's offset, if there is one.
    pub(crate) last_offset: Option<Offset>,
    /// The first record's time.
    pub(crate) first_ms: u64,
    /// The last record's time.
    pub(crate) last_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexEntry {
    offset: Offset,
    position: u32,
    after_first_ms: u32,
}

impl SparseIndex {
    /// Takes note of the next record.
    pub(crate) fn push(&mut self, offset: Offset, position: u32, at_ms: u64) {
        if self.records == 0 {
            self.first_ms = at_ms;
        }
        if self.entries.last().is_none_or(|last| position - last.position >= SPACING_BYTES) {
            let after_first_ms = u32::try_from(at_ms.saturating_sub(self.first_ms)).unwrap_or(u32::MAX);
            self.entries.push(IndexEntry { offset, position, after_first_ms });
        }
        self.records += 1;
        self.last_offset = Some(offset);
        self.last_ms = at_ms;
    }

    /// A position at or before the first record whose offset is at least `offset`; `None` when there is no entry before it.
    pub(crate) fn position_before(&self, offset: Offset) -> Option<u32> {
        let after = self.entries.partition_point(|entry| entry.offset <= offset);
        Some(self.entries.get(after.checked_sub(1)?)?.position)
    }

    /// A position at or before the first record whose time is at least `at_ms`.
    pub(crate) fn position_before_time(&self, at_ms: u64) -> Option<u32> {
        let wanted = at_ms.saturating_sub(self.first_ms);
        let after = self.entries.partition_point(|entry| u64::from(entry.after_first_ms) < wanted);
        Some(self.entries.get(after.checked_sub(1)?)?.position)
    }

    pub(crate) fn encode(&self, identity: u64, number: u64, end: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.entries.len() * ENTRY_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&identity.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&end.to_le_bytes());
        bytes.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for field in [self.records, self.last_offset.unwrap_or_default().0, self.first_ms, self.last_ms] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.offset.0.to_le_bytes());
            bytes.extend_from_slice(&entry.position.to_le_bytes());
            bytes.extend_from_slice(&entry.after_first_ms.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&bytes[16..]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads an index file; `None` if it is not exactly that of this segment.
    pub(crate) fn decode(bytes: &[u8], identity: u64, number: u64, end: u32) -> Option<Self> {
        let (header, entries) = bytes.split_at_checked(HEADER_BYTES)?;
        let ours = header[0..8] == MAGIC
            && u32_at(header, 8) == VERSION
            && u32_at(header, 12) == crc32c::crc32c(&bytes[16..])
            && u64_at(header, 16) == identity
            && u64_at(header, 24) == number
            && u32_at(header, 32) == end
            && entries.len() as u64 == u64::from(u32_at(header, 36)) * ENTRY_BYTES as u64;
        if !ours {
            return None;
        }
        let entries = entries.chunks_exact(ENTRY_BYTES).map(|entry| IndexEntry {
            offset: Offset(u64_at(entry, 0)),
            position: u32_at(entry, 8),
            after_first_ms: u32_at(entry, 12),
        });
        let records = u64_at(header, 40);
        Some(Self {
            entries: entries.collect(),
            records,
            last_offset: (records > 0).then(|| Offset(u64_at(header, 48))),
            first_ms: u64_at(header, 56),
            last_ms: u64_at(header, 64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SparseIndex {
        let mut index = SparseIndex::default();
        for record in 0..100u32 {
            index.push(Offset(u64::from(record) * 2), 4096 + record * 10_000, 1_000 + u64::from(record));
        }
        index
    }

    #[test]
    fn version_1_is_written_and_read_as_it_always_was() {
        const GOLDEN: &[u8] = include_bytes!("../tests/golden/version-1.index");
        let index = example();
        assert_eq!(index.encode(0x0123_4567_89ab_cdef, 7, 1_004_096), GOLDEN);
        assert_eq!(SparseIndex::decode(GOLDEN, 0x0123_4567_89ab_cdef, 7, 1_004_096), Some(index));
    }

    #[test]
    fn looking_up_never_goes_past_the_record() {
        let index = example();
        for record in 0..100u32 {
            let position = index.position_before(Offset(u64::from(record) * 2)).expect("there is an entry");
            assert!(position <= 4096 + record * 10_000);
            assert!(4096 + record * 10_000 - position <= SPACING_BYTES + 10_000);
            let by_time = index.position_before_time(1_000 + u64::from(record)).unwrap_or(4096);
            assert!(by_time <= 4096 + record * 10_000);
        }
    }

    #[test]
    fn reads_what_it_wrote_and_nothing_else() {
        let index = example();
        let bytes = index.encode(1, 2, 3);
        assert_eq!(SparseIndex::decode(&bytes, 1, 2, 3), Some(index));
        assert_eq!(SparseIndex::decode(&bytes, 1, 2, 4), None);
        assert_eq!(SparseIndex::decode(&bytes, 1, 3, 3), None);
        assert_eq!(SparseIndex::decode(&bytes, 2, 2, 3), None);
        for cut in 0..bytes.len() {
            assert_eq!(SparseIndex::decode(&bytes[..cut], 1, 2, 3), None);
        }
        for flip in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[flip] ^= 1;
            assert_eq!(SparseIndex::decode(&flipped, 1, 2, 3), None, "byte {flip}");
        }
    }
}
