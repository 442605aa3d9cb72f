//! The on-disk format, version 1.
//!
//! # Limits
//!
//! | What | Limit |
//! | --- | --- |
//! | segment file | 64 KiB to 1 GiB, all segments of a journal may differ |
//! | payload of a record | what fits in a segment: its size less 4,160 bytes |
//! | offset, segment number | 64 bits, neither is used twice for durable data |
//! | time | milliseconds since 1970 in 64 bits, never decreasing within a journal |
//! | memory for the index of a segment | 16 bytes for each 32 KiB of segment |
//!
//! # Files
//!
//! A journal is a directory. `00000000000000000007.segment` is segment number 7; a number is given once, and higher
//! numbers hold higher offsets. `00000000000000000007.index` is its sparse index, written when the segment is full; it
//! can always be made again from the segment ([`crate::index`]). `*.spare` are segments made ahead or waiting to be used again;
//! what they hold means nothing. `*.damaged` are segments that were set aside because nothing in them could be read.
//! `lock` says that a process has the directory.
//!
//! # Layout of a segment
//!
//! All numbers are little endian. A segment begins with a header of 64 bytes, which has a sector group of 4,096 bytes to itself
//! (the rest means nothing), so that no later write can tear it:
//!
//! | Bytes | Field |
//! | --- | --- |
//! | 0..8 | magic, `IOTGWJNL` |
//! | 8..12 | format version |
//! | 12..16 | CRC-32C of the header without this field |
//! | 16..24 | segment number, as in the file's name |
//! | 24..32 | identity of the journal, random, the same in all its segments |
//! | 32..40 | offset of the first record, or a smaller one that no earlier segment reaches |
//! | 40..48 | when the segment was begun, milliseconds since 1970 |
//! | 48..56 | number of the segment before this one, 0 if there is none |
//! | 56..60 | where the frames of the segment before end |
//! | 60..64 | zero |
//!
//! Magic, version and checksum stand in the same place in every version, so an older program can tell a newer file from a damaged one.
//!
//! Frames follow from byte 4,096, each at a multiple of 8 bytes, padded with zeros:
//!
//! | Bytes | Field |
//! | --- | --- |
//! | 0..4 | CRC-32C of identity, segment number and position of the frame, then bytes 4..32 |
//! | 4..8 | length of the payload |
//! | 8..16 | offset of the record |
//! | 16..24 | time of the record, milliseconds since 1970 |
//! | 24..28 | CRC-32C of the payload |
//! | 28..32 | `durable_to`: everything in this segment before this position was fsynced when the frame was written |
//! | 32.. | payload |
//!
//! After the last frame of a batch stand 32 zero bytes, as far as the segment goes, and after the header of a new segment too:
//! the next batch begins over them. So a tail that is whole ends with zeros, also in a segment that is used again.
//!
//! The header has its own checksum so that a damaged payload costs one record and not the way to the next. Identity,
//! number and position go into that checksum although they are not stored: segments are used again without being wiped, and
//! a payload may be a copy of a frame, so a frame counts only where and when it was written.
//!
//! # Reading it back
//!
//! Where the frames of a segment end is stated by the header of the next one. A place before that end which holds no valid frame is
//! damage: it is reported, and reading goes on at the next valid frame.
//!
//! The last segment has nobody to state its end. The largest `durable_to` of its frames tells how far it was certainly fsynced: up
//! to there an invalid place is damage. From there on the first invalid place is where a batch was torn: that is the end, and
//! what comes after it is cut, valid or not, for it was never acknowledged and keeping it would leave a hole in the order.
//! Zeros there, and no frame beyond, are the end of a whole tail. After a tail that was not whole, offsets go on far beyond the last
//! one found, so that none is given again.
//! (Damage in the very last batch therefore looks like a torn batch and cuts the rest of that batch.)
//!
//! Offsets must increase from frame to frame. The offsets of a batch that failed are not given again, so what a failed
//! batch left behind further on in the file never continues what was written over its beginning.
//!
//! A segment that was recovered is not written to again, but for its last batch, which is written over itself before it counts as
//! durable (an fsync that failed in the process before may have left it in memory alone): the next record begins a new segment.

use std::fmt;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// The version this program writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Where the frames of a segment begin.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 4096;

/// Size of what stands before each payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 32;

/// Frames begin at multiples of this.
pub(crate) const FRAME_ALIGNMENT: usize = 8;

const MAGIC: [u8; 8] = *b"IOTGWJNL";
const HEADER_FIELD_BYTES: usize = 64;
const HEADER_CHECKSUM: Range<usize> = 12..16;

/// The number of a record in its journal.
///
/// Offsets increase strictly; there are gaps (what failed, what was damaged, after a crash), so the difference of two offsets is not
/// a count. No two durable records ever have the same offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Bytes that a record of this payload takes in a segment.
pub(crate) fn padded_frame_bytes(payload_bytes: usize) -> usize {
    (FRAME_HEADER_BYTES + payload_bytes).next_multiple_of(FRAME_ALIGNMENT)
}

/// What every frame's checksum begins with: ties a frame to one life of one segment of one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(identity: u64, segment_number: u64) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(&identity.to_le_bytes()), &segment_number.to_le_bytes()))
    }

    fn checksum(self, position: u32, fields: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(self.0, &position.to_le_bytes()), fields)
    }
}

/// The header of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    pub(crate) identity: u64,
    pub(crate) first_offset: Offset,
    pub(crate) created_at_ms: u64,
    pub(crate) previous: Option<PreviousSegment>,
}

/// What a segment's header says of the segment before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PreviousSegment {
    pub(crate) number: u64,
    pub(crate) end: u32,
}

/// Why a segment's header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Whole, but of a version this program does not know.
    UnknownVersion(u32),
    /// Not a header, or not any more.
    Damaged,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_FIELD_BYTES] {
        let mut bytes = [0; HEADER_FIELD_BYTES];
        let previous = self.previous.unwrap_or(PreviousSegment { number: 0, end: 0 });
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.identity.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first_offset.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.created_at_ms.to_le_bytes());
        bytes[48..56].copy_from_slice(&previous.number.to_le_bytes());
        bytes[56..60].copy_from_slice(&previous.end.to_le_bytes());
        let checksum = header_checksum(&bytes);
        bytes[HEADER_CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header, what fills its sectors, and zeros in place of the first frame.
    pub(crate) fn encode_block(&self) -> Vec<u8> {
        let mut block = self.encode().to_vec();
        block.resize(SEGMENT_HEADER_BYTES as usize + FRAME_HEADER_BYTES, 0);
        block
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let bytes: &[u8; HEADER_FIELD_BYTES] =
            bytes.first_chunk().filter(|bytes| bytes[0..8] == MAGIC).ok_or(HeaderError::Damaged)?;
        if u32_at(bytes, HEADER_CHECKSUM.start) != header_checksum(bytes) {
            return Err(HeaderError::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(HeaderError::UnknownVersion(version));
        }
        let previous = PreviousSegment { number: u64_at(bytes, 48), end: u32_at(bytes, 56) };
        Ok(Self {
            number: u64_at(bytes, 16),
            identity: u64_at(bytes, 24),
            first_offset: Offset(u64_at(bytes, 32)),
            created_at_ms: u64_at(bytes, 40),
            previous: (previous.number != 0).then_some(previous),
        })
    }
}

fn header_checksum(bytes: &[u8; HEADER_FIELD_BYTES]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..HEADER_CHECKSUM.start]), &bytes[HEADER_CHECKSUM.end..])
}

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) payload_bytes: u32,
    pub(crate) offset: Offset,
    pub(crate) at_ms: u64,
    pub(crate) payload_checksum: u32,
    pub(crate) durable_to: u32,
}

impl FrameHeader {
    pub(crate) fn encode(&self, seed: Seed, position: u32) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[4..8].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.at_ms.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.payload_checksum.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.durable_to.to_le_bytes());
        let checksum = seed.checksum(position, &bytes[4..]);
        bytes[0..4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header of the frame at `position`, if one was written there in this life of the segment.
    pub(crate) fn decode(bytes: &[u8], seed: Seed, position: u32) -> Option<Self> {
        let bytes: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk()?;
        // Cheaper than a checksum, and enough to refuse zeros and most of what is not a header.
        let durable_to = u32_at(bytes, 28);
        if durable_to > position || u64::from(durable_to) < SEGMENT_HEADER_BYTES {
            return None;
        }
        (u32_at(bytes, 0) == seed.checksum(position, &bytes[4..])).then(|| Self {
            payload_bytes: u32_at(bytes, 4),
            offset: Offset(u64_at(bytes, 8)),
            at_ms: u64_at(bytes, 16),
            payload_checksum: u32_at(bytes, 24),
            durable_to,
        })
    }

    /// Bytes from the beginning of this frame to the next.
    pub(crate) fn padded_bytes(&self) -> usize {
        padded_frame_bytes(self.payload_bytes as usize)
    }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}
