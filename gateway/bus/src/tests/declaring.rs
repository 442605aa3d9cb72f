use super::*;

const HOOK: &str = "http/hook";

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_target_is_refused_with_the_nearest_name() {
    let place = Place::new();
    let bus = place.open();
    bus.set_target(name("http/hook"), Scripted::taking(), quick()).await.unwrap();
    for (target, expected) in [
        (
            "http/hok",
            "unknown target `http/hok` in rule `rule`; did you mean `http/hook`?; declare it, or change the rule",
        ),
        ("zzz/q", "unknown target `zzz/q` in rule `rule`; declare it, or change the rule"),
    ] {
        let refused = bus.producer().append(&record("a", "rule", target, "0")).await.unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_lane_is_not_owed_the_past_but_a_crash_after_its_first_event_is() {
    let mut place = Place::new();
    place.settings.commit_interval = Duration::from_secs(3600);
    let bus = place.open();
    bus.set_target(name("http/old"), Scripted::taking(), quick()).await.unwrap();
    append(&bus, "a", "http/old", 0..10).await;
    bus.set_target(name(HOOK), Scripted::gated(0, |_| Outcome::Delivered), quick()).await.unwrap();
    append(&bus, "a", HOOK, 0..2).await;
    crash(bus).await;
    let bus = place.open();
    assert_eq!(books(&bus, HOOK), "accepted 2 delivered 0 dead 0 waiting 2 dropped []");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_target_ends_its_calls_and_loses_nothing() {
    let place = Place::new();
    let bus = place.open();
    let old = Scripted::gated(5, |_| Outcome::Delivered);
    let settings = DeliverySettings { concurrency_max: 1, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&old) as _, settings.clone()).await.unwrap();
    append(&bus, "a", HOOK, 0..10).await;
    until("the sixth call hangs", || old.calls() == 6).await;
    let new = Scripted::taking();
    bus.set_target(name(HOOK), Arc::clone(&new) as _, settings).await.unwrap();
    old.gate.add_permits(1);
    until_books(&bus, HOOK, "accepted 10 delivered 10 dead 0 waiting 0 dropped []").await;
    assert_eq!((old.taken()["a"].clone(), new.taken()["a"].clone()), (numbers(0..6), numbers(6..10)));
    assert_eq!((old.closed.load(Ordering::SeqCst), new.closed.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_removed_target_goes_where_it_was_told() {
    for (removal, expected, refuses) in [
        (Removal::Keep, "accepted 10 delivered 1 dead 0 waiting 9 dropped []", false),
        (Removal::DeadLetter, "accepted 10 delivered 1 dead 9 waiting 0 dropped []", true),
        (Removal::Drop, "accepted 10 delivered 1 dead 0 waiting 0 dropped [target_removed 9]", true),
    ] {
        let place = Place::new();
        let bus = place.open();
        let target = Scripted::gated(1, |_| Outcome::Delivered);
        let settings =
            DeliverySettings { concurrency_max: 1, delivery_time_max: Duration::from_millis(50), ..quick() };
        bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
        append(&bus, "a", HOOK, 0..10).await;
        until("a call hangs", || target.calls() == 2).await;
        bus.remove_target(&name(HOOK), removal).await.unwrap();
        until_books(&bus, HOOK, expected).await;
        assert_eq!(target.closed.load(Ordering::SeqCst), 1);
        assert_eq!(bus.audit().await, []);
        let appended = bus.send(&record("a", "rule", HOOK, "10")).await;
        assert_eq!(appended.is_err(), refuses, "{removal:?}");

        bus.drain(PATIENCE).await.unwrap();
        crash(bus).await;
        let bus = place.open();
        let appended = bus.send(&record("a", "rule", HOOK, "11")).await;
        assert_eq!(appended.is_err(), refuses, "{removal:?} after a restart");
        let again = Scripted::taking();
        bus.set_target(name(HOOK), Arc::clone(&again) as _, quick()).await.unwrap();
        append(&bus, "a", HOOK, 12..13).await;
        let expected = if refuses { numbers(12..13) } else { numbers(1..13) };
        until("the rest", || again.taken_count() == expected.len()).await;
        assert_eq!(again.taken()["a"], expected, "{removal:?}");
    }
}
