use super::*;

const HOOK: &str = "http/hook";

fn limited(overflow: Overflow) -> DeliverySettings {
    let limits = LaneLimits { waiting_events_max: 5, waiting_bytes_max: 1000, overflow };
    DeliverySettings { limits, concurrency_max: 1, ..quick() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_lane_that_blocks_refuses_and_says_who() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(0, |_| Outcome::Delivered);
    bus.set_target(name(HOOK), Arc::clone(&target) as _, limited(Overflow::Block)).await.unwrap();
    append(&bus, "a", HOOK, 0..5).await;
    until_books(&bus, HOOK, "accepted 5 delivered 0 dead 0 waiting 5 dropped []").await;
    let refused = bus.shared.append_at_once(&record("a", "rule", HOOK, "5")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "target `http/hook` has 5 events waiting, its limits are 5 events and 1000 bytes; try again later, \
         or raise the limits"
    );
    assert_eq!(bus.stats().refused_appends, 1);
    target.gate.add_permits(100);
    append(&bus, "a", HOOK, 5..30).await;
    until_books(&bus, HOOK, "accepted 30 delivered 30 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], numbers(0..30));
}

/// Two lanes that feed each other, both full of what waits for the other: without this neither ever got room.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lane_hands_on_is_taken_by_a_full_lane_that_is_fed_by_lanes() {
    let place = Place::new();
    let bus = place.open();
    let fed = DeliverySettings { takes_handed_on: true, ..limited(Overflow::Block) };
    for (target, settings) in [(HOOK, fed), ("http/outside", limited(Overflow::Block))] {
        bus.set_target(name(target), Scripted::gated(0, |_| Outcome::Delivered), settings).await.unwrap();
        append(&bus, "a", target, 0..5).await;
        until("it is full", || counts(&bus, "rule", target).waiting == 5).await;
    }
    let handed_on = |target: &str| Record { republished: 1, ..record("a", "rule", target, "5") };
    assert!(bus.shared.append_at_once(&record("a", "rule", HOOK, "5")).await.is_err());
    assert!(bus.shared.append_at_once(&handed_on("http/outside")).await.is_err());
    bus.shared.append_at_once(&handed_on(HOOK)).await.unwrap();
    until_books(&bus, HOOK, "accepted 6 delivered 0 dead 0 waiting 6 dropped []").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_room_takes_its_outcomes_meanwhile() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(0, |_| Outcome::Delivered);
    bus.set_target(name(HOOK), Arc::clone(&target) as _, limited(Overflow::Block)).await.unwrap();
    let mut producer = bus.producer();
    for number in 0..5 {
        let prepared = producer.prepare(&record("a", "rule", HOOK, &number.to_string())).unwrap();
        producer.try_append(prepared).unwrap();
    }
    let prepared = producer.prepare(&record("a", "rule", HOOK, "5")).unwrap();
    let Err(NotNow::NoRoom(prepared)) = producer.try_append(prepared) else { panic!("the lane is full") };
    let room = tokio::spawn(prepared.room());
    for _ in 0..5 {
        producer.next_outcome().await.1.unwrap();
    }
    assert_eq!(producer.unclaimed(), 0);
    target.gate.add_permits(100);
    producer.append_into(room.await.unwrap().unwrap()).unwrap();
    producer.next_outcome().await.1.unwrap();
    until_books(&bus, HOOK, "accepted 6 delivered 6 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], numbers(0..6));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_can_not_wait_is_refused_at_once() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(0, |_| Outcome::Delivered);
    bus.set_target(name(HOOK), Arc::clone(&target) as _, limited(Overflow::Block)).await.unwrap();
    append(&bus, "a", HOOK, 0..5).await;
    let mut producer = bus.producer();
    let begun = std::time::Instant::now();
    let refused = producer.append_within(&record("a", "rule", HOOK, "5"), Duration::ZERO).await;
    assert!(matches!(refused, Err(AppendError::Full { .. })), "{refused:?}");
    assert!(begun.elapsed() < bus.shared.settings.admission_wait_max / 2, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_are_dropped_and_counted() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(0, |_| Outcome::Delivered);
    bus.set_target(name(HOOK), Arc::clone(&target) as _, limited(Overflow::DropOldest)).await.unwrap();
    append(&bus, "a", HOOK, 0..1).await;
    until("the first is in flight", || target.calls() == 1).await;
    append(&bus, "a", HOOK, 1..20).await;
    until_books(&bus, HOOK, "accepted 20 delivered 0 dead 0 waiting 5 dropped [overflow 15]").await;
    assert_eq!(bus.audit().await, []);
    target.gate.add_permits(100);
    until_books(&bus, HOOK, "accepted 20 delivered 5 dead 0 waiting 0 dropped [overflow 15]").await;
    assert_eq!(target.taken()["a"], ["0", "16", "17", "18", "19"], "what is in flight stays");
}

/// One fsync for each event that is dropped would slow all that write to the same disk.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_that_takes_nothing_loses_is_not_written_down_event_by_event() {
    let mut place = Place::new();
    place.settings.commit_interval = Duration::from_secs(3600);
    let bus = place.open();
    let target = Scripted::gated(0, |_| Outcome::Delivered);
    bus.set_target(name(HOOK), Arc::clone(&target) as _, limited(Overflow::DropOldest)).await.unwrap();
    append(&bus, "a", HOOK, 0..1).await;
    until("the first is in flight", || target.calls() == 1).await;
    let written = || bus.shared.lane(HOOK).unwrap().row();
    let before = written();
    for number in 1..20 {
        append(&bus, "a", HOOK, number..number + 1).await;
    }
    until_books(&bus, HOOK, "accepted 20 delivered 0 dead 0 waiting 5 dropped [overflow 15]").await;
    assert_eq!(written(), before, "nobody needs it before the next call");
    target.gate.add_permits(1);
    until("the call after it", || target.calls() == 2).await;
    assert_ne!(written(), before, "nothing behind what was dropped goes before that is on disk");
    assert_eq!(target.seen()[1].1, "16");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_become_dead_letters() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|_| Outcome::retry("BUSY", "later"));
    bus.set_target(name(HOOK), target, limited(Overflow::DeadLetter)).await.unwrap();
    for client in 0..20 {
        append(&bus, &format!("client-{client}"), HOOK, [client]).await;
    }
    until_books(&bus, HOOK, "accepted 20 delivered 0 dead 15 waiting 5 dropped []").await;
    let page = bus.dead_letters(DeadLetterFilter::default(), None, 100).await.unwrap();
    assert!(page.letters.iter().all(|letter| letter.failure.error_code == dead_letters::OVERFLOW_CODE));
    assert_eq!(bus.dead_letter_counts()[&name(HOOK)].held, 15);
    assert_eq!(bus.audit().await, []);
}
