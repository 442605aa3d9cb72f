//! Results whose target has no room, rows that wait for them, and publishes that were sent again.

use super::*;
use crate::outlet::RESULTS_WAITING_MAX;

/// Messages of as many groups as there are keys.
fn groups(definition: &Definition, keys: std::ops::Range<u32>, at_ms: u64) -> Vec<Record> {
    keys.map(|key| message(definition, &key.to_string(), at_ms)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_target_is_full_results_wait_then_rows_and_nothing_is_lost() {
    const GROUPS: u32 = 120;
    let counts = definition("counts", "");
    let mut place = Place::new(&[&counts]);
    place.sink_limits = LaneLimits { waiting_events_max: 10, ..LaneLimits::default() };
    place.sink.is_busy.store(true, Ordering::SeqCst);
    let run = place.open(Fuse::default()).await;
    place.set_clock(5);
    run.append(&groups(&counts, 0..GROUPS, START_MS + 5_000)).await;
    until("rows are folded", || run.rows("counts") == u64::from(GROUPS)).await;
    place.set_clock(15);
    until("results wait", || run.windows.waiting()["counts"] >= RESULTS_WAITING_MAX).await;
    run.append(&groups(&counts, 0..5, START_MS + 15_000)).await;
    until("rows are tried again", || {
        run.bus.stats().lanes.iter().any(|lane| lane.failures.contains_key("RESULTS_WAITING"))
    })
    .await;
    assert_eq!(run.rows("counts"), u64::from(GROUPS), "rows wait behind results");
    run.crash().await;
    place.sink.is_busy.store(false, Ordering::SeqCst);
    let run = place.open(Fuse::default()).await;
    place.set_clock(40);
    until("everything has come", || place.sink.results().len() as u32 == GROUPS + 5).await;
    let figures = run.windows.figures().remove("counts").unwrap();
    assert_eq!(
        (figures.counts.folded, figures.counts.results),
        (u64::from(GROUPS) + 5, u64::from(GROUPS) + 5)
    );
    run.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_is_sent_again_counts_once_and_one_that_was_never_durable_counts() {
    let counts = definition("counts", "");
    let other = definition("other", "");
    let place = Place::new(&[&counts, &other]);
    let run = place.open(Fuse::default()).await;
    let first = message(&counts, "a", START_MS + 1);
    let offset = run.bus.send(&first).await.unwrap();
    let mut again = Record { accepted_at_ms: START_MS + 2, ..first.clone() };
    row::mark_repeat(&mut again.events, offset);
    run.append(&[again]).await;
    // A rule that has come since has not seen the first one.
    let mut seen_by_other = message(&other, "a", START_MS + 3);
    seen_by_other.base = first.base;
    row::mark_repeat(&mut seen_by_other.events, offset);
    // What the journal could not keep is not there.
    let mut never_durable = message(&counts, "a", START_MS + 4);
    row::mark_repeat(&mut never_durable.events, bus::Offset(offset.0 + 1));
    run.append(&[seen_by_other, never_durable]).await;
    until("rows are done with", || run.rows("counts") == 3 && run.rows("other") == 1).await;
    let counted = |rule: &str| {
        let counts = run.windows.figures()[rule].counts.clone();
        (counts.folded, counts.repeated)
    };
    assert_eq!((counted("counts"), counted("other")), ((2, 1), (1, 0)));
    run.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nobody_can_read_become_dead_letters() {
    let counts = definition("counts", "");
    let gone = definition("gone", "");
    let place = Place::new(&[&counts]);
    let run = place.open(Fuse::default()).await;
    let mut later_version = message(&counts, "a", START_MS + 1);
    later_version.events[0].data = bytes::Bytes::from_static(&[9, 9, 9]);
    let mut later_row = message(&counts, "a", START_MS + 1);
    let mut data = later_row.events[0].data.to_vec();
    data[9] = 99;
    later_row.events[0].data = data.into();
    run.append(&[
        later_version,
        later_row,
        message(&gone, "a", START_MS + 1),
        message(&counts, "a", START_MS + 1),
    ])
    .await;
    until("the good one is folded", || run.rows("counts") == 1).await;
    until("all are settled", || run.bus.ledger().iter().all(|row| row.counts.waiting == 0)).await;
    let dead: u64 = run.bus.ledger().iter().map(|row| row.counts.dead_lettered).sum();
    assert_eq!(dead, 3);
    run.close().await;
}
