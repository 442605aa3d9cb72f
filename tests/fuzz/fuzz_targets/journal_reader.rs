//! A journal's segment file with anything in it: opening and reading never panics and never invents a record.
//!
//! The input is either a whole segment file, or changes to a good one: most of what there is to find lies behind the checksums.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use journal::storage::faulty::FaultyStorage;
use journal::{Journal, Offset, Settings};
use libfuzzer_sys::fuzz_target;

const SEGMENT: &str = "00000000000000000001.segment";

/// What the good segment holds.
const RECORDS: [&[u8]; 6] = [b"one", b"", b"three", &[0; 300], b"five", &[0xff; 1000]];

fuzz_target!(|input: &[u8]| {
    let Some((kind, input)) = input.split_first() else { return };
    if kind % 2 == 0 {
        let storage = FaultyStorage::new();
        storage.put(SEGMENT, input);
        read_anything(storage, input);
    } else {
        read_changed(input);
    }
});

fn open(storage: FaultyStorage) -> Option<Journal> {
    let settings = Settings { spare_segments: 0, ..Settings::default() };
    Journal::open_in(Arc::new(storage), settings).ok()
}

fn read_all(journal: &Journal) -> Vec<(Offset, Bytes)> {
    let mut reader = journal.read_from(journal.oldest());
    let mut records: Vec<(Offset, Bytes)> = Vec::new();
    while let Some(entry) = reader.next().expect("nothing is trimmed and memory does not fail") {
        assert!(records.last().is_none_or(|(last, _)| *last < entry.offset), "offsets increase");
        records.push((entry.offset, entry.payload));
    }
    records
}

fn read_anything(storage: FaultyStorage, file: &[u8]) {
    let Some(journal) = open(storage) else { return };
    for (offset, payload) in read_all(&journal) {
        let there = payload.is_empty() || file.windows(payload.len()).any(|window| window == payload);
        assert!(there, "a payload that is not in the file");
        let _ = journal.read_at(offset);
        let _ = journal.offset_at_time(offset.0);
    }
}

/// Each four bytes of input change one byte of the segment: three say where, one how. A last odd byte cuts the file.
fn read_changed(input: &[u8]) {
    let storage = good_segment();
    let mut file = storage.contents(SEGMENT).expect("it was written");
    let (changes, rest) = input.as_chunks::<4>();
    for [low, middle, high, bits] in changes {
        let position = u32::from_le_bytes([*low, *middle, *high, 0]) as usize % file.len();
        file[position] ^= bits;
    }
    if let Some(cut) = rest.first() {
        file.truncate(file.len().saturating_sub(*cut as usize * 8));
    }
    storage.put(SEGMENT, &file);
    let Some(journal) = open(storage) else { return };
    for (offset, payload) in read_all(&journal) {
        let appended = RECORDS.get(offset.0 as usize).expect("no offset is invented");
        assert_eq!(payload, appended, "record {offset} is not what was appended");
    }
}

fn good_segment() -> FaultyStorage {
    let storage = FaultyStorage::new();
    let journal = open(storage.clone()).expect("an empty storage opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    runtime.block_on(async {
        for record in RECORDS {
            journal.append_durable(record).await.expect("memory does not fail");
        }
    });
    drop(journal);
    storage
}
