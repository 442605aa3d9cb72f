use super::*;
use crate::storage::Storage;

const FIRST: &str = "00000000000000000001.segment";

/// Three batches: one record, two records, one record.
async fn three_batches() -> FaultyStorage {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_each(&journal, &["first record", "second", "third one", "the last"]).await;
    journal.close();
    storage.process_killed()
}

const WHOLE: [&str; 4] = ["first record", "second", "third one", "the last"];

/// Where the frame of each record begins, and where the last ends: 32 bytes of header, the text, up to a multiple of 8.
const FRAMES: [usize; 5] = [4096, 4144, 4184, 4232, 4272];

fn record_at(position: usize) -> usize {
    FRAMES.iter().rposition(|start| *start <= position).expect("the position is in a frame")
}

#[tokio::test]
async fn a_tail_cut_at_any_byte_keeps_what_is_before_it() {
    let storage = three_batches().await;
    let whole = storage.contents(FIRST).unwrap();
    assert_eq!(whole.len(), FRAMES[4] + 32);
    for cut in FRAMES[0]..FRAMES[4] {
        let torn = FaultyStorage::new();
        torn.put(FIRST, &whole[..cut]);
        let journal = open(&torn);
        // The padding of the last frame is not needed to read it.
        let kept = if cut >= 4232 + 32 + 8 { 4 } else { record_at(cut) };
        let padding_only = [12, 6, 9, 8].iter().zip(FRAMES).position(|(length, start)| {
            (start + 32 + length..start + 48).contains(&cut) && cut < FRAMES[record_at(start) + 1]
        });
        let kept = padding_only.map_or(kept, |record| record + 1);
        assert_eq!(texts(&journal), WHOLE[..kept], "cut at {cut}");
        assert!(journal.recovery().is_whole(), "cut at {cut}: {}", journal.recovery());
        append_each(&journal, &["after"]).await;
        drop(journal);
        assert_eq!(read_all(&open(&torn)).len(), kept + 1, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_bit_flipped_at_any_byte_costs_at_most_the_record_it_is_in() {
    let storage = three_batches().await;
    for position in FRAMES[0]..FRAMES[4] {
        let flipped = storage.process_killed();
        flipped.flip(FIRST, position, 0x10);
        let journal = open(&flipped);
        let hit = record_at(position);
        let mut expected = WHOLE.to_vec();
        expected.remove(hit);
        let read = texts(&journal);
        assert!(read == expected || read == WHOLE, "byte {position}: {read:?}");
        let is_padding = read == WHOLE;
        let is_last = hit == 3;
        assert_eq!(journal.recovery().is_whole(), is_padding || is_last, "byte {position}");
        if !is_padding && !is_last {
            assert_eq!(journal.recovery().damaged[0].position, FRAMES[hit] as u64);
            assert_eq!(journal.read_from(Offset(0)).position(), Offset(0));
            assert!(journal.recovery().to_string().contains("restore the named files"));
        }
        assert!(append_each(&journal, &["after"]).await[0] > Offset(3), "byte {position}: no offset twice");
    }
}

#[tokio::test]
async fn a_header_flipped_at_any_byte_costs_nothing_when_another_segment_knows_the_identity() {
    let storage = FaultyStorage::new();
    drop(three_batches_in(&storage).await);
    drop(three_batches_in(&storage).await);
    let storage = storage.process_killed();
    for position in 0..64 {
        let flipped = storage.process_killed();
        flipped.flip(FIRST, position, 0x10);
        let journal = open(&flipped);
        assert_eq!(texts(&journal).len(), 8, "byte {position}: {}", journal.recovery());
        assert!(!journal.recovery().is_whole(), "byte {position}");
    }
}

async fn three_batches_in(storage: &FaultyStorage) -> Journal {
    let journal = open(storage);
    append_each(&journal, &WHOLE).await;
    journal
}

#[tokio::test]
async fn a_journal_without_any_header_is_set_aside_and_begins_anew() {
    let storage = three_batches().await;
    storage.flip(FIRST, 0, 1);
    let journal = open(&storage);
    assert_eq!(journal.recovery().set_aside, ["memory/00000000000000000001.damaged"]);
    assert_eq!(texts(&journal), Vec::<String>::new());
    assert!(append_each(&journal, &["after"]).await[0] > Offset(3));
    assert_eq!(texts(&journal), ["after"]);
    assert!(storage.list().unwrap().contains(&"00000000000000000001.damaged".to_owned()));
}

/// Fills several segments and damages one in the middle.
async fn damaged_in_the_middle(settings: Settings) -> (FaultyStorage, Journal) {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_all(&journal, (0..60u8).map(|n| vec![n; 6000])).await;
    drop(journal);
    storage.flip("00000000000000000003.segment", 20_000, 1);
    let journal = open_with(&storage, settings);
    (storage, journal)
}

#[tokio::test]
async fn damage_in_a_sealed_segment_is_reported_and_stepped_over() {
    let (_storage, journal) = damaged_in_the_middle(small()).await;
    let recovery = journal.recovery();
    assert_eq!(recovery.damaged_places, 1);
    let damage = &recovery.damaged[0];
    assert_eq!(damage.file, "memory/00000000000000000003.segment");
    assert!(damage.position <= 20_000 && damage.position + damage.bytes > 20_000);
    let read = read_all(&journal);
    assert_eq!(read.len(), 59);
    let lost = damage.after.unwrap().next();
    assert!(read.iter().all(|(offset, _)| *offset != lost));
    assert_eq!(journal.stats().damaged_places, 1);
    let refused = journal.read_at(lost).unwrap_err();
    assert!(matches!(refused, ReadError::Damaged { .. }), "{refused}");
    assert_eq!(recovery.next, Offset(60), "the tail was whole, so no offset is passed over");
}

#[tokio::test]
async fn damage_beyond_what_is_verified_at_open_is_found_when_it_is_read() {
    let (_storage, journal) =
        damaged_in_the_middle(Settings { verify_at_open_bytes_max: 0, ..small() }).await;
    assert_eq!(journal.recovery().damaged_places, 0);
    assert_eq!(read_all(&journal).len(), 59);
    assert_eq!(journal.stats().damaged_places, 1);
    assert!(journal.stats().damaged_bytes >= 6000);
}

#[tokio::test]
async fn a_missing_segment_is_reported_and_the_others_are_served() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_all(&journal, (0..60u8).map(|n| vec![n; 6000])).await;
    drop(journal);
    storage.remove("00000000000000000003.segment").unwrap();
    let journal = open(&storage);
    let [(from, to)] = journal.recovery().missing[..] else { panic!("{}", journal.recovery()) };
    let lost = (to.0 - from.0) as usize;
    assert_eq!(read_all(&journal).len(), 60 - lost);
    assert!(lost > 5);
}

#[tokio::test]
async fn a_payload_that_is_a_copy_of_the_segment_is_never_read_as_records() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_each(&journal, &["one", "two"]).await;
    let copy = storage.contents(FIRST).unwrap()[4096..].to_vec();
    let mut payload = copy.clone();
    payload.resize(8000, 0);
    append_all(&journal, [payload.clone(), payload]).await;
    append_each(&journal, &["three"]).await;
    drop(journal);
    storage.flip(FIRST, 4096 + copy.len() + 8, 1);
    let journal = open(&storage);
    let read = read_all(&journal);
    assert_eq!(read.iter().map(|(offset, _)| offset.0).collect::<Vec<_>>(), [0, 1, 3, 4]);
}
