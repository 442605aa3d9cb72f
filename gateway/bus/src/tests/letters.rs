use std::num::NonZeroU32;

use super::*;

const HOOK: &str = "http/hook";
const OTHER: &str = "http/hook-2";

/// A bus whose targets refuse everything, with `count` letters of the first and two of the second.
async fn refused(place: &Place, count: u32) -> (Bus, Arc<Scripted>) {
    let bus = place.open();
    let target = Scripted::new(|_| Outcome::reject("HTTP_400", "no"));
    let settings = DeliverySettings { concurrency_max: 1, batch_events_max: 10, ..quick() };
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings.clone()).await.unwrap();
    bus.set_target(name(OTHER), Scripted::new(|_| Outcome::reject("HTTP_500", "no")), settings)
        .await
        .unwrap();
    append(&bus, "a", HOOK, 0..count).await;
    append(&bus, "a", OTHER, 0..2).await;
    until("all refused", || {
        counts(&bus, "rule", HOOK).dead_lettered == u64::from(count)
            && counts(&bus, "rule", OTHER).dead_lettered == 2
    })
    .await;
    (bus, target)
}

fn of(target: &str) -> DeadLetterFilter {
    DeadLetterFilter { target: Some(name(target)), ..DeadLetterFilter::default() }
}

/// The data of every letter that matches, read in pages.
async fn listed(bus: &Bus, filter: DeadLetterFilter, letters_max: usize) -> Vec<String> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = bus.dead_letters(filter.clone(), after, letters_max).await.unwrap();
        assert!(page.letters.len() <= letters_max);
        listed.extend(page.letters.iter().map(|letter| text(&letter.delivery)));
        match page.next {
            Some(next) => after = Some(next),
            None => return listed,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_by_target_rule_and_code_in_pages() {
    let place = Place::new();
    let (bus, _) = refused(&place, 7).await;
    for letters_max in [1, 3, 7, 100] {
        assert_eq!(listed(&bus, of(HOOK), letters_max).await, numbers(0..7), "by {letters_max}");
        assert_eq!(listed(&bus, DeadLetterFilter::default(), letters_max).await.len(), 9);
    }
    let code = DeadLetterFilter { error_code: Some("HTTP_500".to_owned()), ..DeadLetterFilter::default() };
    assert_eq!(listed(&bus, code, 10).await.len(), 2);
    let rule = DeadLetterFilter { rule: Some("other".to_owned()), ..DeadLetterFilter::default() };
    assert_eq!(listed(&bus, rule, 10).await.len(), 0);
    let id: DeadLetterId = "http/hook#3".parse().unwrap();
    assert_eq!(text(&bus.dead_letter(id).await.unwrap().unwrap().delivery), "2");
    assert!("http/hook".parse::<DeadLetterId>().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_event_keeps_its_id_and_balances() {
    let place = Place::new();
    let (bus, target) = refused(&place, 3).await;
    let before: Vec<EventId> =
        target.calls.lock().iter().flatten().map(|delivery| delivery.id.clone()).collect();
    target.answer(|_| Outcome::Delivered);
    let rate = NonZeroU32::new(1000);
    assert_eq!(bus.redrive_dead_letters(of(HOOK), rate).await.unwrap(), 3);
    until_books(&bus, HOOK, "accepted 6 delivered 3 dead 3 waiting 0 dropped []").await;
    assert_eq!(counts(&bus, "rule", HOOK).redriven, 3);
    let after: Vec<EventId> = target.taken.lock().iter().map(|delivery| delivery.id.clone()).collect();
    assert_eq!(after, before);
    assert!(target.taken.lock().iter().all(|delivery| delivery.redriven));
    let counts = bus.dead_letter_counts()[&name(HOOK)];
    assert_eq!((counts.written, counts.held, counts.held_bytes, counts.redriven), (3, 0, 0, 3));
    assert_eq!(bus.audit().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_fails_again_ends_and_makes_new_letters() {
    let place = Place::new();
    let (bus, _) = refused(&place, 3).await;
    assert_eq!(bus.redrive_dead_letters(of(HOOK), None).await.unwrap(), 3);
    until_books(&bus, HOOK, "accepted 6 delivered 0 dead 6 waiting 0 dropped []").await;
    let counts = bus.dead_letter_counts()[&name(HOOK)];
    assert_eq!((counts.written, counts.held, counts.redriven), (6, 3, 3));
    assert!(bus.redrive_dead_letter("http/hook#5".parse().unwrap()).await.unwrap());
    assert!(!bus.redrive_dead_letter("http/hook#5".parse().unwrap()).await.unwrap(), "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_survive_a_crash_and_are_purged_once() {
    let place = Place::new();
    let (bus, _) = refused(&place, 5).await;
    crash(bus).await;
    let bus = place.open();
    assert_eq!(books(&bus, HOOK), "accepted 5 delivered 0 dead 5 waiting 0 dropped []");
    assert_eq!(listed(&bus, of(HOOK), 10).await, numbers(0..5));
    assert!(bus.purge_dead_letter("http/hook#1".parse().unwrap()).await.unwrap());
    assert_eq!(bus.purge_dead_letters(of(HOOK)).await.unwrap(), 4);
    let counts = bus.dead_letter_counts()[&name(HOOK)];
    assert_eq!((counts.held, counts.purged), (0, 5));
    assert_eq!(listed(&bus, DeadLetterFilter::default(), 10).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_the_oldest_go_and_are_counted() {
    let mut place = Place::new();
    place.settings.dead_letters.letters_max = 4;
    let (bus, _) = refused(&place, 10).await;
    assert_eq!(listed(&bus, of(HOOK), 10).await, numbers(6..10));
    let counts = bus.dead_letter_counts()[&name(HOOK)];
    assert_eq!((counts.written, counts.held, counts.evicted), (10, 4, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_a_lane_may_stop_instead() {
    let mut place = Place::new();
    place.settings.dead_letters.letters_max = 4;
    place.settings.dead_letters.overflow = DeadLetterOverflow::Block;
    let bus = place.open();
    let settings = DeliverySettings { concurrency_max: 1, ..quick() };
    bus.set_target(name(HOOK), Scripted::new(|_| Outcome::reject("HTTP_400", "no")), settings).await.unwrap();
    append(&bus, "a", HOOK, 0..10).await;
    until_books(&bus, HOOK, "accepted 10 delivered 0 dead 4 waiting 6 dropped []").await;
    assert_eq!(bus.audit().await, []);
    assert_eq!(bus.purge_dead_letters(of(HOOK)).await.unwrap(), 4);
    until_books(&bus, HOOK, "accepted 10 delivered 0 dead 8 waiting 2 dropped []").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_found_by_the_time_they_failed_their_topic_and_their_key() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|_| Outcome::reject("HTTP_400", "no"));
    bus.set_target(name(HOOK), target, quick()).await.unwrap();
    for (client, data) in [("kiln-1", 0..2), ("kiln-2", 2..4)] {
        append(&bus, client, HOOK, data.clone()).await;
        until("refused", || counts(&bus, "rule", HOOK).dead_lettered == u64::from(data.end)).await;
        place.pass(Duration::from_secs(60));
    }
    let minute = |minutes: u64| Some(1_700_000_000_000 + minutes * 60_000);
    let cases = [
        (DeadLetterFilter { from_ms: minute(1), ..of(HOOK) }, numbers(2..4)),
        (DeadLetterFilter { to_ms: minute(1), ..of(HOOK) }, numbers(0..2)),
        (DeadLetterFilter { from_ms: minute(2), ..of(HOOK) }, numbers(0..0)),
        (DeadLetterFilter { from_ms: minute(0), to_ms: minute(2), ..of(HOOK) }, numbers(0..4)),
        (DeadLetterFilter { topic: Some("plant/kiln-2".to_owned()), ..of(HOOK) }, numbers(2..4)),
        (DeadLetterFilter { topic: Some("kiln".to_owned()), ..of(HOOK) }, numbers(0..4)),
        (DeadLetterFilter { key: Some("-1".to_owned()), ..of(HOOK) }, numbers(0..2)),
        (DeadLetterFilter { key: Some("plant".to_owned()), ..of(HOOK) }, numbers(0..0)),
    ];
    for (filter, expected) in cases {
        for letters_max in [1, 10] {
            assert_eq!(listed(&bus, filter.clone(), letters_max).await, expected, "{filter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_ends_at_its_maximum_and_tells_how_far_it_is() {
    let place = Place::new();
    let (bus, target) = refused(&place, 250).await;
    target.answer(|_| Outcome::Delivered);
    let mut told = Vec::new();
    let redrive = Redrive { filter: of(HOOK), per_second_max: None, letters_max: Some(120) };
    assert_eq!(bus.redrive(redrive, |sent| told.push(sent)).await.unwrap(), 120);
    assert_eq!(told, [100, 120]);
    assert_eq!(listed(&bus, of(HOOK), 100).await, numbers(120..250));
    let slow = Redrive { filter: of(HOOK), per_second_max: NonZeroU32::new(20), letters_max: Some(3) };
    assert_eq!(bus.redrive(slow, |sent| told.push(sent)).await.unwrap(), 3);
    assert_eq!(told[2..], [2, 3], "two at a time are twenty in a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_redrive_at_once_send_nothing_twice() {
    let place = Place::new();
    let (bus, target) = refused(&place, 200).await;
    target.answer(|_| Outcome::Delivered);
    let redrive = || bus.redrive_dead_letters(of(HOOK), None);
    let (one, other) = tokio::join!(redrive(), redrive());
    assert_eq!(one.unwrap() + other.unwrap(), 200);
    until_books(&bus, HOOK, "accepted 400 delivered 200 dead 200 waiting 0 dropped []").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_sending_and_forgetting_leaves_both() {
    let place = Place::new();
    let (bus, target) = refused(&place, 1).await;
    target.answer(|_| Outcome::retry("HTTP_503", "not now"));
    let letter = bus.dead_letter("http/hook#1".parse().unwrap()).await.unwrap().unwrap();
    bus.send(&letter.to_record()).await.unwrap();
    crash(bus).await;
    let bus = place.open();
    assert_eq!(listed(&bus, of(HOOK), 10).await, ["0"], "the letter is kept");
    let target = Scripted::taking();
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    until("the event to come", || target.taken_count() == 1).await;
    bus.redrive_dead_letters(of(HOOK), None).await.unwrap();
    until("it to come again", || target.taken_count() == 2).await;
    let ids: Vec<EventId> = target.taken.lock().iter().map(|delivery| delivery.id.clone()).collect();
    assert_eq!(ids, [letter.delivery.id.clone(), letter.delivery.id], "by its id a consumer tells");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_may_have_bounds_of_its_own() {
    let mut place = Place::new();
    place.settings.dead_letters.letters_max = 1;
    let limits = DeadLetterLimits { letters_max: 3, ..DeadLetterLimits::default() };
    place.settings.dead_letters_of.insert(name(HOOK), limits);
    let (bus, _) = refused(&place, 5).await;
    assert_eq!(listed(&bus, of(HOOK), 10).await, numbers(2..5));
    assert_eq!(listed(&bus, of(OTHER), 10).await, numbers(1..2));
}
