use serde_json::Value;

use super::*;

const HOOK: &str = "http/hook";
const ERRORS: &str = "http/errors";

async fn only_letter(bus: &Bus) -> DeadLetter {
    let page = bus.dead_letters(DeadLetterFilter::default(), None, 10).await.unwrap();
    assert_eq!((page.letters.len(), page.next), (1, None));
    page.letters.into_iter().next().unwrap()
}

fn attribute(letter: &DeadLetter, wanted: &str) -> String {
    let found = letter.attributes().into_iter().find(|(name, _)| *name == wanted);
    found.map_or_else(|| "absent".to_owned(), |(_, value)| value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_becomes_a_letter_in_eventbridges_words() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|_| Outcome::reject("NO_PERMISSIONS", "the key is not accepted"));
    bus.set_target(name(HOOK), target, quick()).await.unwrap();
    let record = record("kiln", "rule", HOOK, "{}");
    bus.send(&record).await.unwrap();
    until_books(&bus, HOOK, "accepted 1 delivered 0 dead 1 waiting 0 dropped []").await;
    let letter = only_letter(&bus).await;
    let told: Vec<String> =
        letter.attributes().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let event_id = format!("EVENT_ID={}:rule", record.base);
    assert_eq!(
        told,
        [
            "RULE=rule",
            "TARGET=http/hook",
            &event_id,
            "ERROR_CODE=NO_PERMISSIONS",
            "ERROR_MESSAGE=the key is not accepted",
            "RETRY_ATTEMPTS=0",
            "FIRST_FAILURE=2023-11-14T22:13:20Z",
            "LAST_FAILURE=2023-11-14T22:13:20Z",
        ]
    );
    assert_eq!((letter.delivery.topic.as_str(), &letter.delivery.data[..]), ("plant/kiln", &b"{}"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_run_out() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|_| Outcome::retry("HTTP_503", "unavailable"));
    let mut settings = quick();
    settings.retry.attempts_max = 2;
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    append(&bus, "a", HOOK, 0..1).await;
    until_books(&bus, HOOK, "accepted 1 delivered 0 dead 1 waiting 0 dropped []").await;
    assert_eq!(target.seen().iter().map(|(_, _, attempt)| *attempt).collect::<Vec<_>>(), [1, 2, 3]);
    let letter = only_letter(&bus).await;
    assert_eq!(attribute(&letter, "EXHAUSTED_RETRY_CONDITION"), "MaximumRetryAttempts");
    assert_eq!(attribute(&letter, "RETRY_ATTEMPTS"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_grow_too_old_but_not_without_a_try() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::gated(0, |delivery| match delivery.partition_key.as_str() {
        "a" => Outcome::retry("HTTP_503", "unavailable"),
        _ => Outcome::Delivered,
    });
    bus.set_target(name(HOOK), Arc::clone(&target) as _, quick()).await.unwrap();
    append(&bus, "a", HOOK, 0..1).await;
    append(&bus, "b", HOOK, 0..3).await;
    until("both are tried", || target.calls() == 2).await;
    place.pass(Duration::from_secs(25 * 60 * 60));
    target.gate.add_permits(100);
    until_books(&bus, HOOK, "accepted 4 delivered 3 dead 1 waiting 0 dropped []").await;
    let letter = only_letter(&bus).await;
    assert_eq!(attribute(&letter, "EXHAUSTED_RETRY_CONDITION"), "MaximumEventAgeInSeconds");
    assert_eq!(attribute(&letter, "LAST_FAILURE"), "2023-11-15T23:13:20Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_dead_target_events_grow_old_without_a_try() {
    let place = Place::new();
    let bus = place.open();
    let target = Scripted::new(|_| Outcome::retry("REFUSED", "connection refused"));
    let mut settings = DeliverySettings { circuit_failures_max: 1, concurrency_max: 1, ..quick() };
    settings.retry.backoff_first = Duration::from_secs(3600);
    settings.retry.backoff_max = Duration::from_secs(3600);
    bus.set_target(name(HOOK), Arc::clone(&target) as _, settings).await.unwrap();
    append(&bus, "a", HOOK, 0..5).await;
    until("the circuit opens", || bus.stats().lanes[0].circuit == "open").await;
    place.pass(Duration::from_secs(25 * 60 * 60));
    // Something has to happen for the lane to look at the clock before a minute is over.
    append(&bus, "b", HOOK, 0..1).await;
    until_books(&bus, HOOK, "accepted 6 delivered 0 dead 5 waiting 1 dropped []").await;
    let page = bus.dead_letters(DeadLetterFilter::default(), None, 10).await.unwrap();
    let tries: Vec<u32> = page.letters.iter().map(|letter| letter.failure.attempts).collect();
    assert_eq!(tries, [1, 0, 0, 0, 0]);
    assert!(page.letters.iter().all(|letter| letter.failure.error_code == "REFUSED"));
}

/// Bad sectors under a thousand events that are too old: the lane goes on obeying, and buries them when the disk gives them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_and_can_not_be_read_keeps_the_lane_from_nothing_else() {
    let (place, storage) = (Place::new(), FaultyStorage::new());
    let bus = place.open_in(&storage);
    let mut settings = DeliverySettings { circuit_failures_max: 1, window_bytes_max: 0, ..quick() };
    settings.retry.backoff_first = Duration::from_secs(3600);
    settings.retry.backoff_max = Duration::from_secs(3600);
    let refusing = || Scripted::new(|_| Outcome::retry("REFUSED", "connection refused"));
    bus.set_target(name(HOOK), refusing(), settings.clone()).await.unwrap();
    append(&bus, "a", HOOK, 0..1500).await;
    until("the circuit opens", || bus.stats().lanes[0].circuit == "open").await;
    storage.set_failing_reads(true);
    place.pass(Duration::from_secs(25 * 60 * 60));
    append(&bus, "b", HOOK, 0..1).await;
    // The first of these may come before the lane has looked at the clock, the second does not.
    for _ in 0..2 {
        let obeyed = bus.set_target(name(HOOK), refusing(), settings.clone());
        assert!(tokio::time::timeout(PATIENCE, obeyed).await.is_ok(), "the lane does not obey");
    }
    storage.set_failing_reads(false);
    until("all but the last were given up", || counts(&bus, "rule", HOOK).dead_lettered >= 1500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_target_is_told_in_awss_words() {
    let place = Place::new();
    let bus = place.open();
    let errors = Scripted::taking();
    bus.set_target(name(HOOK), Scripted::new(|_| Outcome::reject("HTTP_400", "no")), quick()).await.unwrap();
    bus.set_target(name(ERRORS), Arc::clone(&errors) as _, quick()).await.unwrap();
    let mut record = record("kiln", "rule", HOOK, r#"{"t":81}"#);
    record.events[0].error_route = Some(Route::to(name(ERRORS)));
    bus.send(&record).await.unwrap();
    until_books(&bus, ERRORS, "accepted 1 delivered 1 dead 0 waiting 0 dropped []").await;
    let told = errors.taken.lock()[0].clone();
    assert_eq!(told.id.as_str(), format!("{}:rule:error:http/hook", record.base));
    let document: Value = serde_json::from_slice(&told.data).unwrap();
    let expected = serde_json::json!({
        "ruleName": "rule", "topic": "plant/kiln", "clientId": "kiln",
        "cloudwatchTraceId": record.base, "base64OriginalPayload": "eyJ0Ijo4MX0=",
        "failures": [{
            "failedAction": "HttpAction", "failedResource": "hook", "errorMessage": "no",
            "errorCode": "HTTP_400", "retryAttempts": 0,
        }],
    });
    assert_eq!(document, expected);
    until_books(&bus, HOOK, "accepted 1 delivered 0 dead 1 waiting 0 dropped []").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_target_that_is_unknown_costs_the_document_alone() {
    let place = Place::new();
    let bus = place.open();
    bus.set_target(name(HOOK), Scripted::new(|_| Outcome::reject("HTTP_400", "no")), quick()).await.unwrap();
    let mut record = record("kiln", "rule", HOOK, "{}");
    record.events[0].error_route = Some(Route::to(name(ERRORS)));
    bus.send(&record).await.unwrap();
    until_books(&bus, HOOK, "accepted 1 delivered 0 dead 1 waiting 0 dropped []").await;
    assert_eq!(bus.stats().error_documents_skipped, 1);
}
