//! What a lane that lags owes is moved aside.

use journal::storage::faulty::FaultyStorage;

use super::*;

const HOOK: &str = "http/hook";
const BUSY: &str = "http/busy";

/// A place with small segments, where a lane may keep four of them from being trimmed.
fn place() -> Place {
    let mut place = Place::new();
    place.segment_bytes = 64 << 10;
    place.settings.aside = Some(aside(AsideSettings::in_directory(
        place.directory.path().join("aside"),
        side_journal(place.segment_bytes),
    )));
    place
}

pub(super) fn side_journal(segment_bytes: u64) -> journal::Settings {
    journal::Settings { segment_bytes, record_bytes_max: 16 << 10, ..journal::Settings::default() }
}

pub(super) fn aside(mut settings: AsideSettings) -> AsideSettings {
    settings.pinned_bytes_max = 256 << 10;
    settings.bytes_max = 64 << 20;
    settings.view_kinds = &["queue"];
    settings
}

fn dead() -> Arc<Scripted> {
    Scripted::new(|_| Outcome::retry("REFUSED", "connection refused"))
}

/// Makes the journal grow by about a segment with records that are of no concern to `HOOK`.
pub(super) async fn grow(bus: &Bus, segments: u32) {
    let large = "x".repeat(8 << 10);
    let mut producer = bus.producer();
    for _ in 0..segments * 7 {
        producer.append(&record("b", "rule", BUSY, &large)).await.unwrap();
    }
    while producer.unclaimed() > 0 {
        producer.next_outcome().await.1.unwrap();
    }
}

pub(super) fn stats(bus: &Bus, target: &str) -> LaneStats {
    bus.stats().lanes.into_iter().find(|lane| lane.target == target).unwrap()
}

pub(super) async fn declare(bus: &Bus, target: &str, scripted: &Arc<Scripted>) {
    bus.set_target(name(target), Arc::clone(scripted) as _, quick()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_lags_does_not_keep_the_journal_from_being_trimmed() {
    let place = place();
    let bus = place.open();
    declare(&bus, HOOK, &dead()).await;
    declare(&bus, BUSY, &Scripted::taking()).await;
    bus.begin_trimming();
    append(&bus, "a", HOOK, 0..200).await;
    let behind = *bus.frontier().borrow();
    grow(&bus, 20).await;
    until("the journal is trimmed beyond what is owed", || bus.shared.journal.oldest() > behind).await;
    assert_eq!(stats(&bus, HOOK).moved_aside_events, 200);
    assert!(stats(&bus, HOOK).aside_bytes > 0);
    assert_eq!(books(&bus, HOOK), "accepted 200 delivered 0 dead 0 waiting 200 dropped []");
    assert_eq!(bus.audit().await, []);

    append(&bus, "a", HOOK, 200..210).await;
    let revived = Scripted::taking();
    declare(&bus, HOOK, &revived).await;
    until_books(&bus, HOOK, "accepted 210 delivered 210 dead 0 waiting 0 dropped []").await;
    assert_eq!(revived.taken()["a"], numbers(0..210));
    until("the side journal is gone", || stats(&bus, HOOK).aside_bytes == 0).await;
    let files = || std::fs::read_dir(place.directory.path().join("aside/http/hook")).unwrap();
    let is_segment = |name: &str| name.ends_with(".segment") || name.ends_with(".index");
    until("and its files", || !files().any(|file| is_segment(&file.unwrap().file_name().to_string_lossy())))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_aside_is_delivered_after_a_restart_under_the_same_ids() {
    let place = place();
    let bus = place.open();
    let target = dead();
    declare(&bus, HOOK, &target).await;
    declare(&bus, BUSY, &Scripted::taking()).await;
    bus.begin_trimming();
    append(&bus, "a", HOOK, 0..50).await;
    until("a try", || target.calls() > 0).await;
    let first_id = target.calls.lock()[0][0].id.clone();
    grow(&bus, 20).await;
    until("all is aside", || stats(&bus, HOOK).moved_aside_events == 50).await;
    let behind = bus.shared.lane(HOOK).unwrap().aside.until();
    until("and trimmed", || bus.shared.journal.oldest() > Offset(50)).await;
    assert!(behind > Offset(50));
    crash(bus).await;

    for _ in 0..2 {
        let bus = place.open();
        assert_eq!(books(&bus, HOOK), "accepted 50 delivered 0 dead 0 waiting 50 dropped []");
        assert_eq!(bus.audit().await, [], "of a lane that nobody serves");
        declare(&bus, HOOK, &dead()).await;
        bus.begin_trimming();
        assert_eq!(bus.audit().await, []);
        crash(bus).await;
    }
    let bus = place.open();
    let revived = Scripted::taking();
    declare(&bus, HOOK, &revived).await;
    until_books(&bus, HOOK, "accepted 50 delivered 50 dead 0 waiting 0 dropped []").await;
    assert_eq!(revived.taken()["a"], numbers(0..50));
    assert_eq!(revived.taken.lock()[0].id, first_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_declared_any_more_is_moved_aside_too_but_not_one_that_may_be_a_view() {
    let place = place();
    let bus = place.open();
    for target in [HOOK, "queue/q"] {
        declare(&bus, target, &dead()).await;
        append(&bus, "a", target, 0..50).await;
    }
    bus.drain(PATIENCE).await.unwrap();
    crash(bus).await;

    let bus = place.open();
    declare(&bus, BUSY, &Scripted::taking()).await;
    bus.begin_trimming();
    grow(&bus, 20).await;
    until("it is aside", || stats(&bus, HOOK).moved_aside_events == 50).await;
    assert_eq!(stats(&bus, "queue/q").moved_aside_events, 0);
    let row = || bus.shared.lane(HOOK).unwrap().row().unwrap();
    until("and noted", || !row().aside.is_empty()).await;
    assert_eq!(bus.audit().await, []);
    let target = Scripted::taking();
    declare(&bus, HOOK, &target).await;
    until_books(&bus, HOOK, "accepted 50 delivered 50 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], numbers(0..50));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_settled_is_not_moved_and_an_event_that_is_aside_makes_its_error_document() {
    let place = place();
    let bus = place.open();
    let target = Scripted::new(|delivery| match delivery.partition_key.as_str() {
        "stuck" => Outcome::retry("BUSY", "later"),
        _ => Outcome::Delivered,
    });
    declare(&bus, HOOK, &target).await;
    declare(&bus, BUSY, &Scripted::taking()).await;
    let errors = Scripted::taking();
    declare(&bus, "http/errors", &errors).await;
    let mut failing = record("stuck", "rule", HOOK, "0");
    failing.events[0].error_route = Some(Route::to(name("http/errors")));
    bus.send(&failing).await.unwrap();
    append(&bus, "free", HOOK, 0..300).await;
    until_books(&bus, HOOK, "accepted 301 delivered 300 dead 0 waiting 1 dropped []").await;
    bus.begin_trimming();
    grow(&bus, 20).await;
    until("it is trimmed", || bus.shared.journal.oldest() > Offset(300)).await;
    assert_eq!(stats(&bus, HOOK).moved_aside_events, 1);
    target.answer(|_| Outcome::reject("NO", "never"));
    until_books(&bus, HOOK, "accepted 301 delivered 300 dead 1 waiting 0 dropped []").await;
    until("the document", || errors.taken_count() == 1).await;
    assert_eq!(bus.stats().error_documents_skipped, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn short_memory_finds_events_that_were_moved_after_they_were_read() {
    let place = place();
    let bus = place.open();
    let target = dead();
    let settings = DeliverySettings { window_bytes_max: 10, batch_events_max: 7, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    declare(&bus, BUSY, &Scripted::taking()).await;
    append(&bus, "a", HOOK, 0..500).await;
    append(&bus, "b", HOOK, 0..500).await;
    bus.begin_trimming();
    grow(&bus, 20).await;
    until("it is trimmed", || bus.shared.journal.oldest() > Offset(1000)).await;
    target.answer(|_| Outcome::Delivered);
    until_books(&bus, HOOK, "accepted 1000 delivered 1000 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], numbers(0..500));
    assert_eq!(target.taken()["b"], numbers(0..500));
}

/// Fills the side journal of a dead target to its bound, with a policy.
async fn beyond_the_bound(overflow: Overflow) -> (Place, Bus) {
    let mut place = place();
    if let Some(settings) = &mut place.settings.aside {
        settings.bytes_max = 128 << 10;
    }
    place.settings.admission_wait_max = Duration::ZERO;
    let bus = place.open();
    let limits = LaneLimits { overflow, ..LaneLimits::default() };
    bus.set_target(name(HOOK), dead(), DeliverySettings { limits, ..quick() }).await.unwrap();
    declare(&bus, BUSY, &Scripted::taking()).await;
    bus.begin_trimming();
    let large = "y".repeat(8 << 10);
    let rounds = if overflow == Overflow::Block { 200 } else { 24 };
    for _ in 0..rounds {
        if bus.send(&record("a", "rule", HOOK, &large)).await.is_err() {
            break;
        }
        grow(&bus, 1).await;
    }
    (place, bus)
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_a_lane_that_blocks_accepts_no_more_and_the_others_go_on() {
    let (_place, bus) = beyond_the_bound(Overflow::Block).await;
    until("it is shut", || bus.shared.lane(HOOK).unwrap().gauge.is_shut()).await;
    let accepted = counts(&bus, "rule", HOOK).accepted;
    assert!((8..200).contains(&accepted), "{accepted}");
    let end = *bus.frontier().borrow();
    grow(&bus, 20).await;
    until("what was accepted is moved all the same", || bus.shared.journal.oldest() > end).await;
    let revived = Scripted::taking();
    declare(&bus, HOOK, &revived).await;
    until("everything is delivered", || counts(&bus, "rule", HOOK).delivered == accepted).await;
    until("it takes more again", || !bus.shared.lane(HOOK).unwrap().gauge.is_shut()).await;
    bus.send(&record("a", "rule", HOOK, "more")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_the_oldest_are_given_up_as_the_policy_says() {
    for (overflow, is_dropped) in [(Overflow::DropOldest, true), (Overflow::DeadLetter, false)] {
        let (_place, bus) = beyond_the_bound(overflow).await;
        until("some are given up", || {
            let counts = counts(&bus, "rule", HOOK);
            let dropped = counts.dropped.get(&DropReason::Overflow).copied().unwrap_or(0);
            (if is_dropped { dropped } else { counts.dead_lettered }) > 0
        })
        .await;
        until("it is within its bound", || stats(&bus, HOOK).aside_bytes <= 256 << 10).await;
        assert!(counts(&bus, "rule", HOOK).balance());
        assert_eq!(bus.audit().await, []);
    }
}

/// Kills the process in the middle of a copy, at every operation on the disk there is, and of what was not synced keeps what a seed decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_cut_off_anywhere_loses_and_doubles_nothing() {
    let mut cut = 0;
    for cut_after in 1..20 {
        let mut place = place();
        let storage = Arc::new(Mutex::new(FaultyStorage::new()));
        storage.lock().crash_after(cut_after);
        let chosen = Arc::clone(&storage);
        let settings = side_journal(place.segment_bytes);
        place.settings.aside =
            Some(aside(AsideSettings::in_storage(settings, move |_| Ok(Arc::new(chosen.lock().clone())))));
        let bus = place.open();
        declare(&bus, HOOK, &dead()).await;
        declare(&bus, BUSY, &Scripted::taking()).await;
        bus.begin_trimming();
        for round in 0..10 {
            append(&bus, "a", HOOK, round * 10..round * 10 + 10).await;
            grow(&bus, 2).await;
        }
        crash(bus).await;
        cut += u32::from(storage.lock().operations() >= cut_after);
        let left = if cut_after % 2 == 0 {
            storage.lock().power_loss(cut_after)
        } else {
            storage.lock().process_killed()
        };
        *storage.lock() = left;

        let bus = place.open();
        assert_eq!(books(&bus, HOOK), "accepted 100 delivered 0 dead 0 waiting 100 dropped []");
        assert_eq!(bus.audit().await, [], "cut after {cut_after}");
        let target = Scripted::taking();
        declare(&bus, BUSY, &Scripted::taking()).await;
        bus.begin_trimming();
        grow(&bus, 12).await;
        declare(&bus, HOOK, &target).await;
        until_books(&bus, HOOK, "accepted 100 delivered 100 dead 0 waiting 0 dropped []").await;
        assert_eq!(target.taken()["a"], numbers(0..100), "cut after {cut_after}");
    }
    assert!(cut >= 10, "only {cut} of the copies were cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_larger_than_records_may_be_today_is_moved_aside_too() {
    let place = place();
    let settings = journal::Settings {
        segment_bytes: 1 << 20,
        record_bytes_max: 512 << 10,
        clock: place.settings.clock.clone(),
        ..journal::Settings::default()
    };
    let journal = Journal::open(place.directory.path().join("journal"), settings).unwrap();
    let large = "x".repeat(300 << 10);
    let mut producer = journal.producer();
    producer.append(record("a", "rule", HOOK, &large).encode().unwrap()).await.unwrap();
    producer.next_outcome().await.1.unwrap();
    journal.close();
    drop((producer, journal));

    let bus = place.open();
    declare(&bus, HOOK, &dead()).await;
    declare(&bus, BUSY, &Scripted::taking()).await;
    bus.begin_trimming();
    grow(&bus, 20).await;
    until("it is aside", || stats(&bus, HOOK).moved_aside_events == 1).await;
    until("and trimmed", || bus.shared.journal.oldest() > Offset(0)).await;
    crash(bus).await;

    let bus = place.open();
    let revived = Scripted::taking();
    declare(&bus, HOOK, &revived).await;
    until_books(&bus, HOOK, "accepted 1 delivered 1 dead 0 waiting 0 dropped []").await;
    assert_eq!(revived.taken()["a"], [large]);
}
