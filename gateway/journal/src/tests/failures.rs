use super::*;
use crate::Health;

#[tokio::test]
async fn an_fsync_that_failed_ends_the_segment_and_is_not_repeated() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_each(&journal, &["before"]).await;
    storage.fail_syncs(1);
    let failed = append_all(&journal, ["lost"]).await;
    assert!(matches!(failed[0].1, Err(CommitError::Failed { .. })), "{failed:?}");
    assert!(matches!(journal.health(), Health::Failing { .. }));
    assert_eq!(*journal.settled().borrow(), Offset(2), "failed is settled too");
    assert_eq!(journal.frontier(), Offset(1), "but no cursor passes it before something durable does");
    assert_eq!(append_each(&journal, &["after"]).await, [Offset(2)]);
    assert_eq!(journal.health(), Health::Working);
    assert_eq!(journal.frontier(), Offset(3));
    assert_eq!(journal.stats().segments_begun, 2);
    assert_eq!(journal.stats().failed_records, 1);
    assert_eq!(texts(&journal), ["before", "after"]);
    assert_eq!(journal.read_at(Offset(1)).unwrap(), None);
    for found in [storage.process_killed(), storage.power_loss(1), storage.power_loss(2)] {
        assert_eq!(
            texts(&open(&found)),
            ["before", "after"],
            "the next header states where the segment ended"
        );
    }
}

/// The bug this guards against: the next process read the batch from memory, its own fsync succeeded without writing
/// anything, and what it had taken for durable and handed on was gone once the power failed.
#[tokio::test]
async fn a_batch_whose_fsync_failed_is_written_again_before_the_next_process_trusts_it() {
    let mut trusted = 0;
    for seed in 0..20 {
        let storage = FaultyStorage::new().power_loss(seed);
        let journal = open(&storage);
        append_each(&journal, &["before"]).await;
        storage.fail_syncs(1);
        append_all(&journal, [vec![b'x'; 3000]]).await[0].1.as_ref().unwrap_err();
        let killed = storage.process_killed();
        drop(journal);
        let journal = open(&killed);
        let read = read_all(&journal);
        trusted += usize::from(read.len() == 2);
        let after = append_each(&journal, &["after"]).await;
        let found = open(&killed.power_loss(seed));
        assert!(found.recovery().is_whole(), "seed {seed}: {}", found.recovery());
        assert!(read_all(&found).starts_with(&read), "seed {seed}: what was read is gone");
        assert_eq!(found.read_at(after[0]).unwrap().unwrap().payload, "after");
    }
    assert_eq!(trusted, 20, "the system still shows what it could not write");
}

#[tokio::test]
async fn fsyncs_that_fail_again_and_again_do_not_fill_the_disk() {
    let storage = FaultyStorage::new();
    let journal = open_with(&storage, Settings { spare_segments: 1, ..small() });
    append_each(&journal, &["before"]).await;
    for _ in 0..20 {
        storage.fail_syncs(3);
        append_all(&journal, ["lost"]).await;
    }
    storage.fail_syncs(0);
    append_each(&journal, &["after"]).await;
    wait_until("empty segments are gone", || journal.bytes_on_disk() <= 4 * 64 * 1024);
    assert_eq!(texts(&journal), ["before", "after"]);
    assert_eq!(texts(&open(&storage.process_killed())), ["before", "after"]);
}

#[tokio::test]
async fn a_write_that_failed_leaves_nothing_and_the_segment_goes_on() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_each(&journal, &["before"]).await;
    for _ in 0..10 {
        storage.fail_writes(1);
        let failed = append_all(&journal, [vec![1; 9000]]).await;
        assert!(matches!(failed[0].1, Err(CommitError::Failed { .. })));
    }
    storage.fail_writes(0);
    append_each(&journal, &["after"]).await;
    assert_eq!(journal.stats().segments_begun, 1);
    assert_eq!(texts(&journal), ["before", "after"]);
    assert_eq!(texts(&open(&storage.process_killed())), ["before", "after"]);
}

#[tokio::test]
async fn short_writes_are_continued() {
    let storage = FaultyStorage::new();
    storage.set_short_writes(true);
    let journal = open(&storage);
    let payloads: Vec<Vec<u8>> = (0..100).map(|n| vec![n; 2000]).collect();
    append_all(&journal, payloads.clone()).await;
    assert!(read_all(&journal).iter().map(|(_, payload)| payload.to_vec()).eq(payloads));
}

#[tokio::test]
async fn a_full_disk_refuses_and_takes_again_without_a_restart() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_each(&journal, &["before"]).await;
    storage.set_capacity_bytes(Some(5000));
    let refused = append_all(&journal, [vec![1; 8000]]).await;
    let Err(error @ CommitError::Full { .. }) = &refused[0].1 else { panic!("{refused:?}") };
    assert!(error.to_string().contains("free space"), "{error}");
    assert!(matches!(journal.health(), Health::Full { .. }));
    append_each(&journal, &["small enough"]).await;
    storage.set_capacity_bytes(None);
    append_each(&journal, &["after"]).await;
    assert_eq!(journal.health(), Health::Working);
    assert_eq!(texts(&journal), ["before", "small enough", "after"]);
    assert_eq!(texts(&open(&storage.process_killed())), ["before", "small enough", "after"]);
}

/// A connection of MQTT 3.1.1 is closed at the first refusal, and its device sends that message and all behind it again.
#[tokio::test]
async fn what_stands_behind_a_failure_of_its_producer_fails_with_it() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_each(&journal, &["before"]).await;
    storage.set_capacity_bytes(Some(5000));
    let (mut one, mut other) = (journal.producer(), journal.producer());
    one.append(vec![b'1'; 8000]).await.expect("there is room in the queue");
    one.append("behind it").await.expect("there is room in the queue");
    assert!(matches!(one.next_outcome().await.1, Err(CommitError::Full { .. })));
    other.append("of another").await.expect("there is room in the queue");
    one.append("behind it, too, but after the failure was known").await.expect("there is room in the queue");
    assert!(matches!(one.next_outcome().await.1, Err(CommitError::Full { .. })));
    assert_eq!(one.next_outcome().await.1, Ok(()));
    assert_eq!(other.next_outcome().await.1, Ok(()));
    assert_eq!(texts(&journal), ["before", "of another", "behind it, too, but after the failure was known"]);
}

#[tokio::test]
async fn a_full_disk_at_a_new_segment_refuses_and_takes_again() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    storage.set_capacity_bytes(Some(70_000));
    let outcomes = append_all(&journal, (0..20).map(|n| vec![n; 10_000])).await;
    let taken = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    assert!((4..8).contains(&taken), "{taken}");
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Ok(()) | Err(CommitError::Full { .. }))));
    storage.set_capacity_bytes(None);
    append_each(&journal, &["after"]).await;
    assert_eq!(read_all(&journal).len(), taken + 1);
    assert_eq!(read_all(&open(&storage.process_killed())).len(), taken + 1);
}

#[tokio::test]
async fn the_limit_on_disk_space_holds_until_something_is_trimmed() {
    let limit = 3 * 64 * 1024;
    let journal =
        open_with(&FaultyStorage::new(), Settings { disk_bytes_max: limit, spare_segments: 1, ..small() });
    let outcomes = append_all(&journal, (0..40).map(|n| vec![n; 10_000])).await;
    let taken = outcomes.iter().take_while(|(_, outcome)| outcome.is_ok()).count();
    assert!((12..=18).contains(&taken), "{taken}");
    assert!(journal.bytes_on_disk() <= limit);
    assert!(matches!(journal.health(), Health::Full { .. }));
    journal.trim(outcomes[taken].0);
    wait_until("the trimmed segments are gone", || journal.bytes_on_disk() < limit);
    append_each(&journal, &["after"]).await;
    assert_eq!(journal.health(), Health::Working);
}

/// Whoever sends nothing before the journal says that it takes records again would otherwise wait for ever.
#[tokio::test]
async fn a_journal_that_was_full_says_so_itself_when_there_is_room_again() {
    let settings = Settings { disk_bytes_max: 3 * 64 * 1024, spare_segments: 0, ..small() };
    let journal = open_with(&FaultyStorage::new(), settings);
    let outcomes = append_all(&journal, (0..40).map(|n| vec![n; 10_000])).await;
    let taken = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    assert!(matches!(journal.health(), Health::Full { .. }));
    journal.trim(outcomes[taken].0);
    wait_until("the journal works, though nothing was appended", || journal.health() == Health::Working);
    append_each(&journal, &["after"]).await;
    assert_eq!(texts(&journal).last().map(String::as_str), Some("after"));
}

#[tokio::test]
async fn a_disk_that_was_full_or_failing_is_found_well_without_an_append() {
    let storage = FaultyStorage::new();
    let journal = open(&storage);
    append_each(&journal, &["before"]).await;
    storage.set_capacity_bytes(Some(5000));
    let refused = append_all(&journal, [vec![1; 8000]]).await;
    assert!(refused[0].1.is_err());
    assert!(matches!(journal.health(), Health::Full { .. }));
    storage.set_capacity_bytes(None);
    wait_until("the disk takes records again", || journal.health() == Health::Working);
    append_each(&journal, &["after"]).await;
    assert_eq!(texts(&open(&storage.process_killed())), ["before", "after"]);
}

#[tokio::test]
async fn the_last_bytes_of_a_disk_are_left_to_others() {
    let storage = FaultyStorage::new();
    let journal =
        open_with(&storage, Settings { disk_free_bytes_min: 100_000, spare_segments: 1, ..small() });
    append_each(&journal, &["before"]).await;
    storage.set_capacity_bytes(Some(1_000_000));
    append_each(&journal, &["while there is more"]).await;
    storage.set_capacity_bytes(Some(150_000));
    let outcomes = append_all(&journal, [vec![1; 8000]]).await;
    let Err(error @ CommitError::Full { .. }) = &outcomes[0].1 else { panic!("{outcomes:?}") };
    assert!(error.to_string().contains("`disk_free_bytes_min` is 100000"), "{error}");
    storage.set_capacity_bytes(None);
    wait_until("the disk takes records again", || journal.health() == Health::Working);
    append_each(&journal, &["after"]).await;
    assert_eq!(texts(&journal), ["before", "while there is more", "after"]);
}

/// The machine stops at every single change it makes while a script runs: what was acknowledged is there, in order.
#[test]
fn whatever_change_the_machine_stops_at_nothing_acknowledged_is_lost() {
    let mut crash_points = 0;
    for stop_at in 1.. {
        let storage = FaultyStorage::new();
        storage.crash_after(stop_at);
        let mut acknowledged = Vec::new();
        let Ok(journal) = Journal::open_in(Arc::new(storage.clone()), small()) else { continue };
        block_on(async {
            for round in 0..6u8 {
                let payloads = [vec![round; 9_000], vec![round + 100; 300], vec![round + 200; 12_000]];
                let outcomes = append_all(&journal, payloads.clone()).await;
                for ((offset, outcome), payload) in outcomes.into_iter().zip(payloads) {
                    if outcome.is_ok() {
                        acknowledged.push((offset, Bytes::from(payload)));
                    }
                }
            }
        });
        let all = acknowledged.len() == 18;
        for seed in 0..3 {
            let found = storage.power_loss(seed);
            let journal = open(&found);
            let read = read_all(&journal);
            assert!(read.starts_with(&acknowledged), "stopped at change {stop_at}, seed {seed}");
            assert!(journal.recovery().is_whole(), "{}", journal.recovery());
        }
        crash_points += 1;
        drop(journal);
        if all && storage.operations() < stop_at {
            break;
        }
    }
    assert!(crash_points > 20, "{crash_points}");
}
