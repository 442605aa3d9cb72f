use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::storage::faulty::FaultyStorage;
use crate::{Journal, Settings};

const GOLDEN_SEGMENT: &[u8] = include_bytes!("../../tests/golden/version-1.segment");
const GOLDEN_READING: &str = include_str!("../../tests/golden/version-1.txt");

/// The segment that the golden file of version 1 holds: two batches and, after its end, a frame of an earlier life.
fn version_1() -> Vec<u8> {
    let header = SegmentHeader {
        number: 7,
        identity: 0x0123_4567_89ab_cdef,
        first_offset: Offset(1000),
        created_at_ms: 1_700_000_000_000,
        previous: Some(PreviousSegment { number: 6, end: 65_432 }),
    };
    let mut bytes = header.encode_block();
    bytes.truncate(SEGMENT_HEADER_BYTES as usize);
    let seed = Seed::new(header.identity, header.number);
    let records: [(u64, u64, u32, &[u8]); 4] = [
        (1000, 1_700_000_000_001, 4096, b"first"),
        (1001, 1_700_000_000_001, 4096, b""),
        (1005, 1_700_000_000_900, 4168, "h\u{e9}llo, w\u{f6}rld".as_bytes()),
        (1006, 1_700_000_000_900, 4168, &[0, 1, 2, 254, 255]),
    ];
    for (offset, at_ms, durable_to, payload) in records {
        push_frame(&mut bytes, seed, offset, at_ms, durable_to, payload);
    }
    bytes.resize(bytes.len() + FRAME_HEADER_BYTES, 0);
    push_frame(&mut bytes, Seed::new(header.identity, 3), 500, 1_600_000_000_000, 4096, b"an earlier life");
    bytes
}

fn push_frame(bytes: &mut Vec<u8>, seed: Seed, offset: u64, at_ms: u64, durable_to: u32, payload: &[u8]) {
    let header = FrameHeader {
        payload_bytes: payload.len() as u32,
        offset: Offset(offset),
        at_ms,
        payload_checksum: crc32c::crc32c(payload),
        durable_to,
    };
    bytes.extend_from_slice(&header.encode(seed, bytes.len() as u32));
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(FRAME_ALIGNMENT), 0);
}

fn reading_of(segment: &[u8]) -> String {
    let storage = FaultyStorage::new();
    storage.put("00000000000000000007.segment", segment);
    let journal =
        Journal::open_in(Arc::new(storage), Settings { spare_segments: 0, ..Settings::default() }).unwrap();
    let mut text = format!("{}\n", journal.recovery());
    let mut reader = journal.read_from(journal.oldest());
    while let Some(entry) = reader.next().unwrap() {
        writeln!(text, "{} {} {:?}", entry.offset, entry.at_ms, entry.payload).unwrap();
    }
    text
}

#[test]
fn version_1_is_written_as_it_always_was() {
    assert_eq!(version_1(), GOLDEN_SEGMENT);
}

#[test]
fn version_1_is_read_as_it_always_was() {
    assert_eq!(reading_of(GOLDEN_SEGMENT), GOLDEN_READING);
}

#[test]
fn a_frame_whose_offset_does_not_increase_is_what_a_failed_batch_left() {
    let mut bytes = version_1()[..SEGMENT_HEADER_BYTES as usize].to_vec();
    let seed = Seed::new(0x0123_4567_89ab_cdef, 7);
    for (offset, payload) in
        [(1003, "written over a failed batch"), (1001, "of the failed batch"), (1002, "too")]
    {
        push_frame(&mut bytes, seed, offset, 1, 4096, payload.as_bytes());
    }
    let reading = reading_of(&bytes);
    let records: Vec<_> = reading.lines().skip(1).collect();
    assert_eq!(records, ["1003 1 b\"written over a failed batch\""]);
}

fn frame_headers() -> impl Strategy<Value = FrameHeader> {
    (any::<u32>(), any::<u64>(), any::<u64>(), any::<u32>()).prop_map(
        |(payload_bytes, offset, at_ms, payload_checksum)| FrameHeader {
            payload_bytes,
            offset: Offset(offset),
            at_ms,
            payload_checksum,
            durable_to: 4096,
        },
    )
}

proptest! {
    #[test]
    fn a_frame_header_counts_only_where_and_when_it_was_written(
        header in frame_headers(),
        identity: u64,
        number: u64,
        position in 4096u32..,
        flip in 0usize..256,
    ) {
        let seed = Seed::new(identity, number);
        let bytes = header.encode(seed, position);
        prop_assert_eq!(FrameHeader::decode(&bytes, seed, position), Some(header));
        prop_assert_eq!(FrameHeader::decode(&bytes, seed, position ^ 8), None);
        prop_assert_eq!(FrameHeader::decode(&bytes, Seed::new(identity, number ^ 1), position), None);
        prop_assert_eq!(FrameHeader::decode(&bytes[..31], seed, position), None);
        let mut flipped = bytes;
        flipped[flip / 8] ^= 1 << (flip % 8);
        prop_assert_eq!(FrameHeader::decode(&flipped, seed, position), None);
    }

    #[test]
    fn a_segment_header_is_read_as_written_or_not_at_all(
        number: u64,
        identity: u64,
        first_offset: u64,
        created_at_ms: u64,
        previous in prop::option::of((1u64.., any::<u32>())),
        flip in 0usize..512,
    ) {
        let previous = previous.map(|(number, end)| PreviousSegment { number, end });
        let header = SegmentHeader { number, identity, first_offset: Offset(first_offset), created_at_ms, previous };
        let bytes = header.encode();
        prop_assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        let mut flipped = bytes;
        flipped[flip / 8] ^= 1 << (flip % 8);
        prop_assert_eq!(SegmentHeader::decode(&flipped), Err(HeaderError::Damaged));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_become_records(bytes in prop::collection::vec(any::<u8>(), 0..6000)) {
        prop_assert_eq!(reading_of(&bytes).lines().count(), 1);
        let mut with_header = version_1()[..4096].to_vec();
        with_header.extend_from_slice(&bytes);
        prop_assert_eq!(reading_of(&with_header).lines().count(), 1);
    }
}
