use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::{Clock, GivenUp, Retention};

const ALL: Offset = Offset(u64::MAX);

/// A hundred records of 6,000 bytes, ten to a segment; record `n` is of second `n`. The clock stands at 100 s.
async fn a_hundred_seconds() -> (Journal, Arc<AtomicU64>) {
    let now_ms = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&now_ms);
    let clock = Clock::new(move || told.load(Ordering::SeqCst));
    let journal = open_with(&FaultyStorage::new(), Settings { clock, ..small() });
    for second in 0..100u64 {
        now_ms.store(second * 1000, Ordering::SeqCst);
        append_all(&journal, [vec![second as u8; 6000]]).await;
    }
    now_ms.store(100_000, Ordering::SeqCst);
    (journal, now_ms)
}

#[tokio::test]
async fn what_is_too_old_goes_and_nothing_younger() {
    let (journal, _) = a_hundred_seconds().await;
    let retention = Retention { age_ms_max: Some(50_000), bytes_max: None };
    let given_up = journal.retain(retention, ALL);
    let oldest = given_up.oldest;
    assert!(oldest <= Offset(50) && oldest > Offset(38), "{oldest}");
    assert_eq!(read_all(&journal).first().unwrap().0, oldest);
    assert!(given_up.aged_segments >= 3 && given_up.surplus_segments == 0);
    assert_eq!(journal.retain(retention, ALL), GivenUp { oldest, ..GivenUp::default() }, "once is enough");
}

#[tokio::test]
async fn the_oldest_go_while_there_are_too_many_bytes() {
    let (journal, _) = a_hundred_seconds().await;
    let bytes_max = 4 * 64 * 1024;
    let given_up = journal.retain(Retention { age_ms_max: None, bytes_max: Some(bytes_max) }, ALL);
    let kept: usize = read_all(&journal).iter().map(|(_, payload)| payload.len()).sum();
    assert!(kept as u64 <= bytes_max && kept as u64 > bytes_max - 2 * 64 * 1024, "{kept}");
    assert!(given_up.surplus_segments >= 5 && given_up.aged_segments == 0);
    assert_eq!(texts_of_last(&journal), 99);
}

fn texts_of_last(journal: &Journal) -> u8 {
    read_all(journal).last().expect("the youngest record stays").1[0]
}

#[tokio::test]
async fn what_somebody_needs_stays_however_old_and_much() {
    let (journal, _) = a_hundred_seconds().await;
    let nothing = Retention { age_ms_max: Some(0), bytes_max: Some(0) };
    let oldest = journal.retain(nothing, Offset(35)).oldest;
    assert!(oldest <= Offset(35) && oldest > Offset(24), "{oldest}");
    let oldest = journal.retain(nothing, ALL).oldest;
    assert!(oldest > Offset(85) && texts_of_last(&journal) == 99, "the segment being written stays");
    assert_eq!(journal.retain(Retention::default(), ALL).oldest, oldest);
}

#[tokio::test]
async fn a_clock_that_jumps_back_gives_nothing_up() {
    let (journal, now_ms) = a_hundred_seconds().await;
    now_ms.store(1, Ordering::SeqCst);
    let retention = Retention { age_ms_max: Some(10_000), bytes_max: None };
    assert_eq!(journal.retain(retention, ALL), GivenUp::default());
    assert_eq!(read_all(&journal).len(), 100);
}
