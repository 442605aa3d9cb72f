use super::*;

const HOOK: &str = "http/hook";

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_in_order_of_their_key_through_failures() {
    let place = Place::new();
    let bus = place.open();
    let tries = Mutex::new(HashMap::new());
    let target = Scripted::new(move |delivery| {
        let mut tries = tries.lock();
        let tried: &mut u32 = tries.entry(delivery.id.clone()).or_default();
        *tried += 1;
        // Every third event fails twice.
        let number: u32 = text(delivery).parse().unwrap();
        if number.is_multiple_of(3) && *tried < 3 {
            Outcome::retry("BUSY", "later")
        } else {
            Outcome::Delivered
        }
    });
    let settings = DeliverySettings { batch_events_max: 4, concurrency_max: 3, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    for client in ["a", "b", "c", "d", "e"] {
        append(&bus, client, HOOK, 0..30).await;
    }
    until_books(&bus, HOOK, "accepted 150 delivered 150 dead 0 waiting 0 dropped []").await;
    for (client, taken) in target.taken() {
        assert_eq!(taken, numbers(0..30), "{client}");
    }
    assert_eq!(bus.audit().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_key_blocks_itself_alone() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|delivery| match delivery.partition_key.as_str() {
        "stuck" => Outcome::retry("BUSY", "later"),
        _ => Outcome::Delivered,
    });
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    append(&bus, "stuck", HOOK, 0..3).await;
    append(&bus, "free", HOOK, 0..100).await;
    until_books(&bus, HOOK, "accepted 103 delivered 100 dead 0 waiting 3 dropped []").await;
    assert!(target.seen().iter().filter(|(key, ..)| key == "stuck").all(|(_, data, _)| data == "0"));
    target.answer(|_| Outcome::Delivered);
    until_books(&bus, HOOK, "accepted 103 delivered 103 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["stuck"], numbers(0..3));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_keep_to_count_and_bytes() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(0, |_| Outcome::Delivered);
    let settings =
        DeliverySettings { batch_events_max: 10, batch_bytes_max: 6, concurrency_max: 1, ..quick() };
    append_while_gated(&bus, &target, settings).await;
    // The first call took the one event there was; the others hold six one-digit numbers, or three of two.
    let sizes: Vec<usize> = target.calls.lock().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 6, 4, 3, 3]);
}

async fn append_while_gated(bus: &Bus, target: &Arc<Scripted>, settings: DeliverySettings) {
    bus.set_target(name(HOOK), Arc::clone(target) as _, settings).await.unwrap();
    append(bus, "a", HOOK, 0..1).await;
    until("the first call", || target.calls() == 1).await;
    append(bus, "a", HOOK, 1..17).await;
    until_books(bus, HOOK, "accepted 17 delivered 0 dead 0 waiting 17 dropped []").await;
    target.gate.add_permits(1000);
    until_books(bus, HOOK, "accepted 17 delivered 17 dead 0 waiting 0 dropped []").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_key_in_a_call_when_the_target_wants_it_so() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(0, |_| Outcome::Delivered);
    let settings = DeliverySettings { batch_events_max: 10, batch_same_key: false, ..quick() };
    append_while_gated(&bus, &target, settings).await;
    assert!(target.calls.lock().iter().all(|call| call.len() == 1));
    assert_eq!(target.taken()["a"], numbers(0..17));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_not_full_lingers() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::taking();
    let settings =
        DeliverySettings { batch_events_max: 5, batch_linger: Duration::from_secs(3600), ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    append(&bus, "a", HOOK, 0..12).await;
    until_books(&bus, HOOK, "accepted 12 delivered 10 dead 0 waiting 2 dropped []").await;
    assert!(target.calls.lock().iter().all(|call| call.len() == 5));
}

/// The bug this guards against: one bad event makes the whole call fail, so its neighbours use up their
/// tries and die with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_event_ends_alone() {
    let place = Place::new();
    let bus = place.open();
    let target = Arc::new(AllOrNothing);
    let mut settings = DeliverySettings { batch_events_max: 8, concurrency_max: 1, ..quick() };
    settings.retry.attempts_max = 6;
    settings.batch_linger = Duration::from_millis(100);
    bus.set_target(name(HOOK), target, settings).await.unwrap();
    let mut producer = bus.producer();
    for client in 0..32 {
        let data = if client == 13 { "poison" } else { "good" };
        producer.append(&record(&format!("client-{client}"), "rule", HOOK, data)).await.unwrap();
    }
    until_books(&bus, HOOK, "accepted 32 delivered 31 dead 1 waiting 0 dropped []").await;
}

/// The bug this guards against: those held back behind a bad event of their key are charged with its
/// tries, and die with it though they never had one.
#[tokio::test(flavor = "multi_thread")]
async fn those_behind_a_bad_event_of_their_key_do_not_die_with_it() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(0, |delivery| match &delivery.data[..] {
        b"1" => Outcome::retry("BAD", "it never works"),
        _ => Outcome::Delivered,
    });
    let mut settings = DeliverySettings { batch_events_max: 64, concurrency_max: 1, ..quick() };
    settings.retry.attempts_max = 3;
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    append(&bus, "a", HOOK, 0..1).await;
    until("the first call", || target.calls() == 1).await;
    append(&bus, "a", HOOK, 1..7).await;
    until_books(&bus, HOOK, "accepted 7 delivered 0 dead 0 waiting 7 dropped []").await;
    target.gate.add_permits(1000);
    until_books(&bus, HOOK, "accepted 7 delivered 6 dead 1 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], ["0", "2", "3", "4", "5", "6"]);
}

struct AllOrNothing;

#[async_trait]
impl Target for AllOrNothing {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let is_bad = batch.iter().any(|delivery| &delivery.data[..] == b"poison");
        let outcome =
            if is_bad { Outcome::retry("BAD", "something in it is bad") } else { Outcome::Delivered };
        vec![outcome; batch.len()]
    }
}

/// What goes wrong, in a target that misbehaves in the way its data say.
struct Misbehaving;

#[async_trait]
impl Target for Misbehaving {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        match &batch[0].data[..] {
            b"hang" => std::future::pending().await,
            b"panic" => panic!("as told"),
            _ => Vec::new(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_misbehaves_is_counted_and_tried_again() {
    let place = Place::new();
    for (data, code) in [("hang", "TIMEOUT"), ("panic", "PANIC"), ("silent", "NO_OUTCOME")] {
        let bus = place.open();
        let target = name(&format!("test/{data}"));
        let settings = DeliverySettings { delivery_time_max: Duration::from_millis(5), ..quick() };
        bus.set_target(target.clone(), Arc::new(Misbehaving), settings).await.unwrap();
        bus.send(&record("a", "rule", target.as_str(), data)).await.unwrap();
        let failures = || {
            let lane = bus.stats().lanes.into_iter().find(|lane| lane.target == target.as_str()).unwrap();
            lane.failures.get(code).copied().unwrap_or(0)
        };
        until(code, || failures() >= 2).await;
        crash(bus).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_may_ask_for_a_longer_wait() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|_| Outcome::Retry {
        reason: "come back tomorrow".to_owned(),
        code: "HTTP_429".to_owned(),
        after: Some(Duration::from_secs(3600)),
    });
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    append(&bus, "patient", HOOK, 0..1).await;
    until("the try", || bus.stats().lanes[0].retried == 1).await;
    // Others go on; once they have, the waiting one had every opportunity to be tried too early.
    target.answer(|_| Outcome::Delivered);
    append(&bus, "other", HOOK, 0..50).await;
    until_books(&bus, HOOK, "accepted 51 delivered 50 dead 0 waiting 1 dropped []").await;
    assert_eq!(target.seen().iter().filter(|(key, ..)| key == "patient").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_asks_everybody_to_wait_is_left_alone() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|_| Outcome::Retry {
        reason: "come back tomorrow".to_owned(),
        code: "HTTP_503".to_owned(),
        after: Some(Duration::from_secs(3600)),
    });
    let settings = DeliverySettings { concurrency_max: 1, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    for client in 0..20 {
        append(&bus, &format!("client-{client}"), HOOK, 0..1).await;
    }
    until("the second try", || bus.stats().lanes[0].retried == 2).await;
    until("it is left alone", || bus.stats().lanes[0].circuit == "open").await;
    until_books(&bus, HOOK, "accepted 20 delivered 0 dead 0 waiting 20 dropped []").await;
    assert_eq!(target.calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_handed_over_than_the_rate_allows() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::taking();
    let rate_per_second_max = NonZeroU32::new(200);
    bus.set_target(name(HOOK), Arc::clone(&target) as _, DeliverySettings { rate_per_second_max, ..quick() })
        .await
        .unwrap();
    let begun = std::time::Instant::now();
    append(&bus, "a", HOOK, 0..60).await;
    until_books(&bus, HOOK, "accepted 60 delivered 60 dead 0 waiting 0 dropped []").await;
    assert!(
        begun.elapsed() >= Duration::from_millis(195),
        "a tenth of a second's worth at once, then 40 in 0.2 s"
    );
    assert_eq!(target.taken()["a"], numbers(0..60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_target_costs_a_probe_now_and_then() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|_| Outcome::retry("REFUSED", "connection refused"));
    let mut settings = DeliverySettings { circuit_failures_max: 3, concurrency_max: 1, ..quick() };
    settings.retry.backoff_first = Duration::from_secs(3600);
    settings.retry.backoff_max = Duration::from_secs(3600);
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings.clone()).await.unwrap();
    for client in 0..50 {
        append(&bus, &format!("client-{client}"), HOOK, 0..2).await;
    }
    until("the circuit opens", || bus.stats().lanes[0].circuit == "open").await;
    until_books(&bus, HOOK, "accepted 100 delivered 0 dead 0 waiting 100 dropped []").await;
    assert_eq!(target.calls(), 3, "each call after these would be a probe, and that is an hour away");

    let revived = Scripted::taking();
    settings.retry.backoff_max = Duration::from_millis(5);
    bus.set_target(name(HOOK), Arc::clone(&revived) as _, settings).await.unwrap();
    until("all but the keys that wait", || revived.taken_count() == 94).await;
    assert_eq!(target.closed.load(Ordering::SeqCst), 1, "the replaced target was closed");
}

/// A function's retries come after minutes: each concerns its event, never the lane.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_waits_alone_holds_up_no_other_key() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|delivery| match delivery.partition_key.starts_with("ill") {
        true => Outcome::RetryAlone {
            reason: "the handler says no".to_owned(),
            code: "FUNCTION_ERROR".to_owned(),
            after: Duration::from_secs(3600),
        },
        false => Outcome::Delivered,
    });
    let settings = DeliverySettings { circuit_failures_max: 2, concurrency_max: 1, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    for client in ["ill-1", "ill-2", "ill-3"] {
        append(&bus, client, HOOK, 0..2).await;
    }
    until("each has failed", || target.calls() == 3).await;
    append(&bus, "well", HOOK, 0..3).await;
    until_books(&bus, HOOK, "accepted 9 delivered 3 dead 0 waiting 6 dropped []").await;
    assert_eq!(target.calls(), 6, "those that wait are not called again, nor what is behind them");
    assert_eq!(bus.stats().lanes[0].circuit, "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn short_memory_reads_events_again() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(1, |delivery| {
        if delivery.attempt < 3 { Outcome::retry("BUSY", "later") } else { Outcome::Delivered }
    });
    let settings =
        DeliverySettings { window_bytes_max: 10, window_events_max: 20, batch_events_max: 3, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    append(&bus, "a", HOOK, 0..100).await;
    target.gate.add_permits(10_000);
    until_books(&bus, HOOK, "accepted 100 delivered 100 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["a"], numbers(0..100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_misses_nothing_among_what_is_for_others_and_holds_none_of_it() {
    const OTHER: &str = "http/other";
    let place = Place::new();
    let bus = place.open();
    let (target, other) = (Scripted::taking(), Scripted::taking());
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    bus.set_target(name(OTHER), Arc::clone(&other) as _, quick()).await.unwrap();
    // More of the others' than a lane reads in one turn, from several at once, and one of its own now and then.
    let (first, second) = (append(&bus, "first", OTHER, 0..900), append(&bus, "second", OTHER, 0..900));
    let own = async {
        for number in 0..30 {
            append(&bus, "own", HOOK, [number]).await;
        }
    };
    tokio::join!(first, second, own);
    until_books(&bus, HOOK, "accepted 30 delivered 30 dead 0 waiting 0 dropped []").await;
    until_books(&bus, OTHER, "accepted 1800 delivered 1800 dead 0 waiting 0 dropped []").await;
    assert_eq!(target.taken()["own"], numbers(0..30));
    append(&bus, "first", OTHER, 0..100).await;
    let end = *bus.shared.journal.durable().borrow();
    let floor = || bus.shared.lane(HOOK).and_then(|lane| lane.floor());
    until("its floor passes what is for others", || floor() >= Some(end)).await;
    assert_eq!(bus.audit().await, []);
}

/// Whoever joins or leaves has counts committed, too, and nothing is due after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_floor_follows_what_is_for_others_though_counts_were_committed_for_somebody_who_joined() {
    const OTHER: &str = "http/other";
    let mut place = Place::new();
    place.settings.commit_interval = Duration::from_millis(500);
    let bus = place.open();
    bus.set_target(name(HOOK), Scripted::taking() as _, quick()).await.unwrap();
    bus.set_target(name(OTHER), Scripted::taking() as _, quick()).await.unwrap();
    append(&bus, "other", OTHER, 0..10).await;
    until_books(&bus, OTHER, "accepted 10 delivered 10 dead 0 waiting 0 dropped []").await;
    crate::observer::commit(&bus.shared, &mut bus.shared.observer.state.lock());
    let end = *bus.shared.journal.durable().borrow();
    let floor = || bus.shared.lane(HOOK).and_then(|lane| lane.floor());
    until("its floor passes what is for others", || floor() >= Some(end)).await;
}
