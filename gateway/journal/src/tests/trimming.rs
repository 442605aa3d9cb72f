use super::*;
use crate::storage::Storage;

async fn ten_segments(storage: &FaultyStorage, settings: Settings) -> Journal {
    let journal = open_with(storage, settings);
    append_all(&journal, (0..100u8).map(|n| vec![n; 6000])).await;
    journal
}

#[tokio::test]
async fn trimming_lets_whole_segments_go_and_no_record_that_is_wanted() {
    let storage = FaultyStorage::new();
    let journal = ten_segments(&storage, small()).await;
    let before = journal.bytes_on_disk();
    let oldest = journal.trim(Offset(50));
    assert!(oldest <= Offset(50) && oldest > Offset(35), "{oldest}");
    assert_eq!(journal.oldest(), oldest);
    assert_eq!(read_all(&journal).first().unwrap().0, oldest);
    wait_until("the files are gone", || journal.bytes_on_disk() < before * 2 / 3);
    drop(journal);
    let journal = open(&storage);
    assert_eq!(journal.oldest(), oldest);
    assert_eq!(read_all(&journal).len(), 100 - oldest.0 as usize);
    assert!(journal.recovery().is_whole(), "{}", journal.recovery());
}

#[tokio::test]
async fn trimming_everything_leaves_the_last_segment_and_the_offsets() {
    let storage = FaultyStorage::new();
    let journal = ten_segments(&storage, small()).await;
    journal.trim(Offset(u64::MAX));
    assert!(read_all(&journal).len() <= 10);
    drop(journal);
    let journal = open(&storage);
    assert_eq!(append_each(&journal, &["next"]).await, [Offset(100)]);
}

#[tokio::test]
async fn a_reader_of_what_was_trimmed_is_told_where_to_go_on() {
    let storage = FaultyStorage::new();
    let journal = ten_segments(&storage, Settings { spare_segments: 1, ..small() }).await;
    let mut reader = journal.read_from(Offset(3));
    assert_eq!(reader.next().unwrap().unwrap().offset, Offset(3));
    let oldest = journal.trim(Offset(60));
    append_all(&journal, (0..50u8).map(|n| vec![n; 6000])).await;
    let told = loop {
        match reader.next() {
            Ok(entry) => assert!(entry.is_some(), "a trimmed segment has no end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(told, ReadError::Trimmed { oldest: there, .. } if there == oldest), "{told}");
    assert!(matches!(journal.read_at(Offset(3)), Err(ReadError::Trimmed { .. })));
    reader.seek(oldest);
    assert_eq!(reader.next().unwrap().unwrap().offset, oldest);
    assert_eq!(journal.stats().damaged_places, 0, "a segment that was used again is no damage");
}

#[tokio::test]
async fn segments_are_used_again_and_their_old_records_stay_dead() {
    let storage = FaultyStorage::new();
    let settings = Settings { spare_segments: 2, ..small() };
    let mut journal = open_with(&storage, settings.clone());
    let mut offset = Offset(0);
    for round in 0..60u8 {
        for (at, outcome) in append_all(&journal, (0..4u8).map(|n| vec![round ^ n; 5000])).await {
            outcome.unwrap();
            offset = at;
        }
        journal.trim(Offset(offset.0.saturating_sub(8)));
        if round % 7 == 0 {
            drop(journal);
            journal = open_with(&storage, settings.clone());
        }
        let read = read_all(&journal);
        assert!(read.windows(2).all(|pair| pair[0].0.next() == pair[1].0));
        assert_eq!(read.last().unwrap().0, offset);
        assert_eq!(journal.recovery().torn_bytes, 0);
    }
    let files = storage.list().unwrap().iter().filter(|name| !name.ends_with(".index")).count();
    assert!(files <= 8, "{:?}", storage.list());
}

#[tokio::test]
async fn the_oldest_segment_says_what_retention_needs() {
    let journal = ten_segments(&FaultyStorage::new(), small()).await;
    let mut left = journal.bytes_on_disk();
    while let Some(oldest) = journal.oldest_segment() {
        assert!(oldest.last_at_ms > 0);
        assert_eq!(journal.trim(oldest.trim_at), oldest.trim_at);
        left -= oldest.bytes;
    }
    assert!(left <= 64 * 1024);
}

#[tokio::test]
async fn the_newest_records_are_found_though_offsets_have_gaps() {
    let storage = FaultyStorage::new();
    drop(ten_segments(&storage, small()).await);
    let journal = open_with(&storage, Settings { offsets_passed_over_at_open: 1_000_000, ..small() });
    append_all(&journal, (0..30u8).map(|n| vec![n; 6000])).await;
    let all: Vec<Offset> = read_all(&journal).into_iter().map(|(offset, _)| offset).collect();
    for records in [0, 1, 5, 30, 31, 60, 130] {
        let start = journal.start_of_newest(records);
        let found = all.iter().filter(|offset| **offset >= start).count() as u64;
        assert!((records..=records + 11).contains(&found), "{records} wanted, {found} from {start}");
    }
    assert_eq!(journal.start_of_newest(1000), journal.oldest());
}
