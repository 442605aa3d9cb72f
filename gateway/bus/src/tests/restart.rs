use super::*;

const HOOK: &str = "http/hook";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_durable_is_delivered_after_a_crash_under_the_same_id() {
    let place = Place::new();
    let bus = place.open();
    let dead = Scripted::gated(0, |_| Outcome::Delivered);
    bus.set_target(name(HOOK), Arc::clone(&dead) as _, quick()).await.unwrap();
    append(&bus, "a", HOOK, 0..20).await;
    until("a call", || dead.calls() == 1).await;
    let first_id = dead.calls.lock()[0][0].id.clone();
    crash(bus).await;

    let bus = place.open();
    assert_eq!(books(&bus, HOOK), "accepted 20 delivered 0 dead 0 waiting 20 dropped []");
    assert_eq!(bus.audit().await, [], "of a lane that nobody serves");
    let target = Scripted::taking();
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    until_books(&bus, HOOK, "accepted 20 delivered 20 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], numbers(0..20));
    assert_eq!(target.taken.lock()[0].id, first_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_settled_above_a_stuck_event_is_not_sent_again() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|delivery| match delivery.partition_key.as_str() {
        "stuck" => Outcome::retry("BUSY", "later"),
        _ => Outcome::Delivered,
    });
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    for round in 0..10 {
        append(&bus, "free", HOOK, round * 10..round * 10 + 10).await;
        append(&bus, "stuck", HOOK, round..round + 1).await;
    }
    until_books(&bus, HOOK, "accepted 110 delivered 100 dead 0 waiting 10 dropped []").await;
    bus.drain(Duration::from_secs(5)).await.unwrap();
    crash(bus).await;

    for _ in 0..2 {
        let bus = place.open();
        let target = Scripted::new(|_| Outcome::retry("BUSY", "later"));
        bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
        until("a call", || target.calls() > 0).await;
        assert_eq!(books(&bus, HOOK), "accepted 110 delivered 100 dead 0 waiting 10 dropped []");
        assert_eq!(bus.audit().await, []);
        assert!(target.seen().iter().all(|(key, data, _)| key == "stuck" && data == "0"));
        bus.drain(Duration::from_secs(5)).await.unwrap();
        crash(bus).await;
    }
    let bus = place.open();
    let target = Scripted::taking();
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    until_books(&bus, HOOK, "accepted 110 delivered 110 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["stuck"], numbers(0..10));
    assert_eq!(target.taken_count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_calls_but_not_for_ever() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(3, |_| Outcome::Delivered);
    let settings = DeliverySettings { concurrency_max: 1, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    append(&bus, "a", HOOK, 0..10).await;
    until("the fourth call hangs", || target.calls() == 4).await;
    bus.drain(Duration::from_millis(20)).await.unwrap();
    assert_eq!(target.closed.load(Ordering::SeqCst), 1);
    crash(bus).await;

    let bus = place.open();
    assert_eq!(books(&bus, HOOK), "accepted 10 delivered 3 dead 0 waiting 7 dropped []");
    let target = Scripted::taking();
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    until_books(&bus, HOOK, "accepted 10 delivered 10 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], numbers(3..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_the_state_store_loses_no_event() {
    let place = Place::new();
    let bus = place.open();
    bus.set_target(name(HOOK), Scripted::gated(0, |_| Outcome::Delivered), quick()).await.unwrap();
    append(&bus, "a", HOOK, 0..10).await;
    crash(bus).await;
    std::fs::remove_dir_all(place.directory.path().join("state")).unwrap();

    let bus = place.open();
    assert_eq!(books(&bus, HOOK), "accepted 10 delivered 0 dead 0 waiting 10 dropped []");
    let target = Scripted::taking();
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    until_books(&bus, HOOK, "accepted 10 delivered 10 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], numbers(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_trimmed_up_to_who_needs_it_most() {
    let mut place = Place::new();
    place.segment_bytes = 64 << 10;
    let bus = place.open();
    let target = Scripted::gated(0, |_| Outcome::Delivered);
    let settings = DeliverySettings { batch_events_max: 100, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    let floor = bus.register_floor("sessions", Offset(0));
    bus.begin_trimming();
    let oldest = bus.shared.journal.oldest();
    let large = "x".repeat(8 << 10);
    let mut producer = bus.producer();
    for _ in 0..50 {
        producer.append(&record("a", "rule", HOOK, &large)).await.unwrap();
    }
    until_books(&bus, HOOK, "accepted 50 delivered 0 dead 0 waiting 50 dropped []").await;
    floor.raise(*bus.frontier().borrow());
    // The lane still owes all of it: more turns of the trimmer change nothing.
    append(&bus, "b", HOOK, 0..20).await;
    assert_eq!(bus.shared.journal.oldest(), oldest);
    target.gate.add_permits(1000);
    until_books(&bus, HOOK, "accepted 70 delivered 70 dead 0 waiting 0 dropped []").await;
    until("trimmed", || bus.shared.journal.oldest() > oldest).await;
    let kept = bus.shared.journal.oldest();
    let other = bus.register_floor("archive", kept);
    for _ in 0..50 {
        producer.append(&record("a", "rule", HOOK, &large)).await.unwrap();
    }
    until_books(&bus, HOOK, "accepted 120 delivered 120 dead 0 waiting 0 dropped []").await;
    floor.raise(*bus.frontier().borrow());
    append(&bus, "b", HOOK, 0..5).await;
    assert_eq!(bus.shared.journal.oldest(), kept, "the archive needs it");
    drop(other);
    until("trimmed again", || bus.shared.journal.oldest() > kept).await;
}

/// The bug this guards against: a lane that had so far read only other lanes' records held nothing, and
/// took what the books said was waiting for lost.
#[tokio::test(flavor = "multi_thread")]
async fn events_far_behind_those_of_others_are_not_taken_for_lost() {
    let place = Place::new();
    let bus = place.open();
    bus.set_target(name(HOOK), Scripted::taking(), quick()).await.unwrap();
    bus.remove_target(&name(HOOK), Removal::Keep).await.unwrap();
    bus.set_target(name("http/busy"), Scripted::taking(), quick()).await.unwrap();
    append(&bus, "a", "http/busy", 0..3000).await;
    append(&bus, "a", HOOK, 0..3).await;
    bus.drain(PATIENCE).await.unwrap();
    crash(bus).await;

    let bus = place.open();
    let target = Scripted::taking();
    let settings = DeliverySettings { window_events_max: 1, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    assert_eq!(bus.audit().await, []);
    until_books(&bus, HOOK, "accepted 3 delivered 3 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], numbers(0..3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_sends_again_is_booked_as_replayed_and_says_so() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::taking();
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    append(&bus, "a", HOOK, 0..2).await;
    let replay = record::Replay { name: "again".to_owned(), at_ms: 1_700_000_900_000 };
    let again = Record {
        origin: Origin::Replayed { event_id: "as it was".to_owned() },
        replay: Some(replay.clone()),
        ..record("a", "rule", HOOK, "7")
    };
    bus.send(&again).await.unwrap();
    until_books(&bus, HOOK, "accepted 3 delivered 3 dead 0 waiting 0 dropped []").await;
    let delivery = target.taken.lock().last().cloned().unwrap();
    assert_eq!((delivery.id.as_str(), delivery.replay.as_ref()), ("as it was", Some(&replay)));
    assert_eq!((delivery.accepted_at_ms, delivery.arrived_at_ms()), (1_700_000_000_000, 1_700_000_900_000));
    assert!(delivery.cloud_event_attributes().contains(&("replayname", "again".to_owned())));
    assert_eq!(counts(&bus, "rule", HOOK).replayed, 1);
    bus.drain(PATIENCE).await.unwrap();
    crash(bus).await;
    assert_eq!(counts(&place.open(), "rule", HOOK).replayed, 1);
}

/// A view that moves its floor when it is asked to.
struct Idle {
    handle: std::sync::OnceLock<ViewHandle>,
    shown: tokio::sync::watch::Receiver<Offset>,
}

impl View for Idle {
    fn observe(&self, _: &[Delivery]) -> Declined {
        Declined::new()
    }

    fn make_room(&self) {
        self.handle.get().unwrap().raise_floor(*self.shown.borrow());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_a_full_journal_is_named_and_asked_for_room() {
    let mut place = Place::new();
    place.segment_bytes = 64 << 10;
    place.disk_bytes_max = 6 * place.segment_bytes;
    let bus = place.open();
    bus.set_target(name(HOOK), Scripted::new(|_| Outcome::Delivered) as _, quick()).await.unwrap();
    let view = Arc::new(Idle { handle: std::sync::OnceLock::new(), shown: bus.frontier() });
    let queue = name("queue/idle");
    let handle = bus.set_view(queue, Arc::clone(&view) as _, None, LaneLimits::default()).await.unwrap();
    view.handle.set(handle).unwrap();
    let floor = bus.register_floor("sessions", Offset(0));
    let (large, mut producer) = ("x".repeat(8 << 10), bus.producer());
    for taken in 0.. {
        assert!(taken < 100, "the journal has a limit");
        producer.append(&record("a", "rule", HOOK, &large)).await.unwrap();
        if producer.next_outcome().await.1.is_err() {
            break;
        }
    }
    let pins = bus.pins();
    for by in ["queue/idle", "sessions"] {
        let pin = pins.iter().find(|pin| pin.by == by).unwrap();
        assert_eq!((pin.from, pin.bytes), (Offset(0), bus.shared.journal.bytes_on_disk()), "{by}");
    }
    assert!(bus.shared.journal.is_short_of_room());
    bus.begin_trimming();
    until("the floor is asked for", || floor.is_wanted()).await;
    floor.raise(*bus.frontier().borrow());
    until("there is room", || !bus.shared.journal.is_short_of_room()).await;
    assert_eq!(bus.shared.journal.health(), journal::Health::Working, "nobody appended, and yet");
    assert!(bus.pins().iter().all(|pin| pin.bytes <= 2 * place.segment_bytes));
    producer.append(&record("a", "rule", HOOK, &large)).await.unwrap();
    producer.next_outcome().await.1.unwrap();
}
