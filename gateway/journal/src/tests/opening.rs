use super::*;
use crate::{Clock, Health, OpenError};
use std::sync::atomic::{AtomicU64, Ordering};

#[tokio::test]
async fn records_and_offsets_go_on_after_reopening() {
    let storage = FaultyStorage::new();
    for round in 0..5u64 {
        let journal = open(&storage);
        assert_eq!(journal.recovery().next, Offset(round * 2));
        assert!(journal.recovery().is_whole());
        append_each(&journal, &["a", "b"]).await;
        assert_eq!(read_all(&journal).len(), (round as usize + 1) * 2);
        assert_eq!(journal.health(), Health::Working);
    }
}

#[test]
fn opening_without_appending_leaves_no_files_behind() {
    let storage = FaultyStorage::new();
    block_on(async { append_each(&open(&storage), &["a"]).await });
    for _ in 0..3 {
        assert_eq!(texts(&open(&storage)), ["a"]);
    }
    let segments = crate::storage::Storage::list(&storage).unwrap();
    assert_eq!(segments.iter().filter(|name| name.ends_with(".segment")).count(), 1);
}

#[test]
fn two_cannot_have_the_same_directory() {
    let storage = FaultyStorage::new();
    let first = open(&storage);
    let second = Journal::open_in(Arc::new(storage.clone()), small()).unwrap_err();
    assert!(matches!(second, OpenError::Locked { .. }));
    drop(first);
    open(&storage);

    let directory = tempfile::tempdir().unwrap();
    let first = Journal::open(directory.path(), small()).unwrap();
    let second = Journal::open(directory.path(), small()).unwrap_err();
    assert!(second.to_string().contains("is in use by another process"), "{second}");
    drop(first);
    Journal::open(directory.path(), small()).unwrap();
}

#[tokio::test]
async fn the_file_system_keeps_what_the_storage_in_memory_keeps() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("made/on/the/way");
    let settings = Settings { spare_segments: 1, ..small() };
    let mut expected = Vec::new();
    for round in 0..6u8 {
        let journal = Journal::open(&place, settings.clone()).unwrap();
        assert!(
            journal.recovery().is_whole() && journal.recovery().torn_bytes == 0,
            "{}",
            journal.recovery()
        );
        let payloads: Vec<Vec<u8>> = (0..30u8).map(|n| vec![round ^ n; 5000]).collect();
        for ((offset, outcome), payload) in
            append_all(&journal, payloads.clone()).await.into_iter().zip(payloads)
        {
            outcome.unwrap();
            expected.push((offset, Bytes::from(payload)));
        }
        let oldest = journal.trim(expected[expected.len() / 2].0);
        expected.retain(|(offset, _)| *offset >= oldest);
        assert_eq!(read_all(&journal), expected);
        assert_eq!(journal.read_at(oldest).unwrap().unwrap().payload, expected[0].1);
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&place.join("lock").metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "messages of devices are for nobody else to read");
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let storage = FaultyStorage::new();
    block_on(async { append_each(&open(&storage), &["a"]).await });
    let name = "00000000000000000001.segment";
    let mut bytes = storage.contents(name).unwrap();
    bytes[8] = 2;
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..64]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    storage.put(name, &bytes);
    let refused = Journal::open_in(Arc::new(storage.clone()), small()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "journal file `memory/00000000000000000001.segment` has format version 2, this program reads versions up to 1; \
         run the program that wrote it, or a newer one"
    );
    assert_eq!(storage.contents(name).unwrap(), bytes);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let cases = [
        (Settings { segment_bytes: 1000, ..small() }, "`segment_bytes` is 1000, it must be from 65536 to"),
        (
            Settings { record_bytes_max: 70_000, ..small() },
            "`record_bytes_max` is 70000, it must be from 1 to",
        ),
        (Settings { queue_bytes_max: 1, ..small() }, "`queue_bytes_max` is 1"),
        (Settings { disk_bytes_max: 1, ..small() }, "`disk_bytes_max` is 1"),
        (Settings { spare_segments: 99, ..small() }, "`spare_segments` is 99"),
    ];
    for (settings, expected) in cases {
        let refused = Journal::open_in(Arc::new(FaultyStorage::new()), settings).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}

#[tokio::test]
async fn the_least_next_offset_is_kept() {
    let journal = open_with(&FaultyStorage::new(), Settings { next_offset_min: Offset(1000), ..small() });
    assert_eq!(append_each(&journal, &["a"]).await, [Offset(1000)]);
    assert_eq!(texts(&journal), ["a"]);
}

#[tokio::test]
async fn old_segments_are_trusted_by_their_index_beyond_the_limit() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_all(&journal, (0..100).map(|n| vec![n; 5000])).await;
    journal.close();
    drop(journal);
    let journal = open_with(&storage, Settings { verify_at_open_bytes_max: 0, ..small() });
    assert_eq!(journal.recovery().segments, 9);
    assert!(journal.recovery().records_verified <= 12, "only the last segment");
    let read = read_all(&journal);
    assert_eq!(read.len(), 100);
    for (offset, payload) in read {
        assert_eq!(journal.read_at(offset).unwrap().unwrap().payload, payload);
    }
}

#[tokio::test]
async fn time_never_goes_back_and_finds_its_offset() {
    let now = Arc::new(AtomicU64::new(0));
    let clock = Clock::new({
        let now = Arc::clone(&now);
        move || now.load(Ordering::SeqCst)
    });
    let storage = FaultyStorage::new();
    let settings = Settings { clock, ..small() };
    let mut journal = open_with(&storage, settings.clone());
    let times = [10, 20, 15, 30, 5, 40];
    for (n, time) in times.into_iter().enumerate() {
        now.store(time, Ordering::SeqCst);
        append_all(&journal, [vec![n as u8; 15_000], vec![n as u8; 15_000]]).await;
        if n == 3 {
            drop(journal);
            journal = open_with(&storage, settings.clone());
        }
    }
    let mut reader = journal.read_from(Offset(0));
    let read: Vec<u64> = std::iter::from_fn(|| reader.next().unwrap()).map(|entry| entry.at_ms).collect();
    assert_eq!(read, [10, 10, 20, 20, 20, 20, 30, 30, 30, 30, 40, 40]);
    for (time, offset) in [(0, 0), (10, 0), (11, 2), (20, 2), (21, 6), (30, 6), (31, 10), (40, 10), (41, 12)]
    {
        assert_eq!(journal.offset_at_time(time).unwrap(), Offset(offset), "time {time}");
    }
}

#[tokio::test]
async fn offsets_handed_out_to_records_that_failed_are_passed_over_at_the_next_opening() {
    let storage = FaultyStorage::new();
    let settings = || Settings { offsets_passed_over_at_open: 1_000, ..small() };
    let journal = open_with(&storage, settings());
    assert_eq!(journal.recovery().next, Offset(0), "a journal without records passes nothing over");
    append_each(&journal, &["a", "b"]).await;
    drop(journal);
    let journal = open_with(&storage, settings());
    assert_eq!(journal.recovery().next, Offset(1_002));
    append_each(&journal, &["c"]).await;
    assert_eq!(texts(&journal), ["a", "b", "c"]);
}
